// SPDX-License-Identifier: Apache-2.0
#include "posttrain/params/forwarding.hpp"

#include "posttrain/batch/tokens.hpp"
#include "posttrain/tensor/ops.hpp"
#include "posttrain/tensor/parameters.hpp"
#include "support/catch.hpp"

using namespace posttrain;

namespace {

/// Adds its number to whatever it is asked.
struct Plain {
  double number = 0.0;
  Tensor leaf = at::zeros({});

  Tensor linear(int site, const Tensor& x) const { return x + number + site; }
  Tensor embed(int table, const Tensor& ids) const { return ids + number - table; }
  Tensor vector(int index) const { return at::full({2}, number + index); }
  const Tensor& anchor() const { return leaf; }
};

/// Every facet there is.
struct Rich : Plain {
  mutable int layers = 0;
  int open = 0;
  std::int64_t heard = 0;
  Plain base{};

  std::int64_t virtual_tokens() const { return 3; }
  TokenBatch prepare(const TokenBatch& batch) const {
    TokenBatch ready = batch;
    ready.virtual_tokens = 3;
    return ready;
  }
  TokenIds prompt_ids() const { return {7, 8, 9}; }
  void after_layer(int layer, const Tensor&, const Tensor&) const { layers += layer; }
  Tensor critic_values(const Tensor& rows) const { return rows.sum(1); }
  Tensor critic_hidden(const TokenBatch&) const { return at::full({2, 3}, 5.0); }
  Tensor teacher_hidden(const TokenBatch&) const { return at::full({2, 3}, 7.0); }
  Tensor teacher_logits(const Tensor& rows) const { return rows * 2.0; }
  void begin_batch(const TokenBatch&, std::uint64_t seed, std::int64_t step) {
    open = static_cast<int>(seed) + static_cast<int>(step);
  }
  void end_batch() { open = 0; }
  std::vector<NamedTensor> checkpoint_tensors() const { return {{"kept", leaf}}; }
  const Plain& reference() const { return base; }
  std::uint64_t weights_version() const { return 13; }
  void on(const event::AfterStep& event) { heard = event.metrics.step; }
};

}  // namespace

using Owner = Forwarding<Rich>;
using Watcher = Forwarding<const Plain&>;

static_assert(Gate<Owner> && Gate<Watcher> && check_gate<Owner>() && check_gate<Watcher>());
static_assert(HasVirtualTokens<Owner> && HasPromptIds<Owner> && !HasPrefix<Owner>);
static_assert(!HasVirtualTokens<Watcher> && !PreparesBatches<Watcher> && !WatchesLayers<Watcher>);
static_assert(EstimatesValues<Owner> && ReadsForCritic<Owner> && HasTeacher<Owner>);
static_assert(!EstimatesValues<Watcher> && !ReadsForCritic<Watcher> && !HasTeacher<Watcher>);
static_assert(!TakesBatches<Watcher> && !KeepsTensors<Watcher> && !GivesReference<Watcher>);
static_assert(Hears<Owner, event::AfterStep> && !Hears<Owner, event::TrainEnd>);

TEST_CASE("a gate behind a reference is asked everything, and may change meanwhile", "[params]") {
  Plain plain{.number = 2.0};
  const Watcher gate(plain);
  const Tensor x = at::ones({2});
  CHECK(at::equal(gate.linear(1, x), at::full({2}, 4.0)));
  CHECK(at::equal(gate.embed(1, x), at::full({2}, 2.0)));
  CHECK(at::equal(gate.vector(3), at::full({2}, 5.0)));
  CHECK(&gate.anchor() == &plain.leaf);
  plain.number = 10.0;
  CHECK(at::equal(gate.vector(0), at::full({2}, 10.0)));
}

TEST_CASE("every facet of a gate is passed on", "[params]") {
  Owner gate{Rich{{.number = 1.0}}};
  CHECK(gate.virtual_tokens() == 3);
  CHECK(gate.prepare(TokenBatch{}).virtual_tokens == 3);
  CHECK(gate.prompt_ids() == TokenIds{7, 8, 9});
  gate.after_layer(4, at::ones({1}), at::ones({1}));
  CHECK(gate.gate().layers == 4);
  CHECK(at::equal(gate.critic_values(at::ones({2, 4})), at::full({2}, 4.0)));
  CHECK(gate.critic_hidden(TokenBatch{}).sum().item<double>() == 30.0);
  CHECK(gate.teacher_logits(gate.teacher_hidden(TokenBatch{})).sum().item<double>() == 84.0);
  gate.begin_batch(TokenBatch{}, 5, 6);
  CHECK(gate.gate().open == 11);
  gate.end_batch();
  CHECK(gate.gate().open == 0);
  CHECK(gate.checkpoint_tensors().at(0).name == "kept");
  CHECK(&gate.reference() == &gate.gate().base);
  CHECK(weights_version(gate) == 13);
  CHECK(weights_version(Plain{}) == 0);
  gate.on(event::AfterStep{{.step = 12}});
  CHECK(gate.gate().heard == 12);
}
