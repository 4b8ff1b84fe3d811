// SPDX-License-Identifier: Apache-2.0
// Catch2, version 3 or 2: one include for both. Tests write `Approx`, `Catch::Contains` and
// `POSTTRAIN_SKIP("reason")`, which work with either.
#pragma once

#if __has_include(<catch2/catch_all.hpp>)

#include <catch2/catch_all.hpp>
#include <string>
using Catch::Approx;
namespace Catch {
inline Matchers::StringContainsMatcher Contains(const std::string& text) {
  return Matchers::ContainsSubstring(text);
}
}  // namespace Catch
#define POSTTRAIN_SKIP(reason) SKIP("skipped: " << reason)

#else

#include <catch2/catch.hpp>

// Version 2 cannot skip: the runner of the project counts a case with this warning as skipped.
#define POSTTRAIN_SKIP(reason)   \
  do {                           \
    WARN("skipped: " << reason); \
    return;                      \
  } while (false)

#endif
