// SPDX-License-Identifier: Apache-2.0
// Data that is already token ids: JSON Lines of {"input_ids": [...], "labels": [...]}.
//
// As in transformers, labels[i] belongs to input_ids[i]: it equals it where the loss is to score
// that token, and is -100 where not; without labels every token is scored. "weights" (optional)
// gives the weight of predicting each token. The first token is never scored. "attention_mask" and
// other keys are ignored: masks come from lengths.
#pragma once

#include "posttrain/core/literal_string.hpp"
#include "posttrain/data/loading.hpp"
#include "posttrain/data/packing.hpp"

namespace posttrain::data {

/// The sequence of one sample; throws for what does not fit the description above.
inline Sequence tokenized_sequence(const Json& sample) {
  const auto list = [&](const char* key, bool required) -> const Json* {
    const bool present = sample.is_object() && sample.contains(key) && !sample[key].is_null();
    if (!present && !required) return nullptr;
    if (!present || !sample[key].is_array()) raise("expected a list '{}'", key);
    return &sample[key];
  };
  const Json* ids = list("input_ids", true);
  const auto same_size = [&](const Json* other, const char* key) {
    if (other != nullptr && other->size() != ids->size()) {
      raise("expected as many '{}' as 'input_ids' ({}), got {}", key, ids->size(), other->size());
    }
    return other;
  };
  const Json* labels = same_size(list("labels", false), "labels");
  const Json* weights = same_size(list("weights", false), "weights");

  Sequence sequence;
  sequence.ids.reserve(ids->size());
  sequence.weights.reserve(ids->size());
  for (std::size_t i = 0; i < ids->size(); ++i) {
    const Json& id = (*ids)[i];
    if (!id.is_number_unsigned() || id.get<std::uint64_t>() > INT32_MAX) {
      raise("expected input_ids[{}] to be a token id, got {}", i, id.dump(-1, ' ', true));
    }
    float weight = 1.0F;
    if (weights != nullptr) {
      const Json& value = (*weights)[i];
      if (!value.is_number() || !(value.get<double>() >= 0.0)) {
        raise("expected weights[{}] to be a number of at least 0, got {}", i,
              value.dump(-1, ' ', true));
      }
      weight = value.get<float>();
    }
    if (labels != nullptr) {
      const Json& label = (*labels)[i];
      if (label == -100) {
        weight = 0.0F;
      } else if (label != id) {
        raise(
            "expected labels[{}] to be input_ids[{}] = {} or -100, got {}; hint: labels are not "
            "shifted here",
            i, i, id.get<std::uint64_t>(), label.dump(-1, ' ', true));
      }
    }
    sequence.ids.push_back(id.get<TokenId>());
    sequence.weights.push_back(i == 0 ? 0.0F : weight);
  }
  return sequence;
}

template <class Packer = FirstFitDecreasing>
struct BasicTokenized {
  LiteralString path{};
  bool skip_bad_samples = false;  // count malformed samples instead of stopping
  double validation_split = 0.0;  // share of the samples, in [0, 1)
  LiteralString validation_path{};
  Packer packing{};

  constexpr void validate() const { validate_source(source()); }

  LoadedData load(const LoadContext& context) const {
    return load_samples(source(), context, json_samples, [](const Json& sample) {
      return std::vector<Sequence>{tokenized_sequence(sample)};
    });
  }

  constexpr SourceOptions source() const {
    return {path.view(), skip_bad_samples, validation_split, validation_path.view()};
  }
};

using Tokenized = BasicTokenized<>;

}  // namespace posttrain::data
