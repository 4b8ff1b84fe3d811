// SPDX-License-Identifier: Apache-2.0
// The gate: what a model calls for every projection, lookup and vector. The state of a parameter
// policy is one; `Forwarding` (params/forwarding.hpp) makes another out of a gate.
//
// Beside the four operations that every gate has stand optional facets. Each is a concept here, and
// the library asks for a facet by its concept only. A facet is found by its name, so a misspelt one
// would be silently off: `check_gate` refuses a type with a near miss of a name, with another
// signature under a facet's name, and with half of the facets that go together
// (docs/concepts.md#gate).
#pragma once

#include <concepts>
#include <cstdint>
#include <type_traits>
#include <utility>
#include <vector>

#include "posttrain/base/sequence.hpp"
#include "posttrain/concepts/impl/near_misses.hpp"
#include "posttrain/fwd.hpp"

namespace posttrain {

/// x [n, in] → [n, out] of a site, ids [n] → [n, columns] of a table, a vector of the layout, and
/// the scalar that requires a gradient iff something trains.
template <class G>
concept Gate = requires(const G& gate, const Tensor& x) {
  { gate.linear(int{}, x) } -> std::same_as<Tensor>;
  { gate.embed(int{}, x) } -> std::same_as<Tensor>;
  { gate.vector(int{}) } -> std::convertible_to<Tensor>;
  { gate.anchor() } -> std::convertible_to<const Tensor&>;
};

// --- facets of a gate --------------------------------------------------------------------------

/// How many virtual tokens precede every sequence (batch/virtual_tokens.hpp).
template <class G>
concept HasVirtualTokens = requires(const G& gate) {
  { gate.virtual_tokens() } -> std::convertible_to<std::int64_t>;
};

/// The batch as a model reads it behind the virtual tokens.
template <class G>
concept PreparesBatches = requires(const G& gate, const TokenBatch& batch) {
  { gate.prepare(batch) } -> std::same_as<TokenBatch>;
};

/// Virtual tokens with ids: what a decoder reads first.
template <class G>
concept HasPromptIds = requires(const G& gate) {
  { gate.prompt_ids() } -> std::convertible_to<TokenIds>;
};

/// Virtual tokens that are keys and values [n, Hkv, D] of each layer, without rows of their own.
template <class G>
concept HasPrefix = requires(const G& gate) {
  { gate.prefix(int{}) } -> std::convertible_to<std::pair<Tensor, Tensor>>;
};

/// Sees the residual stream [T, d] before and after each layer.
template <class G>
concept WatchesLayers = requires(const G& gate, const Tensor& x) {
  gate.after_layer(int{}, x, x);
};

/// A critic: hidden rows [n, d] → the reward that is expected behind each, [n].
template <class G>
concept EstimatesValues = requires(const G& gate, const Tensor& rows) {
  { gate.critic_values(rows) } -> std::same_as<Tensor>;
};

/// A critic with hidden rows [T, d'] of its own, which `critic_values` gets instead of the model's.
template <class G>
concept ReadsForCritic = requires(const G& gate, const TokenBatch& batch) {
  { gate.critic_hidden(batch) } -> std::same_as<Tensor>;
};

/// A teacher: its hidden rows [T, d'] of a batch, and the logits [n, V] of rows of it.
template <class G>
concept HasTeacher = requires(const G& gate, const TokenBatch& batch, const Tensor& rows) {
  { gate.teacher_hidden(batch) } -> std::same_as<Tensor>;
  { gate.teacher_logits(rows) } -> std::same_as<Tensor>;
};

/// Counts the changes of the weights, so that what was computed from them can tell that it is
/// stale.
template <class G>
concept HasWeightsVersion = requires(const G& gate) {
  { gate.weights_version() } -> std::same_as<std::uint64_t>;
};

// --- facets of a parameter policy's state ------------------------------------------------------

/// Is told which micro-batch a training pass reads: `begin_batch(batch, seed, step)`,
/// `end_batch()`.
template <class S>
concept TakesBatches = requires(S& state, const TokenBatch& batch) {
  state.begin_batch(batch, std::uint64_t{}, std::int64_t{});
  state.end_batch();
};

/// Live tensors that a checkpoint needs besides the masters.
template <class S>
concept KeepsTensors = requires(const S& state) {
  { state.checkpoint_tensors() } -> std::same_as<std::vector<NamedTensor>>;
};

/// Gives its masters up, whose slices the ranks keep from then on (trainer/shards.hpp): `value` is
/// all that it reads. False: it cannot, and nothing has changed.
template <class S>
concept ReleasesMasters = requires(S& state) {
  { state.release_masters() } -> std::same_as<bool>;
};

/// The gate that a loss compares with.
template <class S>
concept GivesReference = requires(const S& state) {
  state.reference();
};

namespace detail {

#define POSTTRAIN_NAME(name) int name;
#define POSTTRAIN_MISSED_NAME(miss, name) int miss;
/// Every facet's name and its near misses.
struct FacetNames {
  POSTTRAIN_FACETS(POSTTRAIN_NAME)
  POSTTRAIN_NEAR_MISSES(POSTTRAIN_MISSED_NAME)
};
#undef POSTTRAIN_NAME
#undef POSTTRAIN_MISSED_NAME

/// A name that `T` has, too, is ambiguous here, whatever it stands for in `T`.
template <class T>
struct WithFacetNames : T, FacetNames {};

/// Whether names can be looked for: a final class cannot be derived from.
template <class T>
inline constexpr bool kShowsNames = std::is_class_v<T> && !std::is_final_v<T>;

#define POSTTRAIN_HAS_NAME(name)                         \
  template <class T>                                     \
  concept HasName_##name = kShowsNames<T> && !requires { \
    &WithFacetNames<T>::name;                            \
  };
POSTTRAIN_FACETS(POSTTRAIN_HAS_NAME)
#undef POSTTRAIN_HAS_NAME

}  // namespace detail

/// Whether the optional facets of `T`, a gate or a state, are what they seem to be; the first that
/// is not is a compile error.
template <class T>
constexpr bool check_facets() {
  if constexpr (detail::kShowsNames<T>) {
    using Probe = detail::WithFacetNames<T>;
    constexpr bool known = [] {
#define POSTTRAIN_CHECK_MISS(miss, name)                          \
  {                                                               \
    constexpr bool spelt = requires { &Probe::miss; };            \
    static_assert(spelt, "posttrain: `" #miss                     \
                         "` is no facet of a gate; did you mean " \
                         "`" #name "`? [docs/concepts.md#gate]"); \
    if (!spelt) return false;                                     \
  }
      POSTTRAIN_NEAR_MISSES(POSTTRAIN_CHECK_MISS)
#undef POSTTRAIN_CHECK_MISS
      return true;
    }();
    if constexpr (known) {
#define POSTTRAIN_CHECK_SIGNATURE(name, Concept, signature)                            \
  constexpr bool is_##name = !detail::HasName_##name<T> || Concept<T>;                 \
  static_assert(is_##name, "posttrain: the facet `" #name "` of a gate is `" signature \
                           "` "                                                        \
                           "[docs/concepts.md#gate]");
      POSTTRAIN_CHECK_SIGNATURE(virtual_tokens, HasVirtualTokens,
                                "std::int64_t virtual_tokens() const")
      POSTTRAIN_CHECK_SIGNATURE(prepare, PreparesBatches,
                                "TokenBatch prepare(const TokenBatch&) const")
      POSTTRAIN_CHECK_SIGNATURE(prompt_ids, HasPromptIds, "TokenIds prompt_ids() const")
      POSTTRAIN_CHECK_SIGNATURE(prefix, HasPrefix, "std::pair<Tensor, Tensor> prefix(int) const")
      POSTTRAIN_CHECK_SIGNATURE(after_layer, WatchesLayers,
                                "void after_layer(int, const Tensor&, const Tensor&) const")
      POSTTRAIN_CHECK_SIGNATURE(critic_values, EstimatesValues,
                                "Tensor critic_values(const Tensor& rows) const")
      POSTTRAIN_CHECK_SIGNATURE(critic_hidden, ReadsForCritic,
                                "Tensor critic_hidden(const TokenBatch&) const")
      POSTTRAIN_CHECK_SIGNATURE(teacher_hidden, HasTeacher,
                                "Tensor teacher_hidden(const TokenBatch&) const` with `Tensor "
                                "teacher_logits(const Tensor& rows) const")
      constexpr bool is_teacher_logits =
          !detail::HasName_teacher_logits<T> || detail::HasName_teacher_hidden<T>;
      static_assert(is_teacher_logits,
                    "posttrain: the facet `teacher_logits` of a gate goes with `teacher_hidden` "
                    "[docs/concepts.md#gate]");
      POSTTRAIN_CHECK_SIGNATURE(begin_batch, TakesBatches,
                                "void begin_batch(const TokenBatch&, std::uint64_t seed, "
                                "std::int64_t step)` with `void end_batch()")
      constexpr bool is_end_batch = !detail::HasName_end_batch<T> || detail::HasName_begin_batch<T>;
      static_assert(is_end_batch,
                    "posttrain: the facet `end_batch` of a gate goes with `begin_batch` "
                    "[docs/concepts.md#gate]");
      POSTTRAIN_CHECK_SIGNATURE(checkpoint_tensors, KeepsTensors,
                                "std::vector<NamedTensor> checkpoint_tensors() const")
      POSTTRAIN_CHECK_SIGNATURE(release_masters, ReleasesMasters, "bool release_masters()")
      POSTTRAIN_CHECK_SIGNATURE(reference, GivesReference, "const auto& reference() const")
      POSTTRAIN_CHECK_SIGNATURE(weights_version, HasWeightsVersion,
                                "std::uint64_t weights_version() const")
#undef POSTTRAIN_CHECK_SIGNATURE
      constexpr bool signatures = is_virtual_tokens && is_prepare && is_prompt_ids && is_prefix &&
                                  is_after_layer && is_critic_values && is_critic_hidden &&
                                  is_teacher_hidden && is_teacher_logits && is_begin_batch &&
                                  is_end_batch && is_checkpoint_tensors && is_release_masters &&
                                  is_reference && is_weights_version;
      constexpr bool together = HasVirtualTokens<T> == PreparesBatches<T> &&
                                (HasVirtualTokens<T> ? HasPromptIds<T> != HasPrefix<T>
                                                     : !HasPromptIds<T> && !HasPrefix<T>);
      static_assert(!signatures || together,
                    "posttrain: a gate with virtual tokens has `virtual_tokens`, `prepare` and one "
                    "of `prompt_ids` and `prefix` [docs/concepts.md#gate]");
      return signatures && together;
    } else {
      return false;
    }
  } else {
    return true;
  }
}

/// How often the weights behind a gate were published; 0 for a gate that does not count: its
/// weights are taken to stay as they are.
template <class G>
std::uint64_t weights_version(const G& gate) {
  if constexpr (HasWeightsVersion<G>) return gate.weights_version();
  return 0;
}

/// `check_facets` for a type that models call: its four operations, too.
template <class G>
constexpr bool check_gate() {
  constexpr bool gate = Gate<G>;
  static_assert(gate,
                "posttrain: a gate needs `Tensor linear(int site, const Tensor& x) const`, "
                "`embed(int table, const Tensor& ids)`, `vector(int)` and `anchor()` "
                "[docs/concepts.md#gate]");
  if constexpr (gate) return check_facets<G>();
  return false;
}

}  // namespace posttrain
