// SPDX-License-Identifier: Apache-2.0
// What judges the answers of a recipe that samples: a verifier by its name, or anything callable
// with a sample (rewards/verifier.hpp):
//
//   .reward_fn = "numeric"
//   .reward_fn = [](const Sample& sample) { return sample.completion.ends_with("!"); }
#pragma once

#include <concepts>
#include <functional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "posttrain/base/describe.hpp"
#include "posttrain/rewards/sample.hpp"
#include "posttrain/rewards/verifier.hpp"

namespace posttrain {

class RewardFunction {
 public:
  /// "numeric" (a box, "#### 42", else the last number), "math" (expressions), "exact" (the whole
  /// text), "choice" (a letter). Another name is an error.
  RewardFunction(std::string_view name);
  RewardFunction(const char* name) : RewardFunction(std::string_view(name)) {}
  RewardFunction(const std::string& name) : RewardFunction(std::string_view(name)) {}

  /// A verifier that judges each sample by itself; the run's record has its type and fields.
  template <JudgesSample V>
  requires(!std::convertible_to<V, std::string_view> && !std::same_as<V, RewardFunction>)
      RewardFunction(V verifier)
      : RewardFunction(has_name<V>() ? std::string(type_name<V>()) : std::string("verifier"),
                       std::move(verifier)) {}

  Verdict operator()(const Sample& sample) const { return judge_(sample); }
  void check_answer(std::string_view answer) const {
    if (check_) check_(answer);
  }

  /// Of its metrics: rewards/<name>/mean.
  const std::string& name() const { return name_; }
  std::string description() const { return description_; }

 private:
  /// Functions and closures have types without a name of their own.
  template <class V>
  static bool has_name() {
    return std::is_class_v<V> &&
           detail::type_spelling<V>().find("lambda") == std::string_view::npos;
  }

  template <class V>
  RewardFunction(std::string name, V verifier)
      : name_(std::move(name)), description_(describe(verifier)) {
    if constexpr (ChecksAnswers<V>) {
      check_ = [verifier](std::string_view answer) { verifier.check_answer(answer); };
    }
    judge_ = [verifier = std::move(verifier)](const Sample& sample) {
      return verdict_from(verifier(sample));
    };
  }

  std::string name_, description_;
  std::function<Verdict(const Sample&)> judge_;
  std::function<void(std::string_view)> check_;  // empty: any answer can be judged
};

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/recipes/impl/reward_function.ipp"
#endif
