// SPDX-License-Identifier: Apache-2.0
#include "posttrain/nn/attention_parts.hpp"

#include <map>
#include <vector>

#include "posttrain/tensor/ops.hpp"
#include "posttrain/tensor/transfer.hpp"
#include "support/catch.hpp"
#include "support/device.hpp"

using namespace posttrain;

TEST_CASE("the device form of parts is made once and shared by copies", "[nn][device]") {
  const AttentionParts parts = attention_parts({{0, 4, 9, 0}, {4, 9, 9, 4}, {9, 12, 12, 0}});
  const AttentionParts copy = parts;
  CHECK(parts.list().size() == 4);
  const DeviceFlashPlan& made = parts.on_device(0, 12, 12, test::test_device());
  REQUIRE(made.begins.size() == 2);  // the causal parts, and the one full part
  const auto& [q, k] = made.begins[1];
  CHECK(q.device() == at::Device(test::test_device()));
  CHECK(at::equal(q.to(at::kCPU), at::tensor({0, 4, 9, 12, 12}, at::kInt)));
  CHECK(at::equal(k.to(at::kCPU), at::tensor({0, 0, 4, 4, 12}, at::kInt)));
  CHECK(&copy.on_device(0, 12, 12, test::test_device()) == &made);
  CHECK(
      copy.on_device(0, 12, 12, test::test_device()).begins[0].first.is_same(made.begins[0].first));
  // Other rows, another form.
  CHECK(parts.on_device(0, 12, 15, test::test_device()).plan.calls[0].k_begins.back() == 15);
}

TEST_CASE("the forms of several windows go up in one copy", "[nn][device]") {
  const std::vector<Segment> nodes{{0, 4, 9, 0}, {4, 9, 9, 4}};
  std::map<std::int64_t, AttentionParts> by_window;
  for (const std::int64_t window : {0, 3})
    by_window.emplace(window, attention_parts(nodes, window));
  const TransferCounts before = transfer_counts();
  make_flash_plans(by_window, 9, 9, test::test_device());
  const std::int64_t copies = test::test_device().is_cpu() ? 0 : 1;
  CHECK(transfer_counts().uploads - before.uploads == copies);
  by_window.at(3).on_device(3, 9, 9, test::test_device());
  CHECK(transfer_counts().uploads - before.uploads == copies);
}
