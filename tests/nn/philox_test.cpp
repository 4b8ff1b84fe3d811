// SPDX-License-Identifier: Apache-2.0
#include "posttrain/nn/philox.hpp"

#include <bit>
#include <vector>

#include "posttrain/base/rng.hpp"
#include "posttrain/tensor/ops.hpp"
#include "support/catch.hpp"
#include "support/device.hpp"

using namespace posttrain;

namespace {

Tensor as_tensor(const std::vector<std::uint64_t>& numbers) {
  std::vector<std::int64_t> bits;
  for (const std::uint64_t number : numbers) bits.push_back(std::bit_cast<std::int64_t>(number));
  return at::tensor(bits, at::kLong).to(test::test_device());
}

const std::vector<std::uint64_t> kStreams{0,
                                          1,
                                          0xffffffff,
                                          0x8000000000000000,
                                          ~std::uint64_t{0},
                                          0x0123456789abcdef,
                                          stream_of("a name")};

}  // namespace

TEST_CASE("streams on a device have the words of the host's generator", "[nn][device]") {
  for (const std::uint64_t seed : {std::uint64_t{0}, std::uint64_t{0xfedcba9876543210}}) {
    for (const std::int64_t count : {1, 4, 11}) {
      const Tensor words = philox_words(seed, as_tensor(kStreams), count).to(at::kCPU).contiguous();
      REQUIRE(words.sizes() ==
              at::IntArrayRef({static_cast<std::int64_t>(kStreams.size()), count}));
      for (std::size_t i = 0; i < kStreams.size(); ++i) {
        Philox4x32 generator(seed, kStreams[i]);
        for (std::int64_t k = 0; k < count; ++k) {
          CHECK(words[static_cast<std::int64_t>(i)][k].item<std::int64_t>() ==
                static_cast<std::int64_t>(generator.next_u32()));
        }
      }
    }
  }
}

TEST_CASE("streams are mixed on a device as on the host", "[nn][device]") {
  const Tensor mixed = mix_streams(std::uint64_t{0xfedcba9876543210}, as_tensor(kStreams));
  const Tensor both = mix_streams(as_tensor(kStreams), as_tensor(kStreams).flip(0));
  for (std::size_t i = 0; i < kStreams.size(); ++i) {
    const auto at_i = [&](const Tensor& all) {
      return std::bit_cast<std::uint64_t>(all[static_cast<std::int64_t>(i)].item<std::int64_t>());
    };
    CHECK(at_i(mixed) == mix_streams(0xfedcba9876543210, kStreams[i]));
    CHECK(at_i(both) == mix_streams(kStreams[i], kStreams[kStreams.size() - 1 - i]));
  }
}
