// SPDX-License-Identifier: Apache-2.0
// A gate that does what another does, as a base for those that change or watch one thing:
//
//   struct Scaled : Forwarding<FrozenState> {
//     Tensor embed(int table, const Tensor& ids) const { return gate().embed(table, ids) * 2; }
//   };
//
// Every facet of the other gate is passed on, so that virtual tokens, dropout or a reference are
// not lost on the way; what the other has not, this has not.
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
}  // namespace detail

/// `G`: the other gate, which is kept; `const Other&`: it is referred to, and has to live as long.
template <class G>
class Forwarding : detail::Checked<check_gate<std::remove_cvref_t<G>>()> {
  using Other = std::remove_cvref_t<G>;

 public:
  explicit Forwarding(G gate) : gate_(std::forward<G>(gate)) {}

  const Other& gate() const { return gate_; }

  Tensor linear(int site, const Tensor& x) const { return gate().linear(site, x); }
  Tensor embed(int table, const Tensor& ids) const { return gate().embed(table, ids); }
  decltype(auto) vector(int index) const { return gate().vector(index); }
  const Tensor& anchor() const { return gate().anchor(); }

  std::int64_t virtual_tokens() const requires HasVirtualTokens<Other> {
    return gate().virtual_tokens();
  }
  template <std::derived_from<TokenBatch> Batch>
  Batch prepare(const Batch& batch) const requires PreparesBatches<Other> {
    return gate().prepare(batch);
  }
  TokenIds prompt_ids() const requires HasPromptIds<Other> { return gate().prompt_ids(); }
  auto prefix(int layer) const requires HasPrefix<Other> { return gate().prefix(layer); }
  void after_layer(int layer, const Tensor& before,
                   const Tensor& after) const requires WatchesLayers<Other> {
    gate().after_layer(layer, before, after);
  }

  void begin_batch(const TokenBatch& batch, std::uint64_t seed,
                   std::int64_t step) requires TakesBatches<Other> {
    gate_.begin_batch(batch, seed, step);
  }
  void end_batch() requires TakesBatches<Other> { gate_.end_batch(); }
  std::vector<NamedTensor> checkpoint_tensors() const requires KeepsTensors<Other> {
    return gate().checkpoint_tensors();
  }
  decltype(auto) reference() const requires GivesReference<Other> { return gate().reference(); }
  template <class Event>
  void on(const Event& event) requires Hears<Other, Event> {
    gate_.on(event);
  }

 private:
  G gate_;
};

}  // namespace posttrain
