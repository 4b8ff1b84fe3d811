// SPDX-License-Identifier: Apache-2.0
#include "posttrain/evaluate/retention.hpp"

#include <cmath>
#include <set>

#include "posttrain/generate/generate.hpp"
#include "posttrain/optim/adamw.hpp"
#include "posttrain/params/frozen.hpp"
#include "posttrain/params/full.hpp"
#include "posttrain/params/lora.hpp"
#include "posttrain/params/prompt_tuning.hpp"
#include "posttrain/storage/nf4.hpp"
#include "posttrain/trainer.hpp"
#include "support/catch.hpp"
#include "support/tiny_model.hpp"

using namespace posttrain;
using namespace posttrain::test;

namespace {

/// A prompt of four tokens and `count` scored ones.
Sequence scored_tail(TokenIds ids, std::size_t count) {
  Sequence sequence{std::move(ids), {}, 0};
  sequence.weights.assign(sequence.ids.size(), 0.0F);
  std::fill(sequence.weights.end() - static_cast<std::ptrdiff_t>(count), sequence.weights.end(),
            1.0F);
  return sequence;
}

struct Fixed {
  data::LoadedData load(const data::LoadContext&) const {
    data::LoadedData loaded;
    for (std::uint64_t i = 1; i < 5; ++i) loaded.train.push_back(some_sequence(8, i));
    return loaded;
  }
};

}  // namespace

TEST_CASE("an exact match is what greedy decoding gives", "[trainer][retention]") {
  const models::Decoder model = tiny_model();
  const FrozenState gate = Frozen{}.attach(model);
  const TokenIds prompt = some_ids(4, 3);
  TokenIds right = prompt;
  for (const TokenId id :
       generate(model, gate, prompt, {}, {.max_new_tokens = 5, .temperature = 0.0}).ids) {
    right.push_back(id);
  }
  TokenIds wrong = right;
  wrong.back() = (wrong.back() + 1) % 50;
  const Retention kept = measure_retention(
      model, gate, {batch_of({scored_tail(right, 5)}), batch_of({scored_tail(wrong, 5)})});
  CHECK(kept.sequences == 2);
  CHECK(kept.tokens == 10);
  CHECK(kept.exact_match == 0.5);
  CHECK(kept.token_accuracy == 0.9);
  CHECK(std::isnan(kept.kl));
}

TEST_CASE("loss and divergence are their formulas", "[trainer][retention]") {
  const models::Decoder model = tiny_model(), other = tiny_model(at::kDouble, 2);
  const FrozenState now = Frozen{}.attach(model), before = Frozen{}.attach(other);
  const std::vector<Sequence> sequences{some_sequence(9, 1), some_sequence(6, 2)};
  const TokenBatch batch = batch_of(sequences);
  const Retention kept = measure_retention(model, now, {batch}, &before);
  at::NoGradGuard no_grad;
  const auto log_p = [&](const FrozenState& gate) {
    const Tensor rows = model.hidden(gate, batch).index_select(0, batch.row);
    return at::log_softmax(model.logits(gate, rows), 1);
  };
  const Tensor p = log_p(now), q = log_p(before);
  const double kl = (q.exp() * (q - p)).sum(1).mean().item<double>();
  CHECK(kl > 0.01);
  CHECK(std::abs(kept.kl - kl) < 1e-5 * kl);
  const NextToken loss;
  CHECK(std::abs(kept.loss - loss_sum(model, now, batch, loss) / loss.count(batch)) < 1e-5);
  CHECK(measure_retention(model, now, {batch}, &now).kl == 0.0);
}

TEST_CASE("a run says what it holds", "[trainer][footprint]") {
  Options options;
  options.progress = false;
  const auto footprint = [&](const auto& params, at::ScalarType dtype) {
    Trainer trainer(tiny_model(dtype), NextToken{}, params, Fixed{}, AdamW{}, options);
    return trainer.footprint();
  };
  const models::Decoder model = tiny_model(at::kFloat);
  const std::int64_t numbers = parameters_of(model.layout());
  std::int64_t counted = 0;
  const FrozenState weights = Frozen{}.attach(model);
  for (const NamedTensor& tensor : weights.weights()) counted += tensor.value.numel();
  CHECK(numbers == counted);

  // Flat buffers are filled up to whole cache lines.
  const Footprint full = footprint(Full{}, at::kFloat);
  CHECK(full.model_parameters == numbers);
  CHECK(full.trained_parameters >= numbers);
  CHECK(full.trained_parameters < numbers + 16 * 40);
  CHECK(full.weights == 4 * numbers);
  CHECK(full.gradients == 4 * full.trained_parameters);
  CHECK(full.masters == 0);
  CHECK(full.optimizer >= 8 * full.trained_parameters);

  const Footprint half = footprint(Full{}, at::kBFloat16);
  CHECK(half.weights == 2 * numbers);
  CHECK(half.masters == 4 * half.trained_parameters);

  const Footprint lora = footprint(Lora{.rank = 2}, at::kFloat);
  CHECK(lora.trained_parameters < numbers / 3);
  CHECK(lora.weights == 4 * (numbers + lora.trained_parameters));
  CHECK(footprint(BasicLora<Nf4>{.rank = 2}, at::kFloat).weights < lora.weights / 2);
  const Footprint prompt = footprint(PromptTuning{.num_virtual_tokens = 4}, at::kFloat);
  CHECK(prompt.trained_parameters == 4 * 16);
  CHECK(prompt.weights == 4 * (numbers + prompt.trained_parameters));

  Footprint line{.trained_parameters = 55296,
                 .model_parameters = 3721984,
                 .weights = 14888000,
                 .gradients = 221184,
                 .optimizer = 442368};
  CHECK(line.text() ==
        "trains 55,296 parameters, 1.49 % of the model's 3,721,984; weights 14.9 MB, gradients 0.2 "
        "MB, optimizer 0.4 MB");
}
