// SPDX-License-Identifier: Apache-2.0
// The "normalizer" of tokenizer.json as a list of steps over a string.
//
// Supported: NFC, NFD, NFKC, NFKD, Lowercase, Prepend, Replace, Strip, StripAccents, Sequence.
#pragma once

#include <cstdlib>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "posttrain/core/error.hpp"
#include "posttrain/text/regex.hpp"
#include "posttrain/text/utf8.hpp"

namespace posttrain::text {

/// A pattern of tokenizer.json: {"String": …} or {"Regex": …}.
class Pattern {
 public:
  explicit Pattern(const nlohmann::json& description) {
    if (description.is_string()) {
      literal_ = description.get<std::string>();
    } else if (description.is_object() && description.contains("String")) {
      literal_ = description.at("String").get<std::string>();
    } else if (description.is_object() && description.contains("Regex")) {
      regex_.emplace(description.at("Regex").get<std::string>());
    } else {
      raise("tokenizer.json: expected a pattern {{\"String\"}} or {{\"Regex\"}}, got {}",
            description.dump());
    }
  }

  /// Calls `visit(begin, end)` for every non-empty match, left to right.
  template <class Visit>
  void matches(std::string_view text, Visit&& visit) const {
    if (regex_) {
      Regex::Scratch scratch(*regex_);
      for (std::size_t from = 0; from < text.size();) {
        const auto match = regex_->find(text, from, scratch);
        if (!match) return;
        visit(match->first, match->second);
        from = match->second;
      }
    } else if (!literal_.empty()) {
      for (std::size_t from = text.find(literal_); from != std::string_view::npos;
           from = text.find(literal_, from + literal_.size())) {
        visit(from, from + literal_.size());
      }
    }
  }

  std::string replace(std::string_view text, std::string_view replacement) const {
    std::string out;
    std::size_t done = 0;
    matches(text, [&](std::size_t begin, std::size_t end) {
      out += text.substr(done, begin - done);
      out += replacement;
      done = end;
    });
    out += text.substr(done);
    return out;
  }

 private:
  std::string literal_;
  std::optional<Regex> regex_;
};

class Normalizer {
 public:
  Normalizer() = default;
  explicit Normalizer(const nlohmann::json& description) { add(description); }

  bool empty() const { return steps_.empty(); }

  /// Normalises one section (valid UTF-8). `fresh`: the section starts at its beginning, so that
  /// Prepend applies; a continuation of earlier text gets none.
  std::string operator()(std::string_view section, bool fresh) const {
    std::string text(section);
    for (const Step& step : steps_) {
      switch (step.kind) {
        case Kind::kUnicode:
          if (!is_ascii(text)) text = map_unicode(text, step.options);
          break;
        case Kind::kLowercase: {
          std::string lowered;
          for (std::size_t i = 0; i < text.size();) {
            const CodePoint point = decode_utf8(text, i);
            const auto lower = utf8proc_tolower(static_cast<utf8proc_int32_t>(point.code));
            append_utf8(lowered, static_cast<char32_t>(lower));
            i += point.size;
          }
          text = std::move(lowered);
          break;
        }
        case Kind::kStripAccents: {
          std::string kept;
          for (std::size_t i = 0; i < text.size();) {
            const CodePoint point = decode_utf8(text, i);
            const auto k = category(point.code);
            if (k < UTF8PROC_CATEGORY_MN || k > UTF8PROC_CATEGORY_ME) {
              kept.append(text, i, point.size);
            }
            i += point.size;
          }
          text = std::move(kept);
          break;
        }
        case Kind::kPrepend:
          if (fresh && !text.empty()) text.insert(0, step.content);
          break;
        case Kind::kReplace:
          text = step.pattern->replace(text, step.content);
          break;
        case Kind::kStrip:
          if (step.right) text.resize(trimmed_length(text));
          if (step.left) text.erase(0, leading_whitespace(text));
          break;
      }
    }
    return text;
  }

 private:
  enum class Kind { kUnicode, kLowercase, kStripAccents, kPrepend, kReplace, kStrip };
  struct Step {
    Kind kind;
    int options = 0;  // utf8proc's
    std::string content;
    std::shared_ptr<const Pattern> pattern;
    bool left = false, right = false;
  };

  static std::string map_unicode(const std::string& text, int options) {
    utf8proc_uint8_t* mapped = nullptr;
    const auto size = utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                                   static_cast<utf8proc_ssize_t>(text.size()), &mapped,
                                   static_cast<utf8proc_option_t>(options));
    if (size < 0) raise("Unicode normalisation: {}", utf8proc_errmsg(size));
    std::string out(reinterpret_cast<const char*>(mapped), static_cast<std::size_t>(size));
    std::free(mapped);  // NOLINT: utf8proc allocates with malloc
    return out;
  }

  void add(const nlohmann::json& description) {
    if (description.is_null()) return;
    const std::string type = description.at("type").get<std::string>();
    Step step{};
    if (type == "Sequence") {
      for (const auto& part : description.at("normalizers")) add(part);
      return;
    }
    if (type == "NFC") {
      step = {Kind::kUnicode, UTF8PROC_STABLE | UTF8PROC_COMPOSE, {}, {}};
    } else if (type == "NFD") {
      step = {Kind::kUnicode, UTF8PROC_STABLE | UTF8PROC_DECOMPOSE, {}, {}};
    } else if (type == "NFKC") {
      step = {Kind::kUnicode, UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_COMPAT, {}, {}};
    } else if (type == "NFKD") {
      step = {Kind::kUnicode, UTF8PROC_STABLE | UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT, {}, {}};
    } else if (type == "Lowercase") {
      step.kind = Kind::kLowercase;
    } else if (type == "StripAccents") {
      step.kind = Kind::kStripAccents;
    } else if (type == "Prepend") {
      step.kind = Kind::kPrepend;
      step.content = description.at("prepend").get<std::string>();
    } else if (type == "Replace") {
      step.kind = Kind::kReplace;
      step.content = description.at("content").get<std::string>();
      step.pattern = std::make_shared<const Pattern>(description.at("pattern"));
    } else if (type == "Strip") {
      step.kind = Kind::kStrip;
      step.left = description.value("strip_left", true);
      step.right = description.value("strip_right", true);
    } else {
      raise(
          "tokenizer.json: the normalizer '{}' is not supported; hint: supported are NFC, NFD, "
          "NFKC, NFKD, Lowercase, Prepend, Replace, Strip, StripAccents, Sequence",
          type);
    }
    steps_.push_back(std::move(step));
  }

  std::vector<Step> steps_;
};

}  // namespace posttrain::text
