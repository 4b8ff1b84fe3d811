// SPDX-License-Identifier: Apache-2.0
// Writes a Hugging Face checkpoint folder that transformers loads: config, weights in shards,
// generation config, and the tokenizer's files; as a whole or not at all (io/atomic_file.hpp).
#pragma once

#include "posttrain/io/atomic_file.hpp"
#include "posttrain/io/tensor_io.hpp"

namespace posttrain::io {

/// The files that make a tokenizer and its chat template; copied where they exist.
inline constexpr std::array<std::string_view, 14> kTokenizerFiles{"tokenizer.json",
                                                                  "tokenizer_config.json",
                                                                  "special_tokens_map.json",
                                                                  "added_tokens.json",
                                                                  "chat_template.jinja",
                                                                  "chat_template.json",
                                                                  "vocab.json",
                                                                  "vocab.txt",
                                                                  "merges.txt",
                                                                  "tokenizer.model",
                                                                  "spiece.model",
                                                                  "sentencepiece.bpe.model",
                                                                  "additional_chat_templates",
                                                                  "preprocessor_config.json"};

/// Whether an entry of a folder is one that checkpoints consist of. `save_pretrained` replaces a
/// folder only if all its entries are.
inline bool is_checkpoint_file(std::string_view name) {
  return name == "config.json" || name == "generation_config.json" ||
         std::ranges::find(kTokenizerFiles, name) != kTokenizerFiles.end() ||
         (name.starts_with("model") &&
          (name.ends_with(".safetensors") || name.ends_with(".safetensors.index.json"))) ||
         name == "README.md" || name == ".gitattributes" || name == "LICENSE";
}

/// Everything in the folder besides the weights.
struct PretrainedContent {
  std::string config_json{};             // text of config.json
  std::string generation_config_json{};  // text of generation_config.json; empty: none
  fs::path tokenizer_from{};             // folder whose tokenizer files are copied; empty: none
  std::vector<fs::path> copy{};          // further files and folders, under their own names
  std::vector<std::pair<std::string, std::string>> texts{};  // further files by name and text;
                                                             // replaces a copied one
  std::uint64_t max_shard_bytes = 5'000'000'000;
  /// Names that an existing folder may hold besides checkpoint files; they are deleted with it.
  std::function<bool(std::string_view)> replaceable = nullptr;
};

/// Writes `dir`. `tensors` says what is stored under which name, type and shape; `load(info)`
/// returns one tensor at a time (any device; converted to the declared type).
template <class Load>
void save_pretrained(const fs::path& dir, const PretrainedContent& content,
                     const std::vector<TensorInfo>& tensors, Load&& load) {
  AtomicFolder folder(dir, [&](std::string_view name) {
    return is_checkpoint_file(name) || (content.replaceable && content.replaceable(name));
  });
  const auto write = [&](std::string_view name, std::string_view text) {
    OutputFile file(folder.path() / name);
    file.write(text);
    file.close();
  };
  const auto copy = [&](const fs::path& from) {
    if (!fs::is_directory(from)) {  // by content: a read-only original must not give such a copy
      write(from.filename().string(), read_text_file(from));
      return;
    }
    std::error_code error;
    fs::copy(from, folder.path() / from.filename(), fs::copy_options::recursive, error);
    if (error) {
      raise("copying of {} to {} failed: {}", from.string(), dir.string(), error.message());
    }
  };
  if (!content.tokenizer_from.empty()) {
    for (const std::string_view name : kTokenizerFiles) {
      if (fs::exists(content.tokenizer_from / name)) copy(content.tokenizer_from / name);
    }
  }
  for (const fs::path& from : content.copy) copy(from);
  write("config.json", content.config_json);
  if (!content.generation_config_json.empty()) {
    write("generation_config.json", content.generation_config_json);
  }
  for (const auto& [name, text] : content.texts) write(name, text);

  const ShardPlan plan = plan_shards(tensors, content.max_shard_bytes);
  for (const ShardPlan::Shard& shard : plan.shards) {
    write_safetensors(folder.path() / shard.file, shard.entries,
                      [&](const TensorInfo& info) { return TensorBytes(info, load(info)); });
  }
  if (const std::string index = plan.index_json(); !index.empty()) {
    write("model.safetensors.index.json", index);
  }
  folder.commit();
}

}  // namespace posttrain::io
