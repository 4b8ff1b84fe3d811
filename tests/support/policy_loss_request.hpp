// SPDX-License-Identifier: Apache-2.0
// A loss on policies and its options out of one JSON object:
//
//   {"name": "Grpo", "term": {"low": 0.1}, "normalizer": "tokens", "kl": {"coefficient": 0.04}}
//
// Options are the loss's fields, and fields of these; with "kl" (of Ppo: in "policy") the loss
// compares with a reference.
// Names are those of losses/grpo.hpp, "PolicyLoss", "CovarianceClip", "CovarianceKl", "Ppo",
// "OnPolicyDistillation" and "DistillationGradient".
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <type_traits>
#include <vector>

#include "posttrain/losses/distillation.hpp"
#include "posttrain/losses/distillation_gradient.hpp"
#include "posttrain/losses/grpo.hpp"
#include "posttrain/losses/policy/covariance_clip.hpp"
#include "posttrain/losses/policy/covariance_kl.hpp"
#include "posttrain/losses/ppo.hpp"
#include "support/request_options.hpp"

namespace posttrain::test {

/// Sets the fields of an aggregate, and of those in it; a key that is no field is an error.
template <class Options>
void read_nested_options(const Json& request, Options& options, const char* what,
                         const std::vector<std::string>& others = {}) {
  std::vector<std::string> used, known;
  for_each_field(options, [&](std::string_view name, auto& field) {
    known.emplace_back(name);
    const auto found = request.find(std::string(name));
    if (found == request.end()) return;
    using Field = std::remove_cvref_t<decltype(field)>;
    if constexpr (std::is_class_v<Field> && std::is_aggregate_v<Field>) {
      read_nested_options(*found, field, std::string(name).c_str());
    } else {
      read_option(*found, name, field);
    }
    used.emplace_back(name);
  });
  refuse_unknown_keys(request, others, used, known, what);
}

/// Calls use(loss) with the loss that a request names, its options set and checked.
template <class Use>
void with_policy_loss(const Json& request, Use use) {
  const auto with = [&]<class Loss>(Loss) {
    const auto set = [&](auto loss) {
      read_nested_options(request, loss, "the loss", {"name"});
      loss.validate();
      if constexpr (MovesWithRun<decltype(loss)>) {
        use(loss.in_state(loss.first_state()));  // as in the first step
      } else {
        use(loss);
      }
    };
    if constexpr (requires { typename Loss::template With<Kl>; }) {
      const bool inside = request.contains("policy") && request["policy"].contains("kl");
      if (request.contains("kl") || inside) return set(typename Loss::template With<Kl>{});
    }
    set(Loss{});
  };
  const std::string name = io::text_from(request.at("name"), "the loss", "name");
  if (name == "PolicyLoss") return with(PolicyLoss<>{});
  if (name == "Grpo") return with(Grpo{});
  if (name == "DrGrpo") return with(DrGrpo{});
  if (name == "Dapo") return with(Dapo{});
  if (name == "LitePpo") return with(LitePpo{});
  if (name == "Gspo") return with(Gspo{});
  if (name == "Luspo") return with(Luspo{});
  if (name == "Gmpo") return with(Gmpo{});
  if (name == "Cispo") return with(Cispo{});
  if (name == "Sapo") return with(Sapo{});
  if (name == "DppoTv") return with(DppoTv{});
  if (name == "Vespo") return with(Vespo{});
  if (name == "Rloo") return with(Rloo{});
  if (name == "ReinforcePlusPlus") return with(ReinforcePlusPlus{});
  if (name == "ReinforceBaseline") return with(ReinforceBaseline{});
  if (name == "CovarianceClip") return with(PolicyLoss<CovarianceClip>{});
  if (name == "CovarianceKl") return with(PolicyLoss<CovarianceKl>{});
  if (name == "Ppo") return with(Ppo{});
  if (name == "OnPolicyDistillation") return with(OnPolicyDistillation{});
  if (name == "DistillationGradient") return with(DistillationGradient{});
  raise(
      "expected the name of a loss on policies, got \"{}\"; hint: Grpo, or a name of "
      "docs/losses.md#losses-on-policies",
      name);
}

}  // namespace posttrain::test
