// SPDX-License-Identifier: Apache-2.0
// Whole texts in Unicode's normal form NFKC, and without differences of case.
//
// (text/tokenizer/normalizer.hpp keeps track of where each character came from; this does not.)
#pragma once

#include <utf8proc.h>

#include <cstdlib>
#include <string>
#include <string_view>

#include "posttrain/unicode/utf8.hpp"

namespace posttrain::text {

namespace detail {
/// utf8proc's map of a text; broken UTF-8 is repaired first.
inline std::string mapped(std::string_view text, int options) {
  if (is_ascii(text) && (options & UTF8PROC_CASEFOLD) == 0) return std::string(text);
  const std::string source = repair_utf8(text);
  utf8proc_uint8_t* result = nullptr;
  const utf8proc_ssize_t size =
      utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(source.data()),
                   static_cast<utf8proc_ssize_t>(source.size()), &result,
                   static_cast<utf8proc_option_t>(options));
  if (size < 0) return source;  // out of memory
  std::string out(reinterpret_cast<const char*>(result), static_cast<std::size_t>(size));
  std::free(result);
  return out;
}
}  // namespace detail

/// NFKC: "ﬁ" is "fi", "４２" is "42", "é" has one form.
inline std::string nfkc(std::string_view text) {
  return detail::mapped(text, UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_COMPAT);
}

/// Full case folding: "Straße" and "STRASSE" are equal.
inline std::string case_folded(std::string_view text) {
  return detail::mapped(text, UTF8PROC_CASEFOLD);
}

/// NFKC of the folded text.
inline std::string nfkc_case_folded(std::string_view text) {
  return detail::mapped(text,
                        UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_COMPAT | UTF8PROC_CASEFOLD);
}

}  // namespace posttrain::text
