// SPDX-License-Identifier: Apache-2.0
// That codes and scales are bitsandbytes' own is shown by parity/quantized_parity.py.
#include "posttrain/storage/nf4_codec.hpp"

#include <cmath>
#include <cstdint>

#include "posttrain/storage/impl/nf4_codec.ipp"
#include "support/catch.hpp"
#include "support/kernels.hpp"

using namespace posttrain;
using kernel_test::normal;

TEST_CASE("NF4 codes name the nearest value, a tie the lower one", "[params]") {
  Tensor x = at::empty({1, 64}, at::kFloat);
  float* values = x.mutable_data_ptr<float>();
  for (std::size_t i = 0; i < 16; ++i) {
    const float value = kNf4Values[i];
    const float midpoint = i < 15 ? (value + kNf4Values[i + 1]) / 2 : 1.0F;
    values[4 * i] = value;
    values[4 * i + 1] = midpoint;
    values[4 * i + 2] = std::nextafter(midpoint, 2.0F);
    values[4 * i + 3] = std::nextafter(midpoint, -2.0F);
  }
  values[62] = 1.0F;  // nothing above 1: the scale stays 1
  const QuantizedNf4 q = quantize_nf4(x, 64);
  CHECK(q.absmax.item<float>() == 1.0F);
  const auto code = [&](std::size_t i) {
    const int byte = q.codes.const_data_ptr<std::uint8_t>()[i / 2];
    return i % 2 == 0 ? byte >> 4 : byte & 15;
  };
  for (std::size_t i = 0; i < 15; ++i) {
    CHECK(code(4 * i) == static_cast<int>(i));
    CHECK(code(4 * i + 1) == static_cast<int>(i));
    CHECK(code(4 * i + 2) == static_cast<int>(i) + 1);
    CHECK(code(4 * i + 3) == static_cast<int>(i));
  }
}

TEST_CASE("every NF4 code comes back as its value times the scale", "[params]") {
  for (const auto type : {at::kFloat, at::kBFloat16, at::kDouble}) {
    const Tensor codes = at::empty({40}, at::kByte);  // blocks of 32, 32 and 16 values
    for (int i = 0; i < 40; ++i) {
      codes.mutable_data_ptr<std::uint8_t>()[i] =
          static_cast<std::uint8_t>((2 * i) % 16 << 4 | (2 * i + 1) % 16);
    }
    const Tensor out = at::empty({80}, type);
    dequantize_nf4(codes, at::tensor({0.3F, 7.0F, 1e-3F}), 32, out);
    for (int i = 0; i < 80; ++i) {
      const float scale = i < 32 ? 0.3F : i < 64 ? 7.0F : 1e-3F;
      const Tensor exact =
          at::scalar_tensor(kNf4Values[static_cast<std::size_t>(i % 16)] * scale, at::kFloat);
      CHECK(at::equal(out[i], exact.to(type)));
    }
  }
}

TEST_CASE("plain tensor operations give the NF4 codes and values of the kernels", "[storage]") {
  for (const std::int64_t columns : {64, 33}) {
    const Tensor w = normal({7, columns}, 8, at::kFloat);
    w.view({-1}).narrow(0, 32, 32).fill_(0.0F);
    const QuantizedNf4 fast = quantize_nf4(w, 32);
    const QuantizedNf4 generic = posttrain::detail::quantize_nf4_generic(w, 32);
    CHECK(at::equal(fast.codes, generic.codes));
    CHECK(at::equal(fast.absmax, generic.absmax));
    const Tensor a = at::empty(w.sizes(), at::kBFloat16), b = at::empty_like(a);
    dequantize_nf4(fast.codes, fast.absmax, 32, a);
    posttrain::detail::dequantize_nf4_generic(fast.codes, fast.absmax, 32, b);
    CHECK(at::equal(a, b));
  }
}
