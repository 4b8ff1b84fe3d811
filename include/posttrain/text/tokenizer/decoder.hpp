// SPDX-License-Identifier: Apache-2.0
// The "decoder" of tokenizer.json: a list of steps from tokens to text.
//
// Supported: ByteLevel, ByteFallback, Fuse, Strip, Replace, Metaspace, WordPiece, BPEDecoder, CTC,
// Sequence. Without a decoder the tokens are joined by spaces, as in the `tokenizers` package.
#pragma once

#include <algorithm>
#include <array>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "posttrain/base/error.hpp"
#include "posttrain/io/json.hpp"
#include "posttrain/text/tokenizer/byte_alphabet.hpp"
#include "posttrain/text/tokenizer/fields.hpp"
#include "posttrain/text/tokenizer/limits.hpp"
#include "posttrain/text/tokenizer/pattern.hpp"
#include "posttrain/unicode/utf8.hpp"

namespace posttrain::text {

class TokenDecoder {
 public:
  TokenDecoder() = default;
  explicit TokenDecoder(const nlohmann::json& description) { add(description, "decoder"); }

  /// The text of tokens. One that is too large in relation to them is an error
  /// (text/tokenizer/limits.hpp).
  std::string operator()(std::vector<std::string> tokens) const {
    std::size_t size = 0;
    for (const std::string& token : tokens) size += token.size() + 1;
    const std::size_t most = largest_rewriting(size);
    for (const Step& step : steps_) tokens = apply(step, std::move(tokens), most);
    std::string text;
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      if (steps_.empty() && i > 0) text += ' ';
      text += tokens[i];
    }
    return text;
  }

 private:
  enum class Kind {
    kByteLevel,
    kByteFallback,
    kFuse,
    kStrip,
    kReplace,
    kMetaspace,
    kWordPiece,
    kBpe,
    kCtc
  };
  struct Step {
    Kind kind{};
    std::string content;
    std::shared_ptr<const Pattern> pattern;
    std::size_t start = 0, stop = 0;
    std::string delimiter;  // CTC: stands for a space
    bool flag = false;  // Metaspace: the first token loses its mark; WordPiece and CTC: clean up
  };

  static std::vector<std::string> apply(const Step& step, std::vector<std::string> tokens,
                                        std::size_t most) {
    std::size_t left = most;
    switch (step.kind) {
      case Kind::kByteLevel: {
        std::string bytes;
        for (const std::string& token : tokens) ByteAlphabet::get().decode(token, bytes);
        return {repair_utf8(bytes)};
      }
      case Kind::kByteFallback:
        return join_bytes(tokens);
      case Kind::kFuse: {
        std::string all;
        for (const std::string& token : tokens) all += token;
        return {std::move(all)};
      }
      case Kind::kStrip:
        for (std::string& token : tokens) {
          const auto size = step.content.size();
          const std::string_view view = token;
          std::size_t begin = 0;
          std::size_t end = view.size();
          for (std::size_t n = 0; n < step.start && view.substr(begin).starts_with(step.content);
               ++n) {
            begin += size;
          }
          for (std::size_t n = 0;
               n < step.stop && view.substr(begin, end - begin).ends_with(step.content); ++n) {
            end -= size;
          }
          token = token.substr(begin, end - begin);
        }
        return tokens;
      case Kind::kReplace:
        for (std::string& token : tokens)
          token = replaced(*step.pattern, token, step.content, left);
        return tokens;
      case Kind::kMetaspace:
        for (std::size_t i = 0; i < tokens.size(); ++i) {
          tokens[i] = replaced(*step.pattern, tokens[i], i == 0 && step.flag ? "" : " ", left);
        }
        return tokens;
      case Kind::kWordPiece:
        for (std::size_t i = 0; i < tokens.size(); ++i) {
          if (i > 0 && tokens[i].starts_with(step.content)) {
            tokens[i].erase(0, step.content.size());
          } else if (i > 0) {
            tokens[i].insert(0, 1, ' ');
          }
          if (step.flag) tokens[i] = clean_up(std::move(tokens[i]));
        }
        return tokens;
      case Kind::kBpe:
        for (std::size_t i = 0; i < tokens.size(); ++i) {
          replace_all(tokens[i], step.content, i + 1 < tokens.size() ? " " : "");
        }
        return tokens;
      case Kind::kCtc: {
        tokens.erase(std::unique(tokens.begin(), tokens.end()), tokens.end());
        std::vector<std::string> kept;
        for (std::string& token : tokens) {
          replace_all(token, step.content, "");
          if (step.flag) {
            token = clean_up(std::move(token));
            replace_all(token, step.delimiter, " ");
          }
          if (!token.empty()) kept.push_back(std::move(token));
        }
        return kept;
      }
    }
    return tokens;
  }

  /// Takes what the result needs from the bytes that are left.
  static std::string replaced(const Pattern& pattern, const std::string& token, std::string_view by,
                              std::size_t& left) {
    AlignedText text(token, 0, false);
    text.most = left;
    text = pattern.replace(text, by);
    check_rewriting(text.text.size(), left);
    left -= text.text.size();
    return std::move(text.text);
  }

  static void replace_all(std::string& text, std::string_view what, std::string_view by) {
    if (what.empty()) return;
    std::string out;
    std::size_t from = 0;
    for (std::size_t i = text.find(what); i != std::string::npos; i = text.find(what, from)) {
      out.append(text, from, i - from).append(by);
      from = i + what.size();
    }
    if (from > 0) text = out.append(text, from);
  }

  /// Takes back the spaces that English writes without.
  static std::string clean_up(std::string text) {
    constexpr std::array<std::pair<std::string_view, std::string_view>, 11> kRules = {
        {{" .", "."},
         {" ?", "?"},
         {" !", "!"},
         {" ,", ","},
         {" ' ", "'"},
         {" n't", "n't"},
         {" 'm", "'m"},
         {" do not", " don't"},
         {" 's", "'s"},
         {" 've", "'ve"},
         {" 're", "'re"}}};
    for (const auto& [from, to] : kRules) replace_all(text, from, to);
    return text;
  }

  static int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return -1;
  }

  /// Runs of "<0xE2>" tokens become the text that they spell, or one U+FFFD each.
  static std::vector<std::string> join_bytes(const std::vector<std::string>& tokens) {
    std::vector<std::string> out;
    std::string bytes;
    const auto flush = [&] {
      if (bytes.empty()) return;
      if (is_valid_utf8(bytes)) {
        out.push_back(bytes);
      } else {
        for (std::size_t i = 0; i < bytes.size(); ++i) out.push_back(to_utf8(0xFFFD));
      }
      bytes.clear();
    };
    for (const std::string& token : tokens) {
      if (token.size() == 6 && token.starts_with("<0x") && token[5] == '>' &&
          hex_digit(token[3]) >= 0 && hex_digit(token[4]) >= 0) {
        bytes += static_cast<char>(hex_digit(token[3]) * 16 + hex_digit(token[4]));
        continue;
      }
      flush();
      out.push_back(token);
    }
    flush();
    return out;
  }

  void add(const nlohmann::json& description, const std::string& place) {
    if (description.is_null()) return;
    check_steps(steps_.size() + 1, "decoder");
    const Fields fields(description, place);
    const std::string type = fields.text("type");
    if (type == "Sequence") {
      fields.each("decoders", [&](const auto& part, const std::string& at) { add(part, at); });
      return;
    }
    Step step;
    if (type == "ByteLevel") {
      step.kind = Kind::kByteLevel;
    } else if (type == "ByteFallback") {
      step.kind = Kind::kByteFallback;
    } else if (type == "Fuse") {
      step.kind = Kind::kFuse;
    } else if (type == "Strip") {
      step.kind = Kind::kStrip;
      step.content = fields.text("content", " ");
      if (step.content.empty())
        raise("{}: the decoder 'Strip' has an empty content", fields.where());
      step.start = static_cast<std::size_t>(fields.integer("start", 0, 0));
      step.stop = static_cast<std::size_t>(fields.integer("stop", 0, 0));
    } else if (type == "Replace") {
      step.kind = Kind::kReplace;
      step.content = fields.text("content");
      step.pattern =
          std::make_shared<const Pattern>(fields.at("pattern"), fields.place_of("pattern"));
    } else if (type == "Metaspace") {
      step.kind = Kind::kMetaspace;
      step.pattern =
          std::make_shared<const Pattern>(nlohmann::json(fields.text("replacement", "\u2581")));
      const std::string scheme =
          fields.text("prepend_scheme", fields.flag("add_prefix_space", true) ? "always" : "never");
      step.flag = scheme != "never";
    } else if (type == "WordPiece") {
      step.kind = Kind::kWordPiece;
      step.content = fields.text("prefix", "##");
      step.flag = fields.flag("cleanup", true);
    } else if (type == "BPEDecoder") {
      step.kind = Kind::kBpe;
      step.content = fields.text("suffix", "</w>");
    } else if (type == "CTC") {
      step.kind = Kind::kCtc;
      step.content = fields.text("pad_token", "<pad>");
      step.delimiter = fields.text("word_delimiter_token", "|");
      step.flag = fields.flag("cleanup", true);
    } else {
      raise(
          "{}: the decoder '{}' is not supported; hint: supported are ByteLevel, "
          "ByteFallback, Fuse, Strip, Replace, Metaspace, WordPiece, BPEDecoder, CTC, Sequence",
          fields.where(), type);
    }
    steps_.push_back(std::move(step));
  }

  std::vector<Step> steps_;
};

}  // namespace posttrain::text
