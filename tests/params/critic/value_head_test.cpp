// SPDX-License-Identifier: Apache-2.0
#include "posttrain/params/critic/value_head.hpp"

#include "posttrain/io/tensor_io.hpp"
#include "posttrain/tensor/ops.hpp"
#include "support/catch.hpp"
#include "support/device.hpp"
#include "support/temp_folder.hpp"

using namespace posttrain;
using namespace posttrain::test;

namespace {

ValueHead head_of(std::int64_t width) { return {width, at::kFloat, test_device(), 2.0}; }

Tensor some_rows(at::ScalarType dtype) {
  return (at::arange(12, at::kDouble).view({4, 3}).sin()).to(test_device()).to(dtype);
}

}  // namespace

TEST_CASE("A critic's head begins at zero and computes in its own dtype", "[params][critic]") {
  const ValueHead head = head_of(3);
  CHECK(head.group().lr_scale == 2.0);
  CHECK_FALSE(head.group().decay);
  const Tensor anchor = at::ones({}, at::kFloat).to(test_device()).requires_grad_();
  CHECK(head.values(some_rows(at::kFloat), anchor).count_nonzero().item<std::int64_t>() == 0);
  const auto tensors = head.tensors();
  tensors[0].value.copy_(at::tensor({1.0, 2.0, -1.0}).view({1, 3}));
  tensors[1].value.fill_(0.5);
  for (const auto dtype : {at::kFloat, at::kBFloat16}) {
    Tensor rows = some_rows(dtype).requires_grad_();
    const Tensor values = head.values(rows, anchor);
    CHECK(values.scalar_type() == at::kFloat);
    const Tensor exact = rows.detach().to(at::kFloat);
    CHECK(values.allclose(exact.matmul(tensors[0].value.view({3})) + 0.5));
    head.group().grad.zero_();
    (values * values.detach()).sum().backward();
    const auto gradients = head.gradients();
    CHECK(gradients[0].value.view({3}).allclose(exact.t().matmul(values.detach())));
    CHECK(gradients[1].value.allclose(values.detach().sum()));
    CHECK(rows.grad().allclose(values.detach().unsqueeze(1).matmul(tensors[0].value).to(dtype)));
  }
}

TEST_CASE("A critic's head is kept in a file under TRL's names", "[params][critic]") {
  const TempFolder folder;
  const std::string file = (folder / "critic.safetensors").string();
  const ValueHead written = head_of(3);
  written.group().master.copy_(at::arange(written.group().master.numel(), at::kFloat));
  written.save(file);
  ValueHead read = head_of(3);
  read.load(file);
  for (std::size_t i = 0; i < 2; ++i) {
    CHECK(read.tensors()[i].name == written.tensors()[i].name);
    CHECK(at::equal(read.tensors()[i].value, written.tensors()[i].value));
  }
  ValueHead wide = head_of(4);
  CHECK_THROWS_WITH(wide.load(file),
                    Catch::Contains("'v_head.summary.weight': expected shape [1, 4], got [1, 3]"));
  const std::string other = (folder / "other.safetensors").string();
  io::save_tensors(other, {{"score.weight", at::zeros({1, 3})}, {"score.bias", at::zeros({1})}});
  CHECK_THROWS_WITH(read.load(other), Catch::Contains("with 'v_head.summary.weight', found none"));
  io::save_tensors(other, {{"v_head.summary.weight", at::zeros({1, 3})}});
  CHECK_THROWS_WITH(read.load(other), Catch::Contains("2 tensors, got 1"));
}
