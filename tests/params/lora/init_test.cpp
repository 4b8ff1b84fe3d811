// SPDX-License-Identifier: Apache-2.0
#include "posttrain/params/lora/init.hpp"

#include "support/catch.hpp"
#include "support/kernels.hpp"

using namespace posttrain;
using kernel_test::normal;
using kernel_test::relative_error;

TEST_CASE("drawn values follow from seed and name, in any dtype", "[params][lora]") {
  const auto drawn = [](std::uint64_t seed, const char* name, at::ScalarType type) {
    Tensor values = at::empty({40, 50}, type);
    lora_init::uniform_(values, 0.5, seed, name);
    return values;
  };
  const Tensor values = drawn(1, "q", at::kDouble);
  CHECK(values.abs().max().item<double>() <= 0.5);
  CHECK(values.abs().max().item<double>() > 0.49);
  CHECK(values.mean().item<double>() == Approx(0.0).margin(0.02));
  CHECK(at::equal(drawn(1, "q", at::kDouble), values));
  CHECK(at::equal(drawn(1, "q", at::kFloat), values.to(at::kFloat)));
  CHECK_FALSE(at::equal(drawn(2, "q", at::kDouble), values));
  CHECK_FALSE(at::equal(drawn(1, "k", at::kDouble), values));
  Tensor bell = at::empty({40, 50}, at::kDouble);
  lora_init::normal_(bell, 0.25, 1, "q");
  CHECK(bell.std().item<double>() == Approx(0.25).epsilon(0.05));
}

TEST_CASE("a product of first factors is the leading part of the matrix", "[params][lora]") {
  for (const auto& [rows, in] : {std::pair<std::int64_t, std::int64_t>(9, 6), {6, 9}}) {
    const Tensor w = normal({rows, in}, 1);
    const auto [a, b] = lora_init::principal(w, 4, 2.0);
    CHECK(a.sizes() == at::IntArrayRef({4, in}));
    CHECK(b.sizes() == at::IntArrayRef({rows, 4}));
    // The rest has the smaller singular values, and both factors the same share of the larger.
    const Tensor s = std::get<1>(at::linalg_svd(w, false));
    const Tensor rest = std::get<1>(at::linalg_svd(w - b.matmul(a) * 2.0, false));
    CHECK(relative_error(rest.narrow(0, 0, 2), s.narrow(0, 4, 2)) < 1e-10);
    CHECK(relative_error(lora_init::row_norms(a).square(), s.narrow(0, 0, 4) / 2.0) < 1e-12);
    CHECK(relative_error(lora_init::row_norms(b.t()), lora_init::row_norms(a)) < 1e-12);
    // At full rank nothing is left.
    const auto [r, q] = lora_init::qr(w, 6);
    CHECK(relative_error(q.matmul(r), w) < 1e-13);
    const auto [few, columns] = lora_init::qr(w, 3);
    CHECK(relative_error(columns.t().matmul(columns), at::eye(3, at::kDouble)) < 1e-13);
    CHECK(at::equal(few, r.narrow(0, 0, 3)));
  }
}
