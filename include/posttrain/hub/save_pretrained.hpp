// SPDX-License-Identifier: Apache-2.0
// Writes a Hugging Face checkpoint folder that transformers loads: config, weights in shards,
// generation config, and the tokenizer's files; as a whole or not at all (io/atomic_file.hpp).
#pragma once

#include "posttrain/io/atomic_file.hpp"
#include "posttrain/io/model_card.hpp"
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

inline constexpr std::string_view kTemplateFolder = "additional_chat_templates";

/// Whether an entry of a folder is one that checkpoints consist of. `save_pretrained` replaces a
/// folder only if all its entries are.
inline bool is_checkpoint_file(std::string_view name) {
  return name == "config.json" || name == "generation_config.json" ||
         std::ranges::find(kTokenizerFiles, name) != kTokenizerFiles.end() ||
         (name.starts_with("model") &&
          (name.ends_with(".safetensors") || name.ends_with(".safetensors.index.json"))) ||
         name == kModelCardFile || name == ".gitattributes" || name == "LICENSE";
}

/// Everything in the folder besides the weights.
struct PretrainedContent {
  std::string config_json{};             // text of config.json
  std::string generation_config_json{};  // text of generation_config.json; empty: none
  fs::path tokenizer_from{};             // folder whose tokenizer files are copied; empty: none
  std::vector<std::pair<std::string, std::string>> texts{};  // further files by name and text;
                                                             // replaces a copied one
  std::uint64_t max_shard_bytes = 5'000'000'000;
  ModelCard card{};  // of README.md; one that is there and not ours is kept (io/model_card.hpp)
  /// Names that an existing folder may hold besides checkpoint files; they are deleted with it.
  std::function<bool(std::string_view)> replaceable = nullptr;
};

namespace detail {

inline bool lies_in(const fs::path& folder, const fs::path& path) {
  const auto [end, ignored] = std::mismatch(folder.begin(), folder.end(), path.begin(), path.end());
  return end == folder.end();
}

/// The real path of a model folder's entry. A link that leaves the folder is an error, since a copy
/// would carry away what it points at; those of the hub's cache into its own blobs are not.
inline fs::path own_entry(const fs::path& folder, const fs::path& entry) {
  const fs::path root = fs::canonical(folder), real = fs::canonical(entry);
  const bool is_snapshot = root.parent_path().filename() == "snapshots";
  if (lies_in(root, real) ||
      (is_snapshot && lies_in(root.parent_path().parent_path() / "blobs", real))) {
    return real;
  }
  raise(
      "{}: a link out of the model's folder, to {}, is not copied; hint: put the file itself "
      "there, or remove the link",
      entry.string(), real.string());
}

}  // namespace detail

namespace detail {

inline std::function<bool(std::string_view)> replaceable_by(const PretrainedContent& content) {
  return [&content](std::string_view name) {
    return is_checkpoint_file(name) || (content.replaceable && content.replaceable(name));
  };
}

/// The tokenizer's files that are copied, relative to their folder. Regular files only: a pipe
/// would not end.
inline std::vector<fs::path> copied_files(const PretrainedContent& content) {
  std::vector<fs::path> files;
  if (content.tokenizer_from.empty()) return files;
  const auto add = [&](const fs::path& name) {
    const fs::path from = content.tokenizer_from / name;
    if (fs::is_regular_file(own_entry(content.tokenizer_from, from))) files.push_back(name);
  };
  for (const std::string_view name : kTokenizerFiles) {
    const fs::path from = content.tokenizer_from / name;
    if (!fs::exists(from)) continue;
    if (name != kTemplateFolder) {
      add(name);
    } else if (fs::is_directory(own_entry(content.tokenizer_from, from))) {
      for (const fs::directory_entry& entry : fs::directory_iterator(from)) {
        if (entry.path().extension() == ".jinja") add(fs::path(name) / entry.path().filename());
      }
    }
  }
  return files;
}

}  // namespace detail

/// Throws what `save_pretrained` would throw of the folder and of what is copied into it, before
/// there is anything to write.
inline void check_save_pretrained(const fs::path& dir, const PretrainedContent& content) {
  check_replaceable(dir, detail::replaceable_by(content));
  detail::copied_files(content);
}

/// Writes `dir`. `tensors` says what is stored under which name, type and shape; `load(info)`
/// returns one tensor at a time (any device; converted to the declared type).
template <class Load>
void save_pretrained(const fs::path& dir, const PretrainedContent& content,
                     const std::vector<TensorInfo>& tensors, Load&& load) {
  AtomicFolder folder(dir, detail::replaceable_by(content));
  const auto write = [&](std::string_view name, std::string_view text) {
    create_folders((folder.path() / name).parent_path());
    OutputFile file(folder.path() / name);
    file.write(text);
    file.close();
  };
  for (const fs::path& name : detail::copied_files(content)) {
    create_folders((folder.path() / name).parent_path());
    // By content: a read-only original must not give such a copy.
    OutputFile file(folder.path() / name);
    file.write(MappedFile(content.tokenizer_from / name).bytes());
    file.close();
  }
  write("config.json", content.config_json);
  if (!content.generation_config_json.empty()) {
    write("generation_config.json", content.generation_config_json);
  }
  for (const auto& [name, text] : content.texts) write(name, text);

  const ShardPlan plan = plan_shards(tensors, content.max_shard_bytes);
  for (const ShardPlan::Shard& shard : plan.shards) {
    write_tensors(folder.path() / shard.file, shard.entries,
                  [&](std::size_t i) { return load(shard.entries[i]); });
  }
  if (const std::string index = plan.index_json(); !index.empty()) {
    write("model.safetensors.index.json", index);
  }
  put_model_card(folder.path(), folder.target(), content.card);
  folder.commit("config.json");
}

}  // namespace posttrain::io
