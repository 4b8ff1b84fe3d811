// SPDX-License-Identifier: Apache-2.0
// A pattern of tokenizer.json: {"String": …} or {"Regex": …}.
#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "posttrain/base/error.hpp"
#include "posttrain/text/tokenizer/aligned_text.hpp"
#include "posttrain/text/tokenizer/fields.hpp"
#include "posttrain/unicode/regex.hpp"

namespace posttrain::text {

class Pattern {
 public:
  /// `place` is the path of keys to the pattern, for errors.
  explicit Pattern(const nlohmann::json& description, const std::string& place = "pattern") {
    if (description.is_string()) {
      literal_ = description.get<std::string>();
    } else if (description.is_object() && description.contains("String")) {
      literal_ = Fields(description, place).text("String");
    } else if (description.is_object() && description.contains("Regex")) {
      source_ = Fields(description, place).text("Regex");
      try {
        regex_.emplace(source_);
      } catch (const Error& error) {
        raise("{}: {}: {}", Fields::kFile, place, error.what());
      }
    } else {
      raise("{}: expected {} to be {{\"String\"}} or {{\"Regex\"}}, got {}", Fields::kFile, place,
            io::shown(description));
    }
  }

  /// The regular expression as written, or nothing.
  std::string_view regex() const { return source_; }

  /// Calls `visit(begin, end)` for every match, left to right; matches may be empty, but none
  /// stands at the end of the one before it.
  template <class Visit>
  void matches(std::string_view text, Visit&& visit) const {
    if (regex_) {
      Regex::Scratch scratch(*regex_);
      std::optional<std::size_t> last;
      for (std::size_t from = 0; from <= text.size();) {
        const auto match = regex_->find(text, from, scratch);
        if (!match) return;
        if (match->first == match->second && last == match->second) {
          from += from < text.size() ? decode_utf8(text, from).size : 1;
          continue;
        }
        visit(match->first, match->second);
        from = match->second;
        last = from;
      }
    } else if (!literal_.empty()) {
      for (std::size_t from = text.find(literal_); from != std::string_view::npos;
           from = text.find(literal_, from + literal_.size())) {
        visit(from, from + literal_.size());
      }
    }
  }

  AlignedText replace(Piece piece, std::string_view replacement) const {
    TextEdit edit(piece);
    matches(piece.text, [&](std::size_t begin, std::size_t end) {
      edit.keep(begin - edit.position());
      edit.drop(end - begin);
      edit.insert(replacement);
    });
    edit.keep(piece.text.size() - edit.position());
    return edit.finish();
  }

 private:
  std::string literal_, source_;
  std::optional<Regex> regex_;
};

}  // namespace posttrain::text
