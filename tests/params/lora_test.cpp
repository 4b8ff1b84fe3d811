// SPDX-License-Identifier: Apache-2.0
#include "posttrain/params/lora.hpp"

#include <set>

#include "posttrain/base/describe.hpp"
#include "posttrain/params/frozen.hpp"
#include "posttrain/params/qlora.hpp"
#include "support/catch.hpp"
#include "support/tiny_model.hpp"

using namespace posttrain;
using namespace posttrain::test;

namespace {

TokenBatch some_batch() {
  return batch_of({some_sequence(7, 1), some_sequence(12, 2), some_sequence(5, 3)});
}

/// A state whose adapters do something: all masters moved away from their first values.
template <class State>
void disturb(State& state, double size = 0.1) {
  at::NoGradGuard no_grad;
  std::uint64_t seed = 5;
  for (ParameterGroup& group : state.trainable()) {
    Philox4x32 generator(seed++);
    for (std::int64_t i = 0; i < group.master.numel(); ++i) {
      group.master[i] += size * generator.normal();
    }
  }
  state.publish();
}

template <class State>
Tensor logits_of(const State& state, const models::Decoder& model = tiny_model()) {
  at::NoGradGuard no_grad;
  return model.logits(state, model.hidden(state, some_batch()));
}

template <class State>
Tensor hidden_of(const State& state, const models::Decoder& model = tiny_model()) {
  at::NoGradGuard no_grad;
  return model.hidden(state, some_batch());
}

/// Every gradient against finite differences, on every 7th number of every group. In double the
/// masters are the weights; nothing is published, since DoRA's gradient leaves its norm out.
template <class State>
void check_gradients(const models::Decoder& model, State& state) {
  const TokenBatch batch = some_batch();
  const NextToken loss{.label_smoothing = 0.1};
  zero_gradients(state);
  add_gradients(model, state, batch, loss);
  for (ParameterGroup& group : state.trainable()) {
    INFO(group.name);
    double largest = 0.0;
    double* values = group.master.template data_ptr<double>();
    const double* gradient = group.grad.template data_ptr<double>();
    for (std::int64_t i = 0; i < group.master.numel(); i += 7) {
      const double original = values[i], h = 1e-5;
      const auto at = [&](double value) {
        values[i] = value;
        return loss_sum(model, state, batch, loss);
      };
      const double above = at(original + h), below = at(original - h);
      at(original);
      CHECK(gradient[i] == Approx((above - below) / (2 * h)).epsilon(1e-5).margin(1e-7));
      largest = std::max(largest, std::abs(gradient[i]));
    }
    CHECK(largest > 1e-4);
  }
}

/// The merged weights as a model of their own, untied if they come so.
template <class State>
models::Decoder merged(const State& state) {
  std::map<std::string, Tensor> by_name;
  for (const NamedTensor& weight : state.weights()) by_name[weight.name] = weight.value;
  models::DecoderConfig config = tiny_config();
  config.tied = !by_name.contains("lm_head.weight");
  return models::Decoder(config, {.dtype = at::kDouble},
                         [by_name](const std::string& name, const std::vector<std::int64_t>&) {
                           return by_name.at(name);
                         });
}

}  // namespace

TEST_CASE("adapters start as the base and their reference stays it", "[params][lora]") {
  for (const auto dtype : {at::kDouble, at::kFloat, at::kBFloat16}) {
    const models::Decoder model = tiny_model(dtype);
    const FullState full = Full{}.attach(model);
    auto state = Lora{.rank = 4}.attach(model);
    CHECK(at::equal(hidden_of(state, model), hidden_of(full, model)));
    disturb(state);
    CHECK_FALSE(at::equal(hidden_of(state, model), hidden_of(full, model)));
    CHECK(at::equal(hidden_of(state.reference(), model), hidden_of(full, model)));
  }
}

TEST_CASE("all linear layers but the head are adapted by default", "[params][lora]") {
  const auto state = Lora{.rank = 4}.attach(tiny_model());
  std::set<std::string> names;
  std::int64_t trained = 0;
  for (const AdapterTensors& adapter : state.adapters()) {
    names.insert(adapter.module);
    CHECK(adapter.a.size(0) == 4);
    CHECK(adapter.b.size(1) == 4);
    CHECK(adapter.scale == 2.0);
    trained += adapter.a.numel() + adapter.b.numel();
  }
  CHECK(names.size() == 14);
  CHECK(names.contains("model.layers.1.mlp.down_proj"));
  // Per layer: q 16+16, k and v 16+8 each, o 16+16, gate and up 16+24 each, down 24+16, times 4.
  CHECK(trained == 2 * 4 * (32 + 24 + 24 + 32 + 40 + 40 + 40));
}

TEST_CASE("gradients of adapters agree with finite differences", "[params][lora]") {
  const models::Decoder model = tiny_model();
  const std::vector<Lora> policies{
      {.rank = 4},
      {.rank = 3, .alpha = 5, .target_modules = "q_proj, v_proj, down_proj", .use_rslora = true},
      {.rank = 4, .rank_pattern = "k_proj=2, layers.1=6", .use_dora = true},
      {.rank = 2, .bias = LoraBias::lora_only, .modules_to_save = "norm, embed_tokens"},
      {.rank = 2, .target_modules = "lm_head, q_proj", .bias = LoraBias::all},
      {.rank = 3, .target_modules = "all-linear, embed_tokens", .rank_pattern = "embed_tokens=5"},
      {.rank = 3, .target_modules = "embed_tokens, v_proj", .use_rslora = true, .use_dora = true},
      {.rank = 2, .target_modules = "embed_tokens, lm_head", .modules_to_save = "embed_tokens"},
      {.rank = 4, .init = LoraInit::olora}};
  for (const Lora& policy : policies) {
    INFO(describe(policy));
    auto state = policy.attach(model);
    disturb(state);
    check_gradients(model, state);
  }
}

TEST_CASE("recomputation gives the same gradients", "[params][lora]") {
  const models::Decoder model = tiny_model();
  auto state = Lora{.rank = 4, .dropout = 0.3, .use_dora = true}.attach(model);
  disturb(state);
  const auto gradient = [&](bool checkpointing) {
    zero_gradients(state);
    state.begin_batch(some_batch(), 1, 2);
    add_gradients(model, state, some_batch(), NextToken{}, 1.0,
                  {.gradient_checkpointing = checkpointing});
    state.end_batch();
    return flat_gradient(state);
  };
  CHECK(relative_error(gradient(true), gradient(false)) < 1e-13);
}

TEST_CASE("the merged model is the adapted one", "[params][lora]") {
  const models::Decoder model = tiny_model();
  for (const Lora& policy : std::vector<Lora>{{.rank = 4},
                                              {.rank = 4, .use_dora = true},
                                              {.rank = 4, .init = LoraInit::olora},
                                              {.rank = 4, .init = LoraInit::pissa},
                                              {.use_dora = true, .init = LoraInit::olora},
                                              {.rank = 4, .modules_to_save = "norm"}}) {
    INFO(describe(policy));
    auto state = policy.attach(model);
    disturb(state);
    const models::Decoder alone = merged(state);
    CHECK(alone.config().tied);
    CHECK(relative_error(logits_of(Full{}.attach(alone), alone), logits_of(state)) < 1e-12);
  }
}

TEST_CASE("merging into one of two tied tensors unties them", "[params][lora][C5][C23]") {
  const models::Decoder model = tiny_model();
  for (const Lora& policy : std::vector<Lora>{{.target_modules = "lm_head"},
                                              {.target_modules = "embed_tokens"},
                                              {.target_modules = "lm_head, embed_tokens"},
                                              {.target_modules = "embed_tokens", .use_dora = true},
                                              {.target_modules = "all-linear, embed_tokens"}}) {
    INFO(describe(policy));
    auto state = policy.attach(model);
    const Tensor start = logits_of(state.reference());
    CHECK(relative_error(logits_of(state), start) < 1e-15);
    disturb(state);
    CHECK(relative_error(logits_of(state), start) > 1e-3);
    CHECK(at::equal(logits_of(state.reference()), start));
    const models::Decoder alone = merged(state);
    CHECK_FALSE(alone.config().tied);
    CHECK(relative_error(logits_of(Full{}.attach(alone), alone), logits_of(state)) < 1e-12);
  }
}

TEST_CASE("a table's adapter starts with A zero and B normal, and its padding row stays",
          "[params][lora]") {
  models::DecoderConfig config = tiny_config();
  config.padding_id = 21;
  const models::Decoder model(config, {.dtype = at::kDouble});
  auto state = Lora{.rank = 4, .target_modules = "embed_tokens"}.attach(model);
  REQUIRE(state.adapters().size() == 1);
  const AdapterTensors adapter = state.adapters()[0];
  CHECK(adapter.module == "model.embed_tokens");
  CHECK(adapter.a.sizes() == at::IntArrayRef{4, 50});
  CHECK(adapter.b.sizes() == at::IntArrayRef{16, 4});
  CHECK(adapter.a.abs().max().item<double>() == 0.0);
  CHECK(adapter.b.std().item<double>() == Approx(1.0).margin(0.3));
  disturb(state);
  TokenBatch batch = some_batch();
  batch.ids[3].fill_(21);
  batch.ids[9].fill_(21);
  add_gradients(model, state, batch, NextToken{});
  const Tensor gradient = state.gradients()[0].value;
  CHECK(state.gradients()[0].name == "model.embed_tokens.lora_embedding_A");
  int moved = 0;
  for (std::int64_t id = 0; id < 50; ++id) {
    if (gradient.select(1, id).abs().max().item<double>() == 0.0) continue;
    ++moved;
    CHECK((batch.ids == id).any().item<bool>());
    CHECK(id != 21);
  }
  CHECK(moved > 10);
}

TEST_CASE("OLoRA and PiSSA split the base without changing it", "[params][lora]") {
  const models::Decoder model = tiny_model();
  const FullState full = Full{}.attach(model);
  for (const auto& [init, dora] :
       {std::pair(LoraInit::olora, false), {LoraInit::pissa, false}, {LoraInit::olora, true}}) {
    auto state = Lora{.rank = 4, .alpha = 6, .use_dora = dora, .init = init}.attach(model);
    CHECK(relative_error(hidden_of(state), hidden_of(full)) < 1e-12);
    CHECK(at::equal(hidden_of(state), hidden_of(state.reference())));
    const Tensor before = hidden_of(state.reference());
    disturb(state);
    CHECK(at::equal(hidden_of(state.reference()), before));
    for (const AdapterTensors& adapter : state.adapters()) CHECK(adapter.a0.defined());
  }
  // PiSSA takes the largest directions: what is left of W has the smaller singular values.
  const auto state = Lora{.rank = 4, .init = LoraInit::pissa}.attach(model);
  const Tensor s = std::get<1>(at::linalg_svd(full.part(0, 0), false));
  const Tensor rest = std::get<1>(at::linalg_svd(state.base().part(0, 0), false));
  CHECK(relative_error(rest.narrow(0, 0, 12), s.narrow(0, 4, 12)) < 1e-10);
}

TEST_CASE("LoftQ's adapters are the best of their rank for the error of the quantised base",
          "[params][lora][loftq]") {
  const models::Decoder model = tiny_model();
  const FullState full = Full{}.attach(model);
  const auto plain = QLora{}.attach(model);
  const auto norm = [](const Tensor& t) { return t.norm().item<double>(); };
  double first = 0.0;
  for (const std::int64_t iterations : {1, 5}) {
    for (const bool dora : {false, true}) {
      INFO(iterations << " iterations, DoRA " << dora);
      auto state = QLora{.rank = 4,
                         .alpha = 6,
                         .use_dora = dora,
                         .init = LoraInit::loftq,
                         .loftq_iter = iterations}
                       .attach(model);
      double total = 0.0;
      for (int site = 0; site < 8; ++site) {
        for (int part = 0; part < static_cast<int>(model.layout().sites[site].parts.size());
             ++part) {
          const Tensor w = full.part(site, part), q = state.base().part(site, part);
          if (iterations == 1) CHECK(at::equal(q, plain.base().part(site, part)));
          const auto adapters = state.adapters();
          const auto& name = model.layout().sites[site].parts[part].name;
          const auto& adapter = *std::ranges::find(adapters, name, &AdapterTensors::module);
          const Tensor left = w - q - adapter.b.matmul(adapter.a) * adapter.scale;
          const Tensor s = std::get<1>(at::linalg_svd(w - q, false));
          CHECK(norm(left) == Approx(norm(s.narrow(0, 4, s.size(0) - 4))).epsilon(1e-9));
          CHECK(norm(left) < norm(w - q));
          total += norm(left) * norm(left);
        }
      }
      if (iterations == 1) first = total;
      if (iterations > 1) CHECK(total < first);
      // Nearer to the model than its quantised base is, and the reference is where it starts.
      const Tensor start = hidden_of(state);
      CHECK(relative_error(start, hidden_of(full)) <
            relative_error(hidden_of(plain), hidden_of(full)));
      CHECK(at::equal(hidden_of(state.reference()), start));
      disturb(state);
      CHECK(at::equal(hidden_of(state.reference()), start));
      const models::Decoder alone = merged(state);
      CHECK(relative_error(hidden_of(Full{}.attach(alone), alone), hidden_of(state)) < 1e-12);
    }
  }
  // A checkpoint in 4 bits does not hold what was lost.
  std::map<std::string, std::map<std::string, Tensor>> packed;
  std::map<std::string, Tensor> dense;
  for (const NamedTensor& tensor : plain.base().packed_weights()) {
    const std::size_t end = tensor.name.find(".weight.");
    dense[tensor.name] = tensor.value;
    if (end == std::string::npos) continue;
    const std::string matrix = tensor.name.substr(0, end + 7);
    packed[matrix][tensor.name.substr(end + 8)] = tensor.value;
    packed[matrix][""] = dense.at(matrix);
  }
  const models::Decoder stored(
      tiny_config(), {.dtype = at::kDouble},
      [&](const std::string& name, const std::vector<std::int64_t>&) { return dense.at(name); },
      [&](const std::string& name) {
        return packed.contains(name) ? packed.at(name) : std::map<std::string, Tensor>();
      });
  CHECK_THROWS_WITH((QLora{.init = LoraInit::loftq}.attach(stored)),
                    Catch::Contains("unquantised checkpoint"));
}

TEST_CASE("dropout keeps the mean, drops the stated share and follows the token",
          "[params][lora][C1]") {
  const Tensor x = at::ones({400, 50}, at::kDouble);
  const auto rows = std::make_shared<std::vector<std::uint64_t>>();
  for (std::uint64_t i = 0; i < 400; ++i) rows->push_back(i);
  const Tensor y = KeyedDropout{0.25, 1, 2, rows}.apply(x, 3);
  const double dropped = y.eq(0).to(at::kDouble).mean().item<double>();
  CHECK(dropped == Approx(0.25).margin(0.02));
  CHECK(y.max().item<double>() == Approx(4.0 / 3.0).epsilon(1e-6));
  CHECK_FALSE(at::equal(y, KeyedDropout{0.25, 1, 3, rows}.apply(x, 3)));
  CHECK_FALSE(at::equal(y, KeyedDropout{0.25, 1, 2, rows}.apply(x, 4)));

  const models::Decoder model = tiny_model();
  auto state = Lora{.rank = 4, .dropout = 0.5}.attach(model);
  disturb(state);
  const std::vector<Sequence> sequences{some_sequence(7, 1), some_sequence(12, 2)};
  const auto gradient = [&](const std::vector<std::vector<Sequence>>& micro_batches) {
    zero_gradients(state);
    for (const auto& micro : micro_batches) {
      const TokenBatch batch = batch_of(micro);
      state.begin_batch(batch, 1, 2);
      add_gradients(model, state, batch, NextToken{});
      state.end_batch();
    }
    return flat_gradient(state);
  };
  const Tensor together = gradient({sequences});
  CHECK(relative_error(gradient({{sequences[1]}, {sequences[0]}}), together) < 1e-12);
  const Tensor evaluated = hidden_of(state);
  CHECK(at::equal(hidden_of(state), evaluated));  // off outside of training
}

TEST_CASE("nonsense is refused with a reason", "[params][lora]") {
  const models::Decoder model = tiny_model();
  CHECK_THROWS_WITH(Lora{.target_modules = "nothing"}.attach(model),
                    Catch::Contains("selects nothing"));
  CHECK_THROWS_WITH((Lora{.rank = 0}.validate()), Catch::Contains("Lora.rank"));
  CHECK_THROWS_WITH((Lora{.loftq_iter = 0}.validate()), Catch::Contains("loftq_iter"));
  CHECK_THROWS_WITH((Lora{.init = LoraInit::loftq}.validate()),
                    Catch::Contains("needs a quantised base"));
  CHECK_THROWS_WITH((Lora{.rank_pattern = "q_proj=x"}.attach(model)),
                    Catch::Contains("pattern=number"));
  CHECK_THROWS_WITH((Lora{.rank = 100, .init = LoraInit::pissa}.attach(model)),
                    Catch::Contains("rank of at most"));
  CHECK_THROWS_WITH((Lora{.dropout = 0.1, .target_modules = "lm_head"}.attach(model)),
                    Catch::Contains("LM head"));
}
