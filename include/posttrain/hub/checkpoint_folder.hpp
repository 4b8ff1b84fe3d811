// SPDX-License-Identifier: Apache-2.0
// A Hugging Face checkpoint folder, opened for loading.
//
// Every key is accounted for: a missing or mis-shaped one is an error where it is loaded, one that
// nobody loaded is an error of `check_all_used`. (transformers only warns, so that a head of random
// weights goes unnoticed.) Names are the file's; which prefix a family uses is the caller's matter.
#pragma once

#include <set>

#include "posttrain/io/folder_check.hpp"
#include "posttrain/io/tensor_io.hpp"
#include "posttrain/io/weight_files.hpp"

namespace posttrain::io {

class PretrainedFolder {
 public:
  explicit PretrainedFolder(const fs::path& folder)
      : path_(folder), weights_(folder), config_text_(required_text("config.json")) {}

  const fs::path& path() const { return path_; }
  const std::string& config_text() const { return config_text_; }

  /// An optional file of the folder ("config.json") of at most kLargestJsonFile bytes, or nothing.
  std::optional<std::string> read_text(std::string_view name) const {
    return read_text_file_if_exists(path_ / name, kLargestJsonFile);
  }

  /// A file that must be there.
  std::string required_text(std::string_view name) const {
    std::optional<std::string> text = read_text(name);
    if (!text) {
      check_folder(path_, FolderOf::model, name);
      raise("{}: expected a file {}, found none", path_.string(), name);
    }
    return *std::move(text);
  }

  bool has(std::string_view name) const { return weights_.find(name) != nullptr; }

  std::size_t size() const { return weights_.entries().size(); }

  std::vector<std::string> names() const {
    std::vector<std::string> names;
    for (const auto& [name, entry] : weights_.entries()) names.push_back(name);
    return names;
  }

  const std::vector<std::int64_t>& shape(std::string_view name) const {
    return at(name).tensor->shape;
  }
  Dtype dtype(std::string_view name) const { return at(name).tensor->dtype; }
  /// The path of the file that holds a key.
  const std::string& file(std::string_view name) const { return at(name).file->path(); }

  /// A fresh CPU tensor in the stored type; the key counts as used.
  Tensor load(std::string_view name) {
    const WeightFiles::Entry& entry = at(name);
    used_.emplace(name);
    return to_tensor(*entry.tensor, *entry.file);
  }

  /// As above; another shape than expected is an error.
  Tensor load(std::string_view name, std::span<const std::int64_t> expected) {
    check_shape(name, expected);
    return load(name);
  }

  /// Throws unless the key is there and has this shape.
  void check_shape(std::string_view name, std::span<const std::int64_t> expected) const {
    const WeightFiles::Entry& entry = at(name);
    if (std::ranges::equal(entry.tensor->shape, expected)) return;
    raise(
        "{}: key '{}': expected shape {}, found {}; hint: does config.json belong to these "
        "weights?",
        entry.file->path(), name, format_shape(expected), format_shape(entry.tensor->shape));
  }

  /// Whether two keys hold the same type, shape and bytes.
  bool same_content(std::string_view a, std::string_view b) const {
    const io::TensorView &first = *at(a).tensor, &second = *at(b).tensor;
    const bool same = first.dtype == second.dtype && first.shape == second.shape &&
                      std::ranges::equal(first.bytes, second.bytes);
    at(a).file->release(first);
    at(b).file->release(second);
    return same;
  }

  /// Adds every tensor with its name to a hash.
  void add_content(ContentHash& hash) const {
    for (const auto& [name, entry] : weights_.entries()) {
      io::add_content(hash, *entry.tensor, *entry.file);
    }
  }

  /// Counts a key as used without loading it.
  void mark_used(std::string_view name) {
    at(name);
    used_.emplace(name);
  }

  /// The keys that nobody used.
  std::vector<std::string> unused() const {
    std::vector<std::string> unused;
    for (const auto& [name, entry] : weights_.entries()) {
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
    const std::string file = at(unexpected.front()).file->path();
    unexpected.resize(std::min<std::size_t>(count, 8));
    raise("{}: {} unexpected key{}: {}{}; hint: this model has no place for them", file, count,
          count == 1 ? "" : "s", join(unexpected, ", "), count > 8 ? ", …" : "");
  }
  void check_all_used() const {
    check_all_used([](std::string_view) { return false; });
  }

 private:
  const WeightFiles::Entry& at(std::string_view name) const {
    const WeightFiles::Entry* entry = weights_.find(name);
    if (entry == nullptr) {
      raise("{}: missing key '{}' (the folder has {} keys, the first is '{}'){}", path_.string(),
            name, weights_.entries().size(),
            weights_.entries().empty() ? "" : weights_.entries().begin()->first,
            wrapper_hint(name));
    }
    return *entry;
  }

  /// A program that wraps a model (torch.compile, DataParallel, PEFT) saves its keys with a prefix.
  std::string wrapper_hint(std::string_view name) const {
    for (const std::string_view prefix : {"_orig_mod.", "module.", "base_model.model."}) {
      if (weights_.find(std::string(prefix) + std::string(name)) == nullptr) continue;
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
  WeightFiles weights_;
  std::string config_text_;
  std::set<std::string, std::less<>> used_;
};

}  // namespace posttrain::io
