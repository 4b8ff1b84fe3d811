// SPDX-License-Identifier: Apache-2.0
// The "post_processor" of tokenizer.json: special tokens around a text, and offsets without the
// spaces that byte-level tokens begin or end with.
//
// Supported: TemplateProcessing, ByteLevel, RobertaProcessing, BertProcessing, Sequence, each for a
// single text: pairs are no matter of language models.
#pragma once

#include <algorithm>
#include <cstddef>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "posttrain/base/error.hpp"
#include "posttrain/base/sequence.hpp"
#include "posttrain/io/json.hpp"
#include "posttrain/text/tokenizer/aligned_text.hpp"
#include "posttrain/text/tokenizer/limits.hpp"
#include "posttrain/unicode/utf8.hpp"

namespace posttrain::text {

class PostProcessor {
 public:
  PostProcessor() = default;
  explicit PostProcessor(const nlohmann::json& description) { add(description); }

  /// The ids in front of a text and behind it.
  const TokenIds& before() const { return before_; }
  const TokenIds& after() const { return after_; }

  /// Trims offsets and, on request, adds special tokens (with empty offsets), in the file's order.
  /// `token_of(i)` gives the i-th token's text; `source` is what the offsets refer to.
  template <class TokenOf>
  void operator()(TokenIds& ids, std::vector<ByteRange>& offsets, std::string_view source,
                  bool add_special_tokens, TokenOf&& token_of) const {
    for (const Step& step : steps_) {
      if (step.trims) {
        for (std::size_t i = 0; i < ids.size(); ++i) {
          offsets[i] = trimmed(offsets[i], token_of(i), source, i == 0, step.prefix_space);
        }
      }
      if (!add_special_tokens) continue;
      ids.insert(ids.begin(), step.before.begin(), step.before.end());
      offsets.insert(offsets.begin(), step.before.size(), ByteRange{});
      ids.insert(ids.end(), step.after.begin(), step.after.end());
      offsets.insert(offsets.end(), step.after.size(), ByteRange{});
    }
  }

 private:
  struct Step {
    bool trims = false, prefix_space = false;
    TokenIds before, after;
  };

  static bool is_blank(char32_t c) { return c == 0x120 || is_whitespace(c); }  // 0x120: Ġ

  static ByteRange trimmed(ByteRange range, std::string_view token, std::string_view source,
                           bool first, bool prefix_space) {
    std::size_t leading = 0;
    std::size_t trailing = 0;
    bool only_blanks = true;
    for_each_character(token, [&](char32_t c, std::size_t, std::size_t) {
      const bool blank = is_blank(c);
      only_blanks &= blank;
      if (only_blanks) ++leading;
      trailing = blank ? trailing + 1 : 0;
    });
    // A single space in front may be the one that the pre-tokenizer added.
    if ((first || range.begin == 0) && prefix_space && leading == 1) leading = 0;
    for (; leading > 0 && range.begin < range.end; --leading) {
      range.begin = std::min(range.end, range.begin + decode_utf8(source, range.begin).size);
    }
    for (; trailing > 0 && range.end > range.begin; --trailing) {
      range.end = std::max(range.begin, previous_character(source, range.end));
    }
    return range;
  }

  void add(const nlohmann::json& description) {
    if (description.is_null()) return;
    check_steps(steps_.size() + 1, "post-processor");
    const std::string type = description.at("type").get<std::string>();
    if (type == "Sequence") {
      for (const auto& part : description.at("processors")) add(part);
      return;
    }
    Step step;
    if (type == "TemplateProcessing") {
      read_template(description, step);
    } else if (type == "RobertaProcessing" || type == "BertProcessing") {
      step.before.push_back(token_id(description.at("cls").at(1)));
      step.after.push_back(token_id(description.at("sep").at(1)));
    } else if (type != "ByteLevel") {
      raise(
          "tokenizer.json: the post-processor '{}' is not supported; hint: supported are "
          "TemplateProcessing, ByteLevel, RobertaProcessing, BertProcessing, Sequence",
          type);
    }
    if (type == "RobertaProcessing" || type == "ByteLevel") {
      step.trims = description.value("trim_offsets", true);
      step.prefix_space = description.value("add_prefix_space", true);
    }
    before_.insert(before_.begin(), step.before.begin(), step.before.end());
    after_.insert(after_.end(), step.after.begin(), step.after.end());
    steps_.push_back(std::move(step));
  }

  static TokenId token_id(const nlohmann::json& id) {
    return io::token_id_from(id, "tokenizer.json", "an id of the post-processor");
  }

  static void read_template(const nlohmann::json& description, Step& step) {
    bool text_seen = false;
    for (const auto& piece : description.at("single")) {
      if (piece.contains("Sequence")) {
        if (text_seen) fail("tokenizer.json: a template with the text twice is not supported");
        text_seen = true;
        continue;
      }
      const std::string name = piece.at("SpecialToken").at("id").get<std::string>();
      for (const auto& id : description.at("special_tokens").at(name).at("ids")) {
        (text_seen ? step.after : step.before).push_back(token_id(id));
      }
    }
  }

  std::vector<Step> steps_;
  TokenIds before_, after_;
};

}  // namespace posttrain::text
