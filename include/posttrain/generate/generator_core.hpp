// SPDX-License-Identifier: Apache-2.0
// The work of a Generator (generate/generator.hpp) without its types: requests wait, prompts are
// read, samples are written a token at a time and leave when they end.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <utility>
#include <vector>

#include "posttrain/generate/key_value_pool.hpp"
#include "posttrain/generate/prefix_tree.hpp"
#include "posttrain/generate/sample_writer.hpp"
#include "posttrain/generate/step_rows.hpp"
#include "posttrain/models/decoder.hpp"

namespace posttrain {

namespace detail {

/// What the core asks of a model, a gate and the processors.
struct GeneratorCalls {
  using Attend = std::function<Tensor(int, const Tensor&, const Tensor&, const Tensor&)>;
  std::function<Tensor(const Tensor&, const models::TokenPositions&, const Attend&)> hidden;
  std::function<Tensor(const Tensor&)> logits;
  ProcessRow process{};
  std::function<std::pair<Tensor, Tensor>(int)> prefix{};  // of a layer; none: no prefix
  std::function<TokenIds()> prompt_ids{};                  // none: no soft prompt
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
  std::vector<Completion> take() { return writer_.take(); }
  void keep(Completion sample) { writer_.keep(std::move(sample)); }
  bool idle() const { return queue_.empty() && live_.empty(); }
  std::int64_t cache_bytes() const { return pool_.bytes(); }
  std::int64_t room() const { return pool_.max_rows() - calls_.virtual_tokens; }
  GeneratorCounts counts() const {
    GeneratorCounts counts = counts_;
    counts.sampled_tokens = writer_.sampled_tokens();
    counts.accepted_drafts = writer_.accepted_drafts();
    return counts;
  }
  void on_token(std::function<void(const TokenEvent&)> hear) { writer_.on_token = std::move(hear); }

 private:
  struct Active : WaitingRequest {
    TokenIds read;                 // what the model reads: a soft prompt's ids, the prompt
    std::vector<TokenIds> runs;    // the same in the segments that training makes of it
    PrefixNode* prompt = nullptr;  // once admitted

    std::int64_t tail_rows() const { return max_new - 1; }  // the last id is never read
  };

  /// Of the ids of a sample in work all but the last are read.
  struct Live : SampleInWork {
    PrefixNode* prompt = nullptr;  // null while it waits for room to be read again
    std::int64_t in_prompt = 0;    // how many of its ids stand there
    PoolRange tail{};              // of the others
    TokenIds pending{};            // what this step reads: the last id and the guesses
    std::int64_t first_row = -1;   // of this step's hidden rows

    Active& active() const { return static_cast<Active&>(*asked); }
    std::int64_t in_tail() const { return sampled() - 1 - in_prompt; }  // ids that are read there
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
  void finish(Live& live);

  // --- one step --------------------------------------------------------------------------------
  StepRows composed();
  void compose(PrefixNode& node, const LiveOf& live, StepRows& rows, std::int64_t& budget);
  void add_sample(Live& live, StepRows& rows);
  /// `ids`: of all rows, where the host does not know them.
  Tensor read(const StepRows& rows, const Tensor& ids = {});
  std::int64_t tokens_ahead(const StepRows& rows) const;
  Drawn draw(const Tensor& hidden, std::vector<SampleDraw>& draws);
  Tensor logits_of(const Tensor& hidden, std::vector<SampleDraw>& draws);
  std::int64_t regime(std::int64_t length) const {
    return models::rope_regime(model_->config().ropes, length);
  }
  std::int64_t idle_rows() const { return options_.idle_cache_bytes / pool_.bytes_per_row(); }

  const models::Decoder* model_;
  GeneratorCalls calls_;
  GeneratorOptions options_;
  SampleWriter writer_;
  KeyValuePool pool_;
  PrefixTree tree_;
  std::deque<std::shared_ptr<Active>> queue_;  // with samples that have not begun
  std::vector<std::unique_ptr<Live>> live_;
  std::vector<std::pair<PrefixNode*, std::int64_t>> completed_;  // prompts' last rows in this step
  GeneratorCounts counts_;
  std::uint64_t version_ = 0;
  bool begun_ = false;  // the prefix, if there is one, stands in the pool
};

}  // namespace detail

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/generate/impl/generator_core.ipp"
#endif
