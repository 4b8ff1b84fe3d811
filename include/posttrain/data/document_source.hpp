// SPDX-License-Identifier: Apache-2.0
// Documents out of files, and blocks out of a document's tokens. Needs no tokenizer.
#pragma once

#include <algorithm>
#include <filesystem>

#include "posttrain/data/loading.hpp"

namespace posttrain::data {

/// Cuts a document's tokens into sequences of at most `block_size` (0: one sequence). Blocks do not
/// overlap, so the first token of every block is read but not scored: nothing in its block precedes
/// it. A last block of one token would be lost that way, and with it the document's end: then the
/// block before it gives one of its own.
inline std::vector<Sequence> document_blocks(const TokenIds& ids, std::int64_t block_size) {
  const std::size_t size = block_size > 0 ? static_cast<std::size_t>(block_size) : ids.size();
  std::vector<Sequence> blocks;
  for (std::size_t begin = 0; begin < ids.size();) {
    std::size_t end = std::min(begin + size, ids.size());
    if (end + 1 == ids.size() && end - begin > 2) --end;
    Sequence block;
    block.ids.assign(ids.begin() + static_cast<std::ptrdiff_t>(begin),
                     ids.begin() + static_cast<std::ptrdiff_t>(end));
    block.weights.assign(block.ids.size(), 1.0F);
    block.weights[0] = 0.0F;
    blocks.push_back(std::move(block));
    begin = end;
  }
  return blocks;
}

/// The files that a path stands for: itself, or the .txt, .jsonl and .json files of a folder by
/// name.
inline std::vector<std::string> document_files(std::string_view path) {
  namespace fs = std::filesystem;
  if (!fs::is_directory(path)) return {std::string(path)};
  std::vector<std::string> files;
  for (const fs::directory_entry& entry : fs::directory_iterator(path)) {
    const std::string extension = entry.path().extension().string();
    if (entry.is_regular_file() &&
        (extension == ".txt" || extension == ".jsonl" || extension == ".json")) {
      files.push_back(entry.path().string());
    }
  }
  if (files.empty()) raise("{}: expected .txt, .jsonl or .json files in the folder", path);
  std::sort(files.begin(), files.end());
  return files;
}

/// The documents of a text file, as strings: the whole file, or its parts between `delimiter`.
/// Parts of nothing but white space are no documents.
inline std::vector<Sample> text_samples(const std::string& path, std::string_view delimiter) {
  const std::string text = io::read_text_file(path);
  std::vector<Sample> samples;
  std::int64_t line = 1;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end =
        std::min(delimiter.empty() ? std::string::npos : text.find(delimiter, begin), text.size());
    const std::string part = text.substr(begin, end - begin);
    if (part.find_first_not_of(" \t\r\n") != std::string::npos) {
      samples.push_back({Json(part), fmt::format("{}:{}", path, line), ""});
    }
    begin = end == text.size() ? end + 1 : end + delimiter.size();
    line +=
        std::count(text.begin() + static_cast<std::ptrdiff_t>(end - part.size()),
                   text.begin() + static_cast<std::ptrdiff_t>(std::min(begin, text.size())), '\n');
  }
  return samples;
}

/// The samples of a path, file by file: strings from .txt files, JSON values from the others.
class DocumentReader {
 public:
  DocumentReader(std::string_view path, std::string_view delimiter)
      : files_(document_files(path)), delimiter_(delimiter) {}

  std::optional<Sample> next() {
    while (true) {
      if (json_) {
        if (std::optional<Sample> sample = next_json_sample(*json_)) return sample;
        json_.reset();
      }
      if (next_text_ < texts_.size()) return std::move(texts_[next_text_++]);
      if (next_file_ == files_.size()) return std::nullopt;
      const std::string& file = files_[next_file_++];
      if (file.ends_with(".txt")) {
        texts_ = text_samples(file, delimiter_);
        next_text_ = 0;
      } else {
        json_.emplace(file);
      }
    }
  }

 private:
  std::vector<std::string> files_;
  std::string delimiter_;
  std::size_t next_file_ = 0;
  std::optional<io::JsonLinesReader> json_;
  std::vector<Sample> texts_;
  std::size_t next_text_ = 0;
};

/// The documents of a path as a range, read as needed.
inline auto document_samples(std::string_view path, std::string_view delimiter) {
  auto reader = std::make_shared<DocumentReader>(path, delimiter);
  return samples_until_nothing([reader] { return reader->next(); });
}

/// The text of a document's sample.
inline std::string document_text(const Json& sample, std::string_view column) {
  if (sample.is_string()) return sample.get<std::string>();
  const auto found = sample.is_object() ? sample.find(column) : sample.end();
  if (found == sample.end() || !found->is_string()) {
    raise("expected a text '{}'; hint: document_column names the key", column);
  }
  return found->get<std::string>();
}

}  // namespace posttrain::data
