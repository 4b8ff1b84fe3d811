// SPDX-License-Identifier: Apache-2.0
#include "posttrain/optim/host_staging.hpp"

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "posttrain/optim/adamw_8bit.hpp"
#include "posttrain/tensor/kernels.hpp"
#include "posttrain/tensor/transfer.hpp"
#include "support/catch.hpp"
#include "support/device.hpp"
#include "support/kernels.hpp"
#include "support/stand_in_cuda.hpp"

using namespace posttrain;
using kernel_test::normal;
using test::test_device;

namespace {

ParameterGroup group_of(std::int64_t size, std::uint64_t seed, at::ScalarType compute,
                        const at::Device& device) {
  ParameterGroup group;
  group.master = normal({size}, seed, at::kFloat).to(device);
  group.value = compute == at::kFloat ? group.master : group.master.to(compute);
  group.grad = normal({size}, seed + 100, at::kFloat).to(device);
  group.decay = seed % 2 == 1;
  return group;
}

std::vector<ParameterGroup> groups_of(const std::vector<std::int64_t>& sizes,
                                      at::ScalarType compute = at::kFloat,
                                      const at::Device& device = test_device()) {
  std::vector<ParameterGroup> groups;
  for (const std::int64_t size : sizes) {
    groups.push_back(group_of(size, groups.size() + 1, compute, device));
  }
  return groups;
}

}  // namespace

TEST_CASE("a group on the host is updated in place, in one call", "[optim]") {
  std::vector<ParameterGroup> groups{group_of(0, 1, at::kFloat, at::kCPU),
                                     group_of(1000, 2, at::kFloat, at::kCPU)};
  int calls = 0;
  update_on_host(
      groups,
      [&](std::size_t i, const Tensor& master, const Tensor& grad, std::int64_t begin) {
        ++calls;
        CHECK(i == 1);
        CHECK(begin == 0);
        CHECK(master.is_same(groups[1].master));
        CHECK(grad.is_same(groups[1].grad));
      },
      16);
  CHECK(calls == 1);
}

TEST_CASE("pieces come over one ahead of the update, and go back", "[optim][device]") {
  if (test_device().is_cpu()) POSTTRAIN_SKIP("on the CPU nothing is copied");
  std::vector<ParameterGroup> groups = groups_of({1000, 0, 384, 50});
  Tensors expected, gradients;
  for (const ParameterGroup& group : groups) {
    const Tensor place = at::arange(group.master.numel(), at::kFloat);
    expected.push_back(group.master.to(at::kCPU) - group.grad.to(at::kCPU) * place);
    gradients.push_back(group.grad);
  }
  const TransferCounts before = transfer_counts();
  stand_in::Counts* counts = stand_in::counts_if_loaded();
  if (counts) counts->reset();
  const std::size_t pinned = counts ? counts->pinned.load() : 0;
  using Piece = std::pair<std::size_t, std::int64_t>;
  const std::vector<Piece> pieces{{0, 0}, {0, 384}, {0, 768}, {2, 0}, {3, 0}};
  std::vector<Piece> seen;
  update_on_host(
      groups,
      [&](std::size_t i, const Tensor& master, const Tensor& grad, std::int64_t begin) {
        seen.emplace_back(i, begin);
        CHECK(master.is_cpu());
        CHECK(master.numel() == std::min<std::int64_t>(384, groups[i].master.numel() - begin));
        const Tensor place = at::arange(begin, begin + master.numel(), at::kFloat);
        Tensor changed = master;
        changed.sub_(grad * place);
        if (seen.size() < pieces.size()) {
          // The next piece's gradient is there already: a change on the device is too late for it.
          const auto [next, from] = pieces[seen.size()];
          const std::int64_t n = groups[next].grad.numel();
          groups[next].grad.narrow(0, from, std::min<std::int64_t>(384, n - from)).fill_(1e30);
        }
      },
      384);
  CHECK(seen == pieces);
  for (std::size_t i = 0; i < groups.size(); ++i) {
    CHECK(at::equal(groups[i].master.to(at::kCPU), expected[i]));
  }
  // One wait and one copy back for each piece; two pieces of master and gradient in host memory.
  CHECK(transfer_counts().reads - before.reads == 5);
  CHECK(transfer_counts().uploads - before.uploads == 5);
  if (counts) {
    CHECK(counts->peak_pinned - pinned == 2 * 2 * 384 * 4);
    CHECK(counts->blocking_uploads == 0);
  }
}

TEST_CASE("an offloaded update has the bits of one without copies", "[optim][device]") {
  // `place`: of the parameters of the optimizer that does not offload.
  const auto same = [](const auto& plain, const auto& offloading, const at::Device& place,
                       at::ScalarType compute, const std::vector<std::int64_t>& sizes) {
    INFO("compared with " << place);
    std::vector<ParameterGroup> a = groups_of(sizes, compute, place), b = groups_of(sizes, compute);
    auto one = plain.attach(a);
    auto other = offloading.attach(b);
    std::int64_t pieces = 0, largest = 0;
    for (const std::int64_t size : sizes) {
      pieces += size > 0 ? 1 : 0;
      largest = std::max(largest, size);
    }
    for (int step = 0; step < 4; ++step) {
      for (std::size_t i = 0; i < sizes.size(); ++i) {
        const auto seed = static_cast<std::uint64_t>(10 * step) + i;
        a[i].grad.copy_(normal({sizes[i]}, seed, at::kFloat) * 0.01);
        b[i].grad.copy_(a[i].grad);
      }
      one.step(a, 1e-2, 0.5);
      const TransferCounts before = transfer_counts();
      stand_in::Counts* counts = stand_in::counts_if_loaded();
      if (counts) counts->reset();
      const std::size_t pinned = counts ? counts->pinned.load() : 0;
      other.step(b, 1e-2, 0.5);
      const std::int64_t expected = test_device().is_cpu() ? 0 : pieces;
      CHECK(transfer_counts().reads - before.reads == expected);
      CHECK(transfer_counts().uploads - before.uploads == expected);
      if (counts) {
        const std::int64_t at_once = std::min<std::int64_t>(pieces, 2);
        CHECK(counts->peak_pinned - pinned == static_cast<std::size_t>(at_once * 2 * largest * 4));
        CHECK(counts->reads == expected);
      }
      for (std::size_t i = 0; i < sizes.size(); ++i) {
        INFO("group " << i << " of " << sizes[i]);
        if (compute != at::kFloat) {
          a[i].value.copy_(a[i].master);
          b[i].value.copy_(b[i].master);
        }
        CHECK(at::equal(a[i].master.to(at::kCPU), b[i].master.to(at::kCPU)));
        CHECK(at::equal(a[i].value.to(at::kCPU), b[i].value.to(at::kCPU)));
      }
    }
    const std::vector<NamedTensor> moments = one.tensors(), offloaded = other.tensors();
    REQUIRE(moments.size() == offloaded.size());
    for (std::size_t i = 0; i < moments.size(); ++i) {
      CHECK(offloaded[i].value.is_cpu());
      CHECK(at::equal(moments[i].value.to(at::kCPU), offloaded[i].value));
    }
  };
  // The stand-in has LibTorch's kernels of the CPU; 8-bit AdamW has one of its own.
  const bool on_stand_in = stand_in::counts_if_loaded() != nullptr;
  for (const at::ScalarType compute : {at::kFloat, at::kBFloat16}) {
    for (const std::vector<std::int64_t>& sizes :
         {std::vector<std::int64_t>{6000, 0, 9001, 40}, {5000}, {0}}) {
      const AdamW plain{.weight_decay = 0.1}, offloading{.weight_decay = 0.1, .offload = true};
      same(plain, offloading, at::kCPU, compute, sizes);
      if (on_stand_in) same(plain, offloading, test_device(), compute, sizes);
      const AdamW8bit plain8{.weight_decay = 0.1},
          offloading8{.weight_decay = 0.1, .offload = true};
      same(plain8, offloading8, at::kCPU, compute, sizes);
      if (on_stand_in && generic_kernels()) {
        same(plain8, offloading8, test_device(), compute, sizes);
      }
    }
  }
}
