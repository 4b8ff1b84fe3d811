// SPDX-License-Identifier: Apache-2.0
// Typed, accounted access to a config.json: every key is read, known to be harmless, or an error.
//
// A key that nobody understood may change the mathematics (a new scaling, a quantisation), and a
// model that is computed a little wrong trains without complaint. So a family reads what it knows
// and `finish` refuses the rest.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "posttrain/base/error.hpp"
#include "posttrain/base/json.hpp"
#include "posttrain/io/json.hpp"

namespace posttrain::models {

/// Reads keys of one JSON object. An absent key means the default of the family's class in
/// transformers; null is "not set" and gives the same default unless a function says otherwise.
class ConfigReader {
 public:
  /// `object` must outlive the reader; `where` names it in messages.
  ConfigReader(const Json& object, std::string where) : object_(object), where_(std::move(where)) {
    if (!object_.is_object()) {
      raise("{}: expected a JSON object, got {}", where_, io::shown(object_));
    }
  }

  const std::string& where() const { return where_; }

  /// Whether the key is there, null or not.
  bool has(std::string_view key) const { return object_.contains(std::string(key)); }

  /// The value, or nullptr if absent or null.
  const Json* find(std::string_view key) {
    read_.emplace(key);
    const auto found = object_.find(std::string(key));
    return found == object_.end() || found->is_null() ? nullptr : &*found;
  }

  /// An integer in [minimum, 2^31]; absent or null: `fallback`.
  std::int64_t integer(std::string_view key, std::int64_t fallback, std::int64_t minimum = 1) {
    const Json* value = find(key);
    return value == nullptr ? fallback : checked_integer(key, *value, minimum);
  }

  /// Absent: `fallback`; null: nothing.
  std::optional<std::int64_t> optional_integer(std::string_view key,
                                               std::optional<std::int64_t> fallback,
                                               std::int64_t minimum = 1) {
    const Json* value = find(key);
    if (value != nullptr) return checked_integer(key, *value, minimum);
    return has(key) ? std::nullopt : fallback;
  }

  double number(std::string_view key, double fallback) {
    const Json* value = find(key);
    return value == nullptr ? fallback : checked_number(key, *value);
  }

  /// Absent: `fallback`; null: nothing.
  std::optional<double> optional_number(std::string_view key,
                                        std::optional<double> fallback = std::nullopt) {
    const Json* value = find(key);
    if (value != nullptr) return checked_number(key, *value);
    return has(key) ? std::nullopt : fallback;
  }

  /// A number greater than zero.
  double positive(std::string_view key, double fallback) {
    const double value = number(key, fallback);
    if (!(value > 0.0)) raise("{}: expected {} > 0, got {}", where_, key, value);
    return value;
  }

  bool flag(std::string_view key, bool fallback) {
    const Json* value = find(key);
    return value == nullptr ? fallback : io::bool_from(*value, where_, key);
  }

  std::string text(std::string_view key, std::string_view fallback) {
    const Json* value = find(key);
    return value == nullptr ? std::string(fallback) : io::text_from(*value, where_, key);
  }

  /// The array under `key`, or nullptr if absent or null.
  const Json* array(std::string_view key) {
    const Json* value = find(key);
    return value == nullptr ? nullptr : &io::array_from(*value, where_, key);
  }

  /// Reads a probability that has no effect here: the library trains without model dropout.
  void dropout(std::initializer_list<std::string_view> keys) {
    for (const std::string_view key : keys) {
      const double p = number(key, 0.0);
      if (!(p >= 0.0 && p < 1.0)) raise("{}: expected 0 <= {} < 1, got {}", where_, key, p);
    }
  }

  /// Accepts the key only with a value that leaves the computation unchanged.
  void only(std::string_view key, const Json& neutral) {
    const Json* value = find(key);
    if (value != nullptr && *value != neutral) {
      raise("{}: {} = {} is not supported, only {}", where_, key, io::shown(*value),
            io::shown(neutral));
    }
  }

  /// Marks keys as having no effect on the computation.
  void ignore(std::initializer_list<std::string_view> keys) {
    read_.insert(keys.begin(), keys.end());
  }

  /// Throws for the first key that nobody read and that is not known to be harmless.
  void finish() const {
    for (const auto& [key, value] : object_.items()) {
      if (read_.contains(key) || value.is_null() || is_harmless(key)) continue;
      if (value.is_structured() && value.empty()) continue;
      if (is_switch(key) && value.is_boolean() && !value.get<bool>()) continue;
      raise(
          "{}: key \"{}\" = {} is not understood and might change the computation; hint: remove it "
          "if it has no effect",
          where_, key, io::shown(value));
    }
  }

  std::int64_t checked_integer(std::string_view key, const Json& value,
                               std::int64_t minimum) const {
    return io::integer_from(value, where_, key, minimum, std::int64_t{1} << 31);
  }

  double checked_number(std::string_view key, const Json& value) const {
    return io::number_from(value, where_, key);
  }

 private:
  // Keys that change something where they are true.
  static bool is_switch(std::string_view key) {
    return key.starts_with("use_") || key.starts_with("is_") || key == "tie_encoder_decoder" ||
           key == "rope_interleaved" || key == "output_router_logits" ||
           key == "add_cross_attention";
  }

  // Keys about files, the tokenizer, generation, heads for other tasks, logging, and caches; also
  // keys that begin with an underscore, which transformers writes for itself.
  static bool is_harmless(std::string_view key) {
    static constexpr std::array kKeys = std::to_array<std::string_view>({
        "architectures",
        "attn_implementation",
        "auto_map",
        "bad_words_ids",
        "begin_suppress_tokens",
        "bos_token_id",
        "cache_implementation",
        "chunk_size_feed_forward",
        "cls_token_id",
        "cross_attention_hidden_size",
        "decoder_start_token_id",
        "diversity_penalty",
        "do_sample",
        "dtype",
        "early_stopping",
        "encoder_no_repeat_ngram_size",
        "eos_token_id",
        "exponential_decay_length_penalty",
        "finetuning_task",
        "forced_bos_token_id",
        "forced_eos_token_id",
        "gradient_checkpointing",
        "id2label",
        "initializer_factor",
        "is_decoder",
        "is_llama_config",
        "keys_to_ignore_at_inference",
        "label2id",
        "length_penalty",
        "mask_token_id",
        "max_length",
        "max_new_tokens",
        "min_length",
        "model_type",
        "n_ctx",
        "name_or_path",
        "no_repeat_ngram_size",
        "num_beam_groups",
        "num_beams",
        "num_labels",
        "num_return_sequences",
        "output_attentions",
        "output_hidden_states",
        "output_scores",
        "pad_token_id",
        "prefix",
        "pretraining_tp",
        "problem_type",
        "pruned_heads",
        "remove_invalid_values",
        "repetition_penalty",
        "return_dict",
        "return_dict_in_generate",
        "sep_token_id",
        "suppress_tokens",
        "task_specific_params",
        "temperature",
        "tf_legacy_loss",
        "tokenizer_class",
        "top_k",
        "top_p",
        "torch_dtype",
        "torchscript",
        "transformers.js_config",
        "transformers_version",
        "typical_p",
        "unk_token_id",
        "unsloth_fixed",
        "unsloth_version",
        "use_cache",
        "vocab_file",
    });
    return key.starts_with('_') || std::ranges::find(kKeys, key) != kKeys.end();
  }

  const Json& object_;
  std::string where_;
  std::set<std::string, std::less<>> read_;
};

}  // namespace posttrain::models
