// SPDX-License-Identifier: Apache-2.0
#include "posttrain/params/weights/peft_folder.hpp"

#include "posttrain/tensor/ops.hpp"
#include "support/catch.hpp"

using namespace posttrain;

TEST_CASE("every tensor of an adapter's folder finds its place [C23]", "[params][C23]") {
  const Tensor a = at::zeros({2, 3}), b = at::zeros({4}, at::kDouble);
  const std::vector<NamedTensor> targets{{"a", a}, {"b", b}};
  const Tensor ones = at::ones({2, 3}), twos = at::ones({4}) * 2;
  posttrain::detail::copy_tensors("folder", {{"a", ones}, {"b", twos}}, targets);
  CHECK(at::equal(a, ones));
  CHECK(at::equal(b, twos.to(at::kDouble)));
  CHECK_THROWS_WITH(posttrain::detail::copy_tensors("folder", {{"a", ones}}, targets),
                    "folder: missing key 'b'");
  CHECK_THROWS_WITH(
      posttrain::detail::copy_tensors("folder", {{"a", ones.t()}, {"b", twos}}, targets),
      "folder: key 'a': expected shape [2, 3], found [3, 2]; hint: does the adapter "
      "belong to this model?");
  CHECK_THROWS_WITH(
      posttrain::detail::copy_tensors("folder", {{"a", ones}, {"b", twos}, {"c", ones}}, targets),
      "folder: unexpected key 'c'; hint: this model has no place for it");
}
