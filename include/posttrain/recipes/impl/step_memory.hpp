// SPDX-License-Identifier: Apache-2.0
// What an optimizer step takes beside what a run holds, by following the tensors of a micro-batch
// through the layers (models/decoder.hpp) and back: which of them a node of the graph keeps, and
// what is alive at once in the moments that can be the widest.
//
// Of the T tokens of the micro-batch, widths in numbers per token. An operation keeps what its
// backward pass reads (nn/): a norm its input, a product its input where its matrix trains or has
// an adapter, attention q, k, v and its output, an activation its input. A node drops what it kept
// once it has run.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <vector>

#include "posttrain/generate/generator_options.hpp"
#include "posttrain/models/layout.hpp"
#include "posttrain/nn/cpu/attention.hpp"
#include "posttrain/nn/gemm.hpp"
#include "posttrain/nn/lm_head.hpp"
#include "posttrain/nn/packed_matrix.hpp"
#include "posttrain/recipes/impl/held_memory.hpp"
#include "posttrain/recipes/impl/worst_case.hpp"
#include "posttrain/recipes/memory_estimate.hpp"

namespace posttrain::detail {

/// Whether bfloat16 attention computes in float32 here.
inline bool attention_widens(at::ScalarType dtype) {
  if (dtype != at::kBFloat16) return false;
#ifdef POSTTRAIN_HAS_BRGEMM
  return !bfloat16_products_pay();
#else
  return false;
#endif
}

class StepMemory {
 public:
  StepMemory(const EstimateOptions& options, const models::DecoderConfig& config,
             const HeldMemory& held)
      : options_(options),
        config_(config),
        sites_(models::decoder_layout(config)),
        held_(held),
        worst_(worst_case(options)),
        bytes_(bytes_as(scalar_type(options.train_dtype), 1)),
        d_(config.hidden_size),
        q_(config.num_heads * config.head_dim),
        kv_(config.num_kv_heads * config.head_dim),
        ffn_(config.intermediate_size) {}

  /// Fills in `activations`, `head`, `layer`, `attention`, `forward` and `rollout_cache`.
  void add_to(MemoryEstimate& all) const {
    std::int64_t before = stream() + shared();  // the embeddings' rows; what all layers share
    std::int64_t layer = 0, attention = 0;
    for (const models::LayerSites& sites : sites_.layers) {
      const std::int64_t own = kept(sites);
      const std::int64_t now = before + own;
      const std::int64_t again = options_.gradient_checkpointing ? stream() : 0;  // its output
      layer = std::max(layer, now + again + returning_through_mlp(sites));
      attention = std::max(attention, now + again + returning_through_attention(sites));
      before += options_.gradient_checkpointing ? stream() : own + stream();
    }
    all.activations = before + stream();  // the last norm's output
    all.head = head();
    all.layer = std::max<std::int64_t>(0, layer - all.activations);
    all.attention = std::max<std::int64_t>(0, attention - all.activations);
    if (options_.gradient_checkpointing) all.forward = forward();
    if (options_.rolls_out()) all.rollout_cache = rollout_cache();
  }

 private:
  std::int64_t of_tokens(std::int64_t width) const { return bytes_ * worst_.tokens * width; }
  /// The residual stream.
  std::int64_t stream() const { return of_tokens(d_); }
  std::int64_t up_width() const { return config_.gated_mlp ? 2 * ffn_ : ffn_; }

  /// Cosines and sines, and the batch: ids, rows, targets, positions in 64 bits, weights in 32.
  std::int64_t shared() const {
    std::int64_t numbers = 0;
    for (const models::RopeSpec& rope : config_.ropes) {
      numbers += 2 * static_cast<std::int64_t>(rope.inv_freq.size());
    }
    return worst_.tokens * (4 * numbers + 4 * 8 + 4);
  }

  bool keeps_input(int site) const { return held_.keeps_input(static_cast<std::size_t>(site)); }

  /// Of adapters, x Aᵀ.
  std::int64_t ranks(int site) const {
    std::int64_t sum = 0;
    for (const PartMemory& part : held_.parts(static_cast<std::size_t>(site))) sum += part.rank;
    return sum;
  }

  /// Of a layer, its input apart.
  std::int64_t kept(const models::LayerSites& at) const {
    std::int64_t width = 0;
    width += keeps_input(at.qkv) ? d_ : 0;
    width += q_ + 2 * kv_;                  // rotated, or as they come
    if (at.q_norm >= 0) width += q_ + kv_;  // before their norms, and after
    width += q_;                            // attention's output
    width += at.post_attention_norm >= 0 ? d_ : 0;
    width += d_;  // the stream between attention and MLP
    width += keeps_input(at.up) ? d_ : 0;
    width += up_width();
    width += keeps_input(at.down) ? ffn_ : 0;
    width += at.post_mlp_norm >= 0 ? d_ : 0;
    for (const int site : {at.qkv, at.output, at.up, at.down}) width += ranks(site);
    std::int64_t floats = 2 + config_.num_heads;  // of norms; log-sum-exp of attention
    if (at.q_norm >= 0) floats += config_.num_heads + config_.num_kv_heads;
    return of_tokens(width) + 4 * worst_.tokens * floats;
  }

  /// Of a layer on the way forward, at its activation, without a graph: q, k, v, attention's
  /// projection, the stream and its norm, and the MLP.
  std::int64_t forward() const { return of_tokens(q_ + 2 * kv_ + 3 * d_ + up_width() + ffn_); }

  /// The gradients of the hidden states, which the head made, and of the stream.
  std::int64_t upstream() const { return 2 * stream(); }

  /// At the activation, on the way back: the gradients of its output and of its input; what the
  /// product behind it kept is gone.
  std::int64_t returning_through_mlp(const models::LayerSites& at) const {
    const std::int64_t gone = keeps_input(at.down) ? ffn_ : 0;
    return upstream() + of_tokens(ffn_ + up_width() - gone) + panels();
  }

  /// At attention: the gradients of its output and of q, k, v, partial sums and tiles. What the MLP
  /// kept is gone.
  std::int64_t returning_through_attention(const models::LayerSites& at) const {
    const std::int64_t qkv = q_ + 2 * kv_;
    const std::int64_t gone =
        (keeps_input(at.down) ? ffn_ : 0) + up_width() + d_ + (keeps_input(at.up) ? d_ : 0);
    std::int64_t floats = 0;
    if (attention_widens(scalar_type(options_.train_dtype)))
      floats += 2 * qkv + 2 * q_;  // copies of all that it reads
    return upstream() + of_tokens(q_ + qkv - gone) + 4 * worst_.tokens * floats +
           attention_workspace();
  }

  /// Blocks of 64 rows, of the micro-batch and of sequences that see each other.
  static std::int64_t blocks(std::int64_t rows) { return whole_blocks(rows, 64); }
  std::int64_t blocks_of_tree() const {
    return blocks(worst_.prompt) + worst_.answers * blocks(worst_.answer);
  }

  std::int64_t attention_workspace() const {
    const std::int64_t panel = 64 * whole_blocks(config_.head_dim, 16) * 16;
    const std::int64_t number = attention_widens(scalar_type(options_.train_dtype)) ? 4 : bytes_;
    // Of each thread: four panels of a block of queries and its gradient (BackwardWorkspace).
    const std::int64_t threads = at::get_num_threads();
    std::int64_t bytes = threads * blocks_of_tree() * panel * (4 * number + 4);
    // Of each query head, where several share a key head.
    if (config_.num_heads != config_.num_kv_heads) {
      bytes += 2 * 4 * config_.num_heads * worst_.items * blocks_of_tree() * panel;
    }
    return bytes;
  }

  /// Of products of bfloat16 that are computed in float32: panels of 8 MB of both operands and of
  /// the result (nn/gemm.hpp).
  std::int64_t panels() const {
    const bool widens =
        std::string_view(half_products(scalar_type(options_.train_dtype))) == "float32";
    return widens ? 3 * (std::int64_t{8} << 20) : 0;
  }

  /// A chunk of hidden rows, their logits, the gradients of both (that of the logits in their
  /// place) and of all hidden states.
  std::int64_t head() const {
    const bool rewards = config_.head == models::HeadKind::kReward;
    const std::int64_t columns = rewards ? 1 : config_.vocab_size;
    const std::int64_t scored = rewards ? worst_.answers * worst_.items : worst_.predictions();
    const std::int64_t rows = std::min(whole_blocks(scored, 32) * 32, head_chunk_rows(columns));
    std::int64_t copies = 1;
    if (config_.logit_scale != 1.0) copies = 2;  // before the factor; its gradient
    if (config_.final_softcap > 0.0)
      copies = 5;  // before the cap, and what its gradient is made of
    return bytes_ * rows * (copies * columns + 2 * d_) + stream() + panels();
  }

  /// Keys and values of all samples in work, matrices packed for few rows, the tokens of a step
  /// through the widest layer, and logits.
  std::int64_t rollout_cache() const {
    const GeneratorOptions generator;
    const std::int64_t samples =
        std::min(generator.max_live, worst_.prompts * options_.num_generations);
    const std::int64_t prompts = whole_blocks(samples, options_.num_generations);
    const std::int64_t rows = prompts * worst_.prompt + samples * (options_.max_tokens - 1);
    const std::int64_t cache = bytes_ * rows * 2 * config_.num_layers() * kv_;
    std::int64_t packed = 0;
    const Layout& layout = sites_.layout;
    for (std::size_t i = 0; i < layout.sites.size(); ++i) {
      const SiteSpec& site = layout.sites[i];
      if (!held_.stored(i)) packed += bytes_ * whole_blocks(site.rows(), 48) * 48 * site.in;
    }
    const std::int64_t read = std::min(generator.prompt_chunk, prompts * worst_.prompt);
    const std::int64_t width = 4 * d_ + q_ + 2 * kv_ + up_width() + ffn_;
    return cache + packed + bytes_ * (read * width + samples * config_.vocab_size);
  }

  EstimateOptions options_;
  models::DecoderConfig config_;
  models::DecoderLayout sites_;
  const HeldMemory& held_;
  WorstCase worst_;
  std::int64_t bytes_, d_, q_, kv_, ffn_;
};

}  // namespace posttrain::detail
