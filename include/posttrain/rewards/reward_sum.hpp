// SPDX-License-Identifier: Apache-2.0
// Several verifiers as one reward: the sum of their values by weights.
//
//   RewardSum{ExactMatch{}, Weigh{FormatTags{}, 0.2}, Weigh{my_lambda, 0.1, "politeness"}}
//
// A value that is not applicable does not count: its term is left out of the sum (not replaced by 0
// in a mean, and the other weights stay as they are). Where no term applies, the whole does not.
// TRL: reward_weights and nansum. A RewardSum is a verifier itself; VerifierPool judges its terms
// apart.
#pragma once

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "posttrain/base/describe.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/rewards/sample.hpp"
#include "posttrain/rewards/verifier.hpp"

namespace posttrain {

/// A verifier with its weight, and the name that reports give it (empty: that of its type).
template <class V>
struct Weigh {
  V verifier;
  double weight = 1.0;
  std::string name{};
};
template <class V>
Weigh(V) -> Weigh<V>;
template <class V>
Weigh(V, double) -> Weigh<V>;
template <class V>
Weigh(V, double, const char*) -> Weigh<V>;

namespace detail {

template <class Part>
struct VerifierOf {
  using type = Part;
};
template <class V>
struct VerifierOf<Weigh<V>> {
  using type = V;
};

template <class V>
Weigh<V> as_weigh(V verifier) {
  return {std::move(verifier), 1.0, {}};
}
template <class V>
Weigh<V> as_weigh(Weigh<V> term) {
  return term;
}

/// "ExactMatch"; "verifier" for a lambda.
template <class V>
std::string verifier_name() {
  constexpr std::string_view spelling = type_spelling<V>();
  return spelling.find("lambda") == spelling.npos ? std::string(type_name<V>()) : "verifier";
}

/// Different names: the second of two equal ones gets a number.
std::vector<std::string> numbered_names(std::vector<std::string> names);

/// The sum of applicable values by weights.
Verdict weighted_sum(std::span<const Verdict> verdicts, std::span<const double> weights,
                     const std::vector<std::string>& names);

}  // namespace detail

template <class... V>
class RewardSum {
  static constexpr bool kVerifiers = (check_verifier<V>() && ...);

 public:
  template <class... Parts>
  requires(std::is_same_v<typename detail::VerifierOf<Parts>::type, V>&&...)  //
      explicit RewardSum(Parts... parts)
      : terms_(detail::as_weigh(std::move(parts))...) {
    if constexpr (kVerifiers) {  // else the message has been given
      std::apply(
          [&](const auto&... term) {
            weights_ = {term.weight...};
            names_ = detail::numbered_names(
                {(term.name.empty() ? detail::verifier_name<V>() : term.name)...});
          },
          terms_);
    }
  }

  static constexpr std::size_t size() { return sizeof...(V); }
  const std::vector<std::string>& names() const { return names_; }
  const std::array<double, sizeof...(V)>& weights() const { return weights_; }
  /// Which terms judge all samples of a prompt together.
  static constexpr std::array<bool, sizeof...(V)> takes_group() { return {!JudgesSample<V>...}; }

  /// "RewardSum{1 * ExactMatch{…}, 0.2 * FormatTags{…}}"
  std::string description() const {
    std::string text = "RewardSum{";
    std::size_t at = 0;
    each([&](const auto& verifier) {
      text += fmt::format("{}{} * {}", at == 0 ? "" : ", ", weights_[at], describe(verifier));
      ++at;
    });
    return text + "}";
  }

  void validate() const {
    for (std::size_t i = 0; i < size(); ++i) {
      if (!std::isfinite(weights_[i])) {
        raise("expected a finite weight of {}, got {}", names_[i], weights_[i]);
      }
    }
    each([](const auto& verifier) {
      if constexpr (requires { verifier.validate(); }) verifier.validate();
    });
  }

  /// An answer that one of the terms cannot judge is an error.
  void check_answer(std::string_view answer) const {
    each([&](const auto& verifier) {
      if constexpr (ChecksAnswers<std::remove_cvref_t<decltype(verifier)>>) {
        verifier.check_answer(answer);
      }
    });
  }

  /// The verdicts of one term.
  std::vector<Verdict> judge(std::size_t term, std::span<const Sample> samples) const {
    std::vector<Verdict> result;
    if constexpr (kVerifiers) {
      std::size_t at = 0;
      each([&](const auto& verifier) {
        if (at++ == term) result = verdicts(verifier, samples);
      });
    }
    return result;
  }

  /// The verdicts of all terms on one sample as one; not applicable where no term is.
  Verdict combined(std::span<const Verdict> of_terms) const {
    return detail::weighted_sum(of_terms, weights_, names_);
  }

  Verdict operator()(const Sample& sample) const requires(kVerifiers && (JudgesSample<V> && ...)) {
    std::vector<Verdict> of_terms;
    each([&](const auto& verifier) { of_terms.push_back(verdict_from(verifier(sample))); });
    return combined(of_terms);
  }

  std::vector<Verdict> operator()(std::span<const Sample> group) const
      requires(kVerifiers && !(JudgesSample<V> && ...)) {
    std::vector<std::vector<Verdict>> of_terms;
    for (std::size_t i = 0; i < size(); ++i) of_terms.push_back(judge(i, group));
    std::vector<Verdict> result;
    for (std::size_t k = 0; k < group.size(); ++k) {
      std::vector<Verdict> row;
      for (const std::vector<Verdict>& verdicts : of_terms) row.push_back(verdicts[k]);
      result.push_back(combined(row));
    }
    return result;
  }

 private:
  template <class Visit>
  void each(Visit visit) const {
    std::apply([&](const auto&... term) { (visit(term.verifier), ...); }, terms_);
  }

  std::tuple<Weigh<V>...> terms_;
  std::array<double, sizeof...(V)> weights_{};
  std::vector<std::string> names_;
};
template <class... Parts>
RewardSum(Parts...) -> RewardSum<typename detail::VerifierOf<Parts>::type...>;

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/rewards/impl/reward_sum.ipp"
#endif
