// SPDX-License-Identifier: Apache-2.0
// The sites, vectors and tables of a decoder, under the names of its family's checkpoints: the one
// place that knows how a family names its tensors.
#pragma once

#include <vector>

#include "posttrain/concepts/layout.hpp"
#include "posttrain/models/config.hpp"

namespace posttrain::models {

/// Indices into a Layout; −1: the layer has no such thing. A LayerNorm's bias follows its weight.
struct LayerSites {
  int attention_norm = -1, qkv = -1, q_norm = -1, k_norm = -1, output = -1,
      post_attention_norm = -1;
  int mlp_norm = -1, up = -1, down = -1, post_mlp_norm = -1;
};

struct DecoderLayout {
  Layout layout;
  std::vector<LayerSites> layers;
  int token_table = 0;
  int position_table = -1;
  int final_norm = -1;
  int head = -1;
};

/// Throws where the matrices have more than 2^50 parameters together.
DecoderLayout decoder_layout(const DecoderConfig& config);

}  // namespace posttrain::models

#ifndef POSTTRAIN_COMPILED
#include "posttrain/models/impl/layout.ipp"
#endif
