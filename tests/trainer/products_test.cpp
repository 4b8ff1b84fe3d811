// SPDX-License-Identifier: Apache-2.0
// Every legal product of update and storage trains; docs/parameters.md has the table.
#include <map>

#include "posttrain/optim/adamw.hpp"
#include "posttrain/params/eva.hpp"
#include "posttrain/params/frozen.hpp"
#include "posttrain/params/full.hpp"
#include "posttrain/params/lora.hpp"
#include "posttrain/params/lora/set.hpp"
#include "posttrain/params/osft.hpp"
#include "posttrain/params/prefix_tuning.hpp"
#include "posttrain/params/prompt_tuning.hpp"
#include "posttrain/storage/int8.hpp"
#include "posttrain/storage/nf4.hpp"
#include "posttrain/trainer.hpp"
#include "support/catch.hpp"
#include "support/fixed_items.hpp"
#include "support/loss_curve.hpp"
#include "support/small_run.hpp"
#include "support/tiny_model.hpp"

using namespace posttrain;
using namespace posttrain::test;

namespace {

FixedItems<SequenceKind> fixed() {
  std::vector<Sequence> sequences;
  for (std::uint64_t i = 1; i < 5; ++i) {
    sequences.push_back(some_sequence(6 + static_cast<std::int64_t>(i), i));
  }
  return {sequences};
}

Options quiet() {
  Options options = small_run(12, 4, 20);
  options.gradient_checkpointing = true;
  return options;
}

/// Trains a few steps: the loss falls, and no tensor that matches `unchanged` changes.
template <class Params>
void check_product(const Params& params, at::ScalarType dtype, const std::string& unchanged) {
  INFO(describe(params) << " in " << c10::toString(dtype));
  const models::Decoder model = tiny_model(dtype);
  Trainer trainer(model, NextToken{}, params, fixed(), AdamW{}, quiet());
  std::map<std::string, Tensor> before;
  for (const NamedTensor& weight : trainer.state().weights()) {
    before[weight.name] = weight.value.clone();
  }
  std::vector<double> losses;
  trainer.add(LossCurve{losses});
  REQUIRE(trainer.train().steps == 12);
  CHECK(losses.back() < losses.front() - 0.02);
  bool any = false;
  for (const NamedTensor& weight : trainer.state().weights()) {
    INFO(weight.name);
    const bool same = at::equal(weight.value, before.at(weight.name));
    any = any || !same;
    if (matches_any(unchanged, weight.name)) CHECK(same);
  }
  CHECK(any);
}

/// Trains a few steps what stands before a base that stays as it is.
template <class Params>
void check_virtual_tokens(const Params& params, at::ScalarType dtype) {
  INFO(describe(params) << " in " << c10::toString(dtype));
  Trainer trainer(tiny_model(dtype), NextToken{}, params, fixed(), AdamW{}, quiet());
  const auto base = [&] {
    Tensors all;
    for (const NamedTensor& w : trainer.state().base().weights()) {
      all.push_back(w.value.flatten().clone());
    }
    return at::cat(all);
  };
  const Tensor before = base();
  std::vector<double> losses;
  trainer.add(LossCurve{losses});
  REQUIRE(trainer.train().steps == 12);
  CHECK(losses.back() < losses.front() - 0.02);
  CHECK(at::equal(base(), before));
}

}  // namespace

TEMPLATE_TEST_CASE("full fine-tuning and adapters train", "[trainer][products]", float,
                   c10::BFloat16) {
  const at::ScalarType dtype = c10::CppTypeToScalarType<TestType>::value;
  check_product(Full{}, dtype, "");
  check_product(Full{.train = "layers.1"}, dtype, "layers.0, embed_tokens, norm");
  check_product(Lora{.rank = 4, .dropout = 0.1}, dtype, "embed_tokens, norm, bias");
  check_product(Lora{.rank = 4, .use_dora = true}, dtype, "embed_tokens, norm, bias");
  check_product(Lora{.rank = 4, .init = LoraInit::olora}, dtype, "embed_tokens, norm, bias");
  check_product(Lora{.rank = 4, .target_modules = "all-linear, embed_tokens"}, dtype,
                "lm_head, norm, bias");
  const models::Decoder model = tiny_model(dtype);
  // [snippet: eva]
  const std::vector<TokenBatch> batches{batch_of({some_sequence(40, 1), some_sequence(40, 2)})};
  const InputStatistics inputs = input_statistics(model, Frozen{}.attach(model), batches);
  const Eva eva{.lora = {.rank = 4}, .inputs = inputs};
  // [/snippet]
  check_product(eva, dtype, "embed_tokens, norm, bias");
}

TEST_CASE("one adapter of a set trains, and the others and the base stay", "[trainer][products]") {
  const models::Decoder model = tiny_model(at::kFloat);
  // [snippet: set]
  AdapterSet<Nf4> set(model);
  set.add("math", {.rank = 4});
  set.add("code", {.rank = 2, .target_modules = "q_proj, v_proj", .use_dora = true});
  // [/snippet]
  const auto values = [&](const std::string& name) {
    std::vector<Tensor> all;
    for (const NamedTensor& tensor : set.gate(name).tensors()) all.push_back(tensor.value.clone());
    return all;
  };
  const std::vector<Tensor> math = values("math"), code = values("code");
  const Tensor base = set.base().part(0, 0);
  std::vector<double> losses;
  const FixedItems<SequenceKind> data = fixed();
  const Options options = quiet();
  // [snippet: train]
  Trainer trainer(model, NextToken{}, set.train("math"), data, AdamW{}, options);
  // [/snippet]
  trainer.add(LossCurve{losses});
  trainer.train();
  CHECK(losses.back() < losses.front() - 0.02);
  const std::vector<Tensor> trained = values("math"), left = values("code");
  bool moved = false;
  for (std::size_t i = 0; i < math.size(); ++i) moved = moved || !at::equal(trained[i], math[i]);
  CHECK(moved);
  for (std::size_t i = 0; i < code.size(); ++i) CHECK(at::equal(left[i], code[i]));
  CHECK(at::equal(set.base().part(0, 0), base));
  const TokenBatch batch = batch_of({some_sequence(9, 1)});
  at::NoGradGuard no_grad;
  CHECK(at::equal(model.hidden(set.gate("math"), batch), model.hidden(trainer.state(), batch)));
}

TEMPLATE_TEST_CASE("every update trains on every storage", "[trainer][products]", Dense, Nf4, Int8,
                   Gguf) {
  using Storage = TestType;
  constexpr const char* kFrozen = "embed_tokens, norm, bias";
  check_product(BasicFull<Storage>{.train = "layers.1"}, at::kFloat, "layers.0, embed_tokens");
  check_product(BasicLora<Storage>{.rank = 4}, at::kFloat, kFrozen);
  check_product(BasicLora<Storage>{.rank = 4, .use_dora = true}, at::kBFloat16, kFrozen);
  if constexpr (!Storage::dense) {
    check_product(BasicLora<Storage>{.rank = 4, .init = LoraInit::loftq}, at::kFloat, kFrozen);
  }
  check_product(BasicOsft<Storage>{.unfreeze_rank_ratio = 0.5}, at::kFloat, kFrozen);
  check_product(BasicOsft<Storage>{.unfreeze_rank_ratio = 0.5}, at::kBFloat16, kFrozen);
  for (const auto dtype : {at::kFloat, at::kBFloat16}) {
    check_virtual_tokens(BasicPromptTuning<Storage>{.num_virtual_tokens = 6}, dtype);
    check_virtual_tokens(BasicPrefixTuning<Storage>{.num_virtual_tokens = 6}, dtype);
  }
  for (const auto projection : {OsftProjection::joint, OsftProjection::input_only}) {
    check_product(BasicOsft<Storage>{.unfreeze_rank_ratio = 0.5, .projection = projection},
                  at::kFloat, kFrozen);
  }
}
