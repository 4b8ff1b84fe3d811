// SPDX-License-Identifier: Apache-2.0
// What a Trainer says is wrong, in the words of a recipe: "Options.max_tokens_per_batch" is its
// member max_tokens_per_gpu, "Lora.rank" is lora_r.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "posttrain/base/error.hpp"
#include "posttrain/recipes/field_table.hpp"

namespace posttrain {

/// `text` with the names of options and of policies' fields as the members of `fields` that set
/// them. What no member sets keeps its name.
std::string in_member_names(std::string_view text, std::span<const Field> fields);

/// run(); an error of it names members of `fields`.
template <class Run>
auto naming_members(std::span<const Field> fields, const Run& run) {
  try {
    return run();
  } catch (const Error& error) {
    throw Error(in_member_names(error.what(), fields));
  }
}

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/recipes/impl/member_names.ipp"
#endif
