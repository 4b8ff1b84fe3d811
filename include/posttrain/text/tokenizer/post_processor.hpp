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
#include "posttrain/text/tokenizer/fields.hpp"
#include "posttrain/text/tokenizer/limits.hpp"
#include "posttrain/unicode/utf8.hpp"

namespace posttrain::text {

class PostProcessor {
 public:
  PostProcessor() = default;
  explicit PostProcessor(const nlohmann::json& description) { add(description, "post_processor"); }

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

  void add(const nlohmann::json& description, const std::string& place) {
    if (description.is_null()) return;
    check_steps(steps_.size() + 1, "post-processor");
    const Fields fields(description, place);
    const std::string type = fields.text("type");
    if (type == "Sequence") {
      fields.each("processors", [&](const auto& part, const std::string& at) { add(part, at); });
      return;
    }
    Step step;
    if (type == "TemplateProcessing") {
      read_template(fields, step);
    } else if (type == "RobertaProcessing" || type == "BertProcessing") {
      step.before.push_back(token_id(fields, "cls"));
      step.after.push_back(token_id(fields, "sep"));
    } else if (type != "ByteLevel") {
      raise(
          "{}: the post-processor '{}' is not supported; hint: supported are "
          "TemplateProcessing, ByteLevel, RobertaProcessing, BertProcessing, Sequence",
          fields.where(), type);
    }
    if (type == "RobertaProcessing" || type == "ByteLevel") {
      step.trims = fields.flag("trim_offsets", true);
      step.prefix_space = fields.flag("add_prefix_space", true);
    }
    before_.insert(before_.begin(), step.before.begin(), step.before.end());
    after_.insert(after_.end(), step.after.begin(), step.after.end());
    steps_.push_back(std::move(step));
  }

  /// The id of a pair [token, id].
  static TokenId token_id(const Fields& fields, const char* key) {
    const nlohmann::json& pair = fields.at(key);
    if (!pair.is_array() || pair.size() != 2) {
      raise("{}: expected {} to be [token, id], got {}", fields.where(), key, io::shown(pair));
    }
    return io::token_id_from(pair[1], fields.where(), fmt::format("the id of {}", key));
  }

  static void read_template(const Fields& fields, Step& step) {
    bool text_seen = false;
    fields.each("single", [&](const nlohmann::json& entry, const std::string& place) {
      const Fields piece(entry, place);
      if (entry.contains("Sequence")) {
        if (text_seen) {
          raise("{}: a template with the text twice is not supported", piece.where());
        }
        text_seen = true;
        return;
      }
      const std::string name = piece.fields("SpecialToken").text("id");
      const Fields known = fields.fields("special_tokens");
      known.fields(name.c_str()).each("ids", [&](const nlohmann::json& id, const std::string& at) {
        (text_seen ? step.after : step.before).push_back(io::token_id_from(id, Fields::kFile, at));
      });
    });
  }

  std::vector<Step> steps_;
  TokenIds before_, after_;
};

}  // namespace posttrain::text
