// SPDX-License-Identifier: Apache-2.0
// Definitions of records.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <algorithm>
#include <cmath>
#include <string>
#include <string_view>
#include <vector>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/join.hpp"
#include "posttrain/data/formats/columns.hpp"
#include "posttrain/data/formats/messages.hpp"
#include "posttrain/data/formats/records.hpp"
#include "posttrain/text/message_weight.hpp"

namespace posttrain::data {

namespace detail {

/// Where one of prompt and completions is messages, all are: a text is the user's or the
/// assistant's.
inline void make_alike(Passage& prompt, std::initializer_list<Passage*> completions) {
  const bool text = prompt.is_text() && std::all_of(completions.begin(), completions.end(),
                                                    [](const Passage* c) { return c->is_text(); });
  if (text) return;
  const auto to_messages = [](Passage& from, const char* role) {
    if (!from.is_text()) return;
    from = conversation(from.text.empty() ? Json::array()
                                          : Json::array({message(role, std::move(from.text))}));
  };
  to_messages(prompt, "user");
  for (Passage* completion : completions) to_messages(*completion, "assistant");
}

/// The common start of two completions, which is taken from both; of texts back to the start of a
/// word and without the spaces before it, so that no word is cut in two (TRL's extract_prompt cuts
/// anywhere).
inline Passage take_common_start(Passage& a, Passage& b) {
  Passage prompt;
  if (!a.is_text()) {
    std::size_t count = 0;
    while (count < std::min(a.messages.size(), b.messages.size()) &&
           a.messages[count] == b.messages[count]) {
      ++count;
    }
    prompt.messages = Json::array();
    for (std::size_t i = 0; i < count; ++i) prompt.messages.push_back(a.messages[i]);
    for (Passage* each : {&a, &b}) {
      each->messages.erase(each->messages.begin(),
                           each->messages.begin() + static_cast<std::ptrdiff_t>(count));
    }
    return prompt;
  }
  const std::size_t most = std::min(a.text.size(), b.text.size());
  std::size_t size = static_cast<std::size_t>(
      std::mismatch(a.text.begin(), a.text.begin() + static_cast<std::ptrdiff_t>(most),
                    b.text.begin())
          .first -
      a.text.begin());
  const auto space = [](char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; };
  const auto at_word_end = [&](const std::string& text) {
    return size < text.size() && space(text[size]);
  };
  if (size > 0 && !(at_word_end(a.text) && at_word_end(b.text))) {
    while (size > 0 && !space(a.text[size - 1])) --size;
  }
  while (size > 0 && a.text[size - 1] == ' ') --size;
  prompt.text = a.text.substr(0, size);
  a.text.erase(0, size);
  b.text.erase(0, size);
  return prompt;
}

inline bool repeats(const Passage& prompt, const Passage& completion) {
  if (prompt.empty()) return false;
  if (prompt.is_text()) return completion.text.starts_with(prompt.text);
  return completion.messages.size() >= prompt.messages.size() &&
         std::equal(prompt.messages.begin(), prompt.messages.end(), completion.messages.begin());
}

/// Completions that all repeat the prompt lose it. (Of texts it must be more than a word, which an
/// answer may begin with by itself.)
inline void drop_repeated_prompt(const Passage& prompt,
                                 std::initializer_list<Passage*> completions) {
  const bool word = prompt.is_text() && prompt.text.find_first_of(" \t\n") == std::string::npos;
  if (word) return;
  for (const Passage* completion : completions) {
    if (!repeats(prompt, *completion)) return;
  }
  for (Passage* completion : completions) {
    completion->text.erase(0, prompt.text.size());
    auto& messages = completion->messages;
    if (!prompt.is_text()) {
      messages.erase(messages.begin(),
                     messages.begin() + static_cast<std::ptrdiff_t>(prompt.messages.size()));
    }
  }
}

/// A text prompt beside whole conversations only names what they start with; where they start with
/// no question, it is the question.
inline void take_named_prompt(Passage& prompt, const Json& sample) {
  const Json* named = value_of(sample, "prompt");
  if (named == nullptr || prompt.is_text() || text_value(*named, "prompt").empty()) return;
  const auto asks = [](const Json& message) { return message["role"] == "user"; };
  if (std::none_of(prompt.messages.begin(), prompt.messages.end(), asks)) {
    prompt.messages.push_back(message("user", text_value(*named, "prompt")));
  }
}

/// Two texts without a prompt beside a column of text that nothing reads: that is the prompt.
inline void check_unread_prompt(const Json& sample) {
  for (const auto& [key, value] : sample.items()) {
    if (!value.is_string() || reads_column(Format::implicit_preference, key) ||
        is_harmless_column(key) || value.get_ref<const std::string&>().empty()) {
      continue;
    }
    raise(
        "expected a prompt beside 'chosen' and 'rejected', and '{}' is a text that nothing reads; "
        "hint: rename it to 'prompt', or remove it",
        key);
  }
}

inline std::string roles_of(const Json& messages) {
  std::vector<std::string> roles;
  for (const Json& message : messages) {
    const std::string role = message["role"].get<std::string>();
    if (std::find(roles.begin(), roles.end(), role) == roles.end()) roles.push_back(role);
  }
  return join(roles, ", ");
}

/// A conversation in which nobody is the assistant trains nothing, which is counted; where somebody
/// has a role that nobody knows, that is the reason.
inline void check_roles(const Json& messages) {
  bool unknown = false;
  for (const Json& message : messages) {
    const std::string role = message["role"].get<std::string>();
    if (role == "assistant" || text::own_weight(message).value_or(false)) return;
    unknown |= usual_role(role).empty() && role != "developer";
  }
  if (unknown) {
    raise("expected a message of the assistant, got the roles {}", one_line(roles_of(messages)));
  }
}

inline void check_completion(const Passage& completion, std::string_view key) {
  if (completion.empty()) raise("expected '{}' to say something behind the prompt", key);
  if (completion.is_text()) return;
  if (completion.messages.back()["role"] != "assistant") {
    raise("expected '{}' to end with a message of the assistant, got one of '{}'", key,
          completion.messages.back()["role"].get<std::string>());
  }
}

/// The prompt of a sample: a text or messages under "prompt", or the conversation that it is.
inline Passage prompt_passage(const Json& sample, std::string_view expected) {
  Passage prompt;
  if (const Json* given = value_of(sample, "prompt")) {
    prompt = passage(*given, "prompt");
    put_system_first(prompt, sample);
  } else {
    Json messages = prompt_messages(sample);
    if (messages.is_null()) raise("expected {}, got {}", expected, keys_of(sample));
    prompt = conversation(std::move(messages));
  }
  if (!prompt.is_text() && !prompt.empty() && prompt.messages.back()["role"] == "assistant") {
    fail(
        "expected the prompt to end with a message to answer, got one of the assistant; hint: "
        "remove the answer from the prompt");
  }
  return prompt;
}

/// Two texts in a list are the preferred answer and the other one; of anything else it cannot be
/// told which answers make a pair.
inline void check_ranked(const Json& answers) {
  const bool texts = std::all_of(answers.begin(), answers.end(),
                                 [](const Json& answer) { return answer.is_string(); });
  if (answers.size() == 2 && texts) return;
  raise(
      "expected 'output' to be a text, or a list of two: the preferred answer and the other one, "
      "got {} entries{}; hint: write pairs as 'chosen' and 'rejected'",
      answers.size(), texts ? "" : " that are not all texts");
}

inline bool truth(const Json& value, std::string_view key) {
  if (value.is_boolean()) return value.get<bool>();
  if (value == 0 || value == 1) return value == 1;
  raise("expected '{}' to be true or false, got {}", key, io::shown(value));
}

}  // namespace detail

POSTTRAIN_INLINE bool SupervisedRecord::accepts(Format format) {
  return format == Format::messages || format == Format::sharegpt || format == Format::alpaca ||
         format == Format::question || format == Format::prompt_completion;
}

POSTTRAIN_INLINE SupervisedRecord SupervisedRecord::from(const Json& sample) {
  using namespace detail;
  SupervisedRecord record;
  record.inputs = template_inputs(sample);
  if (const Json* unmask = value_of(sample, "unmask")) record.unmask = truth(*unmask, "unmask");
  if (value_of(sample, "prompt") != nullptr && value_of(sample, "completion") != nullptr) {
    record.prompt = passage(sample["prompt"], "prompt");
    record.completion = passage(sample["completion"], "completion");
    make_alike(record.prompt, {&record.completion});
    put_system_first(record.prompt, sample);
    drop_repeated_prompt(record.prompt, {&record.completion});
    check_completion(record.completion, "completion");
    return record;
  }
  Json messages = prompt_messages(sample);
  if (messages.is_null()) raise("expected {}, got {}", kExpected, keys_of(sample));
  if (messages_of(sample) == nullptr && value_of(sample, "conversations") == nullptr) {
    const bool alpaca = value_of(sample, "instruction") != nullptr;
    const Json* answer = alpaca ? value_of(sample, "output")
                                : first_value(sample, "answer", "solution", "response", "output");
    if (answer == nullptr) {
      raise("expected '{}' to train on, got {}", alpaca ? "output" : "answer", keys_of(sample));
    }
    record.prompt = conversation(std::move(messages));
    record.completion = conversation(
        Json::array({message("assistant", text_value(*answer, alpaca ? "output" : "answer"))}));
    return record;
  }
  check_roles(messages);
  record.prompt.messages = Json::array();
  record.completion = conversation(std::move(messages));
  return record;
}

POSTTRAIN_INLINE bool SupervisedRecord::says_nothing() const {
  if (completion.is_text() || unmask) return false;
  return std::none_of(
      completion.messages.begin(), completion.messages.end(), [](const Json& message) {
        return message["role"] == "assistant" || text::own_weight(message).value_or(false);
      });
}

POSTTRAIN_INLINE bool PairRecord::accepts(Format format) {
  return format == Format::preference || format == Format::implicit_preference ||
         format == Format::ranked_preference;
}

POSTTRAIN_INLINE PairRecord PairRecord::from(const Json& sample) {
  using namespace detail;
  PairRecord record;
  record.inputs = template_inputs(sample);
  if (const Json* margin = value_of(sample, "margin")) {
    if (!margin->is_number())
      raise("expected 'margin' to be a number, got {}", margin->type_name());
    record.margin = margin->get<double>();
  }
  const Json* chosen = first_value(sample, "chosen", "chosen_messages");
  const Json* rejected = first_value(sample, "rejected", "rejected_messages");
  const bool ranked = chosen == nullptr && rejected == nullptr && has_ranked_output(sample);
  if (ranked) {
    const Json& answers = sample.at("output");
    check_ranked(answers);
    chosen = &answers[0];
    rejected = &answers[1];
  }
  if (chosen == nullptr || rejected == nullptr) {
    raise("expected {}, got {}", kExpected, keys_of(sample));
  }
  record.chosen = passage(*chosen, "chosen");
  record.rejected = passage(*rejected, "rejected");
  if (record.chosen.is_text() != record.rejected.is_text()) {
    fail("expected 'chosen' and 'rejected' to be both texts or both messages");
  }
  if (record.chosen == record.rejected) fail("expected 'chosen' and 'rejected' to differ");
  if (detect_format(sample) == Format::implicit_preference) {
    if (record.chosen.is_text()) check_unread_prompt(sample);
    record.prompt = take_common_start(record.chosen, record.rejected);
    take_named_prompt(record.prompt, sample);
    put_system_first(record.prompt, sample);
  } else {
    const Json* prompt = value_of(sample, "prompt");
    record.prompt =
        prompt != nullptr ? passage(*prompt, "prompt") : conversation(prompt_messages(sample));
    make_alike(record.prompt, {&record.chosen, &record.rejected});
    if (prompt != nullptr) put_system_first(record.prompt, sample);
    drop_repeated_prompt(record.prompt, {&record.chosen, &record.rejected});
  }
  check_completion(record.chosen, "chosen");
  check_completion(record.rejected, "rejected");
  return record;
}

POSTTRAIN_INLINE bool AnswerRecord::accepts(Format format) {
  return format == Format::unpaired_preference;
}

POSTTRAIN_INLINE AnswerRecord AnswerRecord::from(const Json& sample) {
  using namespace detail;
  for (const char* key : {"prompt", "completion", "label"}) {
    if (value_of(sample, key) == nullptr) raise("expected {}, got {}", kExpected, keys_of(sample));
  }
  AnswerRecord record;
  record.inputs = template_inputs(sample);
  record.prompt = passage(sample["prompt"], "prompt");
  record.completion = passage(sample["completion"], "completion");
  record.desirable = truth(sample["label"], "label");
  make_alike(record.prompt, {&record.completion});
  put_system_first(record.prompt, sample);
  drop_repeated_prompt(record.prompt, {&record.completion});
  check_completion(record.completion, "completion");
  return record;
}

POSTTRAIN_INLINE bool SteppedRecord::accepts(Format format) { return format == Format::stepwise; }

POSTTRAIN_INLINE SteppedRecord SteppedRecord::from(const Json& sample) {
  using namespace detail;
  const Json* steps = value_of(sample, "completions");
  const Json* labels = value_of(sample, "labels");
  if (steps == nullptr || labels == nullptr)
    raise("expected {}, got {}", kExpected, keys_of(sample));
  if (!steps->is_array() || !labels->is_array() || steps->empty() ||
      steps->size() != labels->size()) {
    raise("expected 'completions' and 'labels' to be lists of one length, got {} and {} entries",
          steps->size(), labels->size());
  }
  SteppedRecord record;
  record.inputs = template_inputs(sample);
  record.prompt = prompt_passage(sample, kExpected);
  for (std::size_t i = 0; i < steps->size(); ++i) {
    const Json& label = (*labels)[i];
    const double value = label.is_boolean()  ? label.get<bool>()
                         : label.is_number() ? label.get<double>()
                                             : -1.0;
    if (!(value >= 0.0 && value <= 1.0)) {
      raise("expected labels[{}] to be true, false or a number in [0, 1], got {}", i,
            io::shown(label));
    }
    record.labels.push_back(static_cast<float>(value));
    record.steps.push_back(text_value((*steps)[i], fmt::format("completions[{}]", i)));
    if (record.steps.back().empty()) raise("expected completions[{}] to say something", i);
  }
  return record;
}

POSTTRAIN_INLINE bool PromptRecord::accepts(Format format) {
  return format == Format::prompt || format == Format::question || format == Format::messages ||
         format == Format::sharegpt || format == Format::alpaca ||
         format == Format::ranked_preference || format == Format::preference ||
         format == Format::unpaired_preference || format == Format::prompt_completion;
}

POSTTRAIN_INLINE PromptRecord PromptRecord::from(const Json& sample) {
  using namespace detail;
  PromptRecord record;
  record.inputs = template_inputs(sample);
  record.prompt = prompt_passage(sample, kExpected);
  if (record.prompt.empty()) fail("expected a prompt that is not empty");
  if (const Json* answer =
          first_value(sample, "answer", "ground_truth", "solution", "target", "output")) {
    record.answer = *answer;
  }
  record.sample = sample;
  return record;
}

POSTTRAIN_INLINE std::string document_text(const Json& sample, std::string_view column) {
  if (sample.is_string()) return sample.get<std::string>();
  const Json* found = column.empty() ? detail::first_value(sample, "text", "document")
                                     : detail::value_of(sample, column);
  if (found == nullptr || !found->is_string()) {
    raise("expected a text '{}'; hint: document_column names the key",
          column.empty() ? "text' or 'document" : column);
  }
  return found->get<std::string>();
}

}  // namespace posttrain::data
