// SPDX-License-Identifier: Apache-2.0
// Definition of member_names.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <algorithm>
#include <utility>

#include "posttrain/base/compiled.hpp"
#include "posttrain/recipes/member_names.hpp"

namespace posttrain {

namespace detail {

/// A field that a member of another name sets. The first that a recipe has counts.
struct Renamed {
  std::string_view field, member;
};
inline constexpr Renamed kRenamed[] = {
    {"alpha", "lora_alpha"},
    {"dropout", "lora_dropout"},
    {"group_size", "num_generations"},
    {"init", "init_lora_weights"},
    {"max_new_tokens", "max_tokens"},
    {"max_tokens_per_batch", "max_tokens_per_gpu"},
    {"num_iterations", "num_ppo_epochs"},
    {"path", "data_path"},
    {"rank", "lora_r"},
    {"run_dir", "ckpt_output_dir"},
    {"unmask", "unmask_messages"},
    {"validation_path", "validation_data_path"},
};

/// A name as it stands in a message: "run_dir", or "Options.run_dir", "Options::run_dir",
/// "options.run_dir". Only
/// words that no sentence has are names by themselves.
inline std::string_view member_for(std::string_view word, std::span<const Field> fields) {
  const auto is_member = [&](std::string_view name) {
    return std::ranges::any_of(fields, [&](const Field& row) { return row.name == name; });
  };
  const std::size_t last = word.find_last_of(".:");
  const std::string_view field = last == word.npos ? word : word.substr(last + 1);
  const bool qualified =
      last != word.npos && ((word[0] >= 'A' && word[0] <= 'Z') || word.starts_with("options."));
  if (!qualified && (last != word.npos || field.find('_') == field.npos)) return word;
  if (is_member(field)) return field;
  for (const Renamed& each : kRenamed) {
    if (each.field == field && is_member(each.member)) return each.member;
  }
  return word;
}

}  // namespace detail

POSTTRAIN_INLINE std::string in_member_names(std::string_view text, std::span<const Field> fields) {
  // Letters of paths are here, too, so that no part of a path is taken for a name.
  const auto in_word = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("_.:/-").find(c) != std::string_view::npos;
  };
  std::string named;
  while (!text.empty()) {
    const auto end = std::ranges::find_if_not(text, in_word);
    std::string_view word = text.substr(0, static_cast<std::size_t>(end - text.begin()));
    text.remove_prefix(word.size());
    const std::size_t whole = word.find_last_not_of(".:") + 1;  // without a sentence's end
    named += detail::member_for(word.substr(0, whole), fields);
    named += word.substr(whole);
    if (!text.empty()) {
      named += text[0];
      text.remove_prefix(1);
    }
  }
  return named;
}

}  // namespace posttrain
