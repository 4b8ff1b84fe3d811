// SPDX-License-Identifier: Apache-2.0
// Definitions of config.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/base/join.hpp"
#include "posttrain/base/json.hpp"
#include "posttrain/models/gguf/architectures.hpp"
#include "posttrain/models/gguf/config.hpp"
#include "posttrain/models/rope_scaling.hpp"

namespace posttrain::models {

namespace detail {

/// Translates the keys of one model.
class GgufConfig {
 public:
  explicit GgufConfig(const io::GgufModel& model) : model_(model) {
    const std::string name = model.text("general.architecture");
    const auto found = std::ranges::find(kGgufArchitectures, name, &GgufArchitecture::name);
    if (found == kGgufArchitectures.end()) {
      std::vector<std::string_view> names;
      for (const GgufArchitecture& known : kGgufArchitectures) names.push_back(known.name);
      raise("{}: general.architecture \"{}\" is not supported; supported: {}", model.path(), name,
            join(names, ", "));
    }
    architecture_ = *found;
    for (const char* key : {"expert_count", "attention.causal"}) check_absent(key);
  }

  Json translate() {
    config_ = {{"architectures", {std::string(architecture_.model_class)}},
               {"model_type", std::string(architecture_.model_type)}};
    if (architecture_.name == "gpt2") {
      gpt2();
    } else {
      llama_like();
    }
    config_["tie_word_embeddings"] = model_.find("output.weight") == nullptr;
    token_id("bos_token_id", "tokenizer.ggml.bos_token_id");
    token_id("eos_token_id", "tokenizer.ggml.eos_token_id");
    // Which row of the embedding the original left without a gradient is not in the metadata; the
    // tokenizer's padding id need not be that. Without the key some families have one of their own.
    config_["pad_token_id"] = nullptr;
    config_["dtype"] = "float32";
    return config_;
  }

 private:
  bool is(std::string_view name) const { return architecture_.name == name; }
  std::string key(std::string_view name) const {
    return fmt::format("{}.{}", architecture_.name, name);
  }
  bool has(std::string_view name) const { return model_.has(key(name)); }
  bool has_tensor(std::string_view name) const { return model_.find(name) != nullptr; }
  std::int64_t integer(std::string_view name, std::optional<std::int64_t> otherwise = {}) const {
    return model_.integer(key(name), otherwise);
  }
  /// As transformers has it: the shortest decimal number that fp32 rounds to the file's.
  double number(std::string_view name, std::optional<double> otherwise = {}) const {
    const double value = model_.number(key(name), otherwise);
    return static_cast<double>(static_cast<float>(value)) == value
               ? std::stod(fmt::format("{}", static_cast<float>(value)))
               : value;
  }

  void check_absent(std::string_view name) const {
    if (!has(name) || model_.metadata().find(key(name))->second.bytes.empty()) return;
    if (name == "attention.causal" && model_.boolean(key(name))) return;
    if (name == "expert_count" && model_.integer(key(name)) == 0) return;
    raise("{}: key '{}' is of a model that is not supported", model_.path(), key(name));
  }

  void token_id(const char* name, const char* key) {
    if (model_.has(key)) config_[name] = model_.integer(key);
  }

  std::int64_t vocabulary() const {
    const io::GgufModel::Entry* table = model_.find("token_embd.weight");
    if (table == nullptr || table->tensor->shape.size() != 2) {
      raise("{}: expected a matrix 'token_embd.weight', found none", model_.path());
    }
    return table->tensor->shape[0];
  }

  /// One number for all layers: some models have one for each.
  std::int64_t heads(std::string_view name, std::optional<std::int64_t> otherwise = {}) const {
    if (!has(name)) return integer(name, otherwise);
    if (model_.metadata().find(key(name))->second.type != io::GgufValueType::kArray) {
      return integer(name);
    }
    const std::vector<std::int64_t> all = model_.integers(key(name));
    if (all.empty() || std::ranges::count(all, all.front()) != std::ssize(all)) {
      raise("{}: key '{}': expected one number for all layers, got others", model_.path(),
            key(name));
    }
    return all.front();
  }

  void gpt2() {
    config_["vocab_size"] = vocabulary();
    config_["n_layer"] = integer("block_count");
    config_["n_positions"] = config_["n_ctx"] = integer("context_length");
    config_["n_embd"] = integer("embedding_length");
    config_["n_inner"] = integer("feed_forward_length");
    config_["n_head"] = heads("attention.head_count");
    config_["layer_norm_epsilon"] = number("attention.layer_norm_epsilon");
  }

  void llama_like() {
    const std::int64_t hidden = integer("embedding_length");
    const std::int64_t heads = this->heads("attention.head_count");
    if (heads < 1) raise("{}: expected at least one head, got {}", model_.path(), heads);
    // Only Llama's rotary dimensions are those of the head.
    const std::int64_t head_dim =
        integer("attention.key_length",
                is("llama") ? integer("rope.dimension_count", hidden / heads) : hidden / heads);
    if (integer("attention.value_length", head_dim) != head_dim) {
      raise("{}: expected keys and values of one size, got {} and {}", model_.path(), head_dim,
            integer("attention.value_length"));
    }
    config_["vocab_size"] = vocabulary();
    config_["num_hidden_layers"] = integer("block_count");
    config_["max_position_embeddings"] = integer("context_length");
    config_["hidden_size"] = hidden;
    config_["intermediate_size"] = integer("feed_forward_length");
    config_["num_attention_heads"] = heads;
    config_["num_key_value_heads"] = this->heads("attention.head_count_kv", heads);
    config_["rms_norm_eps"] = number("attention.layer_norm_rms_epsilon");
    if (!is("phi3") && (!is("granite") || head_dim * heads != hidden)) {
      config_["head_dim"] = head_dim;
    }
    if (is("llama") || is("granite") || is("smollm3")) {
      config_["attention_bias"] = has_tensor("blk.0.attn_q.bias");
      config_["mlp_bias"] = has_tensor("blk.0.ffn_up.bias");
    }
    rotary(head_dim);
    if (is("granite")) {
      config_["attention_multiplier"] =
          number("attention.scale", 1.0 / std::sqrt(static_cast<double>(head_dim)));
      config_["embedding_multiplier"] = number("embedding_scale", 1.0);
      config_["residual_multiplier"] = number("residual_scale", 1.0);
      config_["logits_scaling"] = number("logit_scale", 1.0);
    }
    if (is("gemma2") || is("gemma3")) gemma(hidden, heads, head_dim);
    if (is("phi3")) {
      const std::int64_t window = integer("attention.sliding_window", 0);
      config_["sliding_window"] = window > 0 ? Json(window) : Json();
    } else if (!is("gemma2") && !is("gemma3") && integer("attention.sliding_window", 0) != 0) {
      raise("{}: key '{}' = {} is not supported for this architecture", model_.path(),
            key("attention.sliding_window"), integer("attention.sliding_window"));
    }
  }

  void gemma(std::int64_t hidden, std::int64_t heads, std::int64_t head_dim) {
    // Not in the metadata: llama.cpp knows the models of 27 B by their layers.
    const std::int64_t layers = integer("block_count");
    const bool largest = layers == (is("gemma2") ? 46 : 62);
    config_["query_pre_attn_scalar"] = largest ? hidden / heads : head_dim;
    const auto cap = [&](const char* name, const char* from, Json otherwise) {
      config_[name] = has(from) ? Json(number(from)) : std::move(otherwise);
    };
    const std::int64_t window = integer("attention.sliding_window", is("gemma2") ? 4096 : 0);
    if (is("gemma2")) {
      cap("attn_logit_softcapping", "attn_logit_softcapping", 50.0);
      cap("final_logit_softcapping", "final_logit_softcapping", 30.0);
    } else {
      cap("final_logit_softcapping", "final_logit_softcapping", nullptr);
    }
    const std::int64_t pattern = is("gemma2") ? 2 : 6;
    Json types = Json::array();
    for (std::int64_t i = 0; i < layers; ++i) {
      types.push_back(window > 0 && (i + 1) % pattern != 0 ? "sliding_attention"
                                                           : "full_attention");
    }
    config_["layer_types"] = types;
    if (window > 0) config_["sliding_window"] = window;  // transformers wants one in any case
  }

  std::vector<float> factors(std::string_view name, std::int64_t count) const {
    const io::GgufTensor& tensor = *model_.find(name)->tensor;
    if (tensor.type != io::GgufType::kF32 || tensor.shape != std::vector<std::int64_t>{count}) {
      raise("{}: expected tensor '{}' to be {} fp32 numbers", model_.path(), name, count);
    }
    std::vector<float> values(static_cast<std::size_t>(count));
    std::memcpy(values.data(), tensor.bytes.data(), tensor.bytes.size());
    return values;
  }

  void rotary(std::int64_t head_dim) {
    const double theta = number("rope.freq_base", is("gemma3") ? 1e6 : 10000.0);
    config_["rope_theta"] = theta;
    if (is("gemma3")) config_["rope_local_base_freq"] = number("rope.freq_base_swa", 10000.0);
    const std::int64_t rotated = integer("rope.dimension_count", head_dim);
    if (rotated != head_dim && !is("phi3")) {
      raise("{}: expected all {} dimensions of a head to be rotated, got {}", model_.path(),
            head_dim, rotated);
    }
    if (rotated != head_dim) {
      config_["partial_rotary_factor"] =
          static_cast<double>(rotated) / static_cast<double>(head_dim);
    }
    const std::int64_t original =
        integer("rope.scaling.original_context_length", integer("context_length"));
    const std::string type = model_.text(key("rope.scaling.type"), "none");
    if (has_tensor("rope_factors_long.weight")) {
      config_["original_max_position_embeddings"] = original;
      config_["rope_scaling"] = {
          {"rope_type", "longrope"},
          {"short_factor", factors("rope_factors_short.weight", rotated / 2)},
          {"long_factor", factors("rope_factors_long.weight", rotated / 2)}};
      return;
    }
    if (is("phi3")) config_["original_max_position_embeddings"] = original;
    if (has_tensor("rope_freqs.weight")) return stored_factors(theta, rotated);
    if (type == "none") return;
    if (type != "linear" && type != "yarn") {
      raise("{}: key '{}' = \"{}\" is not supported; supported: none, linear, yarn", model_.path(),
            key("rope.scaling.type"), type);
    }
    Json scaling = {{"rope_type", type}, {"factor", number("rope.scaling.factor")}};
    if (type == "yarn") {
      scaling["original_max_position_embeddings"] = original;
      for (const auto& [from, to] : {std::pair("yarn_attn_factor", "attention_factor"),
                                     {"yarn_beta_fast", "beta_fast"},
                                     {"yarn_beta_slow", "beta_slow"}}) {
        const std::string name = fmt::format("rope.scaling.{}", from);
        if (has(name)) scaling[to] = number(name);
      }
    }
    config_["rope_scaling"] = scaling;
  }

  /// Frequencies divided by stored factors. Those of Llama 3.1 and later follow from the largest.
  void stored_factors(double theta, std::int64_t rotated) {
    const std::vector<float> stored = factors("rope_freqs.weight", rotated / 2);
    const rope::Llama3Scaling known{.factor = static_cast<double>(std::ranges::max(stored)),
                                    .low_freq_factor = 1.0,
                                    .high_freq_factor = 4.0,
                                    .original_length = 8192.0};
    const std::vector<float> plain = rope::default_frequencies(rotated, theta);
    const std::vector<float> scaled = rope::llama3_frequencies(rotated, theta, known);
    bool same = true;
    for (std::size_t i = 0; i < stored.size(); ++i) {
      same = same && std::abs(plain[i] / stored[i] - scaled[i]) <= 1e-5F * scaled[i];
    }
    if (same) {
      config_["rope_scaling"] = {{"rope_type", "llama3"},
                                 {"factor", known.factor},
                                 {"low_freq_factor", known.low_freq_factor},
                                 {"high_freq_factor", known.high_freq_factor},
                                 {"original_max_position_embeddings", 8192}};
      return;
    }
    config_["rope_scaling"] = {
        {"rope_type", "longrope"}, {"short_factor", stored},
        {"long_factor", stored},   {"factor", 1.0},
        {"attention_factor", 1.0}, {"original_max_position_embeddings", integer("context_length")}};
  }

  const io::GgufModel& model_;
  GgufArchitecture architecture_;
  Json config_;
};

}  // namespace detail

POSTTRAIN_INLINE std::string gguf_config(const io::GgufModel& model) {
  return detail::GgufConfig(model).translate().dump(2) + "\n";
}

}  // namespace posttrain::models
