// SPDX-License-Identifier: Apache-2.0
// Any bytes as a gold answer (the first line) and a completion (the rest): a verdict of 0 or 1, or
// not applicable where loading would have refused the gold answer, in bounded time.
#include "posttrain/rewards/math_answer.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <ctime>
#include <string>
#include <string_view>

#include "posttrain/base/error.hpp"
#include "posttrain/rewards/math/compare.hpp"
#include "posttrain/rewards/math/parser.hpp"

namespace {

using posttrain::MathAnswer;

bool is_refused(const MathAnswer& verifier, std::string_view answer) {
  try {
    verifier.check_answer(answer);
    return false;
  } catch (const posttrain::Error& error) {
    if (std::string_view(error.what()).find('\n') != std::string_view::npos) std::abort();
    return true;
  }
}

void judge(const MathAnswer& verifier, const posttrain::Sample& sample, bool applies) {
  const posttrain::Verdict verdict = verifier(sample);
  if (verdict.applicable() != applies || verdict.reason.empty()) std::abort();
  if (applies && *verdict.value != 0.0 && *verdict.value != 1.0) std::abort();
}

/// An answer that has a value is equal to itself, or too large to be told.
void compare_with_itself(std::string_view text) {
  try {
    for (const auto& answer : posttrain::rewards::parse_readings(text)) {
      posttrain::rewards::Comparer comparer({});
      comparer(answer, answer);
      const std::string same = canonical(answer);
      if (same.empty()) std::abort();
      if (is_scalar(answer) &&
          exact_value(answer).exactness == posttrain::rewards::Exactness::rational &&
          comparer(answer, answer) != posttrain::rewards::Equality::equal) {
        std::abort();
      }
    }
  } catch (const posttrain::Error&) {
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(bytes), size);
  const std::size_t line = text.find('\n');
  posttrain::Sample sample;
  sample.answer = text.substr(0, line);
  if (line != std::string_view::npos) sample.completion = text.substr(line + 1);
  const std::clock_t begin = std::clock();
  const MathAnswer strict;
  const bool applies = !sample.answer.empty() && !is_refused(strict, sample.answer);
  judge(strict, sample, applies);
  judge({.anywhere = true,
         .join_boxes = true,
         .inequality_as_interval = true,
         .relative_tolerance = 1e-3},
        sample, applies);
  judge({.anywhere = true, .after_think = true, .percent_is_number = false}, sample, applies);
  sample.completion = "\\boxed{" + sample.completion + "}";
  judge(strict, sample, applies);
  compare_with_itself(sample.answer);
  // Five verdicts of 10 ms, times what sanitizers cost.
  if (static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC > 1.0) std::abort();
  return 0;
}
