// SPDX-License-Identifier: Apache-2.0
// Samples of a model that keeps no keys and values, such as a torch::nn::Module: every token reads
// the whole sequence again, as training does.
//
//   Rereader rereader(model, state, ends, {.max_live = 16});
//   const auto groups = rereader.run({{.prompt = ids, .samples = 8}});
//
// Requests, options of sampling, draws, ends and results are those of a Generator
// (generate/generator.hpp), whose samples these are but for rounding. A sample of n tokens behind a
// prompt of p reads n · p + n² / 2 of them instead of p + n: it is for models without a cache, and
// for tests. Prompts are read once for all samples of a pass; guesses (GeneratorOptions) save
// passes.
#pragma once

#include <cstdint>
#include <functional>
#include <set>
#include <utility>
#include <vector>

#include "posttrain/batch/virtual_tokens.hpp"
#include "posttrain/concepts/gate.hpp"
#include "posttrain/generate/rereader_core.hpp"
#include "posttrain/generate/run_requests.hpp"

namespace posttrain {

/// `Model`: of the Trainer's (docs/concepts.md#model). Refers to the model, the gate and the
/// tokenizer, which have to live as long.
template <class Model, class G, class... Processors>
class Rereader {
 public:
  /// As a Generator's. Of the options `max_live` is how many samples are in work, `prompt_chunk`
  /// how many tokens a pass reads at the most (one sample with its prompt may be longer);
  /// `max_cache_bytes` and `pack_weights` are of memory that is not taken here; `exact`,
  /// `sync_every` and `idle_cache_bytes` are refused.
  Rereader(const Model& model, const G& gate, std::set<TokenId> ends,
           const GeneratorOptions& options = {}, const text::Tokenizer* tokenizer = nullptr,
           Processors... processors)
      : core_(calls(model, gate), std::move(ends), options, tokenizer,
              detail::process_by(std::move(processors)...)) {
    [[maybe_unused]] constexpr bool checked = (check_logits_processor<Processors>() && ...);
  }
  Rereader(const Rereader&) = delete;
  Rereader& operator=(const Rereader&) = delete;

  /// Queues a request and returns its number. Throws one line for options out of range, an empty
  /// prompt, ids that the model has not.
  std::int64_t add(Request request) { return core_.add(std::move(request)); }

  /// One token more for each sample in work; whether there is anything left to do. Throws where
  /// logits are not finite, and where weights were published while samples are in work; either way
  /// all requests are dropped.
  bool step() { return core_.step(); }

  /// The samples that have ended since the last call, in the order of their ends.
  std::vector<Completion> take() { return core_.take(); }

  /// All samples of these requests, each request's together and in order. What else is queued is
  /// worked on as well, and left for `take`.
  std::vector<std::vector<Completion>> run(std::vector<Request> requests) {
    return detail::run_requests(core_, std::move(requests));
  }

  /// Forgets a request: samples of it that have not ended are dropped.
  void cancel(std::int64_t request) { core_.cancel(request); }
  /// Forgets all requests.
  void clear() { core_.clear(); }
  /// Whether nothing waits and nothing is in work.
  bool idle() const { return core_.idle(); }
  GeneratorCounts counts() const { return core_.counts(); }

  /// Called for every token of every sample, in the order in which they come.
  void on_token(std::function<void(const TokenEvent&)> hear) { core_.on_token(std::move(hear)); }

 private:
  static detail::RereaderCalls calls(const Model& model, const G& gate) {
    detail::RereaderCalls calls;
    calls.logits = [&model, &gate](const TokenBatch& host_batch) {
      const TokenBatch batch = prepared(gate, host_batch).to(model.device());
      return model.logits(gate, model.hidden(gate, batch).index_select(0, batch.row));
    };
    calls.version = [&gate] { return weights_version(gate); };
    calls.vocab_size = model.vocab_size();
    return calls;
  }

  detail::RereaderCore core_;
};

}  // namespace posttrain
