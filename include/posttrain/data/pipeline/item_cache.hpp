// SPDX-License-Identifier: Apache-2.0
// Tokenized items of any kind kept on disk between runs: a file in the cache folder per (content of
// the source files, configuration, tokenizer). Written whole or not at all; one that is damaged is
// made again, and the report says so. Sequences need no memory but an index (sequence_file.hpp).
#pragma once

#include <concepts>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "posttrain/base/hash.hpp"
#include "posttrain/data/formats/reader.hpp"
#include "posttrain/data/pipeline/loaded.hpp"
#include "posttrain/data/pipeline/sequence_file.hpp"
#include "posttrain/io/atomic_file.hpp"
#include "posttrain/io/json.hpp"

namespace posttrain::data {

class ItemCache {
 public:
  /// Part of every key: raised when the same input comes to mean other tokens.
  static constexpr std::uint64_t kVersion = 2;

  ItemCache(const Source& source, const LoadContext& context, std::string_view configuration) {
    ContentHash hash;
    hash.add(kVersion);
    hash.add(fmt::format("{} {} {} {} {} {}", configuration, context.skip_bad_samples,
                         context.deduplicate, context.max_seq_len, context.truncate,
                         context.max_tokens_per_batch));
    add_files(hash, source.path);
    if (!source.validation_path.empty()) add_files(hash, source.validation_path);
    io::create_folders(context.cache_dir);
    path_ = std::filesystem::path(context.cache_dir) / (hash.text() + ".sequences");
  }

  const std::filesystem::path& path() const { return path_; }

  /// Fills the stores and the report from the cache, or by `make(keep_train, keep_validation)`,
  /// which fills the report itself.
  template <class Kind, class Make>
  void load(const Kind& kind, LoadedOf<Kind>& data, const Make& make) const {
    std::string damage;
    if (std::filesystem::exists(path_)) {
      try {
        open(kind, data);
        data.report.cache = fmt::format("from the cache {}", path_.string());
        return;
      } catch (const Error& error) {
        damage = error.what();
      }
    }
    {
      SequenceFileWriter writer(path_);
      std::optional<std::size_t> train;
      make([&](auto&& item) { write(writer, kind, item); },
           [&](auto&& item) {
             if (!train) train = writer.size();
             write(writer, kind, item);
           });
      writer.finish(note(data.report, train.value_or(writer.size())));
    }
    open(kind, data);
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
                      {"nulls", report.nulls},
                      {"tokens", report.tokens},
                      {"scored", report.scored},
                      {"unread", report.unread.counts()},
                      {"reasons", report.reasons}};
    return counts.dump(-1, ' ', false, Json::error_handler_t::replace);
  }

  /// A sequence is itself; another item is a head with their number and its sample, then its parts.
  template <class Kind>
  static void write(SequenceFileWriter& writer, const Kind& kind, const typename Kind::Item& item) {
    if constexpr (std::same_as<typename Kind::Item, Sequence>) {
      writer.push_back(item);
    } else {
      const std::vector<Sequence> parts = kind.parts(item);
      writer.push_back({{static_cast<TokenId>(parts.size())}, {0.0F}, item.sample});
      for (const Sequence& part : parts) writer.push_back(part);
    }
  }

  template <class Kind>
  void open(const Kind& kind, LoadedOf<Kind>& data) const {
    auto file = std::make_shared<const SequenceFile>(path_);
    const Json counts = io::parse_json(file->note(), path_.string());
    DataReport& report = data.report;
    counts.at("read").get_to(report.read);
    counts.at("bad").get_to(report.bad);
    counts.at("sequences").get_to(report.sequences);
    counts.at("too_long").get_to(report.too_long);
    counts.at("truncated").get_to(report.truncated);
    counts.at("duplicates").get_to(report.duplicates);
    counts.at("all_masked").get_to(report.all_masked);
    counts.at("nulls").get_to(report.nulls);
    counts.at("tokens").get_to(report.tokens);
    counts.at("scored").get_to(report.scored);
    for (const Json& entry : counts.at("unread")) {
      report.unread.add(entry.at(0).get<std::string>(), entry.at(1).get<std::int64_t>());
    }
    counts.at("reasons").get_to(report.reasons);
    const auto train = counts.at("train").get<std::size_t>();
    if constexpr (std::same_as<typename Kind::Item, Sequence>) {
      data.train = SequenceStore(file, 0, train);
      data.validation = SequenceStore(file, train, file->size());
    } else {
      data.train = items(kind, *file, 0, train);
      data.validation = items(kind, *file, train, file->size());
    }
  }

  template <class Kind>
  static std::vector<typename Kind::Item> items(const Kind& kind, const SequenceFile& file,
                                                std::size_t begin, std::size_t end) {
    std::vector<typename Kind::Item> all;
    while (begin < end) {
      const Sequence head = file.sequence(begin++);
      std::vector<Sequence> parts;
      for (TokenId left = head.ids.at(0); left > 0; --left) parts.push_back(file.sequence(begin++));
      all.push_back(kind.from_parts(std::move(parts)));
      all.back().sample = head.sample;
    }
    return all;
  }

  std::filesystem::path path_;
};

}  // namespace posttrain::data
