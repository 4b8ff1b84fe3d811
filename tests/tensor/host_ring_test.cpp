// SPDX-License-Identifier: Apache-2.0
#include "posttrain/tensor/host_ring.hpp"

#include <c10/core/impl/VirtualGuardImpl.h>

#include <vector>

#include "posttrain/tensor/ops.hpp"
#include "posttrain/tensor/transfer.hpp"
#include "support/catch.hpp"
#include "support/device.hpp"
#include "support/stand_in_cuda.hpp"

using namespace posttrain;
using test::test_device;

TEST_CASE("while the host works on a set, the next one is there, and what it changed goes back",
          "[tensor][device]") {
  if (test_device().is_cpu()) POSTTRAIN_SKIP("the CPU has nothing to pass through a ring");
  const at::TensorOptions there = at::TensorOptions(at::Device(test_device()));
  const Tensor numbers = at::arange(50, there.dtype(at::kFloat)).view({5, 10}),
               ids = at::arange(5, there.dtype(at::kLong));
  const c10::impl::VirtualGuardImpl streams(c10::kCUDA);
  const c10::Stream stream = streams.getStream(test_device());
  const TransferCounts before = transfer_counts();
  stand_in::Counts* counts = stand_in::counts_if_loaded();
  if (counts) counts->reset();
  const std::size_t pinned = counts ? counts->pinned.load() : 0;
  std::vector<std::int64_t> used;
  {
    HostRing ring(test_device(), 40);
    for (std::int64_t i = 0; i < 5; ++i) {
      const Tensor row = numbers.select(0, i);
      ring.pass({row, ids.select(0, i)}, [&, i, row](const Tensors& on_host) {
        CHECK(on_host[0].is_cpu());
        CHECK(on_host[0].sizes() == at::IntArrayRef({10}));
        CHECK(on_host[1].dim() == 0);
        CHECK(on_host[1].item<std::int64_t>() == i);
        CHECK(on_host[0].select(0, 3).item<float>() == static_cast<float>(10 * i + 3));
        // The next row has been copied: a change is too late for it.
        if (i < 4) numbers.select(0, i + 1).fill_(-1.0F);
        on_host[0].neg_();
        ring.send_back(row, on_host[0]);
        used.push_back(i);
      });
      CHECK(static_cast<std::int64_t>(used.size()) == i);
    }
    ring.finish();
    ring.finish();  // there is nothing more
  }
  CHECK(used == std::vector<std::int64_t>{0, 1, 2, 3, 4});
  CHECK(at::equal(numbers.to(at::kCPU), -at::arange(50, at::kFloat).view({5, 10})));
  CHECK(transfer_counts().reads - before.reads == 5);
  CHECK(transfer_counts().uploads - before.uploads == 5);
  CHECK(streams.getStream(test_device()) == stream);
  if (counts) {
    CHECK(counts->peak_pinned - pinned == 4 * 40);
    CHECK(counts->pinned == pinned);
    CHECK(counts->blocking_uploads == 0);
  }
}

TEST_CASE("a ring refuses tensors that are too large or elsewhere", "[tensor][device]") {
  if (test_device().is_cpu()) POSTTRAIN_SKIP("the CPU has nothing to pass through a ring");
  HostRing ring(test_device(), 16);
  const auto nothing = [](const Tensors&) {};
  CHECK_THROWS_WITH(
      ring.pass({at::zeros({5}, at::TensorOptions(at::Device(test_device())))}, nothing),
      "expected a tensor of at most 16 bytes on cuda:0 to pass through the host, got 20 on cuda:0");
  CHECK_THROWS_WITH(
      ring.pass({at::zeros({4})}, nothing),
      "expected a tensor of at most 16 bytes on cuda:0 to pass through the host, got 16 on cpu");
}
