// SPDX-License-Identifier: Apache-2.0
// The committed data files as texts by file name: JSON lines in the formats the library reads.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "calls.hpp"
#include "model_files.hpp"
#include "world.hpp"

namespace pocket {

namespace detail {

using Json = nlohmann::ordered_json;

inline Json turns_json(const Conversation& turns) {
  Json all = Json::array();
  for (const auto& turn : turns) all.push_back({{"role", turn.role}, {"content", turn.content}});
  return all;
}

inline std::string asked_lines(const std::vector<Asked>& all) {
  std::string text;
  for (const auto& asked : all)
    text += Json{{"messages", turns_json({{"user", asked.question}})},
                 {"answer", asked.answer},
                 {"kind", asked.kind}}
                .dump() +
            "\n";
  return text;
}

// The answer as a bare number, for exact checks of free-form replies.
inline std::string problem_lines(const std::vector<Asked>& all) {
  std::string text;
  for (const auto& asked : all)
    text += Json{{"messages", turns_json({{"user", asked.question}})},
                 {"answer", asked.brief.substr(0, asked.brief.size() - 1)},
                 {"kind", asked.kind}}
                .dump() +
            "\n";
  return text;
}

inline std::string conversation_lines(const std::vector<Conversation>& all) {
  std::string text;
  for (const auto& turns : all) text += Json{{"messages", turns_json(turns)}}.dump() + "\n";
  return text;
}

inline std::string preference_lines(const std::vector<Preference>& all) {
  std::string text;
  for (const auto& pair : all)
    text += Json{{"prompt", turns_json(pair.prompt)},
                 {"chosen", turns_json({{"assistant", pair.chosen}})},
                 {"rejected", turns_json({{"assistant", pair.rejected}})}}
                .dump() +
            "\n";
  return text;
}

}  // namespace detail

/// One line of the corpus file.
inline std::string document_line(const std::string& text) {
  return nlohmann::ordered_json{{"document", text}}.dump() + "\n";
}

/// Everything under examples/pocket/data.
inline Files data_files(const World& world) {
  Files files;
  files["conversations.jsonl"] = detail::conversation_lines(conversations(world));
  files["questions.jsonl"] = detail::asked_lines(questions(world));
  files["preferences.jsonl"] = detail::preference_lines(preferences(world, 2000, false));
  files["preferences_heldout.jsonl"] = detail::preference_lines(preferences(world, 200, true));
  files["arithmetic.jsonl"] = detail::problem_lines(arithmetic_problems(world, 800, false));
  files["arithmetic_heldout.jsonl"] = detail::problem_lines(arithmetic_problems(world, 150, true));
  files["calls.jsonl"] = detail::conversation_lines(call_conversations(600));
  files["products.jsonl"] = detail::problem_lines(product_problems(400, false));
  files["products_heldout.jsonl"] = detail::problem_lines(product_problems(100, true));
  for (const auto& task : tasks()) {
    std::vector<Conversation> train;
    for (const auto& asked : task.train)
      train.push_back({{"user", asked.question}, {"assistant", asked.answer}});
    files["tasks/" + task.name + ".jsonl"] = detail::conversation_lines(train);
    files["tasks/" + task.name + "_heldout.jsonl"] = detail::asked_lines(task.held_out);
  }
  return files;
}

}  // namespace pocket
