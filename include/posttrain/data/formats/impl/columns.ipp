// SPDX-License-Identifier: Apache-2.0
// Definitions of columns.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <algorithm>
#include <initializer_list>
#include <string_view>

#include "posttrain/base/compiled.hpp"
#include "posttrain/data/formats/columns.hpp"

namespace posttrain::data {

namespace detail {

inline bool is_one_of(std::string_view key, std::initializer_list<std::string_view> names) {
  return std::find(names.begin(), names.end(), key) != names.end();
}

/// The columns that name a prompt, beside "prompt" (data/formats/messages.hpp).
inline bool names_prompt(std::string_view key) {
  return is_one_of(key, {"messages", "Messages", "conversations", "instruction", "input", "history",
                         "question", "problem", "query", "context"});
}

}  // namespace detail

POSTTRAIN_INLINE bool reads_column(Format format, std::string_view key) {
  using detail::is_one_of;
  if (format == Format::document) return is_one_of(key, {"text", "document"});
  if (format == Format::tokenized) {
    return is_one_of(key, {"input_ids", "labels", "weights", "completion_mask", "assistant_masks",
                           "loss_mask", "attention_mask", "position_ids"});
  }
  if (is_one_of(key, {"tools", "documents", "chat_template_kwargs"})) return true;
  const bool system = is_one_of(key, {"system", "system_prompt"});
  switch (format) {
    case Format::messages:
      return system || is_one_of(key, {"messages", "Messages", "conversations", "unmask"});
    case Format::sharegpt:
      return system || is_one_of(key, {"conversations", "unmask"});
    case Format::alpaca:
      return system || is_one_of(key, {"instruction", "input", "output", "history", "unmask"});
    case Format::question:
      return system || is_one_of(key, {"question", "problem", "query", "input", "answer",
                                       "solution", "response", "output", "unmask"});
    case Format::prompt_completion:
      return system || is_one_of(key, {"prompt", "completion", "unmask"});
    case Format::preference:
      return system || detail::names_prompt(key) ||
             is_one_of(key, {"prompt", "chosen", "rejected", "margin"});
    case Format::ranked_preference:
      return system || detail::names_prompt(key) || is_one_of(key, {"output", "margin"});
    case Format::implicit_preference:
      return system || is_one_of(key, {"chosen", "rejected", "chosen_messages", "rejected_messages",
                                       "margin", "prompt"});
    case Format::unpaired_preference:
      return system || is_one_of(key, {"prompt", "completion", "label"});
    case Format::stepwise:
      return system || detail::names_prompt(key) ||
             is_one_of(key, {"prompt", "completions", "labels"});
    default:
      return true;  // prompts: every column is there for rewards
  }
}

POSTTRAIN_INLINE bool is_harmless_column(std::string_view key) {
  for (const std::string_view ending : {"_id", "_ids", "_index", "_score", "_scores", "_hash",
                                        "_url", "_at", "_count", "_tokens", "_length"}) {
    if (key.ends_with(ending)) return true;
  }
  for (const std::string_view beginning : {"score_", "rating_", "num_", "n_", "__"}) {
    if (key.starts_with(beginning)) return true;
  }
  return detail::is_one_of(
      key,
      {"id",       "idx",    "index",     "uuid",       "uid",   "source",  "sources",   "dataset",
       "origin",   "split",  "category",  "categories", "task",  "topic",   "domain",    "tags",
       "language", "lang",   "license",   "url",        "date",  "created", "timestamp", "time",
       "author",   "model",  "models",    "generator",  "score", "scores",  "rating",    "ratings",
       "quality",  "length", "len",       "metadata",   "meta",  "version", "hash",      "md5",
       "sha256",   "level",  "difficulty"});
}

}  // namespace posttrain::data
