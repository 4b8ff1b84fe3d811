// SPDX-License-Identifier: Apache-2.0
// The pocket model's Hugging Face folder without its weights: tokenizer, chat template (ChatML) and
// configuration, as texts by file name.
#pragma once

#include <cstddef>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "bpe_trainer.hpp"
#include "chats.hpp"
#include "documents.hpp"
#include "facts.hpp"

namespace pocket {

using Files = std::map<std::string, std::string>;  // relative path -> content

inline constexpr int kEndOfText = 0, kImStart = 1, kImEnd = 2, kPad = 3;

inline std::vector<std::string> special_tokens() {
  std::vector<std::string> all = {"<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|pad|>"};
  for (int i = 0; i < 4; ++i) all.push_back("<|reserved_" + std::to_string(i) + "|>");
  return all;
}

/// The tokenizer of the committed model: trained on the first documents and on the conversations.
inline Bpe pocket_bpe(const World& world, std::size_t vocab_size = 1088) {
  Strings texts = corpus(world, 6000);
  for (const auto& conversation : conversations(world))
    for (const auto& turn : conversation) {
      texts.push_back(turn.role);
      texts.push_back(turn.content);
    }
  return train_bpe(texts, vocab_size, special_tokens());
}

inline std::string tokenizer_json(const Bpe& bpe) {
  using Json = nlohmann::ordered_json;
  Json added = Json::array();
  for (std::size_t id = 0; id < bpe.special.size(); ++id)
    added.push_back({{"id", id},
                     {"content", bpe.special[id]},
                     {"single_word", false},
                     {"lstrip", false},
                     {"rstrip", false},
                     {"normalized", false},
                     {"special", true}});
  const Json byte_level = {{"type", "ByteLevel"},
                           {"add_prefix_space", false},
                           {"trim_offsets", true},
                           {"use_regex", true}};
  Json vocab = Json::object();
  for (std::size_t id = 0; id < bpe.tokens.size(); ++id) vocab[bpe.tokens[id]] = id;
  Json merges = Json::array();
  for (const auto& [left, right] : bpe.merges)
    merges.push_back(bpe.tokens[static_cast<std::size_t>(left)] + " " +
                     bpe.tokens[static_cast<std::size_t>(right)]);
  const Json file = {
      {"version", "1.0"},
      {"truncation", nullptr},
      {"padding", nullptr},
      {"added_tokens", added},
      {"normalizer", nullptr},
      {"pre_tokenizer",
       {{"type", "Sequence"},
        {"pretokenizers",
         Json::array({Json{{"type", "Digits"}, {"individual_digits", true}}, byte_level})}}},
      {"post_processor", nullptr},
      {"decoder", byte_level},
      {"model",
       {{"type", "BPE"},
        {"dropout", nullptr},
        {"unk_token", nullptr},
        {"continuing_subword_prefix", nullptr},
        {"end_of_word_suffix", nullptr},
        {"fuse_unk", false},
        {"byte_fallback", false},
        {"ignore_merges", false},
        {"vocab", vocab},
        {"merges", merges}}}};
  return file.dump(1) + "\n";
}

/// All files of the model folder but the weights.
inline Files model_files(const Bpe& bpe) {
  using Json = nlohmann::ordered_json;
  Files files;
  files["tokenizer.json"] = tokenizer_json(bpe);
  const Json names = {{"bos_token", "<|endoftext|>"},
                      {"eos_token", "<|endoftext|>"},
                      {"pad_token", "<|pad|>"},
                      {"additional_special_tokens", Json::array({"<|im_start|>", "<|im_end|>"})}};
  files["special_tokens_map.json"] = names.dump(2) + "\n";
  Json tokenizer = {{"tokenizer_class", "PreTrainedTokenizerFast"},
                    {"add_bos_token", false},
                    {"add_prefix_space", false},
                    {"clean_up_tokenization_spaces", false},
                    {"model_max_length", 512}};
  tokenizer.update(names);
  files["tokenizer_config.json"] = tokenizer.dump(2) + "\n";
  files["chat_template.jinja"] =
      "{%- for message in messages %}\n"
      "    {{- '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + "
      "'\\n' }}\n"
      "{%- endfor %}\n"
      "{%- if add_generation_prompt %}\n"
      "    {{- '<|im_start|>assistant\\n' }}\n"
      "{%- endif %}\n";
  files["generation_config.json"] = Json{{"bos_token_id", kEndOfText},
                                         {"eos_token_id", Json::array({kImEnd, kEndOfText})},
                                         {"pad_token_id", kPad},
                                         {"do_sample", false},
                                         {"max_new_tokens", 64}}
                                        .dump(2) +
                                    "\n";
  files["config.json"] = Json{{"architectures", Json::array({"LlamaForCausalLM"})},
                              {"model_type", "llama"},
                              {"vocab_size", bpe.tokens.size()},
                              {"hidden_size", 256},
                              {"intermediate_size", 640},
                              {"num_hidden_layers", 5},
                              {"num_attention_heads", 8},
                              {"num_key_value_heads", 4},
                              {"head_dim", 32},
                              {"hidden_act", "silu"},
                              {"max_position_embeddings", 512},
                              {"rms_norm_eps", 1e-5},
                              {"rope_theta", 10000.0},
                              {"rope_scaling", nullptr},
                              {"attention_bias", false},
                              {"attention_dropout", 0.0},
                              {"mlp_bias", false},
                              {"tie_word_embeddings", true},
                              {"initializer_range", 0.05},
                              {"pretraining_tp", 1},
                              {"use_cache", true},
                              {"bos_token_id", kEndOfText},
                              {"eos_token_id", kEndOfText},
                              {"pad_token_id", kPad},
                              {"torch_dtype", "bfloat16"}}
                             .dump(2) +
                         "\n";
  return files;
}

}  // namespace pocket
