// SPDX-License-Identifier: Apache-2.0
// The answer of a completion without a box: what it states to be the answer, or else what comes
// last.
//
//   1. all of it, where it is nothing but mathematics            x = 1 or x = 2
//   2. behind the last "answer is", "answer:" or "####"          The answer is 1 000.
//   3. the last $…$, \(…\), \[…\] or number                      She pays $29.00.
#pragma once

#include <string>
#include <string_view>

namespace posttrain::rewards {

/// Empty: there is none.
std::string stated_answer(std::string_view text);

}  // namespace posttrain::rewards

#ifndef POSTTRAIN_COMPILED
#include "posttrain/rewards/math/impl/stated_answer.ipp"
#endif
