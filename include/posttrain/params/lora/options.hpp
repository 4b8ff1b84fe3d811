// SPDX-License-Identifier: Apache-2.0
// Options that the adapters of the LoRA family share whatever the storage: where they sit, their
// ranks and their first values.
#pragma once

#include <charconv>
#include <cmath>
#include <cstdint>
#include <string_view>
#include <vector>

#include "posttrain/base/error.hpp"
#include "posttrain/base/literal_string.hpp"
#include "posttrain/base/name_pattern.hpp"

namespace posttrain {

/// First values of A and B (PEFT's init_lora_weights).
enum class LoraInit {
  kaiming,   // A uniform in ±1/√in, B zero (PEFT: True)
  gaussian,  // A normal with deviation 1/rank, B zero
  olora,     // from W = QR: B = Q[:, :r], A = R[:r]; the frozen matrix loses s B A (2406.01775)
  pissa,     // the r largest singular directions of W / s; likewise (2404.02948)
  loftq,     // those of (W − Q(W)) / s beside the quantised Q(W) (2310.08659); a stored base only
};

/// Biases that train beside the adapters (PEFT's bias).
enum class LoraBias { none, all, lora_only };

namespace detail {

/// Whether a list of patterns names `item` itself.
constexpr bool lists(std::string_view patterns, std::string_view item) {
  while (!patterns.empty()) {
    if (trimmed(take_until(patterns, ',')) == item) return true;
  }
  return false;
}

/// "model.norm" of "model.norm.weight".
constexpr std::string_view module_of(std::string_view weight) {
  constexpr std::string_view kWeight = ".weight";
  return weight.ends_with(kWeight) ? weight.substr(0, weight.size() - kWeight.size()) : weight;
}

/// An entry of "3, 7-9, lm_head=5": the rows from first to last of a matrix; no name: of the token
/// embedding.
struct RowRange {
  std::string_view module;
  std::int64_t first, last;
};

/// Reads such a list. Throws where an entry is none.
inline std::vector<RowRange> row_ranges(std::string_view entries) {
  std::vector<RowRange> ranges;
  for (std::string_view rest = entries; !rest.empty();) {
    std::string_view rows = trimmed(take_until(rest, ',')), module;
    if (rows.empty()) continue;
    if (rows.find('=') != rows.npos) module = trimmed(take_until(rows, '='));
    const auto number = [&](std::string_view text) {
      constexpr std::size_t kDigits = 15;  // far below what an int64 holds
      text = trimmed(text);
      if (is_number(text) && text.size() <= kDigits) return to_number(text);
      raise("Lora.trainable_token_indices expected ids such as \"3, 7-9, lm_head=5\", got \"{}\"",
            entries);
    };
    const bool range = rows.find('-') != rows.npos;
    const std::int64_t first = number(take_until(rows, '-'));
    const std::int64_t last = range ? number(rows) : first;
    if (last < first) {
      raise("Lora.trainable_token_indices expected a range that does not fall, got \"{}-{}\"",
            first, last);
    }
    ranges.push_back({module, first, last});
  }
  return ranges;
}

/// The number that "pattern=number, …" gives for a name, or `otherwise`.
template <class Number>
Number number_for(std::string_view entries, std::string_view name, Number otherwise) {
  const auto text = value_for(entries, name);
  if (!text) return otherwise;
  Number value{};
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value);
  if (error != std::errc() || end != text->data() + text->size() || !(value > 0)) {
    raise("expected \"pattern=number, …\" with positive numbers, got \"{}\"", entries);
  }
  return value;
}

}  // namespace detail

}  // namespace posttrain
