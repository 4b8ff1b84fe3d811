// SPDX-License-Identifier: Apache-2.0
// A decoder-only transformer as a function of a gate: configuration and loader, no weights.
//
// Every projection, lookup and vector goes through the gate, the state of a parameter policy; so
// full fine-tuning, adapters, subspaces and quantised storage train the same code, and nothing is
// patched. Families differ in the numbers of `DecoderConfig` alone.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "posttrain/batch/tokens.hpp"
#include "posttrain/batch/virtual_tokens.hpp"
#include "posttrain/concepts/gate.hpp"
#include "posttrain/models/config.hpp"
#include "posttrain/models/latest_parts.hpp"
#include "posttrain/models/layout.hpp"
#include "posttrain/models/rotations.hpp"
#include "posttrain/nn/attention.hpp"
#include "posttrain/nn/cuda/flash_attention.hpp"
#include "posttrain/nn/gated_activation.hpp"
#include "posttrain/nn/heads.hpp"
#include "posttrain/nn/layer_norm.hpp"
#include "posttrain/nn/model_call.hpp"
#include "posttrain/nn/rms_norm.hpp"
#include "posttrain/nn/rotary.hpp"
#include "posttrain/nn/soft_cap.hpp"
#include "posttrain/tensor/device.hpp"
#include "posttrain/tensor/parameters.hpp"
#include "posttrain/tensor/recompute.hpp"

namespace posttrain::models {

/// Fills a tensor of the checkpoint: name, shape there → values of that shape (any dtype, on the
/// CPU).
using WeightLoader = std::function<Tensor(const std::string&, const std::vector<std::int64_t>&)>;

/// The checkpoint's tensors of a matrix that it stores quantised; empty where it is dense.
using PackedLoader = std::function<PackedTensors(const std::string&)>;

/// N(0, deviation²) in fp32, a function of seed and name.
Tensor drawn_weight(const std::string& name, const std::vector<std::int64_t>& shape,
                    std::uint64_t seed, double deviation);

struct ModelOptions {
  at::ScalarType dtype = at::kFloat;  // for computation; parameters keep fp32 masters below it
  Device device{};         // "cuda", "cuda:1"; parameters and all work on them live there
  std::uint64_t seed = 0;  // for random initialisation, where there is no checkpoint
};

class Decoder {
 public:
  /// Without a loader, weights are drawn N(0, initializer_range²), biases 0, norms 1.
  explicit Decoder(DecoderConfig config, ModelOptions options = {}, WeightLoader loader = {},
                   PackedLoader packed_loader = {});

  const DecoderConfig& config() const { return config_; }
  const Layout& layout() const { return sites_.layout; }
  const ModelOptions& options() const { return options_; }
  at::ScalarType dtype() const { return options_.dtype; }
  at::Device device() const { return options_.device; }
  std::int64_t vocab_size() const { return config_.vocab_size; }

  /// A tensor that a parameter policy's state starts from. Without a checkpoint a matrix or table
  /// (`random`) is drawn, everything else is the constant `initial`.
  Tensor load(const std::string& name, const std::vector<std::int64_t>& shape, double initial,
              bool random) const;

  /// The tensors of a matrix that the checkpoint stores quantised; empty where it is dense.
  PackedTensors load_packed(const std::string& name) const;

  /// Final hidden states [T, d] of a packed batch, after the last norm. A gate with virtual tokens
  /// takes a batch that it prepared (batch/virtual_tokens.hpp).
  template <class Gate>
  Tensor hidden(const Gate& gate, const TokenBatch& batch, const ModelCall& call = {}) const {
    check_batch(batch, virtual_tokens(gate));
    constexpr bool kPrefix = HasPrefix<Gate>;
    const std::int64_t prefix = kPrefix ? batch.virtual_tokens : 0;
    const auto shared = latest_parts_->get(batch.nodes, prefix, [&] {
      PartsByWindow parts;
      for (const LayerConfig& layer : config_.layers) {
        if (parts.contains(layer.window)) continue;
        parts.emplace(layer.window,
                      kPrefix ? attention_parts_after_prefix(batch.nodes, prefix, layer.window)
                              : attention_parts(batch.nodes, layer.window));
      }
      if (takes_flash(device(), dtype(), config_.head_dim, config_.attention_softcap)) {
        make_flash_plans(parts, batch.tokens(), batch.tokens() + prefix, device());
      }
      return parts;
    });
    const auto attend = [this, &gate, shared](int layer, const Tensor& q, const Tensor& k,
                                              const Tensor& v) {
      return attend_batch(gate, layer, q, k, v, *shared);
    };
    TokenPositions positions = positions_of(batch.nodes);
    positions.on_device = batch.position;
    positions = placed(std::move(positions));
    const Tensor x = embed(gate, batch.ids, positions, [&](const Tensor& rows) {
      return call.neftune.alpha > 0.0 ? add_neftune_noise(rows, batch, call.neftune) : rows;
    });
    return run(gate, x, positions, attend, call);
  }

  /// Hidden states [n, d] for decoding: ids [n] at `positions`; `attend(layer, q, k, v)` →
  /// [n, Hq, D] brings the keys and values of earlier calls.
  template <class Gate, class Attend>
  Tensor hidden(const Gate& gate, const Tensor& ids, const TokenPositions& positions,
                const Attend& attend) const {
    const TokenPositions all = placed(positions);
    return run(gate, embed(gate, ids, all, std::identity{}), all, attend, {});
  }

  /// The keys and values [n, Hkv, D] of every layer, as attention takes them, of one sequence.
  template <class Gate>
  std::vector<std::pair<Tensor, Tensor>> keys_and_values(const Gate& gate,
                                                         const Tensor& ids) const {
    const std::int64_t count = ids.size(0);
    std::vector<std::pair<Tensor, Tensor>> all;
    hidden(gate, ids, positions_of({{0, count, count, 0}}),
           [&](int layer, const Tensor& q, const Tensor& k, const Tensor& v) {
             all.emplace_back(k, v);
             return attention(q, k, v, {{0, count, 0, count, true, 0, 0}},
                              attention_options(config_.layers[layer].window));
           });
    return all;
  }

  /// rows [n, d] of the final hidden states → logits [n, V], fresh memory.
  template <class Gate>
  Tensor logits(const Gate& gate, const Tensor& rows) const {
    Tensor z = gate.linear(sites_.head, rows);
    if (config_.logit_scale != 1.0) z = z.mul(config_.logit_scale);
    return config_.final_softcap > 0.0 ? soft_cap(z, config_.final_softcap) : z;
  }

  AttentionOptions attention_options(std::int64_t window) const {
    return {config_.attention_scale, config_.attention_softcap, window};
  }

 private:
  void check_batch(const TokenBatch& batch, std::int64_t virtual_tokens) const;
  Tensor scaled_lookup(const Tensor& x, const Tensor& ids) const;
  static Tensor concatenated(const Tensor& first, const Tensor& second);
  /// Positions with their copy on the model's device.
  TokenPositions placed(TokenPositions positions) const;

  /// `noise` is called on what a model of transformers gets from its embedding module, where TRL
  /// hooks NEFTune: after the scale that belongs to the lookup, before the one of all that enters.
  template <class Gate, class Noise>
  Tensor embed(const Gate& gate, const Tensor& ids, const TokenPositions& positions,
               const Noise& noise) const {
    Tensor x = noise(scaled_lookup(gate.embed(sites_.token_table, ids), ids));
    if (config_.embedding_scale != 1.0) x = x.mul(config_.embedding_scale);
    if (sites_.position_table >= 0) {
      x = x.add(gate.embed(sites_.position_table, positions.on_device));
    }
    return x;
  }

  /// Attention of a layer over the batch, behind the gate's prefix if it has one.
  template <class Gate>
  Tensor attend_batch(const Gate& gate, int layer, const Tensor& q, const Tensor& k,
                      const Tensor& v, const PartsByWindow& parts) const {
    const std::int64_t window = config_.layers[layer].window;
    if constexpr (HasPrefix<Gate>) {
      const auto [first_k, first_v] = gate.prefix(layer);
      return attention(q, concatenated(first_k, k), concatenated(first_v, v), parts.at(window),
                       attention_options(window));
    } else {
      return attention(q, k, v, parts.at(window), attention_options(window));
    }
  }

  template <class Gate, class Attend>
  Tensor run(const Gate& gate, Tensor x, const TokenPositions& positions, const Attend& attend,
             const ModelCall& call) const {
    const auto rotations = std::make_shared<std::vector<Rotation>>();
    for (const RopeSpec& spec : config_.ropes) {
      rotations->push_back(rotation(spec, positions, options_.device));
    }
    for (int layer = 0; layer < static_cast<int>(config_.num_layers()); ++layer) {
      const int rope = config_.layers[layer].rope;
      const auto block_of = [this, &gate, layer, rope, rotations, attend](const Tensor& input) {
        return block(gate, layer, input, rope >= 0 ? &(*rotations)[rope] : nullptr, attend);
      };
      const Tensor before = x;
      if (call.layer_done && x.requires_grad()) {
        when_gradient_is_there(x, [done = call.layer_done, layer] { done(layer); });
      }
      x = call.gradient_checkpointing ? recompute(x, gate.anchor(), block_of) : block_of(x);
      if constexpr (WatchesLayers<Gate>) gate.after_layer(layer, before, x);
    }
    return norm(gate, sites_.final_norm, x);
  }

  template <class Gate, class Attend>
  Tensor block(const Gate& gate, int layer, const Tensor& x, const Rotation* rotation,
               const Attend& attend) const {
    const LayerSites& at = sites_.layers[layer];
    Tensor qkv = gate.linear(at.qkv, norm(gate, at.attention_norm, x));
    const bool rotate_together = rotation && at.q_norm < 0;
    if (rotate_together) {
      qkv = rotary_qkv(qkv, config_.num_heads, config_.num_kv_heads, config_.head_dim,
                       rotation->cos, rotation->sin);
    }
    auto [q, k, v] = split_heads(qkv, config_.num_heads, config_.num_kv_heads, config_.head_dim);
    if (at.q_norm >= 0) {
      q = norm(gate, at.q_norm, q);
      k = norm(gate, at.k_norm, k);
      if (rotation) {
        q = rotary(q, rotation->cos, rotation->sin);
        k = rotary(k, rotation->cos, rotation->sin);
      }
    }
    Tensor attended = gate.linear(at.output, attend(layer, q, k, v).flatten(1));
    if (at.post_attention_norm >= 0) attended = norm(gate, at.post_attention_norm, attended);
    const auto [middle, normed] = add_and_norm(gate, at.mlp_norm, x, attended);

    Tensor mlp = gate.linear(at.up, normed);
    mlp = config_.gated_mlp ? gated_activation(mlp, config_.activation)
                            : activation(mlp, config_.activation);
    mlp = gate.linear(at.down, mlp);
    if (at.post_mlp_norm >= 0) mlp = norm(gate, at.post_mlp_norm, mlp);
    return add_scaled(middle, mlp);
  }

  template <class Gate>
  Tensor norm(const Gate& gate, int index, const Tensor& x) const {
    if (config_.norm == NormKind::kLayerNorm) {
      return layer_norm(x, gate.vector(index), gate.vector(index + 1), config_.norm_eps);
    }
    return rms_norm(x, gate.vector(index), config_.norm_eps, config_.norm == NormKind::kRmsPlusOne);
  }

  /// The residual stream after a branch, and its norm; one pass over memory where they can be
  /// fused.
  template <class Gate>
  std::pair<Tensor, Tensor> add_and_norm(const Gate& gate, int index, const Tensor& x,
                                         const Tensor& branch) const {
    if (config_.norm != NormKind::kLayerNorm && config_.residual_scale == 1.0) {
      return add_rms_norm(branch, x, gate.vector(index), config_.norm_eps,
                          config_.norm == NormKind::kRmsPlusOne);
    }
    const Tensor sum = add_scaled(x, branch);
    return {sum, norm(gate, index, sum)};
  }

  Tensor add_scaled(const Tensor& x, const Tensor& branch) const;

  DecoderConfig config_;
  ModelOptions options_;
  WeightLoader loader_;
  PackedLoader packed_loader_;
  DecoderLayout sites_;
  std::shared_ptr<LatestParts> latest_parts_ = std::make_shared<LatestParts>();
};

}  // namespace posttrain::models

#ifndef POSTTRAIN_COMPILED
#include "posttrain/models/impl/decoder.ipp"
#endif
