// SPDX-License-Identifier: Apache-2.0
// Definitions of metadata.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <iterator>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/base/join.hpp"
#include "posttrain/base/json.hpp"
#include "posttrain/io/json.hpp"
#include "posttrain/text/chat_tokenizer.hpp"
#include "posttrain/text/gguf/metadata.hpp"
#include "posttrain/text/gguf/token_kinds.hpp"

namespace posttrain::text {

namespace detail {

/// Writes the keys of one tokenizer.
class GgufTokenizerWriter {
 public:
  GgufTokenizerWriter(io::GgufMetadata& metadata, const ChatFiles& files, std::int64_t rows)
      : metadata_(metadata), files_(files), chat_(files), rows_(rows) {
    json_ = io::parse_json(files.tokenizer, "tokenizer.json");
    if (!files.tokenizer_config.empty()) {
      config_ = parse_object(files.tokenizer_config, "tokenizer_config.json");
    }
    const Json& model = json_.at("model");
    const std::string type = model.value("type", model.contains("merges") ? "BPE" : "unknown");
    if (type != "BPE") refuse(fmt::format("a model of type {}", type));
    byte_level_ = !model.value("byte_fallback", false);
  }

  void write() {
    metadata_.text("tokenizer.ggml.model", byte_level_ ? "gpt2" : "llama");
    metadata_.text("tokenizer.ggml.pre", byte_level_ ? split_name() : "default");
    write_tokens();
    if (byte_level_) {
      metadata_.texts("tokenizer.ggml.merges", merges());
    } else {
      metadata_.f32s("tokenizer.ggml.scores", scores());
    }
    write_special_tokens();
    write_templates();
  }

 private:
  const Tokenizer& tokenizer() const { return chat_.tokenizer(); }

  [[noreturn]] static void refuse(const std::string& what) {
    raise("tokenizer.json: GGUF has no word for {}; hint: save a folder, which keeps everything",
          what);
  }

  /// What a list of steps, or one step, consists of.
  static std::vector<Json> steps(const Json& parent, const char* key, const char* inner) {
    const auto found = parent.find(key);
    if (found == parent.end() || found->is_null()) return {};
    if (found->value("type", "") != "Sequence") return {*found};
    return found->at(inner).get<std::vector<Json>>();
  }

  /// The name that llama.cpp has for this way to split text.
  std::string split_name() const {
    std::string pattern;
    bool digits = false, bytes = false, known = true;
    for (const Json& step : steps(json_, "pre_tokenizer", "pretokenizers")) {
      const std::string type = step.value("type", "");
      if (type == "Digits" && !digits && !bytes) {
        digits = step.value("individual_digits", false);
        known = known && digits;
      } else if (type == "Split" && pattern.empty() && !digits && !bytes) {
        const Json what = step.value("pattern", Json::object());
        pattern = what.is_object() ? what.value("Regex", "") : "";
        known = known && !pattern.empty() && step.value("behavior", "") == "Isolated" &&
                !step.value("invert", false);
      } else if (type == "ByteLevel" && !bytes) {
        bytes = true;
        known = known && !step.value("add_prefix_space", true) &&
                step.value("use_regex", true) == pattern.empty();
      } else {
        known = false;
      }
    }
    bool nfc = false;
    for (const Json& step : steps(json_, "normalizer", "normalizers")) {
      known = known && step.value("type", "") == "NFC";
      nfc = true;
    }
    const bool ignore_merges = json_.at("model").value("ignore_merges", false);
    std::vector<std::string_view> names;
    for (const GgufSplit& split : kGgufSplits) {
      if (known && bytes && split.pattern == pattern && split.digits == digits &&
          split.nfc == nfc && split.ignore_merges == ignore_merges) {
        return std::string(split.name);
      }
      names.push_back(split.name);
    }
    refuse(fmt::format("this way to split text; it knows {}", join(names, ", ")));
  }

  void write_tokens() {
    const Json& vocabulary = json_.at("model").at("vocab");
    if (tokenizer().vocab_size() > rows_) {
      raise("tokenizer.json: expected at most {} tokens, as many as the embedding has rows, got {}",
            rows_, tokenizer().vocab_size());
    }
    for (std::int64_t id = 0; id < rows_; ++id) {
      texts_.push_back(fmt::format("[PAD{}]", id));
      types_.push_back(static_cast<std::int32_t>(GgufToken::unused));
    }
    const auto set = [&](std::int64_t id, const std::string& text, GgufToken type) {
      texts_[static_cast<std::size_t>(id)] = text;
      types_[static_cast<std::size_t>(id)] = static_cast<std::int32_t>(type);
    };
    const std::string unknown =
        io::text_under(json_.at("model"), "unk_token", "", "tokenizer.json");
    for (const auto& [text, id] : vocabulary.items()) {
      const bool byte = !byte_level_ && text.size() == 6 && text.starts_with("<0x");
      set(id.get<std::int64_t>(), text,
          byte                              ? GgufToken::byte
          : !byte_level_ && text == unknown ? GgufToken::unknown
                                            : GgufToken::normal);
    }
    for (const auto& [id, token] : tokenizer().added_tokens()) {
      if (token.single_word || token.lstrip) {
        refuse(fmt::format("{} of the added token \"{}\"", token.lstrip ? "lstrip" : "single_word",
                           token.content));
      }
      if (!byte_level_ && token.content == unknown) continue;
      set(id, token.content, token.special ? GgufToken::control : GgufToken::user_defined);
    }
    metadata_.texts("tokenizer.ggml.tokens", texts_);
    metadata_.i32s("tokenizer.ggml.token_type", types_);
  }

  /// Each "left right", or as a pair.
  std::vector<std::pair<std::string, std::string>> pairs() const {
    std::vector<std::pair<std::string, std::string>> list;
    for (const Json& merge : json_.at("model").at("merges")) {
      if (merge.is_array()) {
        list.emplace_back(merge.at(0).get<std::string>(), merge.at(1).get<std::string>());
        continue;
      }
      const auto text = merge.get<std::string>();
      const std::size_t space = text.find(' ', 1);
      if (space == std::string::npos) raise("tokenizer.json: a merge without a space: {}", text);
      list.emplace_back(text.substr(0, space), text.substr(space + 1));
    }
    return list;
  }

  std::vector<std::string> merges() const {
    std::vector<std::string> list;
    for (const auto& [left, right] : pairs()) {
      if (left.find(' ') != std::string::npos || right.find(' ') != std::string::npos) {
        refuse(fmt::format("a merge of tokens with spaces, \"{}\" and \"{}\"", left, right));
      }
      list.push_back(fmt::format("{} {}", left, right));
    }
    return list;
  }

  /// SentencePiece merges what gives the token of the highest score: the rank of a token's first
  /// merge, falling. Whether that is what the merges say, `check_gguf_tokenizer` tells.
  std::vector<float> scores() const {
    std::unordered_map<std::string, float> ranks;
    float rank = 0.0F;
    for (const auto& [left, right] : pairs()) {
      if (ranks.emplace(left + right, -rank).second) rank += 1.0F;
    }
    std::vector<float> list;
    for (const std::string& text : texts_) {
      const auto found = ranks.find(text);
      list.push_back(found == ranks.end() ? -rank : found->second);
    }
    return list;
  }

  void write_special_tokens() {
    const auto write = [&](const char* name, std::optional<TokenId> id) {
      if (!id) return;
      metadata_.u32(fmt::format("tokenizer.ggml.{}_token_id", name),
                    static_cast<std::uint32_t>(*id));
    };
    const Json special = special_tokens(
        config_, files_.special_tokens_map.empty()
                     ? Json::object()
                     : parse_object(files_.special_tokens_map, "special_tokens_map.json"));
    const auto named = [&](const char* name) -> std::optional<TokenId> {
      const auto found = special.find(name);
      if (found == special.end()) return std::nullopt;
      return tokenizer().id(found->get_ref<const std::string&>());
    };
    // What the post-processor puts around a text.
    const TokenIds bare = tokenizer().encode("a"), full = tokenizer().encode("a", true);
    const auto inner = std::search(full.begin(), full.end(), bare.begin(), bare.end());
    const auto behind = inner == full.end() ? inner : inner + std::ssize(bare);
    const TokenIds before(full.begin(), inner), after(behind, full.end());
    // tokenizer_config.json need not name the tokens that are added.
    const auto or_added = [](std::optional<TokenId> id, const TokenIds& added) {
      return !id && added.size() == 1 ? std::optional(added.front()) : id;
    };
    const auto bos = or_added(named("bos_token"), before);
    write("bos", bos);
    write("unknown", named("unk_token"));
    write("padding", named("pad_token"));
    // llama.cpp ends a text at one token, a turn at two others.
    std::vector<TokenId> ends;
    const auto end = [&](std::optional<TokenId> id) {
      if (id && std::ranges::find(ends, *id) == ends.end()) ends.push_back(*id);
    };
    const auto eos = or_added(named("eos_token"), after);
    end(eos);
    if (!chat_.terminator().empty()) end(tokenizer().id(chat_.terminator()));
    for (const TokenId id : chat_.eos_ids()) end(id);
    constexpr std::array kEnds{"eos", "eot", "eom"};
    if (ends.size() > kEnds.size()) {
      refuse(
          fmt::format("{} tokens that end generation ({} are known)", ends.size(), kEnds.size()));
    }
    for (std::size_t i = 0; i < ends.size(); ++i) write(kEnds[i], ends[i]);
    const auto is = [](const TokenIds& ids, std::optional<TokenId> token) {
      return token && ids == TokenIds{*token};
    };
    if ((!before.empty() && !is(before, bos)) || (!after.empty() && !is(after, eos))) {
      refuse("what its post_processor adds, other than bos_token before and eos_token behind");
    }
    metadata_.boolean("tokenizer.ggml.add_bos_token", !before.empty());
    metadata_.boolean("tokenizer.ggml.add_eos_token", !after.empty());
    if (!byte_level_) {
      const bool prefix = !bare.empty() && tokenizer().token(bare.front()).starts_with("▁");
      metadata_.boolean("tokenizer.ggml.add_space_prefix", prefix);
    }
  }

  void write_templates() {
    std::vector<std::string> names;
    for (const auto& [name, source] : template_sources(files_, config_)) {
      if (name == "default") {
        metadata_.text("tokenizer.chat_template", source);
      } else {
        metadata_.text("tokenizer.chat_template." + name, source);
        names.push_back(name);
      }
    }
    if (!names.empty()) metadata_.texts("tokenizer.chat_templates", names);
  }

  io::GgufMetadata& metadata_;
  const ChatFiles& files_;
  ChatTokenizer chat_;
  std::int64_t rows_;
  Json json_, config_ = Json::object();
  bool byte_level_ = true;
  std::vector<std::string> texts_;
  std::vector<std::int32_t> types_;
};

/// Of many scripts, with numbers, spaces, control characters, and what has no token.
inline constexpr std::array<std::string_view, 12> kGgufSamples{
    "Hello, world! It's 1,234.56 o'clock - isn't it?",
    "  leading, trailing and   several spaces  ",
    "tabs\tand\nlines\r\n\n\nand \n more\n",
    "1 22 333 4444 55555 666666 3.14e-10 0x1F",
    "naïve café œuvre Ärger STRASSE straße ﬁn e\u0301 \u00e9",
    "Привет, мир! Καλημέρα κόσμε. שלום עולם مرحبا بالعالم",
    "你好,世界。こんにちは世界 안녕하세요 세계 สวัสดีชาวโลก नमस्ते दुनिया",
    "😀👩‍👩‍👧‍👦🏳️‍🌈 ∑∫√≠≤ ←→ €£¥ ™®©",
    "int main(int argc, char** argv) { return x->y[0] + f(a && b) / 2; } // why?",
    "<div class=\"a-b_c\">&amp;</div> https://example.org/a?b=c&d=%20#e user@example.org",
    "camelCase snake_case SCREAMING_CASE kebab-case dots...and---dashes___",
    "\u0001\u007f\u00a0\u2028\ufeff\ue000\U0001f9ff\U0010ffff",
};

}  // namespace detail

POSTTRAIN_INLINE void add_gguf_tokenizer(io::GgufMetadata& metadata, const ChatFiles& files,
                                         std::int64_t rows) {
  try {
    detail::GgufTokenizerWriter(metadata, files, rows).write();
  } catch (const nlohmann::json::exception&) {
    fail("tokenizer.json: expected a vocabulary and merges of a BPE model");
  }
}

POSTTRAIN_INLINE void check_gguf_tokenizer(const ChatFiles& expected, const ChatFiles& found,
                                           const std::string& where) {
  const ChatTokenizer a(expected), b(found);
  for (const std::string_view sample : detail::kGgufSamples) {
    for (const bool special : {false, true}) {
      if (a.tokenizer().encode(sample, special) == b.tokenizer().encode(sample, special)) continue;
      raise(
          "{}: the tokenizer would give other ids in llama.cpp, for \"{}\" first; hint: save a "
          "folder, which keeps everything",
          where, sample);
    }
  }
  for (const auto& [id, token] : a.tokenizer().added_tokens()) {
    const auto same = b.tokenizer().added_tokens().find(id);
    if (same == b.tokenizer().added_tokens().end() || same->second.rstrip != token.rstrip) {
      raise("{}: the added token \"{}\" {} in llama.cpp; hint: save a folder", where, token.content,
            token.rstrip ? "would not swallow the space behind it"
                         : "would be another, or swallow the space behind it");
    }
  }
  if (a.eos_ids() != b.eos_ids()) raise("{}: other tokens would end generation", where);
}

}  // namespace posttrain::text
