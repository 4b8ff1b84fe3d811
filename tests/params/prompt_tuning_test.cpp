// SPDX-License-Identifier: Apache-2.0
// Prompt tuning and prefix tuning: what they share is tested on both.
#include "posttrain/data/tokenized.hpp"
#include "posttrain/generate/generate.hpp"
#include "posttrain/generate/kv_cache.hpp"
#include "posttrain/optim/adamw.hpp"
#include "posttrain/params/calibration/input_statistics.hpp"
#include "posttrain/params/frozen.hpp"
#include "posttrain/params/prompt/files.hpp"
#include "posttrain/storage/int8.hpp"
#include "posttrain/storage/nf4.hpp"
#include "posttrain/trainer.hpp"
#include "support/catch.hpp"
#include "support/disturb.hpp"
#include "support/letter_model.hpp"
#include "support/small_run.hpp"
#include "support/temp_folder.hpp"
#include "support/tiny_model.hpp"

using namespace posttrain;
using namespace posttrain::test;

namespace {

constexpr std::int64_t kCount = 3;

enum class Kind { kPlain, kScaled, kLearned, kDynamic };
constexpr Kind kKinds[] = {Kind::kPlain, Kind::kScaled, Kind::kLearned, Kind::kDynamic};

models::DecoderConfig config_of(Kind kind) {
  models::DecoderConfig config = tiny_config();
  if (kind == Kind::kScaled) config.lookup_scale = 4.0, config.embedding_scale = 0.5;
  if (kind == Kind::kLearned) {
    config.learned_positions = true;
    config.max_positions = 32;
    config.layers = {{0, -1}, {4, -1}};
    config.ropes.clear();
  }
  if (kind == Kind::kDynamic) {
    models::RopeSpec& rope = config.ropes[0];
    rope.dynamic = true;
    rope.theta = 10.0;
    rope.factor = 2.0;
    rope.original_length = 8;
  }
  return config;
}

models::Decoder model_of(Kind kind, at::ScalarType dtype = at::kDouble) {
  return models::Decoder(config_of(kind), {.dtype = dtype, .device = test_device(), .seed = 1});
}

PromptTuning some_prompt() { return {.num_virtual_tokens = kCount, .seed = 3}; }
PrefixTuning some_prefix() { return {.num_virtual_tokens = kCount, .seed = 3}; }

std::vector<Sequence> some_sequences() {
  return {some_sequence(7, 1), some_sequence(12, 2), some_sequence(5, 3)};
}

/// A tree, and the sequences that it stands for.
struct Tree {
  Sequence root = some_sequence(5, 4), first = some_sequence(4, 5), second = some_sequence(6, 6);

  TokenBatch batch() const {
    BatchBuilder builder;
    const int top = builder.add(root.ids);
    for (const Sequence* child : {&first, &second}) {
      builder.add(child->ids, top);
      builder.score(child->weights);
      builder.end_sequence();
    }
    return std::move(builder).build().to(test_device());
  }
  std::vector<Sequence> separate() const {
    std::vector<Sequence> all;
    for (const Sequence* child : {&first, &second}) {
      Sequence whole{root.ids, std::vector<float>(root.ids.size(), 0.0F), 0};
      whole.ids.insert(whole.ids.end(), child->ids.begin(), child->ids.end());
      whole.weights.insert(whole.weights.end(), child->weights.begin(), child->weights.end());
      all.push_back(whole);
    }
    return all;
  }
};

/// The sequence with these tokens before it, which are not scored.
Sequence behind(const TokenIds& first, const Sequence& sequence) {
  Sequence whole{first, std::vector<float>(first.size(), 0.0F), sequence.sample};
  whole.ids.insert(whole.ids.end(), sequence.ids.begin(), sequence.ids.end());
  whole.weights.insert(whole.weights.end(), sequence.weights.begin(), sequence.weights.end());
  whole.weights[first.size()] = 0.0F;
  return whole;
}

/// Hidden states of the rows that predict, [P, d].
template <class State>
Tensor predicting(const models::Decoder& model, const State& state, const TokenBatch& own) {
  at::NoGradGuard no_grad;
  const TokenBatch batch = prepared(state, own);
  return model.hidden(state, batch).index_select(0, batch.row);
}

template <class State>
void copy_numbers(const auto& from, State& to) {
  at::NoGradGuard no_grad;
  to.tensors().at(0).value.copy_(from.tensors().at(0).value);
  to.publish();
}

/// Every fifth number; the gradient with and without recomputation.
template <class State>
void check_finite_differences(const models::Decoder& model, State& state, const TokenBatch& batch) {
  const NextToken loss{.label_smoothing = 0.1};
  ParameterGroup& group = state.trainable().at(0);
  const auto gradient = [&](bool checkpointing) {
    zero_gradients(state);
    add_gradients(model, state, batch, loss, 1.0, {.gradient_checkpointing = checkpointing});
    return group.grad.clone();
  };
  const Tensor all = gradient(false);
  CHECK(relative_error(gradient(true), all) < 1e-13);
  CHECK(all.abs().max().item<double>() > 1e-3);
  for (std::int64_t i = 0; i < group.master.numel(); i += 5) {
    const double original = number_at(group.master, i), h = 1e-5;
    const auto at = [&](double value) {
      set_number(group.master, i, value);
      return loss_sum(model, state, batch, loss);
    };
    const double above = at(original + h), below = at(original - h);
    at(original);
    CHECK(all[i].item<double>() == Approx((above - below) / (2 * h)).epsilon(1e-5).margin(1e-7));
  }
}

template <class State>
Tensor gradient_of(const models::Decoder& model, State& state,
                   const std::vector<TokenBatch>& micro_batches, const ModelCall& call = {}) {
  zero_gradients(state);
  for (const TokenBatch& batch : micro_batches) {
    add_gradients(model, state, batch, NextToken{}, 1.0, call);
  }
  return flat_gradient(state);
}

/// Greedy decoding by reading everything again for every token.
template <class State>
TokenIds slow_greedy(const models::Decoder& model, const State& state, TokenIds ids, int count) {
  at::NoGradGuard no_grad;
  TokenIds continuation;
  for (int i = 0; i < count; ++i) {
    const Sequence sequence{ids, std::vector<float>(ids.size(), 1.0F), 0};
    const Tensor hidden = model.hidden(state, prepared(state, batch_of({sequence})));
    const Tensor logits = model.logits(state, hidden.narrow(0, hidden.size(0) - 1, 1));
    continuation.push_back(static_cast<TokenId>(logits.argmax().item<std::int64_t>()));
    ids.push_back(continuation.back());
  }
  return continuation;
}

using Reader = WithLetters<models::Decoder>;

Tensor table_rows(const models::Decoder& model, const TokenIds& ids) {
  const FrozenState base = Frozen{}.attach(model);
  return base.embed(
      0,
      at::tensor(std::vector<std::int64_t>(ids.begin(), ids.end()), at::kLong).to(test_device()));
}

}  // namespace

TEST_CASE("gradients of prompts and prefixes agree with finite differences", "[params][prompt]") {
  for (const Kind kind : kKinds) {
    INFO(static_cast<int>(kind));
    const models::Decoder model = model_of(kind);
    auto prompt = some_prompt().attach(model);
    auto prefix = some_prefix().attach(model);
    disturb(prompt, 0.2);
    disturb(prefix, 0.2);
    const TokenBatch batch = kind == Kind::kPlain
                                 ? Tree{}.batch()
                                 : batch_of({some_sequence(7, 1), some_sequence(4, 2)});
    check_finite_differences(model, prompt, batch);
    check_finite_differences(model, prefix, batch);
  }
}

TEST_CASE("a prompt that is computed once equals one in every sequence", "[params][prompt][C14]") {
  for (const Kind kind : kKinds) {
    INFO(static_cast<int>(kind));
    const models::Decoder model = model_of(kind);
    auto state = some_prompt().attach(model);
    disturb(state, 0.2);
    for (const bool tree : {false, true}) {
      const TokenBatch batch = tree ? Tree{}.batch() : batch_of(some_sequences());
      // Ordinary sequences whose first tokens are the virtual ones; a tree has one length.
      std::vector<TokenBatch> alone;
      for (const Sequence& sequence : tree ? Tree{}.separate() : some_sequences()) {
        TokenBatch one = batch_of({behind(state.prompt_ids(), sequence)});
        one.virtual_tokens = kCount;
        alone.push_back(one);
      }
      if (tree && kind == Kind::kDynamic) continue;
      const Tensor together = gradient_of(model, state, {batch});
      zero_gradients(state);
      Tensors rows;
      for (const TokenBatch& one : alone) {
        const auto logits = [&](const Tensor& r) { return model.logits(state, r); };
        const Tensor hidden = model.hidden(state, one);
        rows.push_back(hidden.detach().index_select(0, one.row));
        backward_through_head(logits, hidden, one, NextToken{}, {}, 1.0, 5);
      }
      CHECK(relative_error(predicting(model, state, batch), at::cat(rows)) < 1e-12);
      CHECK(relative_error(together, flat_gradient(state)) < 1e-12);
      // One copy of the prompt, unless frequencies follow the length.
      const std::int64_t copies = kind == Kind::kDynamic ? 3 : 1;
      CHECK(prepared(state, batch).tokens() == batch.tokens() + copies * kCount);
    }
  }
}

TEMPLATE_TEST_CASE("packing and splitting change nothing", "[params][prompt][C1][C14]",
                   PromptTuning, PrefixTuning) {
  for (const Kind kind : kKinds) {
    for (const auto dtype : {at::kDouble, at::kFloat}) {
      const models::Decoder model = model_of(kind, dtype);
      auto state = TestType{.num_virtual_tokens = kCount, .seed = 3}.attach(model);
      disturb(state, 0.2);
      const auto s = some_sequences();
      const Tensor together = gradient_of(model, state, {batch_of(s)});
      const double tolerance = dtype == at::kDouble ? 1e-12 : 1e-5;
      const auto apart = gradient_of(model, state, {batch_of({s[2]}), batch_of({s[1], s[0]})});
      CHECK(relative_error(apart, together) < tolerance);
      const ModelCall noisy{.neftune = {.alpha = 5.0, .seed = 1, .step = 2}};
      const Tensor noise = gradient_of(model, state, {batch_of(s)}, noisy);
      CHECK(relative_error(noise, together) > 1e-3);
      CHECK(relative_error(
                gradient_of(model, state, {batch_of({s[2]}), batch_of({s[1], s[0]})}, noisy),
                noise) < tolerance);
    }
  }
}

TEST_CASE("a start from tokens is the model that read them", "[params][prompt]") {
  const TokenIds ids = prompt_init::sample_vocab(kCount, 50, 3);
  for (const Kind kind : kKinds) {
    const models::Decoder model = model_of(kind);
    const FrozenState base = Frozen{}.attach(model);
    std::vector<Sequence> hard;
    for (const Sequence& sequence : some_sequences()) hard.push_back(behind(ids, sequence));
    const Tensor expected = predicting(model, base, batch_of(hard));
    const TokenBatch batch = batch_of(some_sequences());
    CHECK(relative_error(predicting(model, some_prompt().attach(model), batch), expected) < 1e-12);
    // Keys that were rotated for the prefix's own length differ where that matters.
    const double prefix =
        relative_error(predicting(model, some_prefix().attach(model), batch), expected);
    if (kind == Kind::kDynamic) {
      CHECK(prefix < 0.5);
    } else {
      CHECK(prefix < 1e-12);
    }
  }
}

TEST_CASE("first values are what they are called", "[params][prompt]") {
  const models::Decoder model = model_of(Kind::kScaled);
  const auto values = [&](const auto& policy, const auto& on) {
    return policy.attach(on).tensors().at(0).value.clone();
  };
  // What is looked up is scaled on its way in, a prompt is not.
  const Tensor rows = table_rows(model, prompt_init::sample_vocab(kCount, 50, 3)) * 4.0;
  CHECK(at::equal(values(some_prompt(), model), rows));
  CHECK_FALSE(
      at::equal(values(PromptTuning{.num_virtual_tokens = kCount, .seed = 4}, model), rows));

  const Reader reader(
      config_of(Kind::kScaled),
      models::ModelOptions{.dtype = at::kDouble, .device = test_device(), .seed = 1});
  const auto text = [](std::int64_t count) {
    return PromptTuning{.num_virtual_tokens = count, .init = PromptInit::text, .init_text = "abc"};
  };
  CHECK(at::equal(values(text(2), reader), table_rows(model, {40, 0}) * 4.0));
  CHECK(at::equal(values(text(6), reader), table_rows(model, {40, 0, 1, 2, 40, 0}) * 4.0));
  const PrefixTuning prefix{.num_virtual_tokens = 2, .init = PrefixInit::text, .init_text = "abc"};
  const auto layers = model.keys_and_values(
      Frozen{}.attach(model),
      at::tensor(std::vector<std::int64_t>{40, 0}, at::kLong).to(test_device()));
  const Tensor start = values(prefix, reader).view({2, 2, 2, 2, 4});  // [n, layers, 2, Hkv, D]
  CHECK(at::equal(start.select(1, 1).select(1, 0), layers[1].first));
  CHECK(at::equal(start.select(1, 0).select(1, 1), layers[0].second));

  for (const Tensor& drawn :
       {values(PromptTuning{.num_virtual_tokens = 100, .init = PromptInit::random}, model),
        values(PrefixTuning{.num_virtual_tokens = 100, .init = PrefixInit::random}, model)}) {
    CHECK(drawn.mean().item<double>() == Approx(0.0).margin(0.1));
    CHECK(drawn.std().item<double>() == Approx(1.0).epsilon(0.1));
  }
  CHECK(values(PrefixTuning{.init = PrefixInit::zero}, model).abs().max().item<double>() == 0.0);
}

TEST_CASE("a prompt in bf16 has float32 masters and gradients", "[params][prompt][C24]") {
  const models::Decoder model = model_of(Kind::kScaled, at::kBFloat16);
  const TokenBatch batch = batch_of(some_sequences());
  const auto check = [&](auto state) {
    const ParameterGroup& group = state.trainable().at(0);
    CHECK(group.value.scalar_type() == at::kBFloat16);
    CHECK(group.master.scalar_type() == at::kFloat);
    const Tensor gradient = gradient_of(model, state, {batch});
    CHECK(gradient.scalar_type() == at::kFloat);
    Tensor master = group.master;
    master += 1e-5;  // below bf16's resolution
    state.publish();
    CHECK(at::equal(group.value, master.to(at::kBFloat16)));
    // The same in float32 on the rounded weights.
    std::map<std::string, Tensor> weights;
    for (const NamedTensor& w : state.base().weights()) weights[w.name] = w.value;
    const models::Decoder wide(
        config_of(Kind::kScaled), {.dtype = at::kFloat, .device = test_device()},
        [weights](const std::string& name, const auto&) { return weights.at(name); });
    auto exact = state.policy().attach(wide);
    copy_numbers(state, exact);
    CHECK(relative_error(gradient, gradient_of(wide, exact, {batch})) < 0.1);
  };
  check(some_prompt().attach(model));
  check(some_prefix().attach(model));
}

TEMPLATE_TEST_CASE("a stored base gives the gradients of its dense values", "[params][prompt]", Nf4,
                   Int8) {
  const models::Decoder model = model_of(Kind::kPlain, at::kFloat);
  const TokenBatch batch = batch_of(some_sequences());
  const auto check = [&](auto state, auto dense_policy) {
    std::map<std::string, Tensor> weights;
    for (const NamedTensor& w : state.base().weights()) weights[w.name] = w.value;
    const models::Decoder dense(
        config_of(Kind::kPlain), {.dtype = at::kFloat, .device = test_device()},
        [weights](const std::string& name, const auto&) { return weights.at(name); });
    auto expected = dense_policy.attach(dense);
    copy_numbers(state, expected);
    CHECK(relative_error(gradient_of(model, state, {batch}),
                         gradient_of(dense, expected, {batch})) < 1e-5);
  };
  check(BasicPromptTuning<TestType>{.num_virtual_tokens = kCount}.attach(model), some_prompt());
  check(BasicPrefixTuning<TestType>{.num_virtual_tokens = kCount}.attach(model), some_prefix());
}

TEMPLATE_TEST_CASE("the reference is the base, on the batch as it is", "[params][prompt]",
                   PromptTuning, PrefixTuning) {
  const models::Decoder model = tiny_model();
  auto state = TestType{.num_virtual_tokens = kCount}.attach(model);
  disturb(state, 0.2);
  const TokenBatch batch = batch_of(some_sequences());
  at::NoGradGuard no_grad;
  CHECK(at::equal(model.hidden(state.reference(), batch),
                  model.hidden(Frozen{}.attach(model), batch)));
  CHECK_FALSE(
      at::equal(predicting(model, state, batch), predicting(model, state.reference(), batch)));
  // Neither takes the other's batch.
  CHECK_THROWS_WITH(model.hidden(state, batch),
                    Catch::Contains("3 virtual tokens") && Catch::Contains("got 0"));
  CHECK_THROWS_WITH(model.hidden(state.reference(), prepared(state, batch)),
                    Catch::Contains("0 virtual tokens") && Catch::Contains("got 3"));
  CHECK_THROWS_WITH(state.prepare(prepared(state, batch)),
                    Catch::Contains("without virtual tokens"));
}

TEST_CASE("calibration runs behind the virtual tokens", "[params][prompt]") {
  const models::Decoder model = tiny_model();
  const std::vector<TokenBatch> batches{batch_of(some_sequences())};
  const auto gram = [&](const auto& gate, std::int64_t rows) {
    const InputStatistics inputs = input_statistics(model, gate, batches);
    CHECK(inputs.rows(1) == rows);
    return inputs.gram(1).clone();  // what the first layer's o_proj reads
  };
  const auto prompt = some_prompt().attach(model);
  const auto prefix = some_prefix().attach(model);
  const Tensor base = gram(prompt.reference(), 24);
  CHECK(relative_error(gram(prompt, 24 + kCount), base) > 1e-2);
  CHECK(relative_error(gram(prefix, 24), base) > 1e-2);
}

TEMPLATE_TEST_CASE("decoding equals reading everything again", "[params][prompt][generate]",
                   PromptTuning, PrefixTuning) {
  for (const Kind kind : {Kind::kPlain, Kind::kScaled, Kind::kLearned}) {
    const models::Decoder model = model_of(kind);
    auto state = TestType{.num_virtual_tokens = 6}.attach(model);
    disturb(state, 0.2);
    const TokenIds prompt = some_ids(5, 1);
    const Sampling sampling{.max_new_tokens = 12, .temperature = 0.0};
    const TokenIds continuation = generate(model, state, prompt, {}, sampling).ids;
    CHECK(continuation == slow_greedy(model, state, prompt, 12));
    CHECK(continuation != generate(model, state.reference(), prompt, {}, sampling).ids);
    at::NoGradGuard no_grad;
    KeyValueCache cache(model, 6 + 12);
    const TokenIds more = some_ids(7, 2);
    Tensors read{cache.read(state, prompt), cache.read(state, more)};
    TokenIds all = prompt;
    all.insert(all.end(), more.begin(), more.end());
    const Tensor whole =
        model.hidden(state, prepared(state, batch_of({{all, std::vector<float>(12, 1.0F), 0}})));
    CHECK(relative_error(at::cat(read), whole.narrow(0, whole.size(0) - 12, 12)) < 1e-12);
    CHECK(cache.length() == 18);
  }
}

TEMPLATE_TEST_CASE("learned positions count the virtual tokens", "[params][prompt][generate]",
                   PromptTuning, PrefixTuning) {
  const models::Decoder model = model_of(Kind::kLearned);  // 32 positions
  const auto state = TestType{.num_virtual_tokens = 12}.attach(model);
  at::NoGradGuard no_grad;
  const auto hidden = [&](std::int64_t length) {
    return model.hidden(state, prepared(state, batch_of({some_sequence(length, 1)})));
  };
  CHECK_NOTHROW(hidden(20));
  CHECK_THROWS_WITH(hidden(21), Catch::Contains("at most 32 tokens") &&
                                    Catch::Contains("got 33 (virtual tokens: 12)"));
  CHECK(generate(model, state, some_ids(18, 1), {}).ids.size() == 3);
  CHECK_THROWS_WITH(generate(model, state, some_ids(21, 1), {}),
                    Catch::Contains("at most 20 tokens"));
}

TEST_CASE("noise falls on the real tokens alone, as without a prompt", "[params][prompt]") {
  const NefTune options{.alpha = 5.0, .seed = 1, .step = 2};
  const auto noise = [&](const TokenBatch& batch) {
    return add_neftune_noise(
        at::zeros({batch.tokens(), 16}, batch.ids.options().dtype(at::kDouble)), batch, options);
  };
  for (const TokenBatch& batch : {batch_of(some_sequences()), Tree{}.batch()}) {
    const Tensor own = noise(batch);
    for (const Kind kind : {Kind::kPlain, Kind::kDynamic}) {
      const TokenBatch behind = prepared(some_prompt().attach(model_of(kind)), batch);
      const Tensor all = noise(behind);
      const Tensor real = (behind.ids < 50).nonzero().squeeze(1);
      CHECK(at::equal(all.index_select(0, real), own));
      CHECK(all.abs().sum().item<double>() == Approx(own.abs().sum().item<double>()));
    }
    CHECK(at::equal(noise(prepared(some_prefix().attach(tiny_model()), batch)), own));
  }
}

TEST_CASE("a Trainer trains a prompt on the user's batches", "[params][prompt][C23]") {
  const TempFolder folder;
  const std::string path =
      folder.write("tokens.jsonl", R"({"input_ids": [1, 2, 3, 4], "labels": [1, 2, 3, 4]})");
  const Tokenized data{.path = path};
  Options options = small_run(20, 8, 30);
  options.learning_rate = 0.05;
  options.neftune_noise_alpha = 1.0;
  const auto check = [&](const auto& policy) {
    Trainer trainer(tiny_model(at::kFloat), NextToken{}, policy, data, AdamW{}, options);
    const Tensor base = trainer.state().base().weights().at(3).value.clone();
    const std::vector<TokenBatch> batches{batch_of(some_sequences())};
    const double before = trainer.evaluate(batches);
    CHECK(before == Approx(loss_sum(trainer.model(), trainer.state(), batches[0], NextToken{}) /
                           NextToken{}.count(batches[0])));
    const StepMetrics metrics = trainer.step(batches);
    CHECK(metrics.num_total_tokens == 24);
    CHECK(metrics.batch_num_loss_counted_tokens == batches[0].predictions());
    for (int i = 0; i < 20; ++i) trainer.step(batches);
    CHECK(trainer.evaluate(batches) < before - 0.1);
    CHECK(at::equal(trainer.state().base().weights().at(3).value, base));
    CHECK_THROWS_WITH(trainer.state().weights(), Catch::Contains("save(state, folder, base)"));
  };
  check(some_prompt());
  check(some_prefix());
  options.save_best = true;
  options.run_dir = (folder / "run").string();
  CHECK_THROWS_WITH(Trainer(tiny_model(), NextToken{}, some_prompt(), data, AdamW{}, options),
                    Catch::Contains("save_best"));
}

TEST_CASE("nonsense in prompts is refused with a reason", "[params][prompt]") {
  const models::Decoder model = tiny_model();
  CHECK_THROWS_WITH(PromptTuning{.num_virtual_tokens = 0}.validate(),
                    Catch::Contains("PromptTuning.num_virtual_tokens"));
  CHECK_THROWS_WITH(PrefixTuning{.num_virtual_tokens = 0}.validate(),
                    Catch::Contains("PrefixTuning.num_virtual_tokens"));
  CHECK_THROWS_WITH(PromptTuning{.init = PromptInit::text}.validate(),
                    Catch::Contains("init_text"));
  CHECK_THROWS_WITH(PromptTuning{.init_text = "unused"}.validate(), Catch::Contains("init_text"));
  CHECK_THROWS_WITH(PrefixTuning{.init_text = "unused"}.validate(), Catch::Contains("init_text"));
  CHECK_THROWS_WITH(From<PromptTuning>{}.validate(), Catch::Contains("From<PromptTuning>.folder"));
  CHECK_THROWS_WITH(From<PrefixTuning>{}.validate(), Catch::Contains("From<PrefixTuning>.folder"));
  CHECK_THROWS_WITH((PromptTuning{.init = PromptInit::text, .init_text = "a"}.attach(model)),
                    Catch::Contains("tokenizer"));
}
