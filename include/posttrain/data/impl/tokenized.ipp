// SPDX-License-Identifier: Apache-2.0
// Definitions of tokenized.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include "posttrain/base/compiled.hpp"
#include "posttrain/batch/sequence_kind.hpp"
#include "posttrain/data/formats/format.hpp"
#include "posttrain/data/pipeline/formatted_loading.hpp"
#include "posttrain/data/tokenized.hpp"
#include "posttrain/io/json.hpp"

namespace posttrain::data {

namespace detail {

/// The lists of a sample of token ids, all of one size.
class TokenLists {
 public:
  explicit TokenLists(const Json& sample) : sample_(sample) {
    ids_ = list("input_ids");
    if (ids_ == nullptr) fail("expected a list 'input_ids'");
  }

  const Json& ids() const { return *ids_; }

  /// The list under a key, or null; another size than that of the ids is an error.
  const Json* find(const char* key) const {
    const Json* found = list(key);
    if (found != nullptr && found->size() != ids_->size()) {
      raise("expected as many '{}' as 'input_ids' ({}), got {}", key, ids_->size(), found->size());
    }
    return found;
  }

  /// Entry i of a mask: true or false, 1 or 0; true where there is no such mask.
  static bool passes(const Json* mask, const char* key, std::size_t i) {
    if (mask == nullptr) return true;
    const Json& value = (*mask)[i];
    if (value.is_boolean()) return value.get<bool>();
    if (value == 0 || value == 1) return value == 1;
    raise("expected {}[{}] to be 0 or 1, got {}", key, i, io::shown(value));
  }

 private:
  const Json* list(const char* key) const {
    const Json* found = value_of(sample_, key);
    if (found != nullptr && !found->is_array()) raise("expected a list '{}'", key);
    return found;
  }

  const Json& sample_;
  const Json* ids_ = nullptr;
};

struct TokenRange {
  std::size_t begin = 0, end = 0;
};

/// The tokens that "attention_mask" leaves: padding stands at one end or both.
inline TokenRange unpadded(const TokenLists& lists) {
  const Json* mask = lists.find("attention_mask");
  TokenRange range{0, lists.ids().size()};
  if (mask == nullptr) return range;
  const auto read = [&](std::size_t i) { return TokenLists::passes(mask, "attention_mask", i); };
  while (range.begin < range.end && !read(range.begin)) ++range.begin;
  while (range.end > range.begin && !read(range.end - 1)) --range.end;
  for (std::size_t i = range.begin; i < range.end; ++i) {
    if (read(i)) continue;
    raise("expected the zeros of 'attention_mask' at its ends (padding), got one at {} of {}", i,
          lists.ids().size());
  }
  return range;
}

/// Positions other than 0, 1, 2 … are several sequences in one.
inline void check_positions(const TokenLists& lists, TokenRange range) {
  const Json* positions = lists.find("position_ids");
  if (positions == nullptr) return;
  for (std::size_t i = range.begin; i < range.end; ++i) {
    if ((*positions)[i] == i - range.begin) continue;
    raise(
        "expected position_ids[{}] to be {}, got {}; hint: one sequence is one sample, and packing "
        "is the trainer's work",
        i, i - range.begin, io::shown((*positions)[i]));
  }
}

}  // namespace detail

POSTTRAIN_INLINE Sequence tokenized_sequence(const Json& sample) {
  const detail::TokenLists lists(sample);
  const Json& ids = lists.ids();
  const Json* labels = lists.find("labels");
  const Json* weights = lists.find("weights");
  constexpr std::array kMasks = {"completion_mask", "assistant_masks", "loss_mask"};
  std::array<const Json*, kMasks.size()> masks{};
  std::transform(kMasks.begin(), kMasks.end(), masks.begin(),
                 [&](const char* key) { return lists.find(key); });
  const detail::TokenRange range = detail::unpadded(lists);
  detail::check_positions(lists, range);

  Sequence sequence;
  sequence.ids.reserve(range.end - range.begin);
  sequence.weights.reserve(range.end - range.begin);
  for (std::size_t i = range.begin; i < range.end; ++i) {
    const Json& id = ids[i];
    if (!id.is_number_unsigned() || id.get<std::uint64_t>() > INT32_MAX) {
      raise("expected input_ids[{}] to be a token id, got {}", i, io::shown(id));
    }
    float weight = 1.0F;
    if (weights != nullptr) {
      const Json& value = (*weights)[i];
      if (!value.is_number() || !(value.get<double>() >= 0.0)) {
        raise("expected weights[{}] to be a number of at least 0, got {}", i, io::shown(value));
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
            i, i, id.get<std::uint64_t>(), io::shown(label));
      }
    }
    for (std::size_t mask = 0; mask < masks.size(); ++mask) {
      if (!detail::TokenLists::passes(masks[mask], kMasks[mask], i)) weight = 0.0F;
    }
    sequence.ids.push_back(id.get<TokenId>());
    sequence.weights.push_back(i == range.begin ? 0.0F : weight);
  }
  return sequence;
}

POSTTRAIN_INLINE LoadedData detail::load_tokenized(const Source& source,
                                                   const LoadContext& context) {
  const auto accepts = [](Format format) { return format == Format::tokenized; };
  return load_formatted(
      SequenceKind{}, source, context, accepts, "token ids (input_ids)",
      [](const Json& sample) { return std::vector<Sequence>{tokenized_sequence(sample)}; },
      "tokenized");
}

}  // namespace posttrain::data
