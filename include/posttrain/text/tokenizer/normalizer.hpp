// SPDX-License-Identifier: Apache-2.0
// The "normalizer" of tokenizer.json as a list of steps over aligned text.
//
// Supported: NFC, NFD, NFKC, NFKD, Lowercase, Prepend, Replace, Strip, StripAccents, Nmt,
// ByteLevel, BertNormalizer, Precompiled, Sequence.
#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "posttrain/base/error.hpp"
#include "posttrain/text/tokenizer/aligned_text.hpp"
#include "posttrain/text/tokenizer/byte_alphabet.hpp"
#include "posttrain/text/tokenizer/characters.hpp"
#include "posttrain/text/tokenizer/charsmap.hpp"
#include "posttrain/text/tokenizer/fields.hpp"
#include "posttrain/text/tokenizer/limits.hpp"
#include "posttrain/text/tokenizer/pattern.hpp"
#include "posttrain/text/tokenizer/unicode_form.hpp"
#include "posttrain/unicode/utf8.hpp"

namespace posttrain::text {

/// Keeps the characters that `wanted` accepts, each mapped by `map`.
template <class Wanted, class Map>
AlignedText filter_characters(Piece piece, Wanted&& wanted, Map&& map) {
  TextEdit edit(piece);
  for_each_character(piece.text, [&](char32_t c, std::size_t, std::size_t size) {
    if (!wanted(c)) {
      edit.drop(size);
    } else if (const char32_t mapped = map(c); mapped == c) {
      edit.keep(size);
    } else {
      edit.put(mapped, 0);
    }
  });
  return edit.finish();
}

inline AlignedText lowercase(Piece piece) {
  TextEdit edit(piece);
  for_each_character(piece.text, [&](char32_t c, std::size_t, std::size_t) {
    if (c == 0x130) {  // the one character whose lower case is two
      edit.put('i', 0);
      edit.put(0x307, 1);
    } else {
      edit.put(static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c))), 0);
    }
  });
  return edit.finish();
}

inline AlignedText to_byte_level(Piece piece) {
  TextEdit edit(piece);
  for_each_character(piece.text, [&](char32_t, std::size_t begin, std::size_t size) {
    const ByteAlphabet& alphabet = ByteAlphabet::get();
    const auto byte = [&](std::size_t i) {
      return std::string_view(
          alphabet.character(static_cast<unsigned char>(piece.text[begin + i])));
    };
    edit.replace(size, byte(0));
    for (std::size_t i = 1; i < size; ++i) edit.insert(byte(i));
  });
  return edit.finish();
}

/// The text that is prepended shares the range of the first character.
inline AlignedText prepend(Piece piece, std::string_view text) {
  TextEdit edit(piece);
  const std::size_t first = piece.text.empty() ? 0 : decode_utf8(piece.text, 0).size;
  edit.replace(first, text);
  edit.insert(piece.text.substr(0, first));
  edit.keep(piece.text.size() - first);
  return edit.finish();
}

/// The basic cleaning of BERT.
struct BertNormalizer {
  bool clean_text = true, handle_chinese_chars = true, strip_accents = true, lowercase = true;

  AlignedText operator()(Piece piece) const {
    AlignedText text;
    const auto apply = [&](AlignedText next) {
      text = std::move(next);
      piece = text;
    };
    if (clean_text) {
      apply(filter_characters(
          piece,
          [](char32_t c) {
            if (c == '\t' || c == '\n' || c == '\r') return true;
            const auto k = category(c);
            return c != 0 && c != 0xFFFD && k != UTF8PROC_CATEGORY_CC &&
                   k != UTF8PROC_CATEGORY_CF && k != UTF8PROC_CATEGORY_CO;
          },
          [](char32_t c) { return is_whitespace(c) ? U' ' : c; }));
    }
    if (handle_chinese_chars) {
      TextEdit edit(piece);
      for_each_character(piece.text, [&](char32_t c, std::size_t begin, std::size_t size) {
        if (is_chinese(c)) {  // the spaces share the character's range
          edit.replace(size, " ");
          edit.insert(piece.text.substr(begin, size));
          edit.insert(" ");
        } else {
          edit.keep(size);
        }
      });
      apply(edit.finish());
    }
    if (strip_accents) {
      apply(UnicodeForm{}(piece));
      apply(filter_characters(
          piece, [](char32_t c) { return category(c) != UTF8PROC_CATEGORY_MN; },
          [](char32_t c) { return c; }));
    }
    if (lowercase) apply(text::lowercase(piece));
    if (!clean_text && !handle_chinese_chars && !strip_accents && !lowercase) {
      TextEdit edit(piece);
      edit.keep(piece.text.size());
      return edit.finish();
    }
    return text;
  }

 private:
  static bool is_chinese(char32_t c) {
    return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) ||
           (c >= 0x20000 && c <= 0x2A6DF) || (c >= 0x2A700 && c <= 0x2B73F) ||
           (c >= 0x2B740 && c <= 0x2B81F) || (c >= 0x2B920 && c <= 0x2CEAF) ||
           (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x2F800 && c <= 0x2FA1F);
  }
};

class Normalizer {
 public:
  Normalizer() = default;
  explicit Normalizer(const nlohmann::json& description) { add(description, "normalizer"); }

  /// Whether the text is sure to come out as it is.
  bool leaves(std::string_view text) const {
    for (const Step& step : steps_) {
      const auto* form = std::get_if<UnicodeForm>(&step);
      if (form == nullptr) return false;
      const bool same = form->compose && !form->compatibility ? CharacterClasses::get().is_nfc(text)
                                                              : is_ascii(text);
      if (!same) return false;
    }
    return true;
  }

  /// Normalises one section (valid UTF-8). `fresh`: the section starts at its beginning, so that
  /// Prepend applies; a continuation of earlier text gets none. A result that is too large in
  /// relation to the text is an error (text/tokenizer/limits.hpp).
  AlignedText operator()(AlignedText text, bool fresh) const {
    text.most = largest_rewriting(text.text.size());
    for (const Step& step : steps_) {
      text = std::visit([&](const auto& s) { return apply(s, text, fresh); }, step);
    }
    return text;
  }

 private:
  struct Lowercase {};
  struct StripAccents {};
  struct Nmt {};
  struct ByteLevel {};
  struct Prepend {
    std::string content;
  };
  struct Replace {
    Pattern pattern;
    std::string content;
  };
  struct Strip {
    bool left = true, right = true;
  };
  using Step = std::variant<UnicodeForm, Lowercase, StripAccents, Nmt, ByteLevel, Prepend, Replace,
                            Strip, BertNormalizer, std::shared_ptr<const Charsmap>>;

  static AlignedText apply(const UnicodeForm& form, const AlignedText& text, bool) {
    return is_ascii(text.text) ? text : form(text);
  }
  static AlignedText apply(Lowercase, const AlignedText& text, bool) { return lowercase(text); }
  static AlignedText apply(StripAccents, const AlignedText& text, bool) {
    return filter_characters(
        text, [](char32_t c) { return !CharacterClasses::get().is(c, CharacterClasses::kMark); },
        [](char32_t c) { return c; });
  }
  static AlignedText apply(Nmt, const AlignedText& text, bool) {
    return filter_characters(
        text,
        [](char32_t c) {
          return !((c >= 0x01 && c <= 0x08) || c == 0x0B || (c >= 0x0E && c <= 0x1F) || c == 0x7F ||
                   c == 0x8F || c == 0x9F);
        },
        [](char32_t c) {
          const bool blank = c == 0x09 || c == 0x0A || c == 0x0C || c == 0x0D || c == 0x1680 ||
                             (c >= 0x200B && c <= 0x200F) || c == 0x2028 || c == 0x2029 ||
                             c == 0x2581 || c == 0xFEFF || c == 0xFFFD;
          return blank ? U' ' : c;
        });
  }
  static AlignedText apply(ByteLevel, const AlignedText& text, bool) { return to_byte_level(text); }
  static AlignedText apply(const Prepend& step, const AlignedText& text, bool fresh) {
    return fresh && !text.text.empty() ? prepend(text, step.content) : text;
  }
  static AlignedText apply(const Replace& step, const AlignedText& text, bool) {
    return step.pattern.replace(text, step.content);
  }
  static AlignedText apply(const Strip& step, const AlignedText& text, bool) {
    TextEdit edit(text);
    const std::size_t end = step.right ? trimmed_length(text.text) : text.text.size();
    if (step.left) edit.drop(leading_whitespace(std::string_view(text.text).substr(0, end)));
    edit.keep(end - edit.position());
    return edit.finish();
  }
  static AlignedText apply(const BertNormalizer& step, const AlignedText& text, bool) {
    return step(text);
  }
  static AlignedText apply(const std::shared_ptr<const Charsmap>& step, const AlignedText& text,
                           bool) {
    return (*step)(text);
  }

  void add(const nlohmann::json& description, const std::string& place) {
    if (description.is_null()) return;
    check_steps(steps_.size() + 1, "normalizer");
    const Fields fields(description, place);
    const std::string type = fields.text("type");
    if (type == "Sequence") {
      fields.each("normalizers", [&](const auto& part, const std::string& at) { add(part, at); });
    } else if (type == "NFC" || type == "NFD" || type == "NFKC" || type == "NFKD") {
      steps_.emplace_back(
          UnicodeForm{.compose = type.back() == 'C', .compatibility = type[2] == 'K'});
    } else if (type == "Lowercase") {
      steps_.emplace_back(Lowercase{});
    } else if (type == "StripAccents") {
      steps_.emplace_back(StripAccents{});
    } else if (type == "Nmt") {
      steps_.emplace_back(Nmt{});
    } else if (type == "ByteLevel") {
      steps_.emplace_back(ByteLevel{});
    } else if (type == "Prepend") {
      steps_.emplace_back(Prepend{fields.text("prepend")});
    } else if (type == "Replace") {
      steps_.emplace_back(Replace{Pattern(fields.at("pattern"), fields.place_of("pattern")),
                                  fields.text("content")});
    } else if (type == "Strip") {
      steps_.emplace_back(Strip{fields.flag("strip_left", true), fields.flag("strip_right", true)});
    } else if (type == "BertNormalizer") {
      BertNormalizer step;
      step.clean_text = fields.flag("clean_text", true);
      step.handle_chinese_chars = fields.flag("handle_chinese_chars", true);
      step.lowercase = fields.flag("lowercase", true);
      step.strip_accents = fields.flag("strip_accents", step.lowercase);
      steps_.emplace_back(step);
    } else if (type == "Precompiled") {
      if (io::value_under(description, "precompiled_charsmap") == nullptr) return;
      steps_.emplace_back(
          std::make_shared<const Charsmap>(fields.text("precompiled_charsmap"), fields.where()));
    } else {
      raise(
          "{}: the normalizer '{}' is not supported; hint: supported are NFC, NFD, "
          "NFKC, NFKD, Lowercase, Prepend, Replace, Strip, StripAccents, Nmt, ByteLevel, "
          "BertNormalizer, Precompiled, Sequence",
          fields.where(), type);
    }
  }

  std::vector<Step> steps_;
};

}  // namespace posttrain::text
