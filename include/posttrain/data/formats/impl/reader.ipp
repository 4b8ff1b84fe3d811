// SPDX-License-Identifier: Apache-2.0
// Definitions of reader.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <algorithm>
#include <array>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/data/formats/reader.hpp"
#include "posttrain/io/json_lines.hpp"
#include "posttrain/unicode/utf8.hpp"

namespace posttrain::data {

namespace detail {

POSTTRAIN_INLINE FileKind kind_by_name(std::string_view name) {
  if (name.ends_with(".gz")) name.remove_suffix(3);
  const auto ends = [&](auto... endings) { return (name.ends_with(endings) || ...); };
  if (ends(".jsonl", ".ndjson", ".json")) return FileKind::json;
  if (ends(".txt")) return FileKind::text;
  if (ends(".parquet", ".arrow", ".csv", ".tsv", ".zst", ".xz", ".bz2")) return FileKind::table;
  return FileKind::other;
}

POSTTRAIN_INLINE void refuse_unreadable(const std::string& path, std::string_view start) {
  constexpr std::string_view kConvert =
      "python3 -c \"import pandas; pandas.read_{}('IN').to_json('OUT.jsonl', orient='records', "
      "lines=True)\"";
  const auto refuse = [&](const char* format, std::string_view hint, std::string_view reader) {
    raise("{}: expected JSON or text, found {}; hint: {}", path, format,
          reader.empty() ? std::string(hint) : fmt::format(fmt::runtime(hint), reader));
  };
  std::string_view name = path;
  if (name.ends_with(".gz")) name.remove_suffix(3);
  if (start.starts_with("PAR1")) refuse("Parquet", kConvert, "parquet");
  if (start.starts_with("ARROW1")) refuse("Arrow", kConvert, "feather");
  if (start.starts_with("\x28\xb5\x2f\xfd")) refuse("Zstandard", "unzstd FILE", "");
  if (start.starts_with("\xfd"
                        "7zXZ"))
    refuse("XZ", "unxz FILE", "");
  if (start.starts_with("BZh")) refuse("bzip2", "bunzip2 FILE", "");
  if (start.starts_with("PK\x03\x04")) refuse("a ZIP archive", "unzip FILE", "");
  if (start.starts_with("7z\xbc\xaf")) refuse("a 7-Zip archive", "7z x FILE", "");
  if (start.size() > 262 && start.substr(257, 5) == "ustar") {
    refuse("a tar archive", "tar -xf FILE", "");
  }
  if (start.starts_with("%PDF")) refuse("PDF", "pdftotext FILE", "");
  if (start.starts_with("\xff\xff\xff\xff")) refuse("an Arrow stream", kConvert, "feather");
  const bool wide = start.starts_with("\xff\xfe") || start.starts_with("\xfe\xff") ||
                    (start.size() > 1 && (start[0] == '\0') != (start[1] == '\0'));
  if (wide) refuse("UTF-16", "iconv -f UTF-16 -t UTF-8 IN > OUT", "");
  if (name.ends_with(".csv") || name.ends_with(".tsv")) refuse("CSV", kConvert, "csv");
}

}  // namespace detail

namespace detail {

/// The part of held-out data that a name below a folder stands for: "test", "validation", "dev" or
/// "eval" as a word of it ("data/test-00000-of-00001.jsonl"); empty for other names.
inline std::string_view held_out_word(const std::filesystem::path& below) {
  const std::string text = below.string();
  for (std::size_t begin = 0; begin < text.size();) {
    const auto letter = [&](std::size_t i) {
      return (text[i] >= 'a' && text[i] <= 'z') || (text[i] >= 'A' && text[i] <= 'Z');
    };
    std::size_t end = begin;
    while (end < text.size() && letter(end)) ++end;
    std::string word = text.substr(begin, end - begin);
    for (char& c : word) c = static_cast<char>(c | 0x20);
    for (const std::string_view name :
         {"test", "testing", "validation", "valid", "val", "dev", "eval", "evaluation"}) {
      if (word == name) return name;
    }
    begin = end + 1;
  }
  return {};
}

}  // namespace detail

POSTTRAIN_INLINE SourceFiles find_source_files(std::string_view path) {
  namespace fs = std::filesystem;
  if (!fs::is_directory(path)) return {.read = {std::string(path)}};
  SourceFiles found;
  for (fs::recursive_directory_iterator entry(path), end; entry != end; ++entry) {
    const std::string name = entry->path().filename().string();
    if (name.starts_with('.')) {  // a cache, a repository, a file under construction
      if (entry->is_directory()) entry.disable_recursion_pending();
    } else if (entry->is_regular_file() && detail::kind_by_name(name) != detail::FileKind::other) {
      const bool held_out = !detail::held_out_word(fs::relative(entry->path(), path)).empty();
      (held_out ? found.held_out : found.read).push_back(entry->path().string());
    }
  }
  std::sort(found.read.begin(), found.read.end());
  std::sort(found.held_out.begin(), found.held_out.end());
  if (found.read.empty()) found.read.swap(found.held_out);  // nothing else is there to be meant
  if (found.read.empty()) {
    raise("{}: expected .jsonl, .ndjson, .json or .txt files (or .gz of them) in the folder", path);
  }
  return found;
}

POSTTRAIN_INLINE std::vector<std::string> source_files(std::string_view path) {
  return find_source_files(path).read;
}

POSTTRAIN_INLINE std::optional<SourceSample> TextPartReader::next() {
  while (true) {
    if (text_.window().empty() && !text_.extend()) return std::nullopt;
    const std::size_t size = part_size();
    const std::string_view window = text_.window();
    const std::string_view part = window.substr(0, size);
    const std::string_view whole =
        window.substr(0, std::min(size + delimiter_.size(), window.size()));
    SourceSample sample;
    if (part.find_first_not_of(" \t\r\n") != std::string_view::npos) {
      sample = {Json(std::string(part)), fmt::format("{}:{}", text_.path(), line_), ""};
      if (const std::size_t valid = text::valid_utf8_prefix(part); valid < part.size()) {
        sample.error = fmt::format(
            "expected UTF-8, got the byte {:#04x} at place {} of the text; hint: iconv "
            "-f latin1 -t utf-8 IN > OUT",
            static_cast<unsigned char>(part[valid]), valid + 1);
      }
    }
    line_ += std::count(whole.begin(), whole.end(), '\n');
    text_.consume(whole.size());
    if (!sample.where.empty()) return sample;
  }
}

POSTTRAIN_INLINE std::size_t TextPartReader::part_size() {
  std::size_t searched = 0;
  do {
    if (!delimiter_.empty()) {
      const std::size_t found = text_.window().find(delimiter_, searched);
      if (found != std::string_view::npos) return found;
      const std::size_t overlap = std::min(delimiter_.size() - 1, text_.window().size());
      searched = text_.window().size() - overlap;
    }
  } while (text_.extend());
  return text_.window().size();
}

POSTTRAIN_INLINE std::optional<SourceSample> SampleReader::next() {
  while (true) {
    if (json_) {
      if (std::optional<io::JsonRecord> record = json_->next()) {
        return SourceSample{std::move(record->value), json_->where(record->line),
                            std::move(record->error)};
      }
      json_.reset();
    }
    if (texts_) {
      if (std::optional<SourceSample> sample = texts_->next()) return sample;
      texts_.reset();
    }
    if (next_file_ == files_.read.size()) return std::nullopt;
    open(files_.read[next_file_++]);
  }
}

POSTTRAIN_INLINE std::string SampleReader::description(std::string_view path) const {
  std::string text(path);
  const std::size_t files = files_.read.size(), others = files_.held_out.size();
  if (files == 1 && others == 0) return text;
  text += fmt::format(" ({} file{}", files, files == 1 ? "" : "s");
  if (others > 0) text += ", without the held-out " + files_.held_out.front();
  if (others > 1) text += fmt::format(" and {} more", others - 1);
  return text + ")";
}

POSTTRAIN_INLINE void SampleReader::open(const std::string& file) {
  detail::FileKind kind = detail::kind_by_name(file);
  if (std::filesystem::exists(file) && !std::filesystem::is_regular_file(file)) {
    json_.emplace(file);  // a pipe can be read once only
    return;
  }
  io::TextReader start(file);
  while (start.window().size() < 512 && start.extend()) {
  }
  detail::refuse_unreadable(file, start.window());
  if (kind == detail::FileKind::other || kind == detail::FileKind::table) {
    std::string_view text = start.window();
    if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
    const std::size_t first = text.find_first_not_of(" \t\r\n");
    const bool json = first == std::string_view::npos || text[first] == '{' || text[first] == '[';
    kind = json ? detail::FileKind::json : detail::FileKind::text;
  }
  if (kind == detail::FileKind::text) {
    texts_.emplace(file, delimiter_);
  } else {
    json_.emplace(file);
  }
}

}  // namespace posttrain::data
