// SPDX-License-Identifier: Apache-2.0
// The pipeline that all data policies share: samples → items of a kind (concepts/kind.hpp) → limits
// → counts → training and validation.
//
// A policy supplies `tokenize(sample)`; everything that can go wrong with a sample is handled here,
// once: malformed (error with file and line, or counted), too long (dropped or truncated), nothing
// to score (dropped), seen before (dropped if asked), too long for a micro-batch (error before
// training). Memory holds one sample, and the items made so far or (with a cache) their index.
#pragma once

#include <cmath>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include "posttrain/base/hash.hpp"
#include "posttrain/base/rng.hpp"
#include "posttrain/base/sequence.hpp"
#include "posttrain/concepts/kind.hpp"
#include "posttrain/data/formats/reader.hpp"
#include "posttrain/data/pipeline/item_cache.hpp"
#include "posttrain/data/pipeline/loaded.hpp"

namespace posttrain::data {

namespace detail {

/// Sequences that no micro-batch can hold.
struct Oversized {
  std::int64_t count = 0;
  std::int64_t longest = 0;
  std::string where{};  // of the longest
};

/// The samples seen so far, by the hash of their items (16 bytes each, and the set).
class SeenSamples {
 public:
  /// False if a sample with these very items was there before.
  template <class Kind>
  bool insert(const Kind& kind, const std::vector<typename Kind::Item>& items) {
    ContentHash hash;
    for (const auto& item : items) add_content(hash, kind, item);
    return seen_.insert(hash.value()).second;
  }

 private:
  struct Take {
    std::size_t operator()(const ContentHash::Value& value) const {
      return static_cast<std::size_t>(value[0]);
    }
  };
  std::unordered_set<ContentHash::Value, Take> seen_;
};

/// Applies the limits to one item; true if it is kept.
template <class Kind>
bool keep_within_limits(const Kind& kind, typename Kind::Item& item, const LoadContext& context,
                        const std::string& where, DataReport& report) {
  const std::int64_t length = kind.length(item);
  if (context.max_seq_len > 0 && length > context.max_seq_len) {
    if (!context.truncate || !kind.truncate(item, context.max_seq_len)) {
      ++report.too_long;
      report.add_reason(fmt::format("{}: {} tokens, more than max_seq_len = {}", where, length,
                                    context.max_seq_len));
      return false;
    }
    ++report.truncated;
  }
  if (kind.counted(item) == 0) {
    ++report.all_masked;
    report.add_reason(where + ": no token to score");
    return false;
  }
  return true;
}

/// Turns the samples of one source into items, which it gives to `keep`.
template <class Kind, class Samples, class Tokenize, class Keep>
void tokenize_all(const Kind& kind, Samples&& samples, const LoadContext& context,
                  const Tokenize& tokenize, DataReport& report, Oversized& oversized,
                  SeenSamples& seen, const Keep& keep) {
  std::int64_t index = 0;
  for (auto&& optional_sample : samples) {
    const SourceSample& sample = *optional_sample;
    ++report.read;
    std::vector<typename Kind::Item> items;
    std::string error = sample.error;
    if (error.empty()) error = sample_error([&] { items = tokenize(sample.value); });
    if (!error.empty()) {
      if (!context.skip_bad_samples) {
        raise("{}: {}; hint: skip_bad_samples = true counts such samples instead", sample.where,
              error);
      }
      ++report.bad;
      report.add_reason(sample.where + ": " + error);
    } else if (context.deduplicate && !seen.insert(kind, items)) {
      ++report.duplicates;
      items.clear();
    }
    for (auto& item : items) {
      ++report.sequences;
      if (!keep_within_limits(kind, item, context, sample.where, report)) continue;
      const std::int64_t size = kind.tokens(item);
      if (context.max_tokens_per_batch > 0 && size > context.max_tokens_per_batch) {
        ++oversized.count;
        if (size > oversized.longest) oversized = {oversized.count, size, sample.where};
      }
      item.sample = index;
      report.tokens += size;
      report.scored += kind.counted(item);
      keep(std::move(item));
    }
    ++index;
  }
}

/// The index in the data source of item i of a store, and the items of a store with `take(i)`.
inline std::int64_t sample_of(const SequenceStore& store, std::size_t i) { return store.sample(i); }
template <class Item>
std::int64_t sample_of(const std::vector<Item>& store, std::size_t i) {
  return store[i].sample;
}
template <class Take>
SequenceStore items_where(const SequenceStore& store, const Take& take) {
  return store.where(take);
}
template <class Item, class Take>
std::vector<Item> items_where(const std::vector<Item>& store, const Take& take) {
  std::vector<Item> chosen;
  for (std::size_t i = 0; i < store.size(); ++i) {
    if (take(i)) chosen.push_back(store[i]);
  }
  return chosen;
}

/// Moves a seeded choice of samples, with all their items, from `data.train` to `data.validation`.
/// Both keep the order of the file.
template <class Loaded>
void split_validation(Loaded& data, double share, std::uint64_t seed, std::string_view path) {
  std::vector<std::int64_t> samples;  // that have items, in order
  for (std::size_t i = 0; i < data.train.size(); ++i) {
    const std::int64_t sample = sample_of(data.train, i);
    if (samples.empty() || samples.back() != sample) samples.push_back(sample);
  }
  const auto count = static_cast<std::int64_t>(samples.size());
  const auto chosen = std::max<std::int64_t>(1, std::llround(share * static_cast<double>(count)));
  if (chosen >= count) {
    raise("{}: validation_split = {} of {} samples leaves none to train on", path, share, count);
  }
  constexpr std::uint64_t kSplitStream = 0x73706c6974;  // "split"
  const std::vector<std::int64_t> order = permutation(count, seed, kSplitStream);
  std::vector<bool> is_validation(static_cast<std::size_t>(samples.back()) + 1);
  for (std::int64_t i = 0; i < chosen; ++i) {
    const auto sample = samples[static_cast<std::size_t>(order[static_cast<std::size_t>(i)])];
    is_validation[static_cast<std::size_t>(sample)] = true;
  }
  const auto all = std::exchange(data.train, {});
  const auto held_out = [&](std::size_t i) -> bool {
    return is_validation[static_cast<std::size_t>(sample_of(all, i))];
  };
  data.train = items_where(all, [&](std::size_t i) { return !held_out(i); });
  data.validation = items_where(all, held_out);
}

}  // namespace detail

/// The pipeline for items of any kind. `open(path)` gives a range of (optional) samples,
/// `tokenize(json)` the items of one; it throws `Error` or a JSON exception for a malformed sample.
/// `configuration` says everything that `tokenize` depends on, the tokenizer's fingerprint if it
/// uses one: without it nothing is cached. `note(report)` is called when all samples of a path are
/// read.
template <ItemKind Kind, class Open, class Tokenize, class Note = decltype([](DataReport&) {})>
LoadedOf<Kind> load_items(const Kind& kind, const Source& source, const LoadContext& context,
                          const Open& open, const Tokenize& tokenize,
                          std::string_view configuration = {}, const Note& note = {}) {
  source.validate();
  context.validate();
  if (context.validation_split > 0.0 && !source.validation_path.empty()) {
    raise("{}: set Options.validation_split or a validation_path, not both", source.path);
  }
  LoadedOf<Kind> data;
  data.report.files.add(source.path);
  if (!source.validation_path.empty()) data.report.files.add(source.validation_path, true);
  detail::Oversized oversized;
  detail::SeenSamples seen;  // validation must not repeat what is trained
  const auto load = [&](std::string_view path, const auto& keep) {
    std::int64_t kept = 0;
    detail::tokenize_all(kind, open(path), context, tokenize, data.report, oversized, seen,
                         [&](typename Kind::Item&& item) {
                           ++kept;
                           keep(std::move(item));
                         });
    note(data.report);
    if (kept == 0) {
      raise("{}: no sequence is left: {}{}", path, data.report.counts(),
            data.report.reasons.empty() ? "" : "; first: " + data.report.reasons.front());
    }
  };
  const auto load_both = [&](const auto& keep_train, const auto& keep_validation) {
    load(source.path, keep_train);
    if (!source.validation_path.empty()) load(source.validation_path, keep_validation);
    if (oversized.count == 0) return;
    raise(
        "{}: a sequence of {} tokens does not fit max_tokens_per_batch = {} ({} do not); hint: "
        "raise max_tokens_per_batch, or set max_seq_len to drop or truncate such sequences",
        oversized.where, oversized.longest, context.max_tokens_per_batch, oversized.count);
  };
  if (context.cache_dir.empty() || configuration.empty()) {
    load_both([&](auto&& item) { data.train.push_back(std::move(item)); },
              [&](auto&& item) { data.validation.push_back(std::move(item)); });
  } else {
    ItemCache(source, context, configuration).load(kind, data, load_both);
  }
  if (context.validation_split > 0.0) {
    detail::split_validation(data, context.validation_split, context.seed, source.path);
  }
  data.report.train = static_cast<std::int64_t>(data.train.size());
  data.report.validation = static_cast<std::int64_t>(data.validation.size());
  return data;
}

}  // namespace posttrain::data
