// SPDX-License-Identifier: Apache-2.0
#include "posttrain/optim/host_staging.hpp"

#include <cstdint>

#include "support/catch.hpp"
#include "support/kernels.hpp"

using namespace posttrain;
using kernel_test::normal;

namespace {

ParameterGroup some_group(std::int64_t size) {
  ParameterGroup group;
  group.master = normal({size}, 1, at::kFloat);
  group.grad = normal({size}, 2, at::kFloat);
  return group;
}

}  // namespace

TEST_CASE("a group on the host is updated in place, in one call", "[optim]") {
  ParameterGroup group = some_group(1000);
  HostStaging staging;
  int calls = 0;
  staging.run(group, [&](const Tensor& master, const Tensor& grad, std::int64_t begin) {
    ++calls;
    CHECK(begin == 0);
    CHECK(master.is_same(group.master));
    CHECK(grad.is_same(group.grad));
  });
  CHECK(calls == 1);
}

TEST_CASE("an update by pieces through host buffers is the update in one", "[optim]") {
  // As `offload` does it with a group of another device.
  ParameterGroup group = some_group(1000);
  const Tensor expected = group.master - group.grad * at::arange(1000, at::kFloat);
  const Tensor gradient = group.grad.clone();
  HostStaging staging;
  for (const std::int64_t piece : {384, 1000, 5000}) {
    ParameterGroup pieces = group;
    pieces.master = group.master.clone();
    std::int64_t next = 0;
    staging.run_in_pieces(
        pieces, piece, [&](const Tensor& master, const Tensor& grad, std::int64_t begin) {
          CHECK(begin == next);
          CHECK(master.numel() == std::min(piece, 1000 - begin));
          CHECK_FALSE(master.is_alias_of(pieces.master));
          const Tensor factor = at::arange(begin, begin + master.numel(), at::kFloat);
          Tensor changed = master;
          changed.sub_(grad * factor);
          next = begin + master.numel();
        });
    CHECK(next == 1000);
    CHECK(at::equal(pieces.master, expected));
    CHECK(at::equal(pieces.grad, gradient));
  }
}

TEST_CASE("an empty group is not updated by pieces at all", "[optim]") {
  ParameterGroup group = some_group(0);
  HostStaging().run_in_pieces(group, 16, [](const Tensor&, const Tensor&, std::int64_t) {
    FAIL("there is nothing to update");
  });
  SUCCEED();
}
