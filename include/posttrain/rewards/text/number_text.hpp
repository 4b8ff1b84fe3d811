// SPDX-License-Identifier: Apache-2.0
// Numbers as people and models write them: "$1,234.50", "−3", "４２", "1.5e-3", "28 %",
// "32{,}349\,\text{km}", "10'000".
//
// A number is read as a whole or not at all: of "1/2", "3-5", "5:30", "1,23", "1.234,5", "2x",
// "5!", "3rd" or "5 million" no part is a number, since a part would be another value.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "posttrain/rewards/text/decimal.hpp"

namespace posttrain::rewards {

struct NumberText {
  Decimal value;         // as written: 28 for "28 %"
  bool percent = false;  // a percent sign, "percent" or "pct" follows
};

/// The number that the whole text is, with a currency's sign, a unit's words, markup (bold type,
/// dollar signs, `\text`) and a closing point around it at most.
std::optional<NumberText> whole_number(std::string_view text);

/// The last number of a text. Nothing where there is none, and where what stands last in digits is
/// no number as a whole ("… or 1/2"). Digits of a name ("B12") and of an ordinal ("3rd") are passed
/// over.
std::optional<NumberText> last_number(std::string_view text);

/// Whether a text begins with a percent sign or word: "%", "\\%$", " percent".
bool begins_with_percent(std::string_view text);

/// The text without the calculator's marks of GSM8K: "48/2 = <<48/2=24>>24" is "48/2 = 24".
std::string without_calculator_marks(std::string_view text);

}  // namespace posttrain::rewards

#ifndef POSTTRAIN_COMPILED
#include "posttrain/rewards/text/impl/number_text.ipp"
#endif
