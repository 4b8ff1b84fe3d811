// SPDX-License-Identifier: Apache-2.0
// Definitions of chat_spans.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/text/chat_spans.hpp"
#include "posttrain/text/conversation.hpp"
#include "posttrain/text/message_weight.hpp"
#include "posttrain/unicode/utf8.hpp"

namespace posttrain::text {

POSTTRAIN_INLINE ChatSpans::Turn ChatSpans::last_turn(const Json& messages, const Json& tools,
                                                      std::size_t i) const {
  const Json upto = first_messages(messages, i + 1);
  const ChatTemplate::Rendered rendered = renderer_.render_marked(upto, tools);
  Turn turn{rendered.text, {}, rendered.text.size()};
  const auto marked = [&] { return marked_turn(upto, tools, i, rendered); };
  const auto opening = i == 0 ? marked() : std::nullopt;
  try {
    turn.span.begin = opening ? opening->begin : turn_begin(messages, tools, i, turn.text);
  } catch (const Error&) {
    const auto found = marked();
    if (!found) throw;
    turn.span.begin = found->begin;
  }
  const std::optional<std::size_t> end = turn_end(turn.text, turn.span.begin);
  if (!end) turn.text += renderer_.closing(messages, tools, i, turn.text);
  turn.span.end = end.value_or(turn.text.size());
  return turn;
}

POSTTRAIN_INLINE std::optional<ChatSpans::Bytes> ChatSpans::marked_turn(
    const Json& messages, const Json& tools, std::size_t i,
    const ChatTemplate::Rendered& rendered) const {
  const auto& marks = rendered.generations;
  if (marks.empty()) return std::nullopt;
  std::size_t from = 0;
  std::size_t to = marks.size();
  try {  // a turn may have several blocks or none: those that it adds
    const auto count = [&](std::size_t n) {
      return renderer_.render_marked(first_messages(messages, n), tools).generations.size();
    };
    if (i > 0) from = count(i);
    if (i + 1 < messages.size()) to = count(i + 1);
  } catch (const Error&) {
    // The template refuses the beginning alone: one block per turn, if so many are there.
    std::size_t turns = 0;
    for (std::size_t k = 0; k < messages.size(); ++k) {
      if (k == i) from = turns;
      turns += is_assistant(messages[k]);
    }
    if (turns != marks.size()) return std::nullopt;
    to = from + 1;
  }
  if (from >= to || to > marks.size()) return std::nullopt;
  Bytes span{marks[from].first, marks[to - 1].second};
  const std::string_view text = rendered.text;
  for (std::size_t k = from + 1; k < to; ++k) {  // a tool's answer in between is not the turn's
    const std::size_t gap = marks[k - 1].second;
    if (trimmed_length(text.substr(gap, marks[k].first - gap)) > 0) return std::nullopt;
  }
  if (renderer_.terminator().empty()) return span;
  // The terminator is the block's end, or stands behind it.
  const std::string_view said = text.substr(span.begin, span.end - span.begin);
  const std::string_view trimmed = said.substr(0, trimmed_length(said));
  const std::size_t behind = span.end + leading_whitespace(text.substr(span.end));
  if (trimmed.ends_with(renderer_.terminator())) {
    span.end = span.begin + trimmed.size();
  } else if (text.substr(span.end).starts_with(renderer_.terminator())) {
    span.end += renderer_.terminator().size();
  } else if (text.substr(behind).starts_with(renderer_.terminator())) {
    span.end = behind + renderer_.terminator().size();
  }
  return span;
}

POSTTRAIN_INLINE std::size_t ChatSpans::turn_begin(const Json& messages, const Json& tools,
                                                   std::size_t i, const std::string& text) const {
  // Where the rendering starts to depend on what the assistant said.
  const auto depends = [&] {
    Json other = first_messages(messages, i);
    other.push_back({{"role", "assistant"}, {"content", kContentSentinel}});
    return common_prefix(text, renderer_.render(other, tools, false));
  };
  if (i == 0) return depends();
  const Json before = first_messages(messages, i);
  const std::string prompt = renderer_.render(before, tools, true);
  if (text.starts_with(prompt)) return prompt.size();
  // The generation prompt holds more than the turn's header (an opened <think>): the header is
  // the text that both share, and it must hold some of the generation prompt.
  const std::size_t shared = common_prefix(text, prompt);
  std::size_t without = 0;
  try {
    without = common_prefix(prompt, renderer_.render(before, tools, false));
  } catch (const Error&) {
  }
  if (shared <= without || without == prompt.size()) {
    raise(
        "message {}: the chat template renders the messages before it differently once it "
        "follows, so its prompt cannot be told; hint: use another chat template",
        i);
  }
  return std::min(shared, depends());
}

POSTTRAIN_INLINE std::optional<std::size_t> ChatSpans::turn_end(const std::string& text,
                                                                std::size_t begin) const {
  const std::string_view turn = std::string_view(text).substr(begin);
  if (!renderer_.terminator().empty() && trimmed_length(renderer_.terminator()) > 0) {
    const std::size_t found = turn.rfind(renderer_.terminator());
    if (found != std::string_view::npos) return begin + found + renderer_.terminator().size();
  }
  const std::size_t trimmed = trimmed_length(turn);
  const auto token = renderer_.tokenizer().last_added_token(turn);
  return token && token->second == trimmed ? std::optional(begin + trimmed) : std::nullopt;
}

POSTTRAIN_INLINE std::optional<ChatSpans::Bytes> ChatSpans::find_turn(
    const Json& messages, const Json& tools, std::size_t i,
    const ChatTemplate::Rendered& full) const {
  const auto rendered = rendered_turn(messages, tools, i, full.text);
  return rendered ? rendered : marked_turn(messages, tools, i, full);
}

POSTTRAIN_INLINE std::optional<ChatSpans::Bytes> ChatSpans::rendered_turn(
    const Json& messages, const Json& tools, std::size_t i, const std::string& full) const {
  try {
    const Turn turn = last_turn(messages, tools, i);
    if (full.compare(0, turn.span.end, turn.text, 0, turn.span.end) == 0) return turn.span;
    if (full.size() == turn.rendered && turn.text.starts_with(full)) {  // the last one, left open
      return Bytes{turn.span.begin, full.size()};
    }
    // Rewritten: the prompt may still stand, and content and terminator follow it.
    if (i == 0) return std::nullopt;
    const std::string prompt = renderer_.render(first_messages(messages, i), tools, true);
    if (!full.starts_with(prompt) || renderer_.terminator().empty()) return std::nullopt;
    std::size_t from = prompt.size();
    std::string content_text;
    const auto content = messages[i].find("content");
    if (content != messages[i].end() && content->is_string()) {
      const auto& whole = content->get_ref<const std::string&>();
      const std::size_t blank = leading_whitespace(whole);
      const std::size_t size = trimmed_length(whole);
      if (size > blank) content_text = whole.substr(blank, size - blank);
    }
    if (!content_text.empty()) {
      const std::size_t found = full.find(content_text, from);
      if (found == std::string::npos) return std::nullopt;
      from = found + content_text.size();
    }
    // The text between the content and the turn's end must be the text that stands there without
    // the messages that follow: a terminator further on would be another turn's.
    const std::size_t said =
        content_text.empty() ? turn.span.begin : turn.text.rfind(content_text, turn.span.end);
    if (said == std::string::npos || said + content_text.size() > turn.span.end) {
      return std::nullopt;
    }
    const std::size_t rest = turn.span.end - said - content_text.size();
    if (full.compare(from, rest, turn.text, said + content_text.size(), rest) != 0) {
      return std::nullopt;
    }
    return Bytes{prompt.size(), from + rest};
  } catch (const Error&) {
    return std::nullopt;
  }
}

POSTTRAIN_INLINE std::vector<Json::json_pointer> ChatSpans::texts(const Json& messages,
                                                                  std::size_t j) {
  std::vector<Json::json_pointer> found;
  const auto content = messages[j].find("content");
  if (content == messages[j].end() || content->is_null()) return found;
  const auto place = Json::json_pointer() / j / "content";
  if (content->is_string()) {
    found.push_back(place);
  } else if (content->is_array()) {
    for (std::size_t k = 0; k < content->size(); ++k) {
      const Json& part = content->at(k);
      const auto text = part.is_object() ? part.find("text") : part.end();
      if (text != part.end() && text->is_string()) found.push_back(place / k / "text");
    }
  } else {
    raise("message {}: unmask needs its content as text or parts, got {}", j, content->type_name());
  }
  return found;
}

POSTTRAIN_INLINE std::vector<ChatSpans::Bytes> ChatSpans::contents(const Json& messages,
                                                                   const Json& tools,
                                                                   std::size_t from, std::size_t to,
                                                                   const std::string& full,
                                                                   bool unmask) const {
  std::vector<Bytes> found;
  for (std::size_t j = from; j < to; ++j) {
    const std::string who = role(messages[j]);
    const bool by_role = unmask && who != "system" && who != "developer";
    if (who == "assistant" || !own_weight(messages[j]).value_or(by_role)) continue;
    for (const auto& place_of_text : texts(messages, j)) {
      const auto& said = messages.at(place_of_text).get_ref<const std::string&>();
      if (trimmed_length(said) == 0) continue;
      Json other = messages;
      other[place_of_text] = kContentSentinel;
      const std::string swapped = renderer_.render(other, tools, false);
      Bytes bytes{common_prefix(full, swapped), full.size()};
      std::size_t tail = 0;
      const std::size_t most = std::min(full.size(), swapped.size()) - bytes.begin;
      while (tail < most && full[full.size() - 1 - tail] == swapped[swapped.size() - 1 - tail]) {
        ++tail;
      }
      bytes.end -= tail;
      const std::string_view place =
          std::string_view(full).substr(bytes.begin, bytes.end - bytes.begin);
      const std::size_t blank = leading_whitespace(said);
      const std::string trimmed = said.substr(blank, trimmed_length(said) - blank);
      if (place.size() > said.size() || place.find(trimmed) == std::string_view::npos) {
        raise(
            "message {}: its content does not stand once and unchanged in the rendered "
            "conversation, so it cannot be unmasked",
            j);
      }
      found.push_back(bytes);
    }
  }
  return found;
}

}  // namespace posttrain::text
