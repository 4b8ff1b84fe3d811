// SPDX-License-Identifier: Apache-2.0
// The name that a misspelt one was perhaps meant to be, for hints of error messages.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace posttrain {

/// Levenshtein's distance: how many characters are put in, left out or replaced; the case of
/// letters does not count. Takes time in proportion to a.size() · b.size().
std::size_t edit_distance(std::string_view a, std::string_view b);

/// The first of those candidates that are nearest to `name`; empty where more than a third of its
/// characters (at least two) would have to change.
std::string_view nearest_name(std::string_view name, const std::vector<std::string>& candidates);

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/base/impl/nearest_name.ipp"
#endif
