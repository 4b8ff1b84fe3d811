// SPDX-License-Identifier: Apache-2.0
// What an environment is: anything callable that says what comes behind a turn of the policy, the
// answer of a tool, a user or a game, or that nothing does.
//
//   struct Clock {
//     std::optional<Reply> operator()(const text::Conversation& so_far) const {
//       if (so_far.messages.back().at("content") != "time()") return std::nullopt;
//       return Reply::of("tool", "12:30");
//     }
//   };
//   Rollouts<NumericAnswer, Clock>{.path = "questions.jsonl"}
//
// The last message of `so_far` is what the policy just wrote, as a text without special tokens; its
// inputs are the record's tools, documents and variables of the template. One that wants other
// columns of the record (a database, a hidden word) takes the record, too:
//
//   std::optional<Reply> operator()(const text::Conversation& so_far, const Json& record) const;
//
// The record holds the gold answer, too, and the policy reads what a reply says of it.
//
// An environment is called for each sample by itself, in the order in which turns end and from one
// thread at a time, while other samples wait: it keeps no state between calls, and a slow one calls
// for a program of its own. It must be a function of what it is given, or a run that is resumed
// does not repeat itself. Its type is that of a policy's part: an aggregate of options, or with
// `description()`.
#pragma once

#include <concepts>
#include <functional>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include "posttrain/base/json.hpp"
#include "posttrain/concepts/gives.hpp"
#include "posttrain/text/conversation.hpp"

namespace posttrain {

/// What comes behind a turn of the policy.
struct Reply {
  Json messages = Json::array();  // at least one, of any role but the assistant's
  bool ends = false;              // the conversation is over with them: FinishReason::environment
  bool failed = false;  // a tool could not do what it was asked for: counted, and no error of ours

  /// One message.
  static Reply of(std::string role, std::string content) {
    Reply reply;
    reply.messages.push_back({{"role", std::move(role)}, {"content", std::move(content)}});
    return reply;
  }
};

template <class E>
concept ReadsRecord = requires(const E& environment, const text::Conversation& so_far,
                               const Json& record) {
  { environment(so_far, record) } -> Gives<std::optional<Reply>>;
};

/// Answers turns of the policy. No reply: the sample is over.
template <class E>
concept Environment = ReadsRecord<E> ||
    requires(const E& environment, const text::Conversation& so_far) {
  { environment(so_far) } -> Gives<std::optional<Reply>>;
};

/// An environment of either form, or none.
class AnyEnvironment {
 public:
  AnyEnvironment() = default;
  template <class E>
  requires(!std::is_same_v<E, AnyEnvironment> && Environment<E>) AnyEnvironment(E environment)
      : reads_record_(ReadsRecord<E>) {
    reply_ = [its = std::move(environment)](const text::Conversation& so_far,
                                            const Json* record) -> std::optional<Reply> {
      if constexpr (ReadsRecord<E>) {
        return its(so_far, *record);
      } else {
        return its(so_far);
      }
    };
  }

  explicit operator bool() const { return static_cast<bool>(reply_); }
  bool reads_record() const { return reads_record_; }
  /// `record` is not null where it is read.
  std::optional<Reply> operator()(const text::Conversation& so_far, const Json* record) const {
    return reply_(so_far, record);
  }

 private:
  std::function<std::optional<Reply>(const text::Conversation&, const Json*)> reply_{};
  bool reads_record_ = false;
};

/// The policy writes one answer, and nobody replies.
struct NoEnvironment {};

template <class E>
inline constexpr bool has_environment = !std::is_same_v<E, NoEnvironment>;

/// Whether E is an environment, or none; a message says why not.
template <class E>
constexpr bool check_environment() {
  constexpr bool answers = !has_environment<E> || Environment<E>;
  static_assert(answers,
                "posttrain: an environment needs `std::optional<Reply> operator()(const "
                "text::Conversation&) const` [docs/concepts.md#environment]");
  return answers;
}

}  // namespace posttrain
