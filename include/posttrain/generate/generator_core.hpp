// SPDX-License-Identifier: Apache-2.0
// The work of a Generator (generate/generator.hpp) without its types: requests wait, prompts are
// read, samples are written a token at a time and leave when they end.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "posttrain/generate/draw_key.hpp"
#include "posttrain/generate/generator_options.hpp"
#include "posttrain/generate/key_value_pool.hpp"
#include "posttrain/generate/logits_processor.hpp"
#include "posttrain/generate/prefix_tree.hpp"
#include "posttrain/generate/request.hpp"
#include "posttrain/generate/seen_tokens.hpp"
#include "posttrain/generate/step_rows.hpp"
#include "posttrain/generate/stop_strings.hpp"
#include "posttrain/generate/token_sampler.hpp"
#include "posttrain/models/decoder.hpp"
#include "posttrain/text/stream_decoder.hpp"

namespace posttrain {

/// A token of a sample, as it comes.
struct TokenEvent {
  std::int64_t request = 0, sample = 0;
  TokenId id = 0;
  std::string_view text;  // what can be shown now; never part of a stop string
};

/// How much a generator has done.
struct GeneratorCounts {
  std::int64_t steps = 0;           // passes through the model
  std::int64_t prompt_tokens = 0;   // read for prompts; those that were shared count once
  std::int64_t sampled_tokens = 0;  // returned
  std::int64_t sample_rows = 0;     // read behind prompts, drafts included
  std::int64_t accepted_drafts = 0;
};

namespace detail {

/// What the core asks of a model, a gate and the processors.
struct GeneratorCalls {
  using Attend = std::function<Tensor(int, const Tensor&, const Tensor&, const Tensor&)>;
  std::function<Tensor(const Tensor&, const models::TokenPositions&, const Attend&)> hidden;
  std::function<Tensor(const Tensor&)> logits;
  std::function<void(const Tensor&, const RowView&)> process{};  // none: no processors
  std::function<std::pair<Tensor, Tensor>(int)> prefix{};        // of a layer; none: no prefix
  std::function<TokenIds()> prompt_ids{};                        // none: no soft prompt
  std::function<std::uint64_t()> version;
  std::function<void()> drop_weights;  // what was made of the weights is stale, or not wanted now
  std::int64_t virtual_tokens = 0;
};

class GeneratorCore {
 public:
  GeneratorCore(const models::Decoder& model, GeneratorCalls calls, std::set<TokenId> ends,
                const GeneratorOptions& options, const text::Tokenizer* tokenizer);
  GeneratorCore(const GeneratorCore&) = delete;
  GeneratorCore& operator=(const GeneratorCore&) = delete;

  std::int64_t add(Request request);
  bool step();
  void cancel(std::int64_t request);
  void clear();
  std::vector<Completion> take();
  /// Leaves a sample for the next `take`.
  void keep(Completion sample) { finished_.push_back(std::move(sample)); }
  bool idle() const { return queue_.empty() && live_.empty(); }
  std::int64_t cache_bytes() const { return pool_.bytes(); }
  std::int64_t room() const { return pool_.max_rows() - calls_.virtual_tokens; }
  const GeneratorCounts& counts() const { return counts_; }

  std::function<void(const TokenEvent&)> on_token{};

 private:
  /// A request that waits or has samples in work.
  struct Active {
    std::int64_t id = 0;
    Request request;
    TokenIds read;                     // what the model reads: a soft prompt's ids, the prompt
    std::vector<TokenIds> runs;        // the same in the segments that training makes of it
    TokenIds ends;                     // the model's and the request's own
    std::int64_t max_new = 0;          // as far as positions allow
    PrefixNode* prompt = nullptr;      // once admitted
    std::int64_t started = 0;          // samples
    std::vector<TokenIds> siblings{};  // finished samples, for drafts

    std::int64_t tail_rows() const { return max_new - 1; }  // the last id is never read
  };

  /// A sample in work. Of its ids all but the last are read.
  struct Live {
    std::shared_ptr<Active> active;
    DrawKey key;
    PrefixNode* prompt = nullptr;  // null while it waits for room to be read again
    std::int64_t in_prompt = 0;    // how many of its ids stand there
    PoolRange tail{};              // of the others
    Completion result{};
    TokenIds draft{};             // guesses behind the ids
    TokenIds pending{};           // what this step reads: the last id and the guesses
    bool missed = false;          // a guess of this step was not drawn
    std::int64_t first_row = -1;  // of this step's hidden rows
    std::int64_t ahead = 0;       // ids behind those of the result that the host has not seen
    SeenTokens seen{};            // where a penalty is set
    std::optional<text::StreamDecoder> decoder{};
    StopStrings stops{};
    std::size_t shown = 0;  // bytes of the text that were handed out
    bool done = false;

    const Sampling& sampling() const { return active->request.sampling; }
    std::int64_t sampled() const { return std::ssize(result.ids) + ahead; }
    std::int64_t in_tail() const { return sampled() - 1 - in_prompt; }  // ids that are read there
  };

  /// A row of logits from which a token is to be drawn, behind some of the sample's guesses.
  struct Draw {
    Live* live = nullptr;
    std::int64_t row = 0, guesses = 0;
  };
  using LiveOf = std::map<const PrefixNode*, std::vector<Live*>>;

  // --- coming and going ------------------------------------------------------------------------
  void check_version();
  void begin_prefix();
  void admit();
  bool admit_next(Active& active);
  PrefixNode* insert(const Active& active, std::span<const TokenId> own, std::int64_t also,
                     std::int64_t length);
  bool start_sample(const std::shared_ptr<Active>& active);
  bool have_keys();
  bool read_again(Live& live);
  void compact();
  void finish(Live& live, FinishReason reason);

  // --- one step --------------------------------------------------------------------------------
  StepRows composed();
  void compose(PrefixNode& node, const LiveOf& live, StepRows& rows, std::int64_t& budget);
  void add_sample(Live& live, StepRows& rows);
  /// `ids`: of all rows, where the host does not know them.
  Tensor read(const StepRows& rows, const Tensor& ids = {});
  std::int64_t tokens_ahead(const StepRows& rows) const;
  Drawn draw(const Tensor& hidden, std::vector<Draw>& draws);
  Tensor logits_of(const Tensor& hidden, std::vector<Draw>& draws);
  Drawn drawn_from(const Tensor& logits, const std::vector<Draw>& draws);
  void take_drawn(const std::vector<Drawn>& drawn, const std::vector<Draw>& draws);
  void take_token(Live& live, TokenId id);
  std::int64_t regime(std::int64_t length) const {
    return models::rope_regime(model_->config().ropes, length);
  }
  std::int64_t idle_rows() const { return options_.idle_cache_bytes / pool_.bytes_per_row(); }

  const models::Decoder* model_;
  GeneratorCalls calls_;
  std::set<TokenId> ends_;
  GeneratorOptions options_;
  const text::Tokenizer* tokenizer_;
  KeyValuePool pool_;
  PrefixTree tree_;
  std::deque<std::shared_ptr<Active>> queue_;  // with samples that have not begun
  std::vector<std::unique_ptr<Live>> live_;
  std::vector<std::pair<PrefixNode*, std::int64_t>> completed_;  // prompts' last rows in this step
  std::vector<Completion> finished_;
  GeneratorCounts counts_;
  std::int64_t next_id_ = 0;
  std::uint64_t version_ = 0;
  bool begun_ = false;  // the prefix, if there is one, stands in the pool
};

}  // namespace detail

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/generate/impl/generator_core.ipp"
#endif
