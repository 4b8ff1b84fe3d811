// SPDX-License-Identifier: Apache-2.0
// What the data policies share: samples → sequences → limits → counts → training and validation.
//
// A policy supplies `tokenise(sample)`; everything that can go wrong with a sample is handled here,
// once: malformed (error with file and line, or counted), too long (dropped or truncated), nothing
// to score (dropped), seen before (dropped if asked), too long for a micro-batch (error before
// training). Memory holds one sample, and the sequences made so far or (with a cache) their index.
#pragma once

#include <cmath>
#include <span>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include "posttrain/core/hash.hpp"
#include "posttrain/core/rng.hpp"
#include "posttrain/core/sequence.hpp"
#include "posttrain/data/loaded.hpp"
#include "posttrain/data/record_reader.hpp"
#include "posttrain/data/sequence_cache.hpp"
#include "posttrain/text/chat_tokenizer.hpp"

namespace posttrain::data {

namespace detail {

/// Sequences that no micro-batch can hold.
struct Oversized {
  std::int64_t count = 0;
  std::int64_t longest = 0;
  std::string where{};  // of the longest
};

/// The samples seen so far, by the hash of their tokens and weights (16 bytes each, and the set).
class SeenSamples {
 public:
  /// False if a sample with these very sequences was there before.
  bool insert(const std::vector<Sequence>& sequences) {
    ContentHash hash;
    for (const Sequence& sequence : sequences) {
      hash.add(std::as_bytes(std::span(sequence.ids)));
      hash.add(std::as_bytes(std::span(sequence.weights)));
    }
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

/// Applies the limits to one sequence; true if it is kept.
inline bool keep_within_limits(Sequence& sequence, const LoadContext& context,
                               const std::string& where, DataReport& report) {
  const auto size = static_cast<std::int64_t>(sequence.ids.size());
  if (context.max_seq_len > 0 && size > context.max_seq_len) {
    if (!context.truncate) {
      ++report.too_long;
      report.add_reason(fmt::format("{}: {} tokens, more than max_seq_len = {}", where, size,
                                    context.max_seq_len));
      return false;
    }
    ++report.truncated;
    sequence.ids.resize(static_cast<std::size_t>(context.max_seq_len));
    sequence.weights.resize(static_cast<std::size_t>(context.max_seq_len));
  }
  if (sequence.scored() == 0) {
    ++report.all_masked;
    report.add_reason(where + ": no token to score");
    return false;
  }
  return true;
}

/// Turns the samples of one source into sequences, which it gives to `keep`.
template <class Samples, class Tokenise, class Keep>
void tokenise_all(Samples&& samples, const SourceOptions& options, const LoadContext& context,
                  const Tokenise& tokenise, DataReport& report, Oversized& oversized,
                  SeenSamples& seen, const Keep& keep) {
  std::int64_t index = 0;
  for (auto&& optional_sample : samples) {
    const Sample& sample = *optional_sample;
    ++report.read;
    std::vector<Sequence> sequences;
    std::string error = sample.error;
    if (error.empty()) {
      try {
        sequences = tokenise(sample.value);
      } catch (const Error& caught) {
        error = caught.what();
      } catch (const Json::exception& caught) {
        error = io::json_error_text(caught.what());
      }
    }
    if (!error.empty()) {
      if (!options.skip_bad_samples) {
        raise("{}: {}; hint: skip_bad_samples = true counts such samples instead", sample.where,
              error);
      }
      ++report.bad;
      report.add_reason(sample.where + ": " + error);
    } else if (options.deduplicate && !seen.insert(sequences)) {
      ++report.duplicates;
      sequences.clear();
    }
    for (Sequence& sequence : sequences) {
      ++report.sequences;
      if (!keep_within_limits(sequence, context, sample.where, report)) continue;
      const auto size = static_cast<std::int64_t>(sequence.ids.size());
      if (context.max_tokens_per_batch > 0 && size > context.max_tokens_per_batch) {
        ++oversized.count;
        if (size > oversized.longest) oversized = {oversized.count, size, sample.where};
      }
      sequence.sample = index;
      report.tokens += size;
      report.scored += sequence.scored();
      keep(std::move(sequence));
    }
    ++index;
  }
}

/// Moves a seeded choice of samples, with all their sequences, from `data.train` to
/// `data.validation`. Both keep the order of the file.
inline void split_validation(LoadedData& data, double share, std::uint64_t seed,
                             std::string_view path) {
  std::vector<std::int64_t> samples;  // that have sequences, in order
  for (std::size_t i = 0; i < data.train.size(); ++i) {
    if (samples.empty() || samples.back() != data.train.sample(i)) {
      samples.push_back(data.train.sample(i));
    }
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
  const SequenceStore all = std::exchange(data.train, {});
  const auto held_out = [&](std::size_t i) -> bool {
    return is_validation[static_cast<std::size_t>(all.sample(i))];
  };
  data.train = all.where([&](std::size_t i) { return !held_out(i); });
  data.validation = all.where(held_out);
}

/// What the cached sequences depend on beside the files' contents.
inline std::string cache_configuration(const SourceOptions& options, const LoadContext& context,
                                       std::string_view configuration) {
  return fmt::format("{} {} {} {} {} {} {}", configuration, options.skip_bad_samples,
                     options.deduplicate, context.max_seq_len, context.truncate,
                     context.max_tokens_per_batch,
                     context.text != nullptr ? context.text->fingerprint() : "");
}

}  // namespace detail

/// The whole pipeline. `open(path)` gives a range of (optional) samples, `tokenise(json)` the
/// sequences of one; it throws `Error` or a JSON exception for a malformed sample. `configuration`
/// says everything that `tokenise` depends on but the tokenizer: without it nothing is cached.
template <class Open, class Tokenise>
LoadedData load_samples(const SourceOptions& options, const LoadContext& context, const Open& open,
                        const Tokenise& tokenise, std::string_view configuration = {}) {
  validate_source(options);
  if (context.max_seq_len < 0)
    raise("max_seq_len must not be negative, got {}", context.max_seq_len);
  LoadedData data;
  detail::Oversized oversized;
  detail::SeenSamples seen;  // validation must not repeat what is trained
  const auto load = [&](std::string_view path, const auto& keep) {
    std::int64_t kept = 0;
    detail::tokenise_all(open(path), options, context, tokenise, data.report, oversized, seen,
                         [&](Sequence&& sequence) {
                           ++kept;
                           keep(std::move(sequence));
                         });
    if (kept == 0) {
      raise("{}: no sequence is left: {}{}", path, data.report.counts(),
            data.report.reasons.empty() ? "" : "; first: " + data.report.reasons.front());
    }
  };
  const auto load_both = [&](const auto& keep_train, const auto& keep_validation) {
    load(options.path, keep_train);
    if (!options.validation_path.empty()) load(options.validation_path, keep_validation);
    if (oversized.count == 0) return;
    raise(
        "{}: a sequence of {} tokens does not fit max_tokens_per_batch = {} ({} do not); hint: "
        "raise max_tokens_per_batch, or set max_seq_len to drop or truncate such sequences",
        oversized.where, oversized.longest, context.max_tokens_per_batch, oversized.count);
  };
  if (!options.cache_dir.empty() && !configuration.empty()) {
    SequenceCache(options, detail::cache_configuration(options, context, configuration))
        .load(data, load_both);
  } else {
    load_both([&](Sequence&& s) { data.train.push_back(std::move(s)); },
              [&](Sequence&& s) { data.validation.push_back(std::move(s)); });
  }
  if (options.validation_split > 0.0) {
    detail::split_validation(data, options.validation_split, context.seed, options.path);
  }
  data.report.train = static_cast<std::int64_t>(data.train.size());
  data.report.validation = static_cast<std::int64_t>(data.validation.size());
  return data;
}

}  // namespace posttrain::data
