// SPDX-License-Identifier: Apache-2.0
// Definitions of turns.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <algorithm>
#include <exception>
#include <memory>
#include <span>
#include <string_view>
#include <utility>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/base/error_text.hpp"
#include "posttrain/data/rollouts/turns.hpp"
#include "posttrain/io/json.hpp"
#include "posttrain/unicode/utf8.hpp"

namespace posttrain::data {

namespace detail {

/// What became of one sample's conversation, which TurnOptions::on_error decides on.
class SampleFailure : public Error {
 public:
  using Error::Error;
};

inline std::string without_whitespace(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size();) {
    const text::CodePoint point = text::decode_utf8(text, i);
    if (!text::is_whitespace(point.code)) out += text.substr(i, point.size);
    i += point.size;
  }
  return out;
}

/// "expected \"a…\" at byte 12, found \"b…\"": where two texts part.
inline std::string parting(std::string_view wanted, std::string_view found) {
  constexpr std::size_t kShown = 40;
  const std::size_t at = text::common_prefix(wanted, found);
  const auto quoted = [&](std::string_view whole) {
    return io::shown(Json(std::string(whole.substr(at, kShown))));
  };
  return fmt::format("expected {} at byte {}, found {}", quoted(wanted), at, quoted(found));
}

/// A text that no message has: it marks where a turn ends in a rendering.
inline std::string marker_for(const text::Conversation& conversation) {
  const std::string all =
      conversation.messages.dump(-1, ' ', false, Json::error_handler_t::replace);
  std::string marker = text::kContentSentinel;
  while (all.find(marker) != std::string::npos) marker += text::kContentSentinel;
  return marker;
}

/// What the policy drew behind its text: the id that ended the turn, or a stop string and what
/// stood behind it in the last token.
inline std::string drawn_end(const text::Tokenizer& tokenizer, const Completion& turn) {
  if (turn.ids.empty()) return {};
  if (turn.finish == FinishReason::stop_id) {
    return tokenizer.decode(std::span<const TokenId>(turn.ids).last(1));
  }
  const std::string all = tokenizer.decode(turn.ids, /*skip_special_tokens=*/true);
  return all.starts_with(turn.text) ? all.substr(turn.text.size()) : std::string();
}

inline void check_reply(const Reply& reply) {
  text::check_messages(reply.messages);
  for (const Json& message : reply.messages) {
    if (text::is_assistant(message)) fail("a reply speaks for others than the assistant");
  }
}

}  // namespace detail

POSTTRAIN_INLINE void Turns::add(const PromptItem& item, std::int64_t samples) {
  const Json inputs = io::parse_json(item.inputs, "a prompt's inputs");
  State state{.so_far = text::Conversation(
                  io::parse_json(item.messages, "a prompt's messages"),
                  {inputs.at("tools"), inputs.at("documents"), inputs.at("chat_template_kwargs")}),
              .record = {},
              .rendered = {},
              .sample = item.sample};
  if (options_->environment.reads_record()) {
    state.record = std::make_shared<const Json>(io::parse_json(item.record, "a prompt's record"));
  }
  state.rendered = render(state, state.so_far, true);
  all_.insert(all_.end(), static_cast<std::size_t>(samples), state);
}

POSTTRAIN_INLINE std::int64_t Turns::after(std::size_t index, std::size_t prompt,
                                           const Completion& turn, RolloutSample& sample,
                                           RolloutWork& work) {
  State& state = all_.at(index);
  state.turns += 1;
  state.so_far.messages.push_back({{"role", "assistant"}, {"content", turn.text}});
  if (turn.finish == FinishReason::length) return 0;
  std::optional<Reply> reply;
  Continued longer;
  try {
    reply = ask(state);
    if (!reply) return 0;
    longer = continued(state, *reply, turn);
  } catch (const detail::SampleFailure& error) {
    if (options_->on_error == OnError::stop) raise("{}: {}", place(state), error.what());
    work.replies += 1;
    work.failed_replies += 1;
    state.failure = error.what();
    sample.finish = FinishReason::error;
    return 0;
  }
  work.replies += 1;
  work.failed_replies += reply->failed ? 1 : 0;
  const std::int64_t length =
      static_cast<std::int64_t>(prompt) + std::ssize(sample.ids) + std::ssize(longer.ids);
  const auto within = [&](std::int64_t most) { return most <= 0 || length <= most; };
  std::int64_t left = max_new_tokens_ - sample.trained_tokens();
  if (options_->max_tokens > 0) left = std::min(left, options_->max_tokens - length);
  if (room_ > 0) left = std::min(left, room_ - length + 1);  // the last id is never read
  const bool goes_on = left > 0 && state.turns < options_->max_turns &&
                       within(options_->max_read) && within(positions_);
  if (reply->ends ? !within(options_->max_tokens) : !goes_on) {
    sample.finish = FinishReason::length;
    return 0;
  }
  sample.ids.insert(sample.ids.end(), longer.ids.begin(), longer.ids.end());
  sample.sampled.resize(sample.ids.size(), 0);
  sample.sampled_logps.resize(sample.ids.size(), 0.0F);
  if (!sample.support.sizes.empty()) sample.support.sizes.resize(sample.ids.size(), 0);
  state.so_far = std::move(longer.so_far);
  state.rendered = std::move(longer.rendered);
  if (!reply->ends) return left;
  sample.finish = FinishReason::environment;
  return 0;
}

POSTTRAIN_INLINE void Turns::give_up(std::size_t index, RolloutSample& sample) const {
  const std::optional<double> value =
      options_->on_error == OnError::zero ? std::optional(0.0) : std::nullopt;
  std::fill(sample.scores.begin(), sample.scores.end(), value);
  sample.reward = value;
  sample.parsed = {};
  sample.reason = all_.at(index).failure;
}

POSTTRAIN_INLINE std::optional<Reply> Turns::ask(const State& state) const {
  try {
    std::optional<Reply> reply = options_->environment(state.so_far, state.record.get());
    if (reply) detail::check_reply(*reply);
    return reply;
  } catch (const std::exception& error) {
    throw detail::SampleFailure(
        fmt::format("the environment failed: {}; hint: on_environment_error says whether that ends "
                    "the run",
                    error_text(error)));
  }
}

POSTTRAIN_INLINE Turns::Continued Turns::continued(const State& state, const Reply& reply,
                                                   const Completion& turn) const {
  Continued longer{state.so_far, {}, {}};
  for (const Json& message : reply.messages) longer.so_far.messages.push_back(message);
  longer.rendered = render(state, longer.so_far, !reply.ends);
  // Once more, the turn's end marked.
  const std::string marker = detail::marker_for(longer.so_far);
  text::Conversation marked = longer.so_far;
  marked.messages[state.so_far.messages.size() - 1]["content"] = turn.text + marker;
  const std::string whole = render(state, marked, !reply.ends);
  const std::size_t end = whole.rfind(marker);
  if (end == std::string::npos) {
    raise("{}: the chat template does not render what the policy wrote", place(state));
  }
  for (const std::string_view now : {std::string_view(longer.rendered), std::string_view(whole)}) {
    if (now.starts_with(state.rendered)) continue;
    raise(
        "{}: the chat template rewrites what stands before the turn once a reply follows: {}; "
        "hint: a template that goes on with what it wrote, or replies of another role (Qwen3's "
        "drops earlier thoughts behind a user's message, not behind a tool's)",
        place(state), detail::parting(state.rendered, now));
  }
  const std::string_view written =
      std::string_view(whole).substr(state.rendered.size(), end - state.rendered.size());
  std::string_view behind = std::string_view(whole).substr(end + marker.size());
  // White space is the template's to choose: the policy's own ids stay.
  const std::string kept = detail::without_whitespace(turn.text);
  if (detail::without_whitespace(written) != kept ||
      detail::without_whitespace(std::string_view(longer.rendered).substr(state.rendered.size())) !=
          kept + detail::without_whitespace(behind)) {
    throw detail::SampleFailure(fmt::format(
        "the chat template does not keep what the policy wrote: {}; hint: a template that leaves "
        "turns as they are, or on_environment_error",
        detail::parting(turn.text, written)));
  }
  const std::string drawn = detail::drawn_end(text_->tokenizer(), turn);
  const std::size_t blank = text::leading_whitespace(behind);
  for (const std::size_t skipped : {std::size_t{0}, blank}) {
    if (drawn.empty() || !behind.substr(skipped).starts_with(drawn)) continue;
    behind = behind.substr(skipped + drawn.size());
    break;
  }
  longer.ids = text_->tokenizer().encode_continuation(behind, turn.ids.back());
  if (longer.ids.empty()) {
    raise("{}: the chat template writes nothing behind the policy's turn for the reply",
          place(state));
  }
  return longer;
}

POSTTRAIN_INLINE std::string Turns::render(const State& state,
                                           const text::Conversation& conversation,
                                           bool add_generation_prompt) const {
  try {
    return text_->prompt_text(conversation, add_generation_prompt);
  } catch (const Error& error) {
    raise("{}: {}", place(state), error.what());
  }
}

POSTTRAIN_INLINE std::string Turns::place(const State& state) {
  return fmt::format("sample {}, turn {}", state.sample, state.turns);
}

}  // namespace posttrain::data
