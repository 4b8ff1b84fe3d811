// SPDX-License-Identifier: Apache-2.0
// Definitions of tokenized.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <cstdint>
#include <memory>

#include "posttrain/base/compiled.hpp"
#include "posttrain/batch/sequence_kind.hpp"
#include "posttrain/data/pipeline/loading.hpp"
#include "posttrain/data/tokenized.hpp"

namespace posttrain::data {

POSTTRAIN_INLINE Sequence tokenized_sequence(const Json& sample) {
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

POSTTRAIN_INLINE LoadedData detail::load_tokenized(const Source& source,
                                                   const LoadContext& context) {
  const auto open = [](std::string_view path) {
    return samples_until_nothing(
        [reader = std::make_shared<SampleReader>(path)] { return reader->next(); });
  };
  LoadedData data = load_items(
      SequenceKind{}, source, context, open,
      [](const Json& sample) { return std::vector<Sequence>{tokenized_sequence(sample)}; },
      "tokenized");
  data.report.sources = {fmt::format("{}: token ids", source.path)};
  return data;
}

}  // namespace posttrain::data
