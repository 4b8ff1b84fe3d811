// SPDX-License-Identifier: Apache-2.0
#include "posttrain/models/decoder.hpp"

#include "posttrain/params/forwarding.hpp"
#include "support/catch.hpp"
#include "support/tiny_model.hpp"

using namespace posttrain;
using namespace posttrain::test;

namespace {

/// A prompt with two children, one of which has two children of its own.
struct Tree {
  TokenIds prompt = some_ids(7, 1), left = some_ids(5, 2), right = some_ids(6, 3);
  TokenIds deep_a = some_ids(3, 4), deep_b = some_ids(4, 5);

  TokenBatch forest() const {
    BatchBuilder builder;
    const auto ones = [](const TokenIds& ids) { return std::vector<float>(ids.size(), 1.0F); };
    const int root = builder.add(prompt);
    const int inner = builder.add(left, root);
    builder.score(ones(left));
    builder.add(deep_a, inner);
    builder.score(ones(deep_a));
    builder.add(deep_b, inner);
    builder.score(ones(deep_b));
    builder.add(right, root);
    builder.score(ones(right));
    builder.end_sequence(0);
    return std::move(builder).build().to(test_device());
  }

  /// These predictions as three full sequences; `left` is scored once only.
  std::vector<Sequence> separate() const {
    const auto join = [&](std::vector<const TokenIds*> pieces, std::vector<float> weights) {
      Sequence sequence;
      for (std::size_t i = 0; i < pieces.size(); ++i) {
        sequence.ids.insert(sequence.ids.end(), pieces[i]->begin(), pieces[i]->end());
        sequence.weights.insert(sequence.weights.end(), pieces[i]->size(), weights[i]);
      }
      return sequence;
    };
    return {join({&prompt, &left, &deep_a}, {0, 1, 1}), join({&prompt, &left, &deep_b}, {0, 0, 1}),
            join({&prompt, &right}, {0, 1})};
  }
};

}  // namespace

TEST_CASE("a forest gives the hidden states of its separate sequences", "[decoder][C14][C15]") {
  const models::Decoder model = tiny_model();
  FullState state = Full{}.attach(model);
  at::NoGradGuard no_grad;
  const Tree tree;
  const Tensor forest = model.hidden(state, tree.forest());
  // Rows: prompt 0–6, left 7–11, deep_a 12–14, deep_b 15–18, right 19–24.
  const auto alone = [&](const Sequence& sequence) {
    return model.hidden(state, batch_of({sequence}));
  };
  const auto sequences = tree.separate();
  CHECK(relative_error(forest.narrow(0, 0, 15), alone(sequences[0])) < 1e-12);
  CHECK(relative_error(forest.narrow(0, 15, 4), alone(sequences[1]).narrow(0, 12, 4)) < 1e-12);
  CHECK(relative_error(forest.narrow(0, 19, 6), alone(sequences[2]).narrow(0, 7, 6)) < 1e-12);
}

TEST_CASE("a forest gives the loss and every gradient of its separate sequences",
          "[decoder][C14]") {
  for (const auto dtype : {at::kDouble, at::kFloat}) {
    const double tolerance = dtype == at::kDouble ? 1e-12 : 1e-5;
    const models::Decoder model = tiny_model(dtype);
    FullState state = Full{}.attach(model);
    const Tree tree;
    const NextToken loss{.label_smoothing = 0.1, .z_loss = 0.01};
    const double together = add_gradients(model, state, tree.forest(), loss);
    const Tensor gradient = flat_gradient(state);
    zero_gradients(state);
    double apart = 0.0;
    for (const Sequence& sequence : tree.separate()) {
      apart += add_gradients(model, state, batch_of({sequence}), loss);
    }
    CHECK(together == Approx(apart).epsilon(tolerance));
    CHECK(relative_error(gradient, flat_gradient(state)) < tolerance);
  }
}

TEST_CASE("gradients agree with finite differences", "[decoder]") {
  const models::Decoder model = tiny_model();
  FullState state = Full{}.attach(model);
  const TokenBatch batch = Tree{}.forest();
  const NextToken loss{.label_smoothing = 0.1, .z_loss = 0.01};
  for (const bool checkpointing : {false, true}) {
    zero_gradients(state);
    add_gradients(model, state, batch, loss, 1.0, {.gradient_checkpointing = checkpointing});
    for (ParameterGroup& group : state.trainable()) {
      for (std::int64_t i = 0; i < group.value.numel(); i += 23) {
        const double original = number_at(group.value, i), h = 1e-5;
        set_number(group.value, i, original + h);
        const double above = loss_sum(model, state, batch, loss);
        set_number(group.value, i, original - h);
        const double below = loss_sum(model, state, batch, loss);
        set_number(group.value, i, original);
        CHECK(number_at(group.grad, i) ==
              Approx((above - below) / (2 * h)).epsilon(1e-5).margin(1e-7));
      }
    }
  }
}

TEST_CASE("the gradient does not depend on packing, order or micro-batches", "[decoder][C1][C14]") {
  const models::Decoder model = tiny_model(at::kFloat);
  FullState state = Full{}.attach(model);
  std::vector<Sequence> sequences;
  for (const std::int64_t length : {3, 17, 9, 30, 2, 12}) {
    sequences.push_back(some_sequence(length, static_cast<std::uint64_t>(length)));
  }
  const NextToken loss;
  const double count = loss.count(batch_of(sequences));
  const double packed = add_gradients(model, state, batch_of(sequences), loss, 1.0 / count) / count;
  const Tensor reference = flat_gradient(state);

  const auto compare = [&](const std::vector<std::vector<int>>& split) {
    zero_gradients(state);
    double sum = 0.0;
    for (const auto& micro : split) {
      std::vector<Sequence> part;
      for (const int index : micro) part.push_back(sequences[static_cast<std::size_t>(index)]);
      sum += add_gradients(model, state, batch_of(part), loss, 1.0 / count);
    }
    CHECK(sum / count == Approx(packed).epsilon(1e-6));
    CHECK(relative_error(flat_gradient(state), reference) < 1e-5);
  };
  compare({{0}, {1}, {2}, {3}, {4}, {5}});
  compare({{5, 3, 1}, {0, 2, 4}});
  compare({{4, 5, 2, 0, 1, 3}});
}

TEST_CASE("NEFTune noise of a model is keyed by step and independent of packing",
          "[decoder][neftune]") {
  const models::Decoder model = tiny_model();
  FullState state = Full{}.attach(model);
  at::NoGradGuard no_grad;
  const std::vector<Sequence> sequences{some_sequence(9, 1), some_sequence(5, 2)};
  const ModelCall noisy{.neftune = {.alpha = 5.0, .seed = 3, .step = 11}};
  const Tensor packed = model.hidden(state, batch_of(sequences), noisy);
  const Tensor alone = model.hidden(state, batch_of({sequences[1]}), noisy);
  CHECK(relative_error(packed.narrow(0, 9, 5), alone) < 1e-12);
  CHECK(relative_error(model.hidden(state, batch_of(sequences)), packed) > 1e-3);
  ModelCall later = noisy;
  later.neftune.step = 12;
  CHECK(relative_error(model.hidden(state, batch_of(sequences), later), packed) > 1e-3);
}

TEST_CASE("NEFTune noise falls where the embedding module ends", "[decoder][neftune]") {
  // Noise in the embedding itself, before any scale of the model.
  struct NoisyGate : Forwarding<const FullState&> {
    NoisyGate(const FullState& state, Tensor added) : Forwarding(state), noise(std::move(added)) {}
    Tensor embed(int table, const Tensor& ids) const { return gate().embed(table, ids) + noise; }
    Tensor noise;
  };
  const NefTune neftune{.alpha = 5.0, .seed = 3, .step = 11};
  const TokenBatch batch = batch_of({some_sequence(9, 1)});
  const Tensor noise =
      add_neftune_noise(at::zeros({9, 16}, batch.ids.options().dtype(at::kDouble)), batch, neftune);
  const auto error = [&](double lookup_scale, double embedding_scale, const Tensor& expected) {
    models::DecoderConfig config = tiny_config();
    config.lookup_scale = lookup_scale;
    config.embedding_scale = embedding_scale;
    const models::Decoder model(config, {.dtype = at::kDouble, .device = test_device()});
    const FullState state = Full{}.attach(model);
    at::NoGradGuard no_grad;
    return relative_error(model.hidden(state, batch, {.neftune = neftune}),
                          model.hidden(NoisyGate(state, expected), batch));
  };
  CHECK(error(1.0, 12.0, noise) < 1e-12);       // Granite
  CHECK(error(4.0, 1.0, noise / 4.0) < 1e-12);  // Gemma: the module scales
}

TEST_CASE("learned positions refuse a sequence that is too long", "[decoder]") {
  models::DecoderConfig config = tiny_config();
  config.learned_positions = true;
  config.max_positions = 8;
  config.naming = models::Naming::kGpt2;
  config.norm = models::NormKind::kLayerNorm;
  config.qk_norm = false;
  config.gated_mlp = false;
  const models::Decoder model(config, {.dtype = at::kDouble, .device = test_device()});
  const FullState state = Full{}.attach(model);
  CHECK_THROWS_WITH(model.hidden(state, batch_of({some_sequence(9, 1)})),
                    Catch::Contains("at most 8 tokens"));
}
