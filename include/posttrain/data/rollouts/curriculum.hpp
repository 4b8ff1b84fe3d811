// SPDX-License-Identifier: Apache-2.0
// What a curriculum is: an aggregate that is called with the index of a record and the mean rewards
// of the visits to it so far, oldest first, and gives the record's weight.
//
//   struct Weakest {
//     double operator()(std::int64_t record, std::span<const double> rewards) const {
//       return rewards.empty() ? 1.0 : 1.0 - rewards.back();
//     }
//   };
//
// Records are drawn without replacement within an epoch, the heavier ones earlier by chance
// (data/rollouts/prompt_order.hpp). A weight is finite and at least 0, and a function of fields and
// arguments alone: a run that is resumed asks again. One in use: data/rollouts/learnable.hpp.
#pragma once

#include <concepts>
#include <cstdint>
#include <span>

namespace posttrain {

/// Every epoch in an order of chance.
struct NoCurriculum {};

template <class C>
concept WeighsRecords = requires(const C& curriculum, std::int64_t record,
                                 std::span<const double> rewards) {
  { curriculum(record, rewards) } -> std::convertible_to<double>;
};

/// Whether C is a curriculum, or none; a message says why not.
template <class C>
constexpr bool check_curriculum() {
  constexpr bool weighs = std::same_as<C, NoCurriculum> || WeighsRecords<C>;
  static_assert(weighs,
                "posttrain: a curriculum needs `double operator()(std::int64_t record, "
                "std::span<const double> rewards) const` [docs/concepts.md#curriculum]");
  return weighs;
}

}  // namespace posttrain
