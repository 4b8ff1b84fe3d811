// SPDX-License-Identifier: Apache-2.0
// Mathematical characters of Unicode in the notation that the lexer reads: LaTeX's.
//
//   −½ · √2 ≤ π²   →   -\frac{1}{2} \cdot \sqrt 2 \le \pi ^{2}
//
// Full-width characters and the mathematical alphabets become plain ones.
#pragma once

#include <string>
#include <string_view>

namespace posttrain::rewards {

/// The text in ASCII as far as its characters have a meaning in mathematics; others stay. What is
/// not UTF-8 becomes U+FFFD.
std::string plain_symbols(std::string_view text);

}  // namespace posttrain::rewards

#ifndef POSTTRAIN_COMPILED
#include "posttrain/rewards/math/impl/plain_symbols.ipp"
#endif
