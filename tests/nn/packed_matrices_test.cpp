// SPDX-License-Identifier: Apache-2.0
#include "posttrain/nn/packed_matrices.hpp"

#include <thread>
#include <vector>

#include "posttrain/nn/gemm.hpp"
#include "posttrain/nn/linear.hpp"
#include "posttrain/params/frozen.hpp"
#include "posttrain/params/lora.hpp"
#include "posttrain/params/osft.hpp"
#include "posttrain/params/osft_factored.hpp"
#include "posttrain/params/qlora.hpp"
#include "support/catch.hpp"
#include "support/kernels.hpp"
#include "support/tiny_model.hpp"

using namespace posttrain;
using kernel_test::normal;
using test::relative_error;
using test::tiny_config;

namespace {

// What POSTTRAIN_KERNELS=generic and processors without AVX2 leave to matmul_nt.
bool packs() { return PackedMatrix::packs(at::ones({2, 2}, at::kFloat)); }

models::Decoder cpu_model() {
  return models::Decoder(tiny_config(), {.dtype = at::kFloat, .seed = 1});
}

TokenBatch few_tokens() {
  const Sequence a = test::some_sequence(7, 1), b = test::some_sequence(12, 2);
  const std::vector<const Sequence*> both{&a, &b};
  return pack_sequences(both);
}

Weight kept_weight(const Tensor& value, bool trained = false) {
  Weight weight;
  weight.value = value;
  weight.kept = true;
  if (trained) {
    weight.grad = at::zeros_like(value);
    weight.anchor = at::zeros({}, value.options()).requires_grad_();
  }
  return weight;
}

// The hidden states under `Use` against those without; how many matrices were packed.
template <class State>
std::int64_t check_hidden(const State& state, double tolerance, RowBlocks blocks = RowBlocks::any) {
  const models::Decoder model = cpu_model();
  const TokenBatch batch = few_tokens();
  PackedMatrices packed(blocks);
  const auto hidden = [&](bool use) {
    if (!use) return model.hidden(state, batch).detach();
    const PackedMatrices::Use scope(packed);
    return model.hidden(state, batch).detach();
  };
  // With a graph nothing is packed.
  CHECK(hidden(true).equal(hidden(false)));
  CHECK(packed.size() == 0);
  at::NoGradGuard no_grad;
  const Tensor expected = hidden(false), now = hidden(true), again = hidden(true);
  CHECK(relative_error(now, expected) <= tolerance);
  CHECK(again.equal(now));
  CHECK(hidden(false).equal(expected));
  return packed.size();
}

}  // namespace

TEST_CASE("Matrices are packed at their first product of few rows, within the scope only",
          "[gemm]") {
  const Tensor w = normal({70, 40}, 1, at::kFloat), x = normal({5, 40}, 2, at::kFloat);
  const Weight weight = kept_weight(w);
  at::NoGradGuard no_grad;
  PackedMatrices packed;
  const Tensor plain = linear(x, weight);
  CHECK(packed.size() == 0);
  CHECK(PackedMatrices::current() == nullptr);
  {
    const PackedMatrices::Use use(packed);
    CHECK(PackedMatrices::current() == &packed);
    CHECK(relative_error(linear(x, weight), plain) < 1e-6);
    CHECK(relative_error(linear(x.narrow(0, 0, 1), weight), plain.narrow(0, 0, 1)) < 1e-6);
    // Other views of the memory are other matrices.
    CHECK(relative_error(linear(x, kept_weight(w.narrow(0, 0, 30))), plain.narrow(1, 0, 30)) <
          1e-6);
    CHECK(packed.size() == (packs() ? 2 : 0));
    CHECK(packed.bytes() == (packs() ? (2 * 48 + 48) * 40 * 4 : 0));
    {
      PackedMatrices inner;
      const PackedMatrices::Use nested(inner);
      CHECK(PackedMatrices::current() == &inner);
      linear(x, weight);
      CHECK(inner.size() == (packs() ? 1 : 0));
      std::thread([] { CHECK(PackedMatrices::current() == nullptr); }).join();
    }
    CHECK(PackedMatrices::current() == &packed);
    // Many rows, a matrix that is not kept, another dtype: as ever.
    const Tensor many = normal({65, 40}, 3, at::kFloat);
    CHECK(linear(many, weight).equal(matmul_nt(many, w)));
    Weight passing = weight;
    passing.value = normal({20, 40}, 4, at::kFloat), passing.kept = false;
    CHECK(linear(x, passing).equal(matmul_nt(x, passing.value)));
    const Tensor wide = w.to(at::kDouble), wide_x = x.to(at::kDouble);
    CHECK(linear(wide_x, kept_weight(wide)).equal(matmul_nt(wide_x, wide)));
    CHECK(packed.size() == (packs() ? 2 : 0));
  }
  CHECK(PackedMatrices::current() == nullptr);
  packed.clear();
  CHECK(packed.size() == 0);
  CHECK(packed.bytes() == 0);
}

TEST_CASE("A changed weight is seen after `clear`, and at once where a graph is recorded",
          "[gemm]") {
  const Tensor x = normal({3, 40}, 2, at::kFloat), w = normal({70, 40}, 1, at::kFloat);
  const Weight weight = kept_weight(w, /*trained=*/true);
  PackedMatrices packed;
  const PackedMatrices::Use use(packed);
  const auto without_graph = [&] {
    at::NoGradGuard no_grad;
    return linear(x, weight);
  };
  const Tensor before = without_graph();
  {
    at::NoGradGuard no_grad;
    w.mul_(2);
  }
  CHECK(linear(x, weight).equal(matmul_nt(x, w)));
  if (packs()) CHECK(without_graph().equal(before));  // the rule: who changes clears
  packed.clear();
  CHECK(relative_error(without_graph(), 2 * before) < 1e-6);
}

TEST_CASE("Memory of a packed weight is not given to another", "[gemm]") {
  if (!packs()) return;
  at::NoGradGuard no_grad;
  const Tensor x = normal({2, 64}, 1, at::kFloat);
  PackedMatrices packed;
  const PackedMatrices::Use use(packed);
  for (int i = 0; i < 20; ++i) {
    const Tensor w = normal({64, 64}, static_cast<std::uint64_t>(i), at::kFloat);
    CHECK(relative_error(linear(x, kept_weight(w)), matmul_nt(x, w)) < 1e-6);
  }
  CHECK(packed.size() == 20);
}

TEST_CASE("Fixed blocks take every number of rows", "[gemm]") {
  if (!packs()) return;
  at::NoGradGuard no_grad;
  const Tensor x = normal({500, 40}, 2, at::kFloat);
  const Weight weight = kept_weight(normal({70, 40}, 1, at::kFloat));
  PackedMatrices packed(RowBlocks::fixed);
  const PackedMatrices::Use use(packed);
  const Tensor all = linear(x, weight);
  for (const std::int64_t m : {1, 7, 64, 300}) {
    CHECK(linear(x.narrow(0, 200, m), weight).equal(all.narrow(0, 200, m)));
  }
  CHECK(packed.size() == 1);
}

TEST_CASE("A model reads the same from packed matrices", "[gemm]") {
  const models::Decoder model = cpu_model();
  const auto blocks = GENERATE(RowBlocks::any, RowBlocks::fixed);
  // Two layers of four sites.
  CHECK(check_hidden(Frozen{}.attach(model), 1e-6, blocks) == (packs() ? 8 : 0));
  CHECK(check_hidden(Full{}.attach(model), 1e-6, blocks) == (packs() ? 8 : 0));
  Lora lora{.rank = 4, .init = LoraInit::olora};
  CHECK(check_hidden(lora.attach(model), 1e-6, blocks) == (packs() ? 8 : 0));
  CHECK(check_hidden(Osft{.unfreeze_rank_ratio = 0.5}.attach(model), 1e-6, blocks) ==
        (packs() ? 8 : 0));
  // Factors are not packed, what is dense beside them is.
  const auto factored =
      OsftFactored{.unfreeze_rank_ratio = 0.5, .target_patterns = "q_proj"}.attach(model);
  CHECK((check_hidden(factored, 1e-6, blocks) > 0) == packs());
}

TEST_CASE("Matrices that are stored quantised are never packed", "[gemm]") {
  const models::Decoder model = cpu_model();
  CHECK(check_hidden(BasicFrozen<Nf4>{}.attach(model), 0) == 0);
  CHECK(check_hidden(QLora{.rank = 4}.attach(model), 0) == 0);
  CHECK(check_hidden(BasicOsft<Nf4>{.unfreeze_rank_ratio = 0.5}.attach(model), 0) == 0);
}
