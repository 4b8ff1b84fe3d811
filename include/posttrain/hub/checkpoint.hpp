// SPDX-License-Identifier: Apache-2.0
// A checkpoint opened for loading: a Hugging Face folder, or tensors and texts from elsewhere (a
// GGUF file: hub/gguf_tensors.hpp).
//
// Every key is accounted for: a missing or mis-shaped one is an error where it is loaded, one that
// nobody loaded is an error of `check_all_used`. (transformers only warns, so that a head of random
// weights goes unnoticed.) Names are the file's; which prefix a family uses is the caller's matter.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <utility>

#include "posttrain/hub/stored_tensors.hpp"
#include "posttrain/io/folder_check.hpp"

namespace posttrain::io {

class Checkpoint {
 public:
  /// Texts by the names of their files.
  using Texts = std::map<std::string, std::string, std::less<>>;

  /// A folder.
  explicit Checkpoint(const fs::path& folder)
      : path_(folder),
        tensors_(std::make_unique<FolderTensors>(folder)),
        config_text_(required_text("config.json")) {}

  /// `path`: for messages. `texts`: all that there are, "config.json" among them.
  Checkpoint(fs::path path, std::unique_ptr<const StoredTensors> tensors, Texts texts)
      : path_(std::move(path)),
        tensors_(std::move(tensors)),
        texts_(std::move(texts)),
        config_text_(required_text("config.json")) {}

  const fs::path& path() const { return path_; }
  const std::string& config_text() const { return config_text_; }

  /// An optional file of the folder ("config.json") of at most kLargestJsonFile bytes, or nothing.
  std::optional<std::string> read_text(std::string_view name) const {
    if (!texts_) return read_text_file_if_exists(path_ / name, kLargestJsonFile);
    const auto found = texts_->find(name);
    return found == texts_->end() ? std::nullopt : std::optional(found->second);
  }

  /// A file that must be there.
  std::string required_text(std::string_view name) const {
    std::optional<std::string> text = read_text(name);
    if (!text) {
      if (!texts_) check_folder(path_, FolderOf::model, name);
      raise("{}: expected a file {}, found none", path_.string(), name);
    }
    return *std::move(text);
  }

  bool has(std::string_view name) const { return entries().contains(name); }

  std::size_t size() const { return entries().size(); }

  std::vector<std::string> names() const {
    std::vector<std::string> names;
    for (const auto& [name, entry] : entries()) names.push_back(name);
    return names;
  }

  const std::vector<std::int64_t>& shape(std::string_view name) const { return at(name).shape; }
  Dtype dtype(std::string_view name) const { return at(name).dtype; }
  /// The path of the file that holds a key.
  const std::string& file(std::string_view name) const { return tensors_->file(at(name).name); }

  /// A fresh CPU tensor in the stored type; the key counts as used.
  Tensor load(std::string_view name) {
    at(name);
    used_.emplace(name);
    return tensors_->load(name);
  }

  /// A matrix in its file's own blocks, which then counts as used; empty where it is dense.
  PackedTensors load_packed(std::string_view name) {
    at(name);
    PackedTensors packed = tensors_->load_packed(name);
    if (!packed.empty()) used_.emplace(name);
    return packed;
  }

  /// As `load(name)`; another shape than expected is an error.
  Tensor load(std::string_view name, std::span<const std::int64_t> expected) {
    check_shape(name, expected);
    return load(name);
  }

  /// Throws unless the key is there and has this shape.
  void check_shape(std::string_view name, std::span<const std::int64_t> expected) const {
    const TensorInfo& entry = at(name);
    if (std::ranges::equal(entry.shape, expected)) return;
    raise(
        "{}: key '{}': expected shape {}, found {}; hint: does config.json belong to these "
        "weights?",
        file(name), name, format_shape(expected), format_shape(entry.shape));
  }

  /// Whether two keys hold the same type, shape and bytes.
  bool same_content(std::string_view a, std::string_view b) const {
    return tensors_->same_content(at(a).name, at(b).name);
  }

  /// Adds every tensor with its name to a hash.
  void add_content(ContentHash& hash) const {
    for (const auto& [name, entry] : entries()) tensors_->add_content(hash, name);
  }

  /// Counts a key as used without loading it.
  void mark_used(std::string_view name) {
    at(name);
    used_.emplace(name);
  }

  /// The keys that nobody used.
  std::vector<std::string> unused() const {
    std::vector<std::string> unused;
    for (const auto& [name, entry] : entries()) {
      if (!used_.contains(name)) unused.push_back(name);
    }
    return unused;
  }

  /// Throws if a key is left that was not used and that `ignore(name)` does not excuse (buffers
  /// such as rotary_emb.inv_freq, a copy of a tied head).
  template <class Ignore>
  void check_all_used(Ignore&& ignore) const {
    std::vector<std::string> unexpected = unused();
    std::erase_if(unexpected, [&](const std::string& name) { return bool(ignore(name)); });
    if (unexpected.empty()) return;
    const std::size_t count = unexpected.size();
    const std::string where = file(unexpected.front());
    unexpected.resize(std::min<std::size_t>(count, 8));
    raise("{}: {} unexpected key{}: {}{}; hint: this model has no place for them", where, count,
          count == 1 ? "" : "s", join(unexpected, ", "), count > 8 ? ", …" : "");
  }
  void check_all_used() const {
    check_all_used([](std::string_view) { return false; });
  }

 private:
  const StoredTensors::Entries& entries() const { return tensors_->entries(); }

  const TensorInfo& at(std::string_view name) const {
    const auto entry = entries().find(name);
    if (entry == entries().end()) {
      raise("{}: missing key '{}' (the folder has {} keys, the first is '{}'){}", path_.string(),
            name, entries().size(), entries().empty() ? "" : entries().begin()->first,
            wrapper_hint(name));
    }
    return entry->second;
  }

  /// A program that wraps a model (torch.compile, DataParallel, PEFT) saves its keys with a prefix.
  std::string wrapper_hint(std::string_view name) const {
    for (const std::string_view prefix : {"_orig_mod.", "module.", "base_model.model."}) {
      if (!has(std::string(prefix) + std::string(name))) continue;
      return fmt::format(
          "; hint: every key begins with '{}': save the model that is wrapped, or python3 -c "
          "\"from safetensors.torch import load_file, save_file; save_file({{k.removeprefix('{}'): "
          "v "
          "for k, v in load_file('IN').items()}}, 'OUT', {{'format': 'pt'}})\"",
          prefix, prefix);
    }
    return "";
  }

  fs::path path_;
  std::unique_ptr<const StoredTensors> tensors_;
  std::optional<Texts> texts_;  // nothing: the folder's files
  std::string config_text_;
  std::set<std::string, std::less<>> used_;
};

}  // namespace posttrain::io
