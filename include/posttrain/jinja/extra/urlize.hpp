// SPDX-License-Identifier: Apache-2.0
// The filter `urlize`: addresses in a text become links. Including this header registers it
// (jinja/registry.hpp).
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "posttrain/base/error.hpp"
#include "posttrain/jinja/arithmetic.hpp"
#include "posttrain/jinja/function.hpp"
#include "posttrain/jinja/letters.hpp"
#include "posttrain/jinja/operators.hpp"
#include "posttrain/jinja/print.hpp"
#include "posttrain/jinja/registry.hpp"
#include "posttrain/jinja/runtime.hpp"
#include "posttrain/jinja/splitting.hpp"
#include "posttrain/jinja/value.hpp"
#include "posttrain/unicode/regex.hpp"

namespace posttrain::text::jinja {

/// How urlize writes links.
struct LinkStyle {
  std::string attributes;         // ` rel="…" target="…"`
  const Value* limit = nullptr;   // of the shown address, as the end of a Python slice
  std::set<std::string> schemes;  // further ones ("ftp:")
};

/// Turns the addresses in a text that is escaped already into links, word by word.
class Linker {
 public:
  explicit Linker(const LinkStyle& style) : style_(style) {}

  std::string word(std::string_view text) const {
    spend(32 + text.size() + style_.schemes.size());  // for regular expressions
    std::size_t begin = 0;
    while (const std::size_t size = opening(text.substr(begin))) begin += size;
    std::size_t end = text.size();
    while (const std::size_t size = closing(text.substr(begin, end - begin))) end -= size;
    std::string middle(text.substr(begin, end - begin));
    std::string_view tail = text.substr(end);
    balance(middle, tail);
    return std::string(text.substr(0, begin)) + link(middle) + std::string(tail);
  }

 private:
  static std::size_t opening(std::string_view text) {
    if (text.starts_with('(') || text.starts_with('<')) return 1;
    return text.starts_with("&lt;") ? 4 : 0;
  }
  static std::size_t closing(std::string_view text) {
    if (text.empty()) return 0;
    if (std::string_view(")>.,").find(text.back()) < 4) return 1;
    return text.ends_with("&gt;") ? 4 : 0;
  }
  static std::size_t count(std::string_view text, std::string_view part) {
    std::size_t found = 0;
    for (std::size_t at = text.find(part); at != text.npos;
         at = text.find(part, at + part.size())) {
      ++found;
    }
    return found;
  }

  /// Brackets that the address opens are closed in it.
  static void balance(std::string& middle, std::string_view& tail) {
    constexpr std::array<std::pair<std::string_view, std::string_view>, 3> kPairs = {
        {{"(", ")"}, {"<", ">"}, {"&lt;", "&gt;"}}};
    for (const auto& [open, close] : kPairs) {
      const std::size_t opened = count(middle, open);
      if (opened <= count(middle, close)) continue;
      for (std::size_t n = std::min(opened, count(tail, close)); n > 0; --n) {
        const std::size_t end = tail.find(close) + close.size();
        middle += tail.substr(0, end);
        tail.remove_prefix(end);
      }
    }
  }

  static bool matches(const Regex& pattern, std::string_view text) {
    Regex::Scratch scratch(pattern);
    return pattern.find(text, 0, scratch).has_value();
  }
  static bool is_address(std::string_view text) {
    static const Regex pattern(
        R"(\A(?i:(?:https?://|www\.)(?:(?:[\p{L}\p{N}_%-]+\.)+)?)"
        R"((?:[a-z]{2,63}|xn--[\p{L}\p{N}_%]{2,59}))"
        R"(|(?:[\p{L}\p{N}_%-]{2,63}\.)+(?:com|net|int|edu|gov|org|info|mil))"
        R"(|https?://(?:\p{Nd}{1,3}(?:\.\p{Nd}{1,3}){3})"
        R"(|\[(?:[\p{Nd}a-f]{0,4}:){2}(?:[\p{Nd}a-f]{0,4}:?){1,6}\]))"
        R"()(?::\p{Nd}{1,5})?(?:[/?#].*)?\z)");
    return matches(pattern, text);
  }
  static bool is_mailbox(std::string_view text) {
    static const Regex pattern(R"(\A.+@[\p{L}\p{N}_][\p{L}\p{N}_.-]*\.[\p{L}\p{N}_]+\z)");
    return text.find('@') != text.npos && matches(pattern, text);
  }

  std::string shown(const std::string& address) const {
    if (style_.limit == nullptr) return address;
    const std::int64_t limit = style_.limit->integer();
    const auto size = static_cast<std::int64_t>(count_characters(address));
    if (size <= limit) return address;
    const std::int64_t kept = limit < 0 ? std::max(size + limit, std::int64_t{0}) : limit;
    return std::string(first_characters(address, kept)) + "...";
  }

  std::string link(const std::string& text) const {
    const auto anchor = [](std::string_view address, std::string_view rest,
                           std::string_view label) {
      return fmt::format("<a href=\"{}\"{}>{}</a>", address, rest, label);
    };
    if (is_address(text)) {
      const bool complete = text.starts_with("https://") || text.starts_with("http://");
      return anchor(complete ? text : "https://" + text, style_.attributes, shown(text));
    }
    if (text.starts_with("mailto:") && is_mailbox(std::string_view(text).substr(7))) {
      return anchor(text, "", text.substr(7));
    }
    if (!text.starts_with("www.") && !text.starts_with('@') &&
        text.find(':') == std::string::npos && is_mailbox(text)) {
      return anchor("mailto:" + text, "", text);
    }
    for (const std::string& scheme : style_.schemes) {
      if (text != scheme && text.starts_with(scheme)) return anchor(text, style_.attributes, text);
    }
    return text;
  }

  const LinkStyle& style_;
};

namespace filters {

inline LinkStyle link_style(const Arguments& arguments) {
  LinkStyle style;
  const Value* limit = arguments.get(0, "trim_url_limit");
  if (limit != nullptr && !limit->is_none()) style.limit = limit;
  std::set<std::string> words = {"noopener"};
  if (flag_argument(arguments, 1, "nofollow")) words.insert("nofollow");
  if (const Value* rel = arguments.get(3, "rel"); rel != nullptr && rel->truth()) {
    if (!rel->is_string()) raise("urlize: expected rel to be a string, got {}", rel->type_name());
    for (const Value& word : split(rel->text(), nullptr, -1, false)) words.insert(word.text());
  }
  std::string rel;
  for (const std::string& word : words) rel += (rel.empty() ? "" : " ") + word;
  style.attributes = fmt::format(" rel=\"{}\"", escape_markup(rel));
  if (const Value* target = arguments.get(2, "target"); target != nullptr && target->truth()) {
    style.attributes += fmt::format(" target=\"{}\"", escaped(*target));
  }
  if (const Value* schemes = arguments.get(4, "extra_schemes");
      schemes != nullptr && !schemes->is_none()) {
    static const Regex pattern(R"(\A[\p{L}\p{N}_.+-]{2,}:/{0,2}\z)");
    Regex::Scratch scratch(pattern);
    for (const Value& scheme : iterate(*schemes)) {
      if (!scheme.is_string() || !pattern.find(scheme.text(), 0, scratch)) {
        raise("urlize: expected a scheme as 'ftp:' or 'ftp://', got {}", repr(scheme));
      }
      style.schemes.insert(scheme.text());
    }
  }
  return style;
}

inline Value urlize(Runtime& runtime, const Value& input, const Arguments& arguments) {
  const LinkStyle style = link_style(arguments);
  const Linker linker(style);
  const std::string text = escaped(input);
  std::string out;
  std::string word;
  for (const std::string_view c : characters(text)) {
    if (!is_python_space(decode_utf8(c, 0).code)) {
      word += c;
      continue;
    }
    if (!word.empty()) append(out, linker.word(std::exchange(word, {})));
    out += c;
  }
  if (!word.empty()) append(out, linker.word(word));
  return make_text(std::move(out), runtime.autoescape());
}

inline const bool kUrlize = registry().add_filter("urlize", urlize);

}  // namespace filters

}  // namespace posttrain::text::jinja
