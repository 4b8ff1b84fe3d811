// SPDX-License-Identifier: Apache-2.0
// Definitions of model_card.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/base/hash.hpp"
#include "posttrain/io/model_card.hpp"
#include "posttrain/unicode/utf8.hpp"

namespace posttrain::io {

namespace detail {

inline constexpr std::string_view kCardMark =
    "<!-- Written by posttrain, and replaced when this folder is saved again, unless it was "
    "changed: ";
inline constexpr std::string_view kCardMarkEnd = " -->\n";

inline bool is_word_of_yaml(std::string_view text) {
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  if (text.empty() || !letter(text.front())) return false;
  const bool plain = std::ranges::all_of(text, [&](char c) {
    return letter(c) || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.' || c == '/';
  });
  std::string lower(text);
  for (char& c : lower) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
  constexpr std::string_view kNoTexts[] = {"y",   "yes", "n",   "no",    "true", "on",
                                           "off", "nan", "inf", "false", "null"};
  return plain && std::ranges::find(kNoTexts, lower) == std::end(kNoTexts);
}

/// A text as a YAML scalar: as it is where that means itself, else in double quotes.
inline std::string yaml_scalar(std::string_view text) {
  if (is_word_of_yaml(text)) return std::string(text);
  std::string out = "\"";
  for (std::size_t i = 0; i < text.size();) {
    const text::CodePoint point = text::decode_utf8(text, i);
    const char32_t c = point.code;
    const bool printable = (c >= 0x20 && c < 0x7F) || (c >= 0xA0 && c != 0x2028 && c != 0x2029 &&
                                                       c != 0xFEFF && (c & 0xFFFEU) != 0xFFFE);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += static_cast<char>(c);
    } else if (printable) {
      text::append_utf8(out, c);
    } else {
      out += c < 0x10000 ? fmt::format("\\u{:04x}", static_cast<unsigned>(c)) : std::string("?");
    }
    i += point.size;
  }
  return out + "\"";
}

inline std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r";
  const std::size_t begin = text.find_first_not_of(kSpace);
  if (begin == text.npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

/// A scalar of one line; nothing where it is none, or is one of a form that is not read here.
inline std::optional<std::string> scalar_of(std::string_view text) {
  text = trimmed(text);
  if (text.empty()) return std::nullopt;
  const char quote = text.front();
  if (quote == '\'' || quote == '"') {
    const std::size_t end = text.find(quote, 1);
    if (end == text.npos) return std::nullopt;
    const std::string_view inside = text.substr(1, end - 1);
    const std::string_view rest = trimmed(text.substr(end + 1));
    if (!rest.empty() && rest.front() != '#') return std::nullopt;
    if (inside.empty() || inside.find('\\') != inside.npos) return std::nullopt;
    return std::string(inside);
  }
  text = trimmed(text.substr(0, text.find(" #")));
  constexpr std::string_view kOthers = "[]{}>|*&!%#@`,?:";
  if (text.empty() || kOthers.find(text.front()) != kOthers.npos || text.starts_with("- ") ||
      text.find(": ") != text.npos || text.ends_with(':') || text == "~" || text == "null") {
    return std::nullopt;
  }
  return std::string(text);
}

/// The scalars of a list; none where one of them is of another form.
inline std::vector<std::string> scalars_of(const std::vector<std::string_view>& texts) {
  std::vector<std::string> all;
  for (const std::string_view text : texts) {
    const std::optional<std::string> scalar = scalar_of(text);
    if (!scalar) return {};
    all.push_back(*scalar);
  }
  return all;
}

/// Lines from the first to the last "---"; empty where the text does not begin with a header.
inline std::vector<std::string_view> header_lines(std::string_view text) {
  std::vector<std::string_view> lines;
  bool inside = false;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (!inside) {
      if (trimmed(line).empty()) continue;
      if (line != "---") return {};
      inside = true;
    } else if (line == "---") {
      return lines;
    } else {
      lines.push_back(line);
    }
  }
  return {};
}

/// The value of a key at the margin: a scalar, or the scalars of a list in either form.
inline std::vector<std::string> header_value(const std::vector<std::string_view>& lines,
                                             std::string_view key) {
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (!lines[i].starts_with(key) || !lines[i].substr(key.size()).starts_with(':')) continue;
    const std::string_view value = trimmed(lines[i].substr(key.size() + 1));
    std::vector<std::string_view> below;
    for (std::size_t k = i + 1; k < lines.size(); ++k) {
      const std::string_view line = lines[k], text = trimmed(line);
      if (text.empty() || text.front() == '#') continue;
      if (!text.starts_with("- ")) {
        // Indented, it goes on with the value in a form that is not read here.
        if (line.front() == ' ' || line.front() == '\t') return {};
        break;
      }
      below.push_back(text.substr(2));
    }
    if (value.empty() || value.front() == '#') return scalars_of(below);
    if (!below.empty()) return {};
    if (value.front() != '[') return scalars_of({value});
    if (value.back() != ']') return {};
    std::string_view inside = value.substr(1, value.size() - 2);
    std::vector<std::string_view> elements;
    while (!inside.empty()) {
      const std::size_t end = std::min(inside.find(','), inside.size());
      elements.push_back(inside.substr(0, end));
      inside.remove_prefix(std::min(end + 1, inside.size()));
    }
    return scalars_of(elements);
  }
  return {};
}

/// Hash of a card's text, which has its mark elsewhere.
inline std::string card_hash(std::string_view before, std::string_view after) {
  ContentHash hash;
  hash.add(before);
  hash.add(after);
  return hash.text();
}

}  // namespace detail

POSTTRAIN_INLINE void ModelCard::add_tag(std::string_view tag) {
  if (std::ranges::find(tags, tag) == tags.end()) tags.emplace_back(tag);
}

POSTTRAIN_INLINE std::string ModelCard::text(std::string_view model_name) const {
  std::string header = "---\n";
  const auto scalar = [&](std::string_view key, std::string_view value) {
    if (!value.empty()) header += fmt::format("{}: {}\n", key, detail::yaml_scalar(value));
  };
  const auto list = [&](std::string_view key, const std::vector<std::string>& values) {
    if (!values.empty()) header += fmt::format("{}:\n", key);
    for (const std::string& value : values) header += "- " + detail::yaml_scalar(value) + "\n";
  };
  scalar("library_name", library_name);
  scalar("model_name", model_name);
  scalar("base_model", base_model);
  if (!base_model.empty()) scalar("base_model_relation", base_model_relation);
  scalar("pipeline_tag", pipeline_tag);
  list("language", language);
  scalar("license", license);
  scalar("license_name", license_name);
  scalar("license_link", license_link);
  list("tags", tags);
  header += "---\n\n";
  const std::string title =
      detail::is_word_of_yaml(model_name) ? std::string(model_name) : code_span(model_name);
  const std::string rest = "\n# " + title + "\n\n" + text::repair_utf8(body);
  return fmt::format("{}{}{}{}{}", header, detail::kCardMark, detail::card_hash(header, rest),
                     detail::kCardMarkEnd, rest);
}

POSTTRAIN_INLINE ModelCard read_model_card(std::string_view readme) {
  const std::vector<std::string_view> lines = detail::header_lines(readme);
  const auto one = [&](std::string_view key) {
    const std::vector<std::string> values = detail::header_value(lines, key);
    return values.size() == 1 ? values.front() : std::string();
  };
  ModelCard card;
  card.language = detail::header_value(lines, "language");
  card.license = one("license");
  card.license_name = one("license_name");
  card.license_link = one("license_link");
  return card;
}

POSTTRAIN_INLINE bool is_own_model_card(std::string_view readme) {
  constexpr std::size_t kDigits = 32;
  const std::size_t at = readme.find(detail::kCardMark);
  if (at == readme.npos) return false;
  const std::string_view behind = readme.substr(at + detail::kCardMark.size());
  if (behind.size() < kDigits || !behind.substr(kDigits).starts_with(detail::kCardMarkEnd)) {
    return false;
  }
  return behind.substr(0, kDigits) ==
         detail::card_hash(readme.substr(0, at),
                           behind.substr(kDigits + detail::kCardMarkEnd.size()));
}

POSTTRAIN_INLINE void put_model_card(const fs::path& folder, const fs::path& target,
                                     const ModelCard& card) {
  const fs::path there = target / kModelCardFile, file = folder / kModelCardFile;
  const auto write = [&](const auto& content) {
    OutputFile output(file);
    output.write(content);
    output.close();
  };
  constexpr auto kWholeFolder = fs::copy_options::recursive | fs::copy_options::copy_symlinks;
  std::error_code ignored;
  const fs::file_type type = fs::symlink_status(there, ignored).type();
  if (type == fs::file_type::symlink) return fs::copy_symlink(there, file);
  if (type == fs::file_type::directory) return fs::copy(there, file, kWholeFolder);
  if (type == fs::file_type::regular) {
    const MappedFile old(there);
    const std::span<const std::byte> bytes = old.bytes();
    if (!is_own_model_card({reinterpret_cast<const char*>(bytes.data()), bytes.size()})) {
      return write(bytes);
    }
  }
  if (!card.empty()) write(std::string_view(card.text(target.filename().string())));
}

POSTTRAIN_INLINE std::string code_span(std::string_view text) {
  std::string line = text::repair_utf8(text);
  for (char& c : line) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = ' ';
  }
  if (line.find_first_not_of(' ') == line.npos) return "(nothing)";
  std::size_t longest = 0, run = 0;
  for (const char c : line) {
    run = c == '`' ? run + 1 : 0;
    longest = std::max(longest, run);
  }
  const std::string fence(longest + 1, '`');
  const bool pad = line.front() == '`' || line.back() == '`';
  return fence + (pad ? " " : "") + line + (pad ? " " : "") + fence;
}

}  // namespace posttrain::io
