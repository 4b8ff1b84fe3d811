// SPDX-License-Identifier: Apache-2.0
// Bit by bit against gguf-py: tests/parity/gguf_parity.py.
#include "posttrain/storage/gguf_codec.hpp"

#include <cmath>
#include <cstring>
#include <vector>

#include "posttrain/base/rng.hpp"
#include "support/catch.hpp"
#include "support/temp_folder.hpp"

using namespace posttrain;
using io::GgufType;

namespace {

std::vector<float> normal(std::size_t count, std::uint64_t seed) {
  Philox4x32 generator(seed);
  std::vector<float> values(count);
  for (float& value : values) value = static_cast<float>(generator.normal());
  return values;
}

std::vector<std::byte> quantized(GgufType type, const std::vector<float>& values) {
  const io::GgufTypeInfo& info = io::gguf_type_info(type);
  std::vector<std::byte> bytes(values.size() / static_cast<std::size_t>(info.block) *
                               static_cast<std::size_t>(info.bytes));
  quantize_gguf(type, values, bytes);
  return bytes;
}

std::vector<float> restored(GgufType type, const std::vector<std::byte>& bytes) {
  const io::GgufTypeInfo& info = io::gguf_type_info(type);
  std::vector<float> values(bytes.size() / static_cast<std::size_t>(info.bytes) *
                            static_cast<std::size_t>(info.block));
  dequantize_gguf(type, bytes, values);
  return values;
}

}  // namespace

TEST_CASE("values that were quantised come back within half a step", "[storage]") {
  const std::vector<float> values = normal(64 * 32, 1);
  // A step is the block's largest magnitude, or its range, over the number of steps.
  const auto check = [&](GgufType type, double steps, bool from_least) {
    INFO(io::gguf_type_info(type).name);
    const std::vector<float> back = restored(type, quantized(type, values));
    for (std::size_t block = 0; block < values.size(); block += 32) {
      double least = 0, most = 0;
      for (std::size_t i = block; i < block + 32; ++i) {
        least = std::min(least, static_cast<double>(values[i]));
        most = std::max(most, static_cast<double>(values[i]));
      }
      const double range = from_least ? most - least : std::max(-least, most);
      for (std::size_t i = block; i < block + 32; ++i) {
        // The extreme of the other sign has no code of its own in Q4_0 and Q5_0: a whole step.
        const double allowed = range / steps * (from_least || steps == 127 ? 0.5 : 1.0);
        CHECK(std::abs(back[i] - values[i]) < allowed + 2e-3 * range);
      }
    }
  };
  check(GgufType::kQ4_0, 8, false);
  check(GgufType::kQ5_0, 16, false);
  check(GgufType::kQ4_1, 15, true);
  check(GgufType::kQ5_1, 31, true);
  check(GgufType::kQ8_0, 127, false);
  CHECK(restored(GgufType::kF32, quantized(GgufType::kF32, values)) == values);
}

TEST_CASE("what has a code is kept as it is", "[storage]") {
  std::vector<float> values(32);
  for (std::size_t i = 0; i < 32; ++i) values[i] = static_cast<float>(static_cast<int>(i % 16) - 8);
  for (const auto type :
       {GgufType::kQ4_0, GgufType::kQ4_1, GgufType::kQ5_0, GgufType::kF16, GgufType::kBF16}) {
    INFO(io::gguf_type_info(type).name);
    CHECK(restored(type, quantized(type, values)) == values);
  }
  for (std::size_t i = 0; i < 32; ++i)
    values[i] = static_cast<float>(static_cast<int>(i) * 8 - 127);
  CHECK(restored(GgufType::kQ8_0, quantized(GgufType::kQ8_0, values)) == values);
  CHECK(restored(GgufType::kQ5_1, quantized(GgufType::kQ5_1, values)) == values);
  const std::vector<float> zeros(32);
  for (const io::GgufTypeInfo& info : io::kGgufTypes) {
    if (!is_quantizable_gguf(info.type)) continue;
    INFO(info.name);
    CHECK(restored(info.type, quantized(info.type, zeros)) == zeros);
  }
}

TEST_CASE("fp16 numbers of all kinds are read and written", "[storage]") {
  for (std::uint32_t bits = 0; bits < 0x10000U; ++bits) {
    if ((bits & 0x7C00U) == 0x7C00U && (bits & 0x3FFU) != 0) continue;  // NaN
    const auto half = static_cast<std::uint16_t>(bits);
    std::vector<std::byte> bytes(2);
    std::memcpy(bytes.data(), &half, 2);
    const std::vector<float> value = restored(GgufType::kF16, bytes);
    const int exponent = static_cast<int>((bits >> 10U) & 0x1FU);
    const double fraction = static_cast<double>(bits & 0x3FFU);
    const double size = exponent == 0    ? std::ldexp(fraction, -24)
                        : exponent == 31 ? INFINITY
                                         : std::ldexp(1024 + fraction, exponent - 25);
    const bool right = value[0] == static_cast<float>((bits & 0x8000U) != 0 ? -size : size);
    if (!right || quantized(GgufType::kF16, value) != bytes) FAIL("of bits " << bits);
  }
  // Between two numbers the nearer one, in the middle the even one.
  const auto rounded = [](double value) {
    return restored(GgufType::kF16, quantized(GgufType::kF16, {static_cast<float>(value)}))[0];
  };
  CHECK(rounded(1 + 0x1p-11) == 1.0F);
  CHECK(rounded(1 + 0x3p-11) == 1.0F + 0x1p-9F);
  CHECK(rounded(1 + 0x1.1p-11) == 1.0F + 0x1p-10F);
  CHECK(rounded(0x1p-25) == 0.0F);
  CHECK(rounded(0x1.1p-25) == 0x1p-24F);
  CHECK(rounded(65519) == 65504.0F);
  CHECK(std::isinf(rounded(65520)));
  const std::vector<std::byte> bf16 = quantized(GgufType::kBF16, {1.0F + 0x1p-8F, 1.0F + 0x3p-8F});
  CHECK(restored(GgufType::kBF16, bf16) == std::vector<float>{1.0F, 1.0F + 0x1p-6F});
}

TEST_CASE("a tensor of no elements is read and written as nothing", "[storage]") {
  for (const GgufType type : {GgufType::kF32, GgufType::kF16, GgufType::kQ8_0}) {
    CHECK_NOTHROW(dequantize_gguf(type, {}, {}));
    CHECK_NOTHROW(quantize_gguf(type, {}, {}));
  }
}

TEST_CASE("blocks that are not whole, and types that are only read, are errors", "[storage]") {
  std::vector<float> values(32);
  std::vector<std::byte> bytes(18);
  CHECK(
      test::error_of([&] { dequantize_gguf(GgufType::kQ4_1, bytes, values); }) ==
      "dequantize_gguf expected whole blocks of Q4_1, 20 bytes for 32 values, got 18 bytes for 32");
  CHECK(test::error_of([&] { quantize_gguf(GgufType::kIQ4_NL, values, bytes); }) ==
        "quantize_gguf expected a type that is written, got IQ4_NL");
  CHECK_FALSE(is_quantizable_gguf(GgufType::kQ4_K));
}
