// SPDX-License-Identifier: Apache-2.0
// The table beside an aggregate of options: for each of its fields, in order, a unit and a line of
// help. It is what training_params.json, the reference in the docs and the tests are made from.
//
//   constexpr std::array kTable{field<&Mine::rate>("", "peak learning rate"), …};
//   static_assert(is_table_of<Mine>(kTable));
#pragma once

#include <array>
#include <cstddef>
#include <string_view>
#include <utility>

#include "posttrain/base/describe.hpp"

namespace posttrain {

/// A row. The field's value is found by its place (for_each_row), since places agree.
struct Field {
  std::string_view name;
  std::string_view unit;  // "tokens", "steps", "share"; empty: none
  std::string_view help;
};

/// The row of a field, given as a pointer to member.
template <auto Member>
constexpr Field field(std::string_view unit, std::string_view help) {
  return {detail::last_identifier(detail::pointer_spelling<Member>()), unit, help};
}

/// Tables one behind the other.
template <std::size_t... N>
constexpr std::array<Field, (N + ... + 0)> joined(const std::array<Field, N>&... tables) {
  std::array<Field, (N + ... + 0)> all{};
  std::size_t next = 0;
  const auto append = [&](const auto& table) {
    for (const Field& row : table) all[next++] = row;
  };
  (append(tables), ...);
  return all;
}

/// Whether a table has one row for each field of an aggregate, in the order of its declaration,
/// each with a line of help.
template <class Options, std::size_t N>
constexpr bool is_table_of(const std::array<Field, N>& table) {
  if constexpr (detail::field_count<Options>() != N) {
    return false;
  } else {
    return [&]<std::size_t... I>(std::index_sequence<I...>) {
      return ((table[I].name == detail::field_name<Options, I>() && !table[I].help.empty()) && ...);
    }
    (std::make_index_sequence<N>{});
  }
}

/// visit(row, value) for every field, in order.
template <class Options, std::size_t N, class Visit>
void for_each_row(const std::array<Field, N>& table, const Options& options, const Visit& visit) {
  std::size_t next = 0;
  for_each_field(options,
                 [&](std::string_view, const auto& value) { visit(table[next++], value); });
}

}  // namespace posttrain
