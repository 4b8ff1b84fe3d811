// SPDX-License-Identifier: Apache-2.0
// Samples of any number of prompts, by the weights that train: continuous batching in process.
//
//   Generator generator(model, state, model.text()->eos_ids(), {.max_live = 32});
//   const auto groups = generator.run({{.prompt = ids, .samples = 16}});
//   fmt::print("{}", groups[0][15].logps.size());
//
// The gate is the one that trains: adapters are applied and never merged, storages, soft prompts
// and prefixes work, and what is sampled is what training scores. A prompt is read once for all of
// its samples, and so is every prefix that prompts have in common; a sample that ends leaves at
// once and the next takes its place. Requests may come between steps. When weights are published,
// nothing that was computed from the earlier ones is used again.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "posttrain/batch/virtual_tokens.hpp"
#include "posttrain/concepts/gate.hpp"
#include "posttrain/generate/generator_core.hpp"
#include "posttrain/generate/run_requests.hpp"
#include "posttrain/nn/packed_matrices.hpp"

namespace posttrain {

/// Refers to the model, the gate and the tokenizer, which have to live as long.
template <class G, class... Processors>
class Generator {
 public:
  /// `ends`: the ids that end a sample, such as `ChatTokenizer::eos_ids()`. `tokenizer`: for texts,
  /// stop strings and streaming; null: ids alone.
  Generator(const models::Decoder& model, const G& gate, std::set<TokenId> ends,
            const GeneratorOptions& options = {}, const text::Tokenizer* tokenizer = nullptr,
            Processors... processors)
      : packed_(options.exact ? RowBlocks::fixed : RowBlocks::any),
        core_(
            model,
            calls(model, gate, options.pack_weights ? &packed_ : nullptr, std::move(processors)...),
            std::move(ends), options, tokenizer) {
    // Evaluated for their messages, each of which is the only error then.
    [[maybe_unused]] constexpr bool checked =
        check_gate<G>() && (check_logits_processor<Processors>() && ...);
  }

  /// Queues a request and returns its number. Throws one line for options out of range, an empty
  /// prompt, ids that the model has not, a prompt that leaves no room.
  std::int64_t add(Request request) { return core_.add(std::move(request)); }

  /// Reads what fits of waiting prompts and one token more of each sample in work; whether there is
  /// anything left to do. Throws where logits are not finite, and where weights were published
  /// while samples are in work; either way all requests are dropped.
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
  /// Forgets all requests and gives back the memory of keys and values and of packed matrices:
  /// before weights are trained.
  void clear() { core_.clear(); }

  /// Whether nothing waits and nothing is in work.
  bool idle() const { return core_.idle(); }
  /// Memory of keys and values.
  std::int64_t cache_bytes() const { return core_.cache_bytes(); }
  /// The tokens of a prompt and of one of its samples, but the last, that max_cache_bytes has room
  /// for.
  std::int64_t room() const { return core_.room(); }
  /// Memory of packed matrices.
  std::int64_t packed_bytes() const { return packed_.bytes(); }
  GeneratorCounts counts() const { return core_.counts(); }

  /// Called for every token of every sample, in the order in which they come.
  void on_token(std::function<void(const TokenEvent&)> hear) { core_.on_token(std::move(hear)); }

 private:
  /// Products of few rows over panels, while this lives.
  static std::unique_ptr<PackedMatrices::Use> used(PackedMatrices* packed) {
    return packed == nullptr ? nullptr : std::make_unique<PackedMatrices::Use>(*packed);
  }

  static detail::GeneratorCalls calls(const models::Decoder& model, const G& gate,
                                      PackedMatrices* packed, Processors... processors) {
    detail::GeneratorCalls calls;
    calls.hidden = [&model, &gate, packed](const Tensor& ids,
                                           const models::TokenPositions& positions,
                                           const detail::GeneratorCalls::Attend& attend) {
      const auto use = used(packed);
      return model.hidden(gate, ids, positions, attend);
    };
    calls.logits = [&model, &gate, packed](const Tensor& rows) {
      const auto use = used(packed);
      return model.logits(gate, rows);
    };
    calls.version = [&gate] { return weights_version(gate); };
    calls.drop_weights = [packed] {
      if (packed != nullptr) packed->clear();
    };
    calls.virtual_tokens = virtual_tokens(gate);
    if constexpr (HasPromptIds<G>) calls.prompt_ids = [&gate] { return gate.prompt_ids(); };
    if constexpr (HasPrefix<G>) calls.prefix = [&gate](int layer) { return gate.prefix(layer); };
    calls.process = detail::process_by(std::move(processors)...);
    return calls;
  }

  PackedMatrices packed_;
  detail::GeneratorCore core_;
};

template <class G, class... Processors>
Generator(const models::Decoder&, const G&, std::set<TokenId>, const GeneratorOptions&,
          const text::Tokenizer*, Processors...) -> Generator<G, Processors...>;
template <class G>
Generator(const models::Decoder&, const G&, std::set<TokenId>, const GeneratorOptions&)
    -> Generator<G>;
template <class G>
Generator(const models::Decoder&, const G&, std::set<TokenId>) -> Generator<G>;

}  // namespace posttrain
