// SPDX-License-Identifier: Apache-2.0
#include "posttrain/recipes/estimate.hpp"

#include <string>
#include <utility>
#include <vector>

#include "posttrain/hub/reward_model.hpp"
#include "posttrain/recipes/any_optimizer.hpp"
#include "posttrain/recipes/chosen_params.hpp"
#include "posttrain/recipes/scalar_type.hpp"
#include "posttrain/trainer/run/footprint.hpp"
#include "support/catch.hpp"
#include "support/messages.hpp"
#include "support/model_config.hpp"
#include "support/temp_folder.hpp"

using namespace posttrain;
using posttrain::test::error_of;
using posttrain::test::small_config;
using posttrain::test::TempFolder;
using enum posttrain::TrainingMethod;

namespace {

const std::string kPocket = POSTTRAIN_SOURCE_ROOT "/examples/pocket/model";

EstimateOptions pocket(TrainingMethod method) {
  EstimateOptions options{.training_method = method,
                          .model_path = kPocket,
                          .max_tokens_per_gpu = 256,
                          .max_seq_len = 128,
                          .effective_batch_size = 8};
  if (method == grpo) options.max_tokens = 64;
  return options;
}

/// The footprint of these parameters and this optimizer on the model that they are of.
template <class Model>
Footprint footprint_on(const Model& model, const EstimateOptions& options) {
  ChosenState state = ChosenParams(options).attach(model);
  const bool narrow = options.optimizer == OptimizerName::adamw_8bit;
  const AnyOptimizer optimizer{.name = narrow ? OptimizerName::adamw_8bit : OptimizerName::adamw};
  return footprint_of(model, state, optimizer.attach(state.trainable()).tensors());
}

Footprint footprint(const EstimateOptions& options) {
  const models::ModelOptions of_model{.dtype = scalar_type(options.train_dtype)};
  const std::string path = options.model_path.str();
  if (options.from_scratch) {
    return footprint_on(hub::PretrainedDecoder::from_scratch(path, of_model), options);
  }
  if (options.training_method == reward) {
    return footprint_on(hub::RewardModel(path, of_model), options);
  }
  return footprint_on(hub::PretrainedDecoder(path, of_model), options);
}

void check_held(const EstimateOptions& options) {
  INFO(describe(options));
  const MemoryEstimate expected = estimate(options);
  const Footprint held = footprint(options);
  CHECK(expected.weights + expected.subspaces == held.weights);
  CHECK(expected.gradients == held.gradients);
  CHECK(expected.masters == held.masters);
  CHECK(expected.moments == held.optimizer);
  CHECK((expected.subspaces > 0) == (options.training_method == osft));
}

}  // namespace

TEST_CASE("what a run holds is counted to the byte, of every method, storage and optimizer",
          "[estimate]") {
  std::vector<EstimateOptions> all;
  for (const TrainingMethod method : {sft, osft, lora, qlora, dpo, kto, reward, grpo}) {
    all.push_back(pocket(method));
    if (method == sft || method == qlora) continue;
    for (const EstimateStorage storage :
         {EstimateStorage::dense, EstimateStorage::nf4, EstimateStorage::int8}) {
      EstimateOptions& stored = all.emplace_back(pocket(method));
      stored.storage = storage;
      if (method != osft) stored.lora_r = 4;
    }
  }
  for (EstimateOptions options : all) {
    for (const OptimizerName optimizer : {OptimizerName::adamw, OptimizerName::adamw_8bit}) {
      options.optimizer = optimizer;
      options.train_dtype =
          optimizer == OptimizerName::adamw ? TrainDtype::float32 : TrainDtype::bfloat16;
      check_held(options);
    }
  }
}

TEST_CASE("patterns, ratios and ranks are those of the policies", "[estimate]") {
  EstimateOptions some = pocket(lora);
  some.lora_r = 3;  // views are filled up to cache lines
  some.target_modules = "q_proj, layers.0-1, embed_tokens";
  check_held(some);
  some.target_modules = "q_prj";
  CHECK(error_of([&] { estimate(some); }).starts_with("Lora.target_modules"));
  // Bases of both forms (params/osft/complement.hpp), and the whole.
  for (const double ratio : {0.1, 0.9, 1.0}) {
    EstimateOptions subspaces = pocket(osft);
    subspaces.unfreeze_rank_ratio = ratio;
    check_held(subspaces);
  }
}

TEST_CASE("biases, norms, fused and transposed matrices of other families are counted, too",
          "[estimate]") {
  const Json gpt2{{"model_type", "gpt2"}, {"vocab_size", 128}, {"n_embd", 64},
                  {"n_head", 4},          {"n_layer", 2},      {"n_positions", 64}};
  for (const Json& config : {gpt2, small_config("qwen2"), small_config("qwen3"),
                             small_config("phi3"), small_config("gemma2", {{"head_dim", 16}})}) {
    const TempFolder folder;
    folder.write("config.json", config.dump());
    for (const TrainingMethod method : {sft, osft, qlora}) {
      EstimateOptions options = pocket(method);
      options.model_path = folder.path().string();
      options.from_scratch = true;
      check_held(options);
    }
  }
}

TEST_CASE("a model without weights, one in 4 bits and a GGUF file are counted alike",
          "[estimate]") {
  const TempFolder folder;
  const hub::PretrainedDecoder model(kPocket);
  EstimateOptions drawn = pocket(sft);
  drawn.from_scratch = true;
  CHECK(estimate(drawn).held() == estimate(pocket(sft)).held());
  // The largest tensor is the embedding, in bfloat16 in the files.
  CHECK(estimate(drawn).loading == 4 * 1088 * 256);
  CHECK(estimate(pocket(sft)).loading == 2 * 1088 * 256);

  const auto packed = BasicFrozen<Nf4>{.storage = {.double_quant = false}}.attach(model);
  model.save((folder.path() / "packed").string(), packed.packed_weights());
  EstimateOptions options = pocket(qlora);
  options.model_path = (folder.path() / "packed").string();
  check_held(options);
  CHECK(estimate(options).weights > estimate(pocket(qlora)).weights);  // scales of 32 bits

  const std::string file = (folder.path() / "model.gguf").string();
  model.save_gguf(file, Frozen{}.attach(model).weights());
  options.model_path = file;
  check_held(options);
}

TEST_CASE("a reference that is copied is one more model", "[estimate]") {
  const MemoryEstimate copied = estimate(pocket(dpo));
  CHECK(copied.reference == copied.weights);
  EstimateOptions scored = pocket(dpo);
  scored.reference = EstimateReference::scores;
  CHECK(estimate(scored).reference == 0);
  EstimateOptions adapted = pocket(kto);
  adapted.lora_r = 4;
  CHECK(estimate(adapted).reference == 0);
  EstimateOptions penalized = pocket(grpo);
  CHECK(estimate(penalized).reference == 0);
  penalized.reference = EstimateReference::copy;
  CHECK(estimate(penalized).reference == copied.reference);
}

TEST_CASE("activations grow by what a layer keeps for each token", "[estimate]") {
  EstimateOptions options = pocket(sft);
  const auto per_token = [&] {
    options.max_tokens_per_gpu = 256;
    const std::int64_t few = estimate(options).activations;
    options.max_tokens_per_gpu = 512;
    return (estimate(options).activations - few) / 256;
  };
  // d, Q, K, F of the pocket model; rotations and the batch, and a float for each norm and head.
  constexpr std::int64_t kLayers = 5, d = 256, q = 256, k = 128, f = 640, kHeads = 8;
  constexpr std::int64_t kShared = 4 * 32 + 36, kFloats = 4 * (2 + kHeads);
  constexpr std::int64_t kEnds = 2 * 4 * d;  // what enters the last norm, and what leaves it
  CHECK(per_token() == kLayers * (4 * (4 * d + 2 * q + 2 * k + 3 * f) + kFloats) + kEnds + kShared);
  options.train_dtype = TrainDtype::bfloat16;
  CHECK(per_token() ==
        kLayers * (2 * (4 * d + 2 * q + 2 * k + 3 * f) + kFloats) + kEnds / 2 + kShared);
  options.train_dtype = TrainDtype::float32;
  options.gradient_checkpointing = true;
  CHECK(per_token() == kLayers * 4 * d + kEnds + kShared);
}

TEST_CASE("bounds hold the expected peak, which all parts are in", "[estimate]") {
  EstimateOptions options = pocket(grpo);
  for (const bool checkpointing : {false, true}) {
    options.gradient_checkpointing = checkpointing;
    const MemoryEstimate memory = estimate(options);
    CHECK(memory.process > 0);
    CHECK(memory.rollout_cache > memory.weights);  // packed matrices, and keys and values
    CHECK((memory.forward > 0) == checkpointing);
    CHECK(memory.low > memory.held() + memory.activations);
    CHECK(memory.low < memory.mid);
    CHECK(memory.mid < memory.high);
  }
}

TEST_CASE("the estimate of the documentation", "[estimate]") {
  const std::string folder = kPocket;
  // [snippet: estimate]
  const MemoryEstimate memory = estimate({.training_method = "qlora",
                                          .model_path = folder,
                                          .max_tokens_per_gpu = 8192,
                                          .gradient_checkpointing = true});
  fmt::print("{}\n", memory.text());
  if (memory.high > std::int64_t{16} << 30) fmt::print("may not fit into 16 GB\n");
  // [/snippet]
  CHECK(memory.mid > 0);
}
