// SPDX-License-Identifier: Apache-2.0
// A gate that does what another does, as a base for those that change or watch one thing:
//
//   struct Scaled : Forwarding<FrozenState> {
//     Tensor embed(int table, const Tensor& ids) const { return gate().embed(table, ids) * 2; }
//   };
//
// Every facet of the other gate (concepts/gate.hpp) is passed on, so that virtual tokens, dropout
// or a reference are not lost on the way; a facet that the other has not, this has not.
#pragma once

#include <concepts>
#include <cstdint>
#include <type_traits>
#include <utility>
#include <vector>

#include "posttrain/concepts/events.hpp"
#include "posttrain/concepts/gate.hpp"
#include "posttrain/tensor/tensor.hpp"

namespace posttrain {

namespace detail {

/// A base that has its argument evaluated, whose message is then the only error.
template <bool>
struct Checked {};

// One base for each facet, empty where `Other` lacks it: a constrained member would leave its name
// behind. `Self` has `gate()`, and `gate_` for what changes the other.

template <class Self, class Other, bool = HasVirtualTokens<Other>>
struct ForwardsVirtualTokens {};
template <class Self, class Other>
struct ForwardsVirtualTokens<Self, Other, true> {
  std::int64_t virtual_tokens() const {
    return static_cast<const Self&>(*this).gate().virtual_tokens();
  }
  template <std::derived_from<TokenBatch> Batch>
  Batch prepare(const Batch& batch) const {
    return static_cast<const Self&>(*this).gate().prepare(batch);
  }
};

template <class Self, class Other, bool = HasPromptIds<Other>>
struct ForwardsPromptIds {};
template <class Self, class Other>
struct ForwardsPromptIds<Self, Other, true> {
  TokenIds prompt_ids() const { return static_cast<const Self&>(*this).gate().prompt_ids(); }
};

template <class Self, class Other, bool = HasPrefix<Other>>
struct ForwardsPrefix {};
template <class Self, class Other>
struct ForwardsPrefix<Self, Other, true> {
  auto prefix(int layer) const { return static_cast<const Self&>(*this).gate().prefix(layer); }
};

template <class Self, class Other, bool = WatchesLayers<Other>>
struct ForwardsLayers {};
template <class Self, class Other>
struct ForwardsLayers<Self, Other, true> {
  void after_layer(int layer, const Tensor& before, const Tensor& after) const {
    static_cast<const Self&>(*this).gate().after_layer(layer, before, after);
  }
};

template <class Self, class Other, bool = EstimatesValues<Other>>
struct ForwardsValues {};
template <class Self, class Other>
struct ForwardsValues<Self, Other, true> {
  Tensor critic_values(const Tensor& rows) const {
    return static_cast<const Self&>(*this).gate().critic_values(rows);
  }
};

template <class Self, class Other, bool = ReadsForCritic<Other>>
struct ForwardsCriticRows {};
template <class Self, class Other>
struct ForwardsCriticRows<Self, Other, true> {
  Tensor critic_hidden(const TokenBatch& batch) const {
    return static_cast<const Self&>(*this).gate().critic_hidden(batch);
  }
};

template <class Self, class Other, bool = HasTeacher<Other>>
struct ForwardsTeacher {};
template <class Self, class Other>
struct ForwardsTeacher<Self, Other, true> {
  Tensor teacher_hidden(const TokenBatch& batch) const {
    return static_cast<const Self&>(*this).gate().teacher_hidden(batch);
  }
  Tensor teacher_logits(const Tensor& rows) const {
    return static_cast<const Self&>(*this).gate().teacher_logits(rows);
  }
};

template <class Self, class Other, bool = TakesBatches<Other>>
struct ForwardsBatches {};
template <class Self, class Other>
struct ForwardsBatches<Self, Other, true> {
  void begin_batch(const TokenBatch& batch, std::uint64_t seed, std::int64_t step) {
    static_cast<Self&>(*this).gate().begin_batch(batch, seed, step);
  }
  void end_batch() { static_cast<Self&>(*this).gate().end_batch(); }
};

template <class Self, class Other, bool = KeepsTensors<Other>>
struct ForwardsTensors {};
template <class Self, class Other>
struct ForwardsTensors<Self, Other, true> {
  std::vector<NamedTensor> checkpoint_tensors() const {
    return static_cast<const Self&>(*this).gate().checkpoint_tensors();
  }
};

template <class Self, class Other, bool = GivesReference<Other>>
struct ForwardsReference {};
template <class Self, class Other>
struct ForwardsReference<Self, Other, true> {
  decltype(auto) reference() const { return static_cast<const Self&>(*this).gate().reference(); }
};

template <class Self, class Other, bool = HasWeightsVersion<Other>>
struct ForwardsVersion {};
template <class Self, class Other>
struct ForwardsVersion<Self, Other, true> {
  std::uint64_t weights_version() const {
    return static_cast<const Self&>(*this).gate().weights_version();
  }
};

template <class Self, class Other>
struct ForwardsFacets : Checked<check_gate<std::remove_const_t<Other>>()>,
                        ForwardsVirtualTokens<Self, Other>,
                        ForwardsPromptIds<Self, Other>,
                        ForwardsPrefix<Self, Other>,
                        ForwardsLayers<Self, Other>,
                        ForwardsValues<Self, Other>,
                        ForwardsCriticRows<Self, Other>,
                        ForwardsTeacher<Self, Other>,
                        ForwardsBatches<Self, Other>,
                        ForwardsTensors<Self, Other>,
                        ForwardsReference<Self, Other>,
                        ForwardsVersion<Self, Other> {};

}  // namespace detail

/// `G`: the other gate, which is kept; `const Other&`: it is referred to, and has to live as long.
template <class G>
class Forwarding : public detail::ForwardsFacets<Forwarding<G>, std::remove_reference_t<G>> {
  using Other = std::remove_reference_t<G>;

 public:
  explicit Forwarding(G gate) : gate_(std::forward<G>(gate)) {}

  Other& gate() { return gate_; }
  const Other& gate() const { return gate_; }

  Tensor linear(int site, const Tensor& x) const { return gate().linear(site, x); }
  Tensor embed(int table, const Tensor& ids) const { return gate().embed(table, ids); }
  decltype(auto) vector(int index) const { return gate().vector(index); }
  const Tensor& anchor() const { return gate().anchor(); }

  template <class Event>
  void on(const Event& event) requires Hears<Other, Event> {
    gate().on(event);
  }

 private:
  G gate_;
};

}  // namespace posttrain
