// SPDX-License-Identifier: Apache-2.0
// Files of held-out questions, and their batches for a teacher-forced measurement.
//
//   {"messages": [{"role": "user", "content": "How much is 2 + 2?"}], "answer": "4"}
//
// one on each line (io/json_lines.hpp). `messages` is a conversation that ends with a user's
// message, `answer` what the assistant should say; what else a template takes ("tools", say) may
// stand beside them. `exact_match` decodes answers; the batches go to `measure_retention`, which
// costs one forward pass.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "posttrain/base/error.hpp"
#include "posttrain/data/pipeline/stream.hpp"
#include "posttrain/io/json_lines.hpp"
#include "posttrain/text/chat_tokenizer.hpp"

namespace posttrain {

struct Question {
  Json sample;  // {"messages": […], …}
  std::string answer;
};

/// The questions of a file, in order. A line that is none is an error that names it.
inline std::vector<Question> read_questions(const std::string& path) {
  std::vector<Question> questions;
  io::JsonLinesReader reader{io::fs::path(path)};
  while (const auto record = reader.next()) {
    const auto refuse = [&](const std::string& what) {
      raise("{}: {}", reader.where(record->line), what);
    };
    if (!record->error.empty()) refuse(record->error);
    const Json& line = record->value;
    const auto good = [&](const char* key, auto is) {
      return line.is_object() && line.contains(key) && is(line.at(key));
    };
    if (!good("messages", [](const Json& value) { return value.is_array(); }) ||
        !good("answer", [](const Json& value) { return value.is_string(); })) {
      refuse("expected a question: {\"messages\": [...], \"answer\": \"...\"}");
    }
    questions.push_back({line, line.at("answer").get<std::string>()});
  }
  return questions;
}

/// Packed batches of at most `max_tokens` tokens that score the answers and their terminators.
inline std::vector<TokenBatch> question_batches(const text::ChatTokenizer& tokenizer,
                                                const std::vector<Question>& questions,
                                                std::int64_t max_tokens = 2048) {
  data::SequenceStore sequences;
  for (const Question& question : questions) {
    Json sample = question.sample;
    const std::size_t asked = sample.at("messages").size();  // earlier answers are not scored
    sample["messages"].push_back({{"role", "assistant"}, {"content", question.answer}});
    for (Sequence& sequence : tokenizer.training_sequences(
             text::Conversation::from(sample), text::Turns::all, /*unmask=*/false, asked)) {
      sequences.push_back(std::move(sequence));
    }
  }
  return data::make_batches(SequenceKind{}, sequences, max_tokens);
}

}  // namespace posttrain
