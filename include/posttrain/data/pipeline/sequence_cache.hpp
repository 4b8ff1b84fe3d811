// SPDX-License-Identifier: Apache-2.0
// Token sequences kept on disk between runs: a file in the cache folder per (content of the source
// files, configuration, tokenizer). Written whole or not at all; one that is damaged is made again,
// and the report says so. Reading it needs no memory but an index (sequence_file.hpp).
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "posttrain/base/hash.hpp"
#include "posttrain/data/formats/reader.hpp"
#include "posttrain/data/pipeline/loaded.hpp"
#include "posttrain/data/pipeline/sequence_file.hpp"

namespace posttrain::data {

class SequenceCache {
 public:
  /// Part of every key: raised when the same input comes to mean other tokens.
  static constexpr std::uint64_t kVersion = 1;

  SequenceCache(const SourceOptions& options, std::string_view configuration) {
    ContentHash hash;
    hash.add(kVersion);
    hash.add(configuration);
    add_files(hash, options.path);
    if (!options.validation_path.empty()) add_files(hash, options.validation_path);
    std::error_code error;
    std::filesystem::create_directories(options.cache_dir, error);
    if (error) raise("cannot create folder {}: {}", options.cache_dir, error.message());
    path_ = std::filesystem::path(options.cache_dir) /
            fmt::format("{:016x}{:016x}.sequences", hash.value()[0], hash.value()[1]);
  }

  const std::filesystem::path& path() const { return path_; }

  /// Fills the stores and the report from the cache, or by `make(keep_train, keep_validation)`,
  /// which fills the report itself.
  template <class Make>
  void load(LoadedData& data, const Make& make) const {
    std::string damage;
    if (std::filesystem::exists(path_)) {
      try {
        open(data);
        data.report.cache = fmt::format("from the cache {}", path_.string());
        return;
      } catch (const Error& error) {
        damage = error.what();
      }
    }
    {
      SequenceFileWriter writer(path_);
      std::optional<std::size_t> train;
      make([&](Sequence&& sequence) { writer.push_back(sequence); },
           [&](Sequence&& sequence) {
             if (!train) train = writer.size();
             writer.push_back(sequence);
           });
      writer.finish(note(data.report, train.value_or(writer.size())));
    }
    open(data);
    data.report.cache = damage.empty()
                            ? fmt::format("written to the cache {}", path_.string())
                            : fmt::format("written to the cache again, since {}", damage);
  }

 private:
  static void add_files(ContentHash& hash, std::string_view path) {
    for (const std::string& file : source_files(path)) {
      if (std::filesystem::exists(file) && !std::filesystem::is_regular_file(file)) {
        raise("{}: expected a file, since its content is to be cached", file);
      }
      const io::MappedFile map(file);
      hash.add(std::filesystem::path(file).filename().string());
      hash.add(map.bytes());
    }
  }

  static std::string note(const DataReport& report, std::size_t train) {
    const Json counts{{"train", train},
                      {"read", report.read},
                      {"bad", report.bad},
                      {"sequences", report.sequences},
                      {"too_long", report.too_long},
                      {"truncated", report.truncated},
                      {"duplicates", report.duplicates},
                      {"all_masked", report.all_masked},
                      {"tokens", report.tokens},
                      {"scored", report.scored},
                      {"reasons", report.reasons}};
    return counts.dump(-1, ' ', false, Json::error_handler_t::replace);
  }

  void open(LoadedData& data) const {
    auto file = std::make_shared<const SequenceFile>(path_);
    const Json counts = Json::parse(file->note());
    DataReport& report = data.report;
    counts.at("read").get_to(report.read);
    counts.at("bad").get_to(report.bad);
    counts.at("sequences").get_to(report.sequences);
    counts.at("too_long").get_to(report.too_long);
    counts.at("truncated").get_to(report.truncated);
    counts.at("duplicates").get_to(report.duplicates);
    counts.at("all_masked").get_to(report.all_masked);
    counts.at("tokens").get_to(report.tokens);
    counts.at("scored").get_to(report.scored);
    counts.at("reasons").get_to(report.reasons);
    const auto train = counts.at("train").get<std::size_t>();
    data.train = SequenceStore(file, 0, train);
    data.validation = SequenceStore(file, train, file->size());
  }

  std::filesystem::path path_;
};

}  // namespace posttrain::data
