// SPDX-License-Identifier: Apache-2.0
// Samples of a text each, for tests of verifiers.
#pragma once

#include <string>
#include <utility>

#include "posttrain/rewards/sample.hpp"

namespace posttrain::test {

inline Sample sample_of(std::string completion, std::string answer = {}) {
  Sample sample;
  sample.completion = std::move(completion);
  sample.answer = std::move(answer);
  return sample;
}

/// The value of a verdict as text, "n/a" where there is none: one form for tables of cases.
inline std::string value_of(const Verdict& verdict) {
  if (!verdict.value) return "n/a";
  std::string text = std::to_string(*verdict.value);
  text.erase(text.find_last_not_of('0') + 1);
  if (text.back() == '.') text.pop_back();
  return text;
}

}  // namespace posttrain::test
