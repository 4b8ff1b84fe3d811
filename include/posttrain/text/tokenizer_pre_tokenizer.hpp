// SPDX-License-Identifier: Apache-2.0
// The "pre_tokenizer" of tokenizer.json: cuts normalised text into the words that the model sees.
//
// Supported: ByteLevel, Split (every behaviour), Digits, Metaspace, Punctuation, Whitespace,
// WhitespaceSplit, Sequence. Words are views; a step that rewrites text keeps it in `Words`.
#pragma once

#include <deque>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "posttrain/core/error.hpp"
#include "posttrain/text/tokenizer_byte_level.hpp"
#include "posttrain/text/tokenizer_normalizer.hpp"
#include "posttrain/text/utf8.hpp"

namespace posttrain::text {

/// Words of a section, and the storage of those that were rewritten.
struct Words {
  std::vector<std::string_view> views;
  std::deque<std::string> storage;

  std::string_view keep(std::string text) { return storage.emplace_back(std::move(text)); }
};

enum class SplitBehavior { kRemoved, kIsolated, kMergedWithPrevious, kMergedWithNext, kContiguous };

/// Cuts `text` at the matches that `each_match(visit)` reports. `invert` swaps matches and gaps.
template <class EachMatch>
void split_by(std::string_view text, SplitBehavior behavior, bool invert, EachMatch&& each_match,
              std::vector<std::string_view>& out) {
  struct Piece {
    std::size_t begin, end;
    bool match;
  };
  std::vector<Piece> pieces;
  std::size_t done = 0;
  const auto add = [&](std::size_t begin, std::size_t end, bool match) {
    if (begin < end) pieces.push_back({begin, end, match != invert});
  };
  each_match([&](std::size_t begin, std::size_t end) {
    add(done, begin, false);
    add(begin, end, true);
    done = end;
  });
  add(done, text.size(), false);

  const auto emit = [&](std::size_t begin, std::size_t end) {
    if (begin < end) out.push_back(text.substr(begin, end - begin));
  };
  std::size_t begin = 0;
  switch (behavior) {
    case SplitBehavior::kRemoved:
      for (const Piece& p : pieces) {
        if (!p.match) emit(p.begin, p.end);
      }
      break;
    case SplitBehavior::kIsolated:
      for (const Piece& p : pieces) emit(p.begin, p.end);
      break;
    case SplitBehavior::kContiguous:
      for (std::size_t i = 0; i < pieces.size(); ++i) {
        if (i > 0 && pieces[i].match != pieces[i - 1].match) {
          emit(begin, pieces[i].begin);
          begin = pieces[i].begin;
        }
      }
      emit(begin, text.size());
      break;
    case SplitBehavior::kMergedWithPrevious: {
      // A match joins what precedes it, unless that is itself a match.
      bool previous_match = false;
      for (const Piece& p : pieces) {
        if (!(p.match && !previous_match)) {
          emit(begin, p.begin);
          begin = p.begin;
        }
        previous_match = p.match;
      }
      emit(begin, text.size());
      break;
    }
    case SplitBehavior::kMergedWithNext: {
      // Seen from the right: a match joins what follows it, unless that is itself a match.
      std::vector<std::size_t> cuts;
      bool next_match = false;
      for (std::size_t i = pieces.size(); i-- > 0;) {
        if (cuts.empty() || !pieces[i].match || next_match) cuts.push_back(pieces[i].end);
        next_match = pieces[i].match;
      }
      for (std::size_t i = cuts.size(); i-- > 0;) {
        emit(begin, cuts[i]);
        begin = cuts[i];
      }
      break;
    }
  }
}

class PreTokenizer {
 public:
  PreTokenizer() = default;
  explicit PreTokenizer(const nlohmann::json& description) { add(description); }

  /// Where a section stands: at the start of the whole text, and at its own beginning.
  struct Place {
    bool starts_text = true;
    bool fresh = true;
  };

  /// Cuts one section; `words.views` holds it whole on entry. With `raw_bytes` a closing ByteLevel
  /// leaves the bytes unmapped, for `Bpe::encode_bytes`.
  void operator()(Words& words, Place place, bool raw_bytes) const {
    for (std::size_t s = 0; s < steps_.size(); ++s) {
      const Step& step = steps_[s];
      std::vector<std::string_view> out;
      for (std::size_t w = 0; w < words.views.size(); ++w) {
        apply(step, words.views[w], {place.starts_text && w == 0, place.fresh || w > 0}, words,
              out);
      }
      if (step.kind == Kind::kByteLevel && !(raw_bytes && s + 1 == steps_.size())) {
        for (auto& view : out) view = words.keep(ByteAlphabet::get().encode(view));
      }
      words.views = std::move(out);
    }
  }

  /// Whether the last step is the byte-level alphabet and no earlier one is.
  bool ends_in_byte_level() const {
    std::size_t count = 0;
    for (const Step& step : steps_) count += step.kind == Kind::kByteLevel;
    return count == 1 && steps_.back().kind == Kind::kByteLevel;
  }

 private:
  enum class Kind {
    kByteLevel,
    kSplit,
    kDigits,
    kMetaspace,
    kPunctuation,
    kWhitespace,
    kWhitespaceSplit
  };
  enum class Prepend { kAlways, kFirst, kNever };
  struct Step {
    Kind kind{};
    std::shared_ptr<const Pattern> pattern;
    SplitBehavior behavior = SplitBehavior::kIsolated;
    bool invert = false;
    bool flag = false;  // add_prefix_space, individual_digits, or Metaspace's split
    std::string replacement;
    Prepend prepend = Prepend::kAlways;
  };

  template <class Test>
  static void split_characters(std::string_view text, SplitBehavior behavior, Test&& test,
                               std::vector<std::string_view>& out) {
    split_by(
        text, behavior, false,
        [&](auto&& visit) {
          for (std::size_t i = 0; i < text.size();) {
            const CodePoint point = decode_utf8(text, i);
            if (test(point.code)) visit(i, i + point.size);
            i += point.size;
          }
        },
        out);
  }

  static void apply(const Step& step, std::string_view text, Place place, Words& words,
                    std::vector<std::string_view>& out) {
    const auto split_pattern = [&](bool invert) {
      split_by(
          text, step.behavior, invert, [&](auto&& visit) { step.pattern->matches(text, visit); },
          out);
    };
    switch (step.kind) {
      case Kind::kByteLevel:
        if (step.flag && place.fresh && !text.starts_with(' ')) {
          text = words.keep(" " + std::string(text));
        }
        if (step.pattern) {
          split_pattern(false);
        } else {
          out.push_back(text);
        }
        break;
      case Kind::kSplit:
        split_pattern(step.invert);
        break;
      case Kind::kWhitespace:
        split_pattern(true);
        break;
      case Kind::kDigits:
        split_characters(text, step.flag ? SplitBehavior::kIsolated : SplitBehavior::kContiguous,
                         is_numeric, out);
        break;
      case Kind::kPunctuation:
        split_characters(text, step.behavior, is_punctuation, out);
        break;
      case Kind::kWhitespaceSplit:
        split_characters(text, SplitBehavior::kRemoved, is_whitespace, out);
        break;
      case Kind::kMetaspace: {
        std::string replaced;
        for (const char c : text) {
          if (c == ' ') {
            replaced += step.replacement;
          } else {
            replaced += c;
          }
        }
        const bool wanted = place.fresh && (step.prepend == Prepend::kAlways ||
                                            (step.prepend == Prepend::kFirst && place.starts_text));
        if (wanted && !std::string_view(replaced).starts_with(step.replacement)) {
          replaced.insert(0, step.replacement);
        }
        const std::string_view kept = words.keep(std::move(replaced));
        if (!step.flag) {
          out.push_back(kept);
          break;
        }
        split_by(
            kept, SplitBehavior::kMergedWithNext, false,
            [&](auto&& visit) {
              for (std::size_t i = kept.find(step.replacement); i != std::string_view::npos;
                   i = kept.find(step.replacement, i + step.replacement.size())) {
                visit(i, i + step.replacement.size());
              }
            },
            out);
        break;
      }
    }
  }

  static bool is_punctuation(char32_t c) {
    if (c < 0x80) {
      return (c >= 0x21 && c <= 0x2F) || (c >= 0x3A && c <= 0x40) || (c >= 0x5B && c <= 0x60) ||
             (c >= 0x7B && c <= 0x7E);
    }
    const auto k = category(c);
    return k >= UTF8PROC_CATEGORY_PC && k <= UTF8PROC_CATEGORY_PO;
  }

  static SplitBehavior behavior_of(const nlohmann::json& description) {
    const std::string name = description.value("behavior", std::string("Isolated"));
    if (name == "Removed") return SplitBehavior::kRemoved;
    if (name == "Isolated") return SplitBehavior::kIsolated;
    if (name == "MergedWithPrevious") return SplitBehavior::kMergedWithPrevious;
    if (name == "MergedWithNext") return SplitBehavior::kMergedWithNext;
    if (name == "Contiguous") return SplitBehavior::kContiguous;
    raise("tokenizer.json: the split behavior '{}' is not supported", name);
  }

  void add(const nlohmann::json& description) {
    if (description.is_null()) return;
    const std::string type = description.at("type").get<std::string>();
    if (type == "Sequence") {
      for (const auto& part : description.at("pretokenizers")) add(part);
      return;
    }
    Step step;
    if (type == "ByteLevel") {
      step.kind = Kind::kByteLevel;
      step.flag = description.value("add_prefix_space", true);
      if (description.value("use_regex", true)) {
        step.pattern = std::make_shared<const Pattern>(nlohmann::json{
            {"Regex",
             R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)"}});
      }
    } else if (type == "Split") {
      step.kind = Kind::kSplit;
      step.pattern = std::make_shared<const Pattern>(description.at("pattern"));
      step.behavior = behavior_of(description);
      step.invert = description.value("invert", false);
    } else if (type == "Digits") {
      step.kind = Kind::kDigits;
      step.flag = description.value("individual_digits", false);
    } else if (type == "Punctuation") {
      step.kind = Kind::kPunctuation;
      step.behavior = behavior_of(description);
    } else if (type == "Whitespace") {
      step.kind = Kind::kWhitespace;
      step.behavior = SplitBehavior::kRemoved;
      step.pattern = std::make_shared<const Pattern>(nlohmann::json{{"Regex", R"(\w+|[^\w\s]+)"}});
    } else if (type == "WhitespaceSplit") {
      step.kind = Kind::kWhitespaceSplit;
    } else if (type == "Metaspace") {
      step.kind = Kind::kMetaspace;
      step.replacement = description.value("replacement", std::string("\u2581"));
      step.flag = description.value("split", true);
      std::string scheme = description.value("prepend_scheme", std::string());
      if (scheme.empty()) {
        scheme = description.value("add_prefix_space", true) ? "always" : "never";
      }
      if (scheme != "always" && scheme != "first" && scheme != "never") {
        raise("tokenizer.json: the prepend_scheme '{}' is not supported", scheme);
      }
      step.prepend = scheme == "always"  ? Prepend::kAlways
                     : scheme == "first" ? Prepend::kFirst
                                         : Prepend::kNever;
    } else {
      raise(
          "tokenizer.json: the pre-tokenizer '{}' is not supported; hint: supported are "
          "ByteLevel, Split, Digits, Metaspace, Punctuation, Whitespace, WhitespaceSplit, "
          "Sequence",
          type);
    }
    steps_.push_back(std::move(step));
  }

  std::vector<Step> steps_;
};

}  // namespace posttrain::text
