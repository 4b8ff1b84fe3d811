// SPDX-License-Identifier: Apache-2.0
// The term of a loss on policies, chosen at run time among those that look at single tokens: one
// type for Trainers that differ in nothing else.
#pragma once

#include <string>
#include <utility>
#include <variant>

#include "posttrain/base/describe.hpp"
#include "posttrain/losses/policy/cispo.hpp"
#include "posttrain/losses/policy/clip.hpp"
#include "posttrain/losses/policy/sapo.hpp"

namespace posttrain {

class AnyTerm {
 public:
  AnyTerm() = default;
  AnyTerm(Clip term) : term_(term) {}
  AnyTerm(CispoTerm term) : term_(term) {}
  AnyTerm(SapoTerm term) : term_(term) {}

  void validate() const {
    std::visit([](const auto& term) { term.validate(); }, term_);
  }

  Tensor operator()(const Tensor& ratio, const Tensor& logps, const Tensor& advantage) const {
    return std::visit([&](const auto& term) { return term(ratio, logps, advantage); }, term_);
  }

  /// Which tokens no longer move; with a soft gate all do.
  ClippedRatios clipped(const Tensor& ratio, const Tensor& logps, const Tensor& advantage) const {
    return std::visit(
        [&](const auto& term) -> ClippedRatios {
          if constexpr (requires { term.clipped(ratio, logps, advantage); }) {
            return term.clipped(ratio, logps, advantage);
          } else {
            const Tensor none = ratio.lt(0.0);
            return {none, none};
          }
        },
        term_);
  }

  std::string description() const {
    return std::visit([](const auto& term) { return describe(term); }, term_);
  }

 private:
  std::variant<Clip, CispoTerm, SapoTerm> term_{};
};

}  // namespace posttrain
