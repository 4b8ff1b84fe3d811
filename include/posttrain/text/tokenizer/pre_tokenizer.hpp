// SPDX-License-Identifier: Apache-2.0
// The "pre_tokenizer" of tokenizer.json: cuts normalised text into the words that the model sees.
//
// Words are views; a step that rewrites text keeps it in `Words`.
#pragma once

#include <deque>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "posttrain/base/error.hpp"
#include "posttrain/io/json.hpp"
#include "posttrain/text/tokenizer/aligned_text.hpp"
#include "posttrain/text/tokenizer/character_splits.hpp"
#include "posttrain/text/tokenizer/characters.hpp"
#include "posttrain/text/tokenizer/fields.hpp"
#include "posttrain/text/tokenizer/limits.hpp"
#include "posttrain/text/tokenizer/normalizer.hpp"
#include "posttrain/text/tokenizer/pattern.hpp"
#include "posttrain/text/tokenizer/split.hpp"
#include "posttrain/text/tokenizer/word_scanner.hpp"

namespace posttrain::text {

/// Words of a section, and the storage of those that were rewritten.
struct Words {
  std::vector<Piece> pieces;
  std::deque<AlignedText> storage;
  std::size_t kept = 0;  // bytes in storage

  Piece keep(AlignedText text) {
    kept += text.text.size();
    check_rewriting(kept, text.most);
    return storage.emplace_back(std::move(text));
  }
};

class PreTokenizer {
 public:
  PreTokenizer() = default;
  explicit PreTokenizer(const nlohmann::json& description) {
    add(description, "pre_tokenizer");
    for (std::size_t s = 1; s < steps_.size(); ++s) {
      const auto* metaspace = std::get_if<Metaspace>(&steps_[s]);
      needs_source_ |= metaspace != nullptr && metaspace->prepend == Prepend::kFirst;
    }
    find_scanner();
  }

  /// Where a section stands: `continues` if other text precedes it (its start is not the source's),
  /// `fresh` unless it goes on in the middle of a section.
  struct Place {
    bool continues = false;
    bool fresh = true;
  };

  /// Cuts one section; `words.pieces` holds it whole on entry. With `raw_bytes` a closing ByteLevel
  /// leaves the bytes unmapped, for `Bpe::encode_bytes`.
  void operator()(Words& words, Place place, bool raw_bytes) const {
    for (std::size_t s = 0; s < steps_.size(); ++s) {
      std::vector<Piece> out;
      bool first = true;
      for (const Piece& piece : words.pieces) {
        const bool fresh = place.fresh || !first;
        const bool at_start = !place.continues && (piece.source ? piece.origin == 0 : first);
        std::visit([&](const auto& step) { apply(step, piece, fresh, at_start, words, out); },
                   steps_[s]);
        first = false;
      }
      if (std::holds_alternative<ByteLevel>(steps_[s]) && !(raw_bytes && s + 1 == steps_.size())) {
        for (Piece& piece : out) piece = words.keep(to_byte_level(piece));
      }
      words.pieces = std::move(out);
    }
  }

  /// Whether the last step is the byte-level alphabet and no earlier one is.
  bool ends_in_byte_level() const {
    std::size_t count = 0;
    for (const Step& step : steps_) count += std::holds_alternative<ByteLevel>(step) ? 1U : 0U;
    return count == 1 && std::holds_alternative<ByteLevel>(steps_.back());
  }

  /// With raw bytes the whole pre-tokenizer is this scanner, if it is one.
  const std::optional<WordScanner>& scanner() const { return scanner_; }

  /// Whether a step asks where in the source a word starts.
  bool needs_source() const { return needs_source_; }

 private:
  enum class Prepend { kAlways, kFirst, kNever };
  struct ByteLevel {
    bool add_prefix_space = true;
    std::optional<WordScanner> scanner;
  };
  struct Split {
    Pattern pattern;
    SplitBehavior behavior;
    bool invert = false;
    std::optional<WordScanner> scanner{};  // of a known pattern with kIsolated
  };
  struct Digits {
    SplitBehavior behavior;
  };
  struct Metaspace {
    std::string replacement;
    Prepend prepend = Prepend::kAlways;
    bool split = true;
  };
  struct Punctuation {
    SplitBehavior behavior;
  };
  struct Whitespace {};
  struct WhitespaceSplit {};
  struct Bert {};
  struct CharDelimiterSplit {
    char32_t delimiter = 0;
  };
  struct FixedLength {
    std::size_t length = 5;
  };
  using Step = std::variant<ByteLevel, Split, Digits, Metaspace, Punctuation, Whitespace,
                            WhitespaceSplit, Bert, CharDelimiterSplit, FixedLength>;
  using Pieces = std::vector<Piece>;

  static auto emit_to(const Piece& piece, Pieces& out) {
    return [&piece, &out](std::size_t begin, std::size_t end) {
      out.push_back(piece.part(begin, end));
    };
  }

  static void scan(const WordScanner& scanner, const Piece& piece, Pieces& out) {
    for (std::size_t at = 0; at < piece.text.size();) {
      const std::size_t end = scanner.next(piece.text, at);
      out.push_back(piece.part(at, end));
      at = end;
    }
  }

  static void apply(const ByteLevel& step, Piece piece, bool fresh, bool, Words& words,
                    Pieces& out) {
    if (step.add_prefix_space && fresh && !piece.text.starts_with(' ')) {
      piece = words.keep(prepend(piece, " "));
    }
    if (step.scanner) {
      scan(*step.scanner, piece, out);
    } else {
      out.push_back(piece);
    }
  }
  static void apply(const Split& step, const Piece& piece, bool, bool, Words&, Pieces& out) {
    if (step.scanner) return scan(*step.scanner, piece, out);
    split_by(
        piece.text.size(), step.behavior, step.invert,
        [&](auto&& visit) { step.pattern.matches(piece.text, visit); }, emit_to(piece, out));
  }
  static void apply(const Digits& step, const Piece& piece, bool, bool, Words&, Pieces& out) {
    const auto& classes = CharacterClasses::get();
    split_characters(
        piece.text, step.behavior,
        [&](char32_t c) { return classes.is(c, CharacterClasses::kNumber); }, emit_to(piece, out));
  }
  static void apply(const Punctuation& step, const Piece& piece, bool, bool, Words&, Pieces& out) {
    split_characters(piece.text, step.behavior, is_punctuation, emit_to(piece, out));
  }
  static void apply(WhitespaceSplit, const Piece& piece, bool, bool, Words&, Pieces& out) {
    split_characters(piece.text, SplitBehavior::kRemoved, is_whitespace, emit_to(piece, out));
  }
  static void apply(CharDelimiterSplit step, const Piece& piece, bool, bool, Words&, Pieces& out) {
    split_characters(
        piece.text, SplitBehavior::kRemoved, [&](char32_t c) { return c == step.delimiter; },
        emit_to(piece, out));
  }
  static void apply(Bert, const Piece& piece, bool, bool, Words&, Pieces& out) {
    split_bert(piece.text, emit_to(piece, out));
  }
  static void apply(Whitespace, const Piece& piece, bool, bool, Words&, Pieces& out) {
    split_words(piece.text, emit_to(piece, out));
  }
  static void apply(FixedLength step, const Piece& piece, bool, bool, Words&, Pieces& out) {
    split_fixed_length(piece.text, step.length, emit_to(piece, out));
  }
  static void apply(const Metaspace& step, const Piece& piece, bool fresh, bool at_start,
                    Words& words, Pieces& out) {
    TextEdit edit(piece);
    for_each_character(piece.text, [&](char32_t c, std::size_t, std::size_t size) {
      if (c == ' ') {
        edit.drop(1);
        edit.insert(step.replacement);
      } else {
        edit.keep(size);
      }
    });
    AlignedText marked = edit.finish();
    const bool wanted =
        step.prepend == Prepend::kAlways || (step.prepend == Prepend::kFirst && at_start);
    if (wanted && fresh && !marked.text.starts_with(step.replacement)) {
      marked = prepend(marked, step.replacement);
    }
    const Piece kept = words.keep(std::move(marked));
    if (!step.split) {
      out.push_back(kept);
      return;
    }
    split_by(
        kept.text.size(), SplitBehavior::kMergedWithNext, false,
        [&](auto&& visit) {
          for (std::size_t i = kept.text.find(step.replacement); i != std::string_view::npos;
               i = kept.text.find(step.replacement, i + step.replacement.size())) {
            visit(i, i + step.replacement.size());
          }
        },
        emit_to(kept, out));
  }

  void find_scanner() {
    if (steps_.empty() || !std::holds_alternative<ByteLevel>(steps_.back())) return;
    const auto& level = std::get<ByteLevel>(steps_.back());
    if (level.add_prefix_space) return;
    if (steps_.size() == 1) {
      scanner_ = level.scanner;
    } else if (steps_.size() == 2 && !level.scanner) {
      if (const auto* split = std::get_if<Split>(&steps_[0])) scanner_ = split->scanner;
    }
  }

  static Step metaspace(const Fields& fields) {
    Metaspace step;
    step.replacement = fields.text("replacement", "\u2581");
    step.split = fields.flag("split", true);
    std::string scheme = fields.text("prepend_scheme", "");
    if (scheme.empty()) scheme = fields.flag("add_prefix_space", true) ? "always" : "never";
    if (scheme != "always" && scheme != "first" && scheme != "never") {
      raise("{}: the prepend_scheme '{}' is not supported", fields.where(), scheme);
    }
    step.prepend = scheme == "always"  ? Prepend::kAlways
                   : scheme == "first" ? Prepend::kFirst
                                       : Prepend::kNever;
    return step;
  }

  static Step split(const Fields& fields) {
    Split step{Pattern(fields.at("pattern"), fields.place_of("pattern")), split_behavior(fields),
               fields.flag("invert", false)};
    if (step.behavior == SplitBehavior::kIsolated) {
      step.scanner = WordScanner::for_pattern(step.pattern.regex());
    }
    return step;
  }

  void add(const nlohmann::json& description, const std::string& place);

  std::vector<Step> steps_;
  std::optional<WordScanner> scanner_;
  bool needs_source_ = false;
};

inline void PreTokenizer::add(const nlohmann::json& description, const std::string& place) {
  if (description.is_null()) return;
  check_steps(steps_.size() + 1, "pre-tokenizer");
  const Fields fields(description, place);
  const std::string type = fields.text("type");
  if (type == "Sequence") {
    fields.each("pretokenizers", [&](const auto& part, const std::string& at) { add(part, at); });
  } else if (type == "ByteLevel") {
    ByteLevel step{fields.flag("add_prefix_space", true), {}};
    if (fields.flag("use_regex", true)) {
      step.scanner = WordScanner::for_pattern(WordScanner::kGpt2);
    }
    steps_.emplace_back(step);
  } else if (type == "Split") {
    steps_.push_back(split(fields));
  } else if (type == "Digits") {
    steps_.emplace_back(Digits{fields.flag("individual_digits", false)
                                   ? SplitBehavior::kIsolated
                                   : SplitBehavior::kContiguous});
  } else if (type == "Punctuation") {
    steps_.emplace_back(Punctuation{split_behavior(fields)});
  } else if (type == "Whitespace") {
    steps_.emplace_back(Whitespace{});
  } else if (type == "WhitespaceSplit") {
    steps_.emplace_back(WhitespaceSplit{});
  } else if (type == "BertPreTokenizer") {
    steps_.emplace_back(Bert{});
  } else if (type == "CharDelimiterSplit") {
    const std::string delimiter = fields.text("delimiter");
    if (delimiter.empty()) raise("{}: CharDelimiterSplit has an empty delimiter", fields.where());
    steps_.emplace_back(CharDelimiterSplit{decode_utf8(delimiter, 0).code});
  } else if (type == "FixedLength") {
    steps_.emplace_back(FixedLength{static_cast<std::size_t>(fields.integer("length", 5, 1))});
  } else if (type == "Metaspace") {
    steps_.push_back(metaspace(fields));
  } else {
    raise(
        "{}: the pre-tokenizer '{}' is not supported; hint: supported are ByteLevel, "
        "Split, Digits, Metaspace, Punctuation, Whitespace, WhitespaceSplit, BertPreTokenizer, "
        "CharDelimiterSplit, FixedLength, Sequence",
        fields.where(), type);
  }
}

}  // namespace posttrain::text
