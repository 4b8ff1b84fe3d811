// SPDX-License-Identifier: Apache-2.0
// Definitions of plain_symbols.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <string>
#include <string_view>

#include "posttrain/base/compiled.hpp"
#include "posttrain/rewards/math/plain_symbols.hpp"
#include "posttrain/unicode/utf8.hpp"

namespace posttrain::rewards {

namespace detail {

struct PlainSymbol {
  char32_t code;
  std::string_view plain;
};

// In the order of their codes.
inline constexpr auto kPlainSymbols = std::to_array<PlainSymbol>({
    {0x00A0, " "},
    {0x00A2, "\\text{cents}"},
    {0x00A3, "\\$"},
    {0x00A5, "\\$"},
    {0x00AC, "\\neg "},
    {0x00AD, ""},
    {0x00B0, "^\\circ "},
    {0x00B1, "\\pm "},
    {0x00B4, "'"},
    {0x00B7, "\\cdot "},
    {0x00BC, "\\frac{1}{4}"},
    {0x00BD, "\\frac{1}{2}"},
    {0x00BE, "\\frac{3}{4}"},
    {0x00D7, "\\times "},
    {0x00F7, "\\div "},
    {0x0391, "A"},
    {0x0393, "\\Gamma "},
    {0x0394, "\\Delta "},
    {0x0398, "\\Theta "},
    {0x039B, "\\Lambda "},
    {0x039E, "\\Xi "},
    {0x03A0, "\\Pi "},
    {0x03A3, "\\Sigma "},
    {0x03A6, "\\Phi "},
    {0x03A8, "\\Psi "},
    {0x03A9, "\\Omega "},
    {0x03B1, "\\alpha "},
    {0x03B2, "\\beta "},
    {0x03B3, "\\gamma "},
    {0x03B4, "\\delta "},
    {0x03B5, "\\epsilon "},
    {0x03B6, "\\zeta "},
    {0x03B7, "\\eta "},
    {0x03B8, "\\theta "},
    {0x03B9, "\\iota "},
    {0x03BA, "\\kappa "},
    {0x03BB, "\\lambda "},
    {0x03BC, "\\mu "},
    {0x03BD, "\\nu "},
    {0x03BE, "\\xi "},
    {0x03C0, "\\pi "},
    {0x03C1, "\\rho "},
    {0x03C3, "\\sigma "},
    {0x03C4, "\\tau "},
    {0x03C6, "\\phi "},
    {0x03C7, "\\chi "},
    {0x03C8, "\\psi "},
    {0x03C9, "\\omega "},
    {0x03D1, "\\theta "},
    {0x03D5, "\\phi "},
    {0x2009, "\\,"},
    {0x200A, "\\,"},
    {0x200B, ""},
    {0x200C, ""},
    {0x200D, ""},
    {0x2010, "-"},
    {0x2011, "-"},
    {0x2012, "-"},
    {0x2013, "-"},
    {0x2014, "-"},
    {0x2018, "'"},
    {0x2019, "'"},
    {0x201C, "\""},
    {0x201D, "\""},
    {0x2022, "\\cdot "},
    {0x2026, "\\ldots "},
    {0x202F, "\\,"},
    {0x2030, "\\text{permille}"},
    {0x2032, "'"},
    {0x2033, "''"},
    {0x2044, "/"},
    {0x2061, ""},
    {0x2062, ""},
    {0x2063, ","},
    {0x20A8, "\\$"},
    {0x20AC, "\\$"},
    {0x20B9, "\\$"},
    {0x20BD, "\\$"},
    {0x2102, "\\mathbb{C}"},
    {0x2115, "\\mathbb{N}"},
    {0x2119, "\\mathbb{P}"},
    {0x211A, "\\mathbb{Q}"},
    {0x211D, "\\mathbb{R}"},
    {0x2124, "\\mathbb{Z}"},
    {0x2150, "\\frac{1}{7}"},
    {0x2151, "\\frac{1}{9}"},
    {0x2152, "\\frac{1}{10}"},
    {0x2153, "\\frac{1}{3}"},
    {0x2154, "\\frac{2}{3}"},
    {0x2155, "\\frac{1}{5}"},
    {0x2156, "\\frac{2}{5}"},
    {0x2157, "\\frac{3}{5}"},
    {0x2158, "\\frac{4}{5}"},
    {0x2159, "\\frac{1}{6}"},
    {0x215A, "\\frac{5}{6}"},
    {0x215B, "\\frac{1}{8}"},
    {0x215C, "\\frac{3}{8}"},
    {0x215D, "\\frac{5}{8}"},
    {0x215E, "\\frac{7}{8}"},
    {0x2205, "\\emptyset "},
    {0x2208, "\\in "},
    {0x2212, "-"},
    {0x2213, "\\mp "},
    {0x2215, "/"},
    {0x2216, "\\setminus "},
    {0x2217, "*"},
    {0x2219, "\\cdot "},
    {0x221A, "\\sqrt "},
    {0x221B, "\\sqrt[3]"},
    {0x221C, "\\sqrt[4]"},
    {0x221E, "\\infty "},
    {0x2223, "|"},
    {0x2227, "\\land "},
    {0x2228, "\\lor "},
    {0x2229, "\\cap "},
    {0x222A, "\\cup "},
    {0x2236, ":"},
    {0x223C, "\\sim "},
    {0x2245, "\\cong "},
    {0x2248, "\\approx "},
    {0x2260, "\\ne "},
    {0x2261, "\\equiv "},
    {0x2264, "\\le "},
    {0x2265, "\\ge "},
    {0x2266, "\\le "},
    {0x2267, "\\ge "},
    {0x22C5, "\\cdot "},
    {0x22EF, "\\ldots "},
    {0x2308, "\\lceil "},
    {0x2309, "\\rceil "},
    {0x230A, "\\lfloor "},
    {0x230B, "\\rfloor "},
    {0x2329, "\\langle "},
    {0x232A, "\\rangle "},
    {0x27E8, "\\langle "},
    {0x27E9, "\\rangle "},
    {0x2A7D, "\\le "},
    {0x2A7E, "\\ge "},
    {0x3001, ","},
    {0x3002, "."},
    {0xFFE0, "\\text{cents}"},
    {0xFFE1, "\\$"},
    {0xFFE5, "\\$"},
});

/// The digit, letter or sign that is written small and high (or low) here; 0: none.
inline char raised(char32_t c) {
  switch (c) {
    case 0x00B9:
      return '1';
    case 0x00B2:
      return '2';
    case 0x00B3:
      return '3';
    case 0x2071:
      return 'i';
    case 0x207A:
      return '+';
    case 0x207B:
      return '-';
    case 0x207D:
      return '(';
    case 0x207E:
      return ')';
    case 0x207F:
      return 'n';
    case 0x02E3:
      return 'x';
    default:
      break;
  }
  return c == 0x2070 || (c >= 0x2074 && c <= 0x2079) ? static_cast<char>('0' + (c - 0x2070)) : '\0';
}

inline char lowered(char32_t c) {
  if (c == 0x2099) return 'n';
  return c >= 0x2080 && c <= 0x2089 ? static_cast<char>('0' + (c - 0x2080)) : '\0';
}

/// The letter or digit behind one of the mathematical alphabets (U+1D400 …), through its
/// compatibility decomposition.
inline char32_t plain_letter(char32_t c) {
  constexpr auto kCompatibility =
      static_cast<utf8proc_option_t>(UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT);
  std::array<utf8proc_int32_t, 4> out{};
  const auto count = utf8proc_decompose_char(static_cast<utf8proc_int32_t>(c), out.data(), 4,
                                             kCompatibility, nullptr);
  return count == 1 ? static_cast<char32_t>(out[0]) : c;
}

}  // namespace detail

POSTTRAIN_INLINE std::string plain_symbols(std::string_view text) {
  if (text::is_ascii(text)) return std::string(text);
  std::string out;
  out.reserve(text.size() * 2);
  char script = '\0';  // '^' or '_' while a run of raised or lowered characters is open
  const auto close = [&] {
    if (script != '\0') out += '}';
    script = '\0';
  };
  for (std::size_t i = 0; i < text.size();) {
    const text::CodePoint point = text::decode_utf8(text, i);
    i += point.size;
    char32_t c = point.code;
    if (c < 0x80) {
      close();
      out += static_cast<char>(c);
      continue;
    }
    const char high = detail::raised(c), low = detail::lowered(c);
    if (high != '\0' || low != '\0') {
      const char wanted = high != '\0' ? '^' : '_';
      if (script != wanted) {
        close();
        out += wanted;
        out += '{';
        script = wanted;
      }
      out += high != '\0' ? high : low;
      continue;
    }
    close();
    if (c >= 0xFF01 && c <= 0xFF5E) c -= 0xFEE0;  // full width
    if (c >= 0x1D400 && c <= 0x1D7FF) c = detail::plain_letter(c);
    const auto* found = std::lower_bound(
        detail::kPlainSymbols.begin(), detail::kPlainSymbols.end(), c,
        [](const detail::PlainSymbol& each, char32_t code) { return each.code < code; });
    if (found != detail::kPlainSymbols.end() && found->code == c) {
      out += found->plain;
    } else if (c >= 0x80 && text::is_whitespace(c)) {
      out += ' ';
    } else {
      text::append_utf8(out, c);
    }
  }
  close();
  return out;
}

}  // namespace posttrain::rewards
