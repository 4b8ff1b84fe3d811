// SPDX-License-Identifier: Apache-2.0
// Filters that Jinja has for web pages: xmlattr, striptags, urlencode. Including this header
// registers them (jinja/registry.hpp).
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "posttrain/base/error.hpp"
#include "posttrain/jinja/arithmetic.hpp"
#include "posttrain/jinja/attributes.hpp"
#include "posttrain/jinja/function.hpp"
#include "posttrain/jinja/operators.hpp"
#include "posttrain/jinja/print.hpp"
#include "posttrain/jinja/registry.hpp"
#include "posttrain/jinja/runtime.hpp"
#include "posttrain/jinja/splitting.hpp"
#include "posttrain/jinja/value.hpp"

namespace posttrain::text::jinja::filters {

/// A dict as attributes of an XML element, a space before them. None and undefined are left out.
inline Value xml_attributes(Runtime& runtime, const Value& input, const Arguments& arguments) {
  if (input.is_undefined()) undefined_error(input);
  if (!input.is_dict()) raise("xmlattr: expected a mapping, got {}", input.type_name());
  const Value* space = arguments.get(0, "autospace");
  std::string out;
  for (const auto& [key, value] : input.dict().items) {
    if (value.is_none() || value.is_undefined()) continue;
    if (!key.is_string()) raise("xmlattr: expected strings as keys, got {}", key.type_name());
    if (key.text().find_first_of(" \t\n\r\f\v/>=") != std::string::npos) {
      raise("xmlattr: expected the name of an attribute, got {}", repr(key));
    }
    append(out, fmt::format("{}{}=\"{}\"", out.empty() ? "" : " ", escaped(key), escaped(value)));
  }
  if ((space == nullptr || space->truth()) && !out.empty()) out.insert(0, " ");
  return make_text(std::move(out), runtime.autoescape());
}

/// Without tags and comments, white space collapsed.
inline Value strip_tags(Runtime&, const Value& input, const Arguments&) {
  std::string text = print(input);
  spend_decoding(text.size());
  const auto remove = [&](std::string_view open, std::string_view close) {
    std::string out;
    std::size_t at = 0;
    for (;;) {
      const std::size_t begin = text.find(open, at);
      const std::size_t end =
          begin == std::string::npos ? begin : text.find(close, begin + open.size());
      if (end == std::string::npos) break;
      out += text.substr(at, begin - at);
      at = end + close.size();
    }
    text = out + text.substr(at);
  };
  remove("<!--", "-->");
  remove("<", ">");
  std::string out;
  for (const Value& word : split(text, nullptr, -1, false)) {
    append(out, (out.empty() ? "" : " ") + word.text());
  }
  constexpr std::pair<std::string_view, std::string_view> kEntities[] = {
      {"&lt;", "<"}, {"&gt;", ">"}, {"&#34;", "\""}, {"&#39;", "'"}, {"&amp;", "&"}};
  for (const auto& [entity, meaning] : kEntities) out = jinja::replace(out, entity, meaning, -1);
  return out;
}

inline std::string url_quote(std::string_view text, bool query) {
  spend(text.size());
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       std::string_view("_.-~").find(c) < 4 || (c == '/' && !query);
    if (plain) {
      out += c;
    } else if (query && c == ' ') {
      out += '+';
    } else {
      out += fmt::format("%{:02X}", static_cast<unsigned>(static_cast<unsigned char>(c)));
    }
  }
  return out;
}

inline Value url_encode(Runtime&, const Value& input, const Arguments&) {
  if (input.is_string() || !is_iterable(input)) return url_quote(print(input), false);
  std::string out;
  for (const Value& pair :
       input.is_dict() ? dict_view(input, Sequence::kItems).list() : iterate(input)) {
    const List parts = iterate(pair);
    if (parts.size() != 2) fail("urlencode: expected pairs");
    append(out, (out.empty() ? "" : "&") + url_quote(print(parts[0]), true) + "=" +
                    url_quote(print(parts[1]), true));
  }
  return make_text(std::move(out));
}

inline const bool kWebFilters = registry().add_filter("xmlattr", xml_attributes) &&
                                registry().add_filter("striptags", strip_tags) &&
                                registry().add_filter("urlencode", url_encode);

}  // namespace posttrain::text::jinja::filters
