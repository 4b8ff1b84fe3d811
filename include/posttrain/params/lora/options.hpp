// SPDX-License-Identifier: Apache-2.0
// Options that the adapters of the LoRA family share whatever the storage: where they sit, their
// ranks and their first values.
#pragma once

#include <charconv>
#include <cmath>
#include <cstdint>
#include <string_view>

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
