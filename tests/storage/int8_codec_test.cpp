// SPDX-License-Identifier: Apache-2.0
// That codes and scales are bitsandbytes' own is shown by parity/quantized_parity.py.
#include "posttrain/storage/int8_codec.hpp"

#include <cstdint>

#include "posttrain/storage/impl/int8_codec.ipp"
#include "support/catch.hpp"
#include "support/kernels.hpp"

using namespace posttrain;
using kernel_test::normal;

TEST_CASE("the dynamic maps ascend from their end to one", "[params]") {
  for (const bool is_signed : {true, false}) {
    const Tensor map = dynamic_map(is_signed);
    const float* values = map.const_data_ptr<float>();
    for (int i = 0; i < 255; ++i) CHECK(values[i] < values[i + 1]);
    CHECK(values[is_signed ? 127 : 0] == 0.0F);
    CHECK(values[255] == 1.0F);
    if (is_signed) CHECK(values[0] == Approx(-0.99297).epsilon(1e-5));
  }
}

TEST_CASE("every entry of a dynamic map comes back as itself times the scale", "[storage]") {
  for (const bool is_signed : {true, false}) {
    const Tensor& map = dynamic_map(is_signed);
    const Tensor x = at::cat({map * 3.0F, map.narrow(0, 156, 100) * 0.25F});  // a partial block
    const Quantized8Bit q = quantize_8bit(x, is_signed, 256);
    CHECK(q.codes.sizes() == x.sizes());
    REQUIRE(q.absmax.sizes() == at::IntArrayRef({2}));
    CHECK(q.absmax[0].item<float>() == 3.0F);
    CHECK(q.absmax[1].item<float>() == 0.25F);
    const Tensor out = at::empty(x.sizes());
    dequantize_8bit(q, map, 256, out);
    // Entries nearer to each other than the grid's spacing, 2 / 65535, may change places.
    CHECK((out - x).abs().max().item<float>() <= 3.0F * 2.0F / 65535.0F);
    CHECK(at::equal(out.narrow(0, 250, 6), x.narrow(0, 250, 6)));
  }
}

TEST_CASE("plain tensor operations give the 8-bit codes and values of the kernel", "[storage]") {
  for (const std::int64_t columns : {64, 33}) {
    const Tensor w = normal({7, columns}, 8, at::kFloat);
    w.view({-1}).narrow(0, 32, 32).fill_(0.0F);
    const Tensor a = at::empty(w.sizes(), at::kBFloat16), b = at::empty_like(a);
    const Quantized8Bit fast = quantize_8bit(w, true, 64);
    const Quantized8Bit generic = posttrain::detail::quantize_8bit_generic(w, true, 64);
    CHECK(at::equal(fast.absmax, generic.absmax));
    dequantize_8bit(fast, dynamic_map(true), 64, a);
    posttrain::detail::dequantize_8bit_generic(fast, dynamic_map(true), 64, b);
    CHECK(at::equal(a, b));
    CHECK(at::equal(fast.codes, generic.codes));
    // The grid moves a decision by at most its spacing from the nearest entry.
    const Quantized8Bit nearest = posttrain::detail::quantize_8bit_exactly(w, true, 64);
    const Tensor x = at::empty(w.sizes()), y = at::empty(w.sizes());
    dequantize_8bit(fast, dynamic_map(true), 64, x);
    dequantize_8bit(nearest, dynamic_map(true), 64, y);
    const double spacing = 2.0 / 65535 * w.abs().max().item<double>();
    CHECK(((x - w).abs() - (y - w).abs()).max().item<double>() <= spacing);
  }
}
