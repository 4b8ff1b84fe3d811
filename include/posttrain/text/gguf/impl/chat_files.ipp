// SPDX-License-Identifier: Apache-2.0
// Definitions of chat_files.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/base/join.hpp"
#include "posttrain/base/json.hpp"
#include "posttrain/text/gguf/chat_files.hpp"
#include "posttrain/text/gguf/token_kinds.hpp"
#include "posttrain/unicode/utf8.hpp"

namespace posttrain::text {

namespace detail {

class GgufTokenizer {
 public:
  explicit GgufTokenizer(const io::GgufModel& model)
      : model_(model), kind_(model.text("tokenizer.ggml.model")) {
    if (kind_ != "gpt2" && kind_ != "llama") {
      raise("{}: key 'tokenizer.ggml.model' = \"{}\" is not supported; supported: gpt2, llama",
            model.path(), kind_);
    }
    if (byte_level()) split_ = &find_split();
    read_tokens();
  }

  ChatFiles files() const {
    ChatFiles files;
    files.tokenizer = tokenizer().dump();
    files.tokenizer_config = config().dump(2);
    files.generation_config = generation().dump(2);
    constexpr std::string_view kTemplate = "tokenizer.chat_template";
    if (model_.has(kTemplate)) files.chat_template = model_.text(kTemplate);
    for (const auto& entry : model_.metadata()) {
      const std::string& key = entry.first;
      if (!key.starts_with(kTemplate) || key.size() <= kTemplate.size() + 1) continue;
      if (key[kTemplate.size()] != '.') continue;  // tokenizer.chat_templates lists the names
      files.additional_templates.emplace_back(key.substr(kTemplate.size() + 1), model_.text(key));
    }
    return files;
  }

 private:
  struct Token {
    std::string text;
    GgufToken type = GgufToken::normal;
  };

  bool byte_level() const { return kind_ == "gpt2"; }

  const GgufSplit& find_split() const {
    const std::string name = model_.text("tokenizer.ggml.pre", "default");
    const auto found = std::ranges::find(kGgufSplits, name, &GgufSplit::name);
    if (found != kGgufSplits.end()) return *found;
    std::vector<std::string_view> names;
    for (const GgufSplit& known : kGgufSplits) names.push_back(known.name);
    raise(
        "{}: key 'tokenizer.ggml.pre' = \"{}\" is not known, and another way to split text would "
        "give other tokens; known: {}",
        model_.path(), name, join(names, ", "));
  }

  void read_tokens() {
    const std::vector<std::string_view> texts = model_.texts("tokenizer.ggml.tokens");
    std::vector<std::int64_t> types(texts.size(), 1);
    if (model_.has("tokenizer.ggml.token_type")) {
      types = model_.integers("tokenizer.ggml.token_type");
    }
    if (types.size() != texts.size()) {
      raise("{}: expected a token_type for each of {} tokens, got {}", model_.path(), texts.size(),
            types.size());
    }
    ids_.reserve(texts.size());
    for (std::size_t id = 0; id < texts.size(); ++id) {
      if (types[id] < 1 || types[id] > 6) {
        raise("{}: token {}: expected a type from 1 to 6, got {}", model_.path(), id, types[id]);
      }
      Token token{std::string(texts[id]), static_cast<GgufToken>(types[id])};
      if (!is_valid_utf8(token.text)) {
        raise("{}: token {}: expected a text in UTF-8, got \"{}\"", model_.path(), id,
              repair_utf8(token.text));
      }
      if (token.type != GgufToken::unused) {
        const auto [other, is_new] = ids_.emplace(token.text, static_cast<std::int64_t>(id));
        if (!is_new) {
          raise("{}: tokens {} and {} are both \"{}\"", model_.path(), other->second, id,
                token.text);
        }
      }
      tokens_.push_back(std::move(token));
    }
  }

  /// A token that a key names by its id, or nothing.
  std::optional<std::int64_t> special_id(const char* name) const {
    const std::string key = fmt::format("tokenizer.ggml.{}_token_id", name);
    if (!model_.has(key)) return std::nullopt;
    const std::int64_t id = model_.integer(key);
    if (id < 0 || id >= std::ssize(tokens_)) {
      raise("{}: key '{}': expected one of {} tokens, got {}", model_.path(), key, tokens_.size(),
            id);
    }
    return id;
  }
  const std::string& text_of(std::int64_t id) const {
    return tokens_[static_cast<std::size_t>(id)].text;
  }

  Json tokenizer() const {
    Json json = {{"version", "1.0"},
                 {"truncation", nullptr},
                 {"padding", nullptr},
                 {"added_tokens", added_tokens()},
                 {"normalizer", normalizer()},
                 {"pre_tokenizer", byte_level() ? words() : Json()},
                 {"post_processor", post_processor()},
                 {"decoder", byte_level() ? byte_level_step(false) : decoder()}};
    Json vocabulary = Json::object();
    auto& entries = vocabulary.get_ref<Json::object_t&>();  // looks no name up as it grows
    for (std::size_t id = 0; id < tokens_.size(); ++id) {
      if (tokens_[id].type != GgufToken::unused) entries.emplace_back(tokens_[id].text, id);
    }
    const auto unknown = byte_level() ? std::nullopt : special_id("unknown");
    Json model = {{"type", "BPE"},
                  {"dropout", nullptr},
                  {"unk_token", unknown ? Json(text_of(*unknown)) : Json()},
                  {"continuing_subword_prefix", nullptr},
                  {"end_of_word_suffix", nullptr},
                  {"fuse_unk", !byte_level()},
                  {"byte_fallback", !byte_level()},
                  {"ignore_merges", byte_level() && split_->ignore_merges}};
    model["vocab"] = std::move(vocabulary);
    model["merges"] = byte_level() ? stored_merges() : merges_of_scores();
    json["model"] = std::move(model);
    return json;
  }

  Json added_tokens() const {
    Json list = Json::array();
    const auto unknown = special_id("unknown");
    for (std::size_t id = 0; id < tokens_.size(); ++id) {
      const GgufToken type = tokens_[id].type;
      const bool special = type == GgufToken::control || type == GgufToken::unknown ||
                           static_cast<std::int64_t>(id) == unknown;
      if (!special && type != GgufToken::user_defined) continue;
      list.push_back({{"id", id},
                      {"content", tokens_[id].text},
                      {"single_word", false},
                      {"lstrip", false},
                      {"rstrip", swallows_space(tokens_[id].text)},
                      {"normalized", false},
                      {"special", special}});
    }
    return list;
  }

  /// As llama.cpp decides it for Phi 3, whose metadata have no word for it.
  bool swallows_space(const std::string& token) const {
    return model_.text("general.architecture", "") == "phi3" && token != "<unk>" &&
           token != "<s>" && token != "<|endoftext|>";
  }

  bool space_prefix() const { return model_.boolean("tokenizer.ggml.add_space_prefix", true); }

  Json normalizer() const {
    if (byte_level()) return split_->nfc ? Json{{"type", "NFC"}} : Json();
    Json steps = Json::array();
    if (space_prefix()) steps.push_back({{"type", "Prepend"}, {"prepend", "▁"}});
    steps.push_back({{"type", "Replace"}, {"pattern", {{"String", " "}}}, {"content", "▁"}});
    return {{"type", "Sequence"}, {"normalizers", steps}};
  }

  static Json byte_level_step(bool use_regex) {
    return {{"type", "ByteLevel"},
            {"add_prefix_space", false},
            {"trim_offsets", true},
            {"use_regex", use_regex}};
  }

  Json words() const {
    if (split_->pattern.empty() && !split_->digits) return byte_level_step(true);
    Json first = {{"type", "Digits"}, {"individual_digits", true}};
    if (!split_->digits) {
      first = {{"type", "Split"},
               {"pattern", {{"Regex", std::string(split_->pattern)}}},
               {"behavior", "Isolated"},
               {"invert", false}};
    }
    return {{"type", "Sequence"}, {"pretokenizers", {first, byte_level_step(split_->digits)}}};
  }

  Json post_processor() const {
    const bool by_default = byte_level() ? split_->bos : true;
    std::vector<std::int64_t> before, after;
    if (model_.boolean("tokenizer.ggml.add_bos_token", by_default)) {
      if (const auto bos = special_id("bos")) before.push_back(*bos);
    }
    if (model_.boolean("tokenizer.ggml.add_eos_token", false)) {
      if (const auto eos = special_id("eos")) after.push_back(*eos);
    }
    Json plain;
    if (byte_level()) {  // offsets of tokens take in the spaces before words, as in the originals
      plain = byte_level_step(false);
      plain["trim_offsets"] = false;
    }
    if (before.empty() && after.empty()) return plain;
    Json single = Json::array(), pair = single, special = Json::object();
    const auto add = [&](const std::vector<std::int64_t>& ids, int sequence) {
      for (const std::int64_t id : ids) {
        const Json entry = {{"SpecialToken", {{"id", text_of(id)}, {"type_id", sequence}}}};
        if (sequence == 0) single.push_back(entry);
        pair.push_back(entry);
        special[text_of(id)] = {{"id", text_of(id)}, {"ids", {id}}, {"tokens", {text_of(id)}}};
      }
    };
    for (int sequence = 0; sequence < 2; ++sequence) {
      add(before, sequence);
      const Json entry = {{"Sequence", {{"id", sequence == 0 ? "A" : "B"}, {"type_id", sequence}}}};
      if (sequence == 0) single.push_back(entry);
      pair.push_back(entry);
      add(after, sequence);
    }
    const Json around = {{"type", "TemplateProcessing"},
                         {"single", single},
                         {"pair", pair},
                         {"special_tokens", special}};
    if (!byte_level()) return around;
    return {{"type", "Sequence"}, {"processors", {plain, around}}};
  }

  Json decoder() const {
    Json steps = {{{"type", "Replace"}, {"pattern", {{"String", "▁"}}}, {"content", " "}},
                  {{"type", "ByteFallback"}},
                  {{"type", "Fuse"}}};
    if (space_prefix()) {
      steps.push_back({{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}});
    }
    return {{"type", "Sequence"}, {"decoders", steps}};
  }

  Json stored_merges() const {
    Json merges = Json::array();
    for (const std::string_view merge : model_.texts("tokenizer.ggml.merges")) {
      const std::size_t space = merge.find(' ', 1);
      if (space == std::string_view::npos || !is_valid_utf8(merge)) {
        raise("{}: expected merges of two tokens with a space between, got \"{}\"", model_.path(),
              repair_utf8(merge));
      }
      merges.push_back({std::string(merge.substr(0, space)), std::string(merge.substr(space + 1))});
    }
    return merges;
  }

  /// Every way to put a token together from two others, the tokens by falling score: what
  /// SentencePiece does, as ranks (transformers' generate_merges).
  Json merges_of_scores() const {
    const std::vector<double> scores = model_.numbers("tokenizer.ggml.scores");
    if (scores.size() != tokens_.size()) {
      raise("{}: expected a score for each of {} tokens, got {}", model_.path(), tokens_.size(),
            scores.size());
    }
    struct Merge {
      double score;
      std::size_t left_size, right_size;  // in characters
      std::int64_t left, right;
    };
    std::vector<Merge> merges;
    for (std::size_t id = 0; id < tokens_.size(); ++id) {
      if (tokens_[id].type != GgufToken::normal && tokens_[id].type != GgufToken::user_defined) {
        continue;
      }
      const std::string& text = tokens_[id].text;
      const std::size_t first = merges.size();
      const auto characters = static_cast<std::size_t>(
          std::ranges::count_if(text, [](char c) { return (c & 0xC0) != 0x80; }));
      std::size_t size = 0;
      for (std::size_t at = 1; at < text.size(); ++at) {
        if ((text[at] & 0xC0) == 0x80) continue;  // within a character
        ++size;
        const auto left = ids_.find(text.substr(0, at)), right = ids_.find(text.substr(at));
        if (left == ids_.end() || right == ids_.end()) continue;
        merges.push_back({scores[id], size, characters - size, left->second, right->second});
      }
      std::sort(merges.begin() + static_cast<std::ptrdiff_t>(first), merges.end(),
                [](const Merge& a, const Merge& b) {
                  return std::pair(a.left, a.right) < std::pair(b.left, b.right);
                });
    }
    std::ranges::stable_sort(merges, [](const Merge& a, const Merge& b) {
      return std::tuple(a.score, a.left_size, a.right_size) >
             std::tuple(b.score, b.left_size, b.right_size);
    });
    Json list = Json::array();
    for (const Merge& merge : merges) list.push_back({text_of(merge.left), text_of(merge.right)});
    return list;
  }

  Json config() const {
    Json config = {{"tokenizer_class", "PreTrainedTokenizerFast"},
                   {"clean_up_tokenization_spaces", false}};
    const std::string length = model_.text("general.architecture", "") + ".context_length";
    if (model_.has(length)) config["model_max_length"] = model_.integer(length);
    for (const auto& [name, key] : {std::pair("bos_token", "bos"),
                                    {"eos_token", "eos"},
                                    {"unk_token", "unknown"},
                                    {"pad_token", "padding"}}) {
      if (const auto id = special_id(key)) config[name] = text_of(*id);
    }
    return config;
  }

  Json generation() const {
    Json config = {{"_from_model_config", true}};
    if (const auto bos = special_id("bos")) config["bos_token_id"] = *bos;
    if (const auto pad = special_id("padding")) config["pad_token_id"] = *pad;
    std::vector<std::int64_t> ends;
    for (const char* name : {"eos", "eot", "eom"}) {
      const auto id = special_id(name);
      if (id && std::ranges::find(ends, *id) == ends.end()) ends.push_back(*id);
    }
    if (ends.size() == 1) config["eos_token_id"] = ends.front();
    if (ends.size() > 1) config["eos_token_id"] = ends;
    return config;
  }

  const io::GgufModel& model_;
  std::string kind_;
  const GgufSplit* split_ = nullptr;
  std::vector<Token> tokens_;
  std::unordered_map<std::string, std::int64_t> ids_;  // of those that are used
};

}  // namespace detail

POSTTRAIN_INLINE ChatFiles gguf_chat_files(const io::GgufModel& model) {
  if (model.text("tokenizer.ggml.model", "none") == "none") return {};
  return detail::GgufTokenizer(model).files();
}

}  // namespace posttrain::text
