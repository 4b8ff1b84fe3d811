// SPDX-License-Identifier: Apache-2.0
// JSON values compared by meaning: 1, 1.0 and 1e0 are one number, the order of an object's keys is
// free, that of a list's elements is not. Strings are no numbers.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "posttrain/base/json.hpp"
#include "posttrain/rewards/text/decimal.hpp"

namespace posttrain::rewards {

/// The number that a value is, exactly; nothing where it is none, or not finite.
std::optional<Decimal> decimal_of(const Json& value);

/// One text for all values of one meaning: keys in order, numbers as Decimal writes them.
std::string canonical_json(const Json& value);

/// The JSON value that a whole text is. Nothing, with the problem, where it is none: where an
/// object has a key twice or a number is NaN or infinite, too.
std::optional<Json> strict_json(std::string_view text, std::string& problem);

}  // namespace posttrain::rewards

#ifndef POSTTRAIN_COMPILED
#include "posttrain/rewards/text/impl/canonical_json.ipp"
#endif
