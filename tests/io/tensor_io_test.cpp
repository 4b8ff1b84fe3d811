// SPDX-License-Identifier: Apache-2.0
#include "posttrain/io/tensor_io.hpp"

#include "support/catch.hpp"
#include "support/folders.hpp"
#include "support/temp_folder.hpp"

using namespace posttrain::test;
using posttrain::Tensor;
using posttrain::io::as_declared;
using posttrain::io::Dtype;
using posttrain::io::dtype_of;
using posttrain::io::scalar_type;
using posttrain::io::tensor_info;

TEST_CASE("every element type goes through a file unchanged") {
  const TempFolder scratch;
  const NamedTensors tensors{{"bool", at::arange(2, at::kLong).to(at::kBool)},
                             {"scalar", at::full({}, 2.5, at::kDouble)},
                             {"empty", at::empty({0, 3}, at::kHalf)},
                             {"long", at::arange(5, at::kLong)},
                             {"int", at::arange(5, at::kInt)},
                             {"short", at::arange(5, at::kShort)},
                             {"char", at::arange(5, at::kChar)},
                             {"byte", at::arange(5, at::kByte)},
                             {"half", at::arange(5, at::kFloat).to(at::kHalf)},
                             {"bf16", at::arange(5, at::kFloat).to(at::kBFloat16)},
                             {"e4m3", at::arange(5, at::kFloat).to(at::kFloat8_e4m3fn)},
                             {"e5m2", at::arange(5, at::kFloat).to(at::kFloat8_e5m2)}};
  posttrain::io::save_tensors(scratch / "x.safetensors", tensors);
  const auto loaded = posttrain::io::load_tensors(scratch / "x.safetensors");
  REQUIRE(loaded.size() == tensors.size());
  for (const auto& [name, tensor] : tensors) {
    INFO(name);
    CHECK(same_bits(loaded.at(name), tensor));
  }
}

TEST_CASE("a type of one side that the other lacks is refused") {
  CHECK_FALSE(scalar_type(Dtype::kF4).has_value());
  CHECK_FALSE(scalar_type(Dtype::kF6E2M3).has_value());
  CHECK(dtype_of(at::kComplexFloat) == Dtype::kC64);
  CHECK(error_of([] { dtype_of(at::kComplexDouble); }) ==
        "safetensors has no element type for ComplexDouble");
}

TEST_CASE("a tensor is converted to the declared type, but not to another shape") {
  const Tensor x = at::arange(6, at::kFloat).reshape({2, 3});
  auto info = tensor_info("x", x);
  CHECK(info.dtype == Dtype::kF32);
  info.dtype = Dtype::kBF16;
  CHECK(same_bits(as_declared(info, x.t().contiguous().t()), x.to(at::kBFloat16)));
  CHECK(error_of([&] { as_declared(info, x.t()); }) ==
        "tensor 'x': expected shape [2, 3] to write, got [3, 2]");
  CHECK(error_of([&] { as_declared(info, Tensor()); }) ==
        "tensor 'x': expected shape [2, 3] to write, got an undefined tensor");
  const TempFolder scratch;
  CHECK(contains(error_of([&] {
                   posttrain::io::save_tensors(scratch / "x", {{"a", x}, {"a", x}});
                 }),
                 "'a' is declared twice"));
}
