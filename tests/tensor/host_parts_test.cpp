// SPDX-License-Identifier: Apache-2.0
#include "posttrain/tensor/host_parts.hpp"

#include <algorithm>
#include <string>
#include <vector>

#include "posttrain/tensor/ops.hpp"
#include "posttrain/tensor/transfer.hpp"
#include "support/catch.hpp"
#include "support/device.hpp"
#include "support/stand_in_cuda.hpp"

using namespace posttrain;
using test::test_device;

namespace {

std::string text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::string bytes_of(const Tensor& tensor) {
  const Tensor plain = tensor.to(at::kCPU).contiguous();
  return text_of({static_cast<const std::byte*>(plain.const_data_ptr()), plain.nbytes()});
}

}  // namespace

TEST_CASE("bytes of tensors come in order, each copied once", "[tensor][device]") {
  const at::Device device = test_device();
  const Tensors tensors{at::arange(100, at::kFloat).to(device),
                        at::arange(7, at::kLong),  // on the host
                        at::empty({0, 3}, at::TensorOptions(device)),
                        at::full({}, 2.5, at::kDouble).to(device),
                        at::arange(30, at::kFloat).to(at::kBFloat16).to(device).view({5, 6}).t(),
                        at::tensor({1, 0, 1}, at::kByte).to(at::kBool).to(device)};
  std::vector<std::string> came(tensors.size());
  std::vector<std::string> order;
  const TransferCounts before = transfer_counts();
  stand_in::Counts* counts = stand_in::counts_if_loaded();
  if (counts) counts->reset();
  const std::size_t pinned = counts ? counts->pinned.load() : 0;
  for_each_part(
      tensors.size(),
      [&](std::size_t i) {
        order.push_back("source " + std::to_string(i));
        return tensors[i];
      },
      400,
      [&](std::size_t i, std::int64_t begin, std::span<const std::byte> bytes) {
        order.push_back("use " + std::to_string(i) + " from " + std::to_string(begin));
        CHECK(begin == static_cast<std::int64_t>(came[i].size()));
        if (i == 1) CHECK(static_cast<const void*>(bytes.data()) == tensors[1].const_data_ptr());
        came[i] += text_of(bytes);
      },
      160);
  const bool on_cpu = device.is_cpu();
  CHECK(transfer_counts().reads - before.reads == (on_cpu ? 0 : 6));
  CHECK(transfer_counts().uploads == before.uploads);
  if (counts) {
    CHECK(counts->reads == 6);
    CHECK(counts->peak_pinned - pinned == 2 * 160);
  }
  for (std::size_t i = 0; i < tensors.size(); ++i) CHECK(came[i] == bytes_of(tensors[i]));
  // The next tensor is asked for before the last part of one on a device is used.
  const auto place = [&](const std::string& what) {
    return std::find(order.begin(), order.end(), what) - order.begin();
  };
  CHECK(place("source 4") + (on_cpu ? -1 : 1) == place("use 3 from 0"));
  CHECK(place("use 5 from 0") == static_cast<std::ptrdiff_t>(order.size()) - 1);
}

TEST_CASE("a large part is no larger than the largest tensor", "[tensor][device]") {
  stand_in::Counts* counts = stand_in::counts_if_loaded();
  if (!counts) POSTTRAIN_SKIP("page-locked memory is counted by the stand-in device");
  const Tensor values = at::arange(100, at::kFloat).to(at::Device(test_device()));
  counts->reset();
  const std::size_t pinned = counts->pinned;
  const auto nothing = [](std::size_t, std::int64_t, std::span<const std::byte>) {};
  for_each_part(
      1, [&](std::size_t) { return values; }, 400, nothing);
  CHECK(counts->peak_pinned - pinned == 400);
  CHECK(counts->reads == 1);
  for_each_part(
      0, [&](std::size_t) { return values; }, 0, nothing);
  CHECK(counts->reads == 1);
}
