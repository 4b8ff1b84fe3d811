// SPDX-License-Identifier: Apache-2.0
// What a verifier is: anything callable with a sample, or with all samples of a prompt.
//
//   const auto short_enough = [](const Sample& sample) { return sample.ids.size() < 200; };
//   const auto ranked = [](std::span<const Sample> group) { return std::vector<double>(…); };
//
// It gives a Verdict, a number (bool, float, double), or an optional number, where none means
// "not applicable"; one that takes a group gives a vector of these, one for each sample in order.
#pragma once

#include <cmath>
#include <concepts>
#include <cstddef>
#include <optional>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "posttrain/base/error.hpp"
#include "posttrain/rewards/sample.hpp"

namespace posttrain {

namespace detail {

template <class T>
inline constexpr bool is_optional_number = false;
template <class T>
inline constexpr bool is_optional_number<std::optional<T>> = std::is_arithmetic_v<T>;

/// What a verifier may say about one sample.
template <class T>
concept Judgement = std::is_arithmetic_v<T> || is_optional_number<T> || std::same_as<T, Verdict>;

template <class T>
inline constexpr bool is_judgements = false;
template <Judgement T>
inline constexpr bool is_judgements<std::vector<T>> = true;

}  // namespace detail

/// Judges each sample by itself.
template <class V>
concept JudgesSample = requires(const V& verifier, const Sample& sample) {
  requires detail::Judgement<std::remove_cvref_t<decltype(verifier(sample))>>;
};

/// Judges all samples of one prompt together (a ranking, a comparison).
template <class V>
concept JudgesGroup = requires(const V& verifier, std::span<const Sample> group) {
  requires detail::is_judgements<std::remove_cvref_t<decltype(verifier(group))>>;
};

template <class V>
concept Verifier = JudgesSample<V> || JudgesGroup<V>;

/// Whether V is a verifier; a message says why not. (What is called with a sample is not tried with
/// a group: a lambda of `auto` would be compiled for both.)
template <class V>
constexpr bool check_verifier() {
  if constexpr (JudgesSample<V>) {
    return true;
  } else {
    constexpr bool of_sample = std::is_invocable_v<const V&, const Sample&>;
    constexpr bool called =
        std::disjunction_v<std::bool_constant<of_sample>,
                           std::is_invocable<const V&, std::span<const Sample>>>;
    static_assert(called,
                  "posttrain: a verifier needs `Verdict operator()(const Sample&) const` "
                  "[docs/concepts.md#verifier]");
    constexpr bool judges = called && Verifier<V>;
    static_assert(!called || judges,
                  "posttrain: a verifier gives a Verdict or an (optional) number; of a group, a "
                  "vector of them [docs/concepts.md#verifier]");
    return judges;
  }
}

/// A verifier that can tell at load time whether a record's gold answer can be judged at all:
/// `check_answer` throws an Error that says why not.
template <class V>
concept ChecksAnswers = requires(const V& verifier, std::string_view answer) {
  { verifier.check_answer(answer) } -> std::same_as<void>;
};

/// Any judgement as a Verdict. A value that is not finite is an error.
template <detail::Judgement T>
Verdict verdict_from(T judgement) {
  if constexpr (std::same_as<T, Verdict>) {
    if (judgement.value && !std::isfinite(*judgement.value)) {
      raise("expected a finite reward, got {}; hint: no value says that a verifier does not apply",
            *judgement.value);
    }
    return judgement;
  } else if constexpr (std::is_floating_point_v<T>) {
    return verdict_from(Verdict::of(static_cast<double>(judgement), {}, {}));
  } else if constexpr (std::is_arithmetic_v<T>) {
    return {.value = static_cast<double>(judgement), .parsed = {}, .reason = {}};
  } else if (judgement.has_value()) {
    return verdict_from(*judgement);
  } else {
    return Verdict::not_applicable("the verifier gave no value");
  }
}

/// Exactly one verdict for each sample of a group, in order. A group's verifier that gives another
/// number of judgements is an error.
template <Verifier V>
std::vector<Verdict> verdicts(const V& verifier, std::span<const Sample> group) {
  std::vector<Verdict> result;
  if constexpr (JudgesSample<V>) {
    for (const Sample& sample : group) result.push_back(verdict_from(verifier(sample)));
  } else {
    auto judgements = verifier(group);
    if (judgements.size() != group.size()) {
      raise("expected {} judgements from a verifier of groups, got {}", group.size(),
            judgements.size());
    }
    for (auto&& judgement : judgements) {
      using Each = typename decltype(judgements)::value_type;  // vector<bool> gives proxies
      result.push_back(verdict_from(static_cast<Each>(judgement)));
    }
  }
  return result;
}

}  // namespace posttrain
