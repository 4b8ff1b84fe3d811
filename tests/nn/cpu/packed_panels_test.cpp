// SPDX-License-Identifier: Apache-2.0
#include "posttrain/nn/cpu/packed_panels.hpp"

#include "support/catch.hpp"
#include "support/kernels.hpp"

using namespace posttrain;
using kernel_test::normal;
namespace panels = posttrain::detail;

#ifdef POSTTRAIN_HAS_BRGEMM

TEST_CASE("A panel holds rows of the matrix as columns, zeros beyond", "[gemm]") {
  const Tensor w = normal({50, 20}, 1, at::kFloat);
  std::vector<float> panel(20 * panels::kPanelColumns, -1.0F);
  panels::pack_panel(w.const_data_ptr<float>() + 10 * 20, 20, 40, 20, 20, panel.data());
  const Tensor packed = at::from_blob(panel.data(), {20, panels::kPanelColumns}, at::kFloat);
  CHECK(packed.narrow(1, 0, 40).t().equal(w.narrow(0, 10, 40)));
  CHECK(packed.narrow(1, 40, 8).eq(0).all().item<bool>());
}

TEST_CASE("A panel of bfloat16 holds pairs, and is widened to rows", "[gemm]") {
  const Tensor w = normal({48, 20}, 1, at::kBFloat16);
  std::vector<c10::BFloat16> panel(20 * panels::kPanelColumns);
  panels::pack_panel(w.const_data_ptr<c10::BFloat16>(), 20, 48, 20, 20, panel.data());
  const Tensor pairs = at::from_blob(panel.data(), {10, panels::kPanelColumns, 2}, at::kBFloat16);
  CHECK(pairs.transpose(1, 2).reshape({20, 48}).t().equal(w));
  const Tensor wide = at::empty({20, 48}, at::kFloat);
  panels::widen_panel(panel.data(), 20, wide.mutable_data_ptr<float>());
  CHECK(wide.t().equal(w.to(at::kFloat)));
}

TEST_CASE("Loops over panels add up in float32 for any number of rows", "[gemm]") {
  const Tensor w = normal({48, 62}, 1, at::kFloat), start = normal({15, 48}, 3, at::kFloat);
  const bool half = GENERATE(false, true), add = GENERATE(false, true);
  for (std::int64_t m = 1; m <= 15; ++m) {
    const Tensor x = normal({m, 62}, 2, at::kFloat);
    const Tensor c = start.narrow(0, 0, m).clone();
    const panels::PanelRows to{x.const_data_ptr<float>(),   62, 62,
                               c.mutable_data_ptr<float>(), 48, add};
    const auto run = [&](auto element, const Tensor& rows) {
      using Element = decltype(element);
      const Tensor panel = at::empty({62, 48}, rows.options());
      panels::pack_panel(rows.const_data_ptr<Element>(), 62, 48, 62, 62,
                         panel.mutable_data_ptr<Element>());
      panels::loop_rows(m, panel.const_data_ptr<Element>(), to);
    };
    const Tensor stored = half ? w.to(at::kBFloat16) : w;
    half ? run(c10::BFloat16{}, stored) : run(float{}, stored);
    Tensor expected = x.to(at::kDouble).matmul(stored.to(at::kDouble).t());
    if (add) expected += start.narrow(0, 0, m);
    CHECK(kernel_test::relative_error(c, expected) < 1e-6);
  }
}

#endif
