// SPDX-License-Identifier: Apache-2.0
// Typed records of samples, whatever format they were written in: for supervised training, paired
// and unpaired preferences, judged steps, and reinforcement learning. Host only, no tokenizer.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "posttrain/data/formats/format_reader.hpp"
#include "posttrain/data/formats/passage.hpp"

namespace posttrain::data {

/// Supervised fine-tuning: the prompt is read, the completion learned. A whole conversation has an
/// empty prompt; what the assistant says in the completion is scored.
struct SupervisedRecord {
  Passage prompt{};
  Passage completion{};
  TemplateInputs inputs{};
  bool unmask = false;  // score users' and tools' messages, too

  /// Nobody answers, and nothing has another message scored.
  bool says_nothing() const;

  static constexpr const char* kExpected =
      "conversations (messages, ShareGPT, Alpaca, questions with answers) or prompts with "
      "completions";
  static bool accepts(Format format);
  static SupervisedRecord from(const Json& sample);
};

/// A pair of completions of one prompt (DPO, reward models). Prompt and completions are all
/// messages or all text.
struct PairRecord {
  Passage prompt{};
  Passage chosen{};
  Passage rejected{};
  TemplateInputs inputs{};
  std::optional<double> margin{};  // how much better, where the sample says so

  static constexpr const char* kExpected = "preference pairs (prompt, chosen, rejected)";
  static bool accepts(Format format);
  static PairRecord from(const Json& sample);
};

/// One completion with a verdict (KTO).
struct AnswerRecord {
  Passage prompt{};
  Passage completion{};
  bool desirable = true;
  TemplateInputs inputs{};

  static constexpr const char* kExpected = "unpaired preferences (prompt, completion, label)";
  static bool accepts(Format format);
  static AnswerRecord from(const Json& sample);
};

/// A solution in steps, each with a verdict (process reward models; TRL's stepwise supervision).
struct SteppedRecord {
  Passage prompt{};  // may be empty
  std::vector<std::string> steps{};
  std::vector<float> labels{};  // one for each step: true or false, or in [0, 1]
  TemplateInputs inputs{};

  static constexpr const char* kExpected =
      "solutions in judged steps (prompt, completions, labels)";
  static bool accepts(Format format);
  static SteppedRecord from(const Json& sample);
};

/// A prompt to be answered by the model, with what a reward needs (GRPO). Answers that a record has
/// beside it, of preferences say, are columns like any others.
struct PromptRecord {
  Passage prompt{};
  Json answer = nullptr;  // "answer", "ground_truth", "solution" or "target", the first there is
  Json sample{};          // the whole sample: every column is there for rewards
  TemplateInputs inputs{};

  static constexpr const char* kExpected =
      "prompts (prompt, messages, ShareGPT, question or instruction)";
  static bool accepts(Format format);
  static PromptRecord from(const Json& sample);
};

/// The text of a document: a string, or the value of `column` (empty: "text" or "document").
std::string document_text(const Json& sample, std::string_view column = {});

/// A record of a path with its place, or why there is none.
template <class Record>
struct ReadRecord {
  std::optional<Record> record{};
  std::string where{};  // "file:line"
  std::string error{};
};

/// The records of a path (record_reader.hpp says which files), one by one: memory holds one.
template <class Record>
class RecordReader {
 public:
  explicit RecordReader(std::string_view path)
      : reader_(path, Record::accepts, Record::kExpected) {}

  /// The next record, malformed ones with their error; nothing at the end.
  std::optional<ReadRecord<Record>> next() {
    std::optional<SourceSample> sample = reader_.next();
    if (!sample) return std::nullopt;
    ReadRecord<Record> read{std::nullopt, std::move(sample->where), std::move(sample->error)};
    if (!read.error.empty()) return read;
    read.error = sample_error([&] { read.record = Record::from(sample->value); });
    return read;
  }

  std::string description() const { return reader_.description(); }

 private:
  FormatReader reader_;
};

}  // namespace posttrain::data

#ifndef POSTTRAIN_COMPILED
#include "posttrain/data/formats/impl/records.ipp"
#endif
