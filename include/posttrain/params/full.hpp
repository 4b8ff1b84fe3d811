// SPDX-License-Identifier: Apache-2.0
// Full fine-tuning: the model's own parameters are trained, all of them or a selection.
//
//   Full{}                                              everything
//   Full{.train = "layers.12-15, norm"}                 the last layers of sixteen
//   Full{.freeze = "embed_tokens, lm_head"}             all but the embeddings and the head
//   BasicFull<Nf4>{.train = "layers.15"}                the rest stored in 4 bits
//
// Patterns: base/name_pattern.hpp, on the checkpoint's tensor names.
#pragma once

#include <string_view>

#include "posttrain/base/error.hpp"
#include "posttrain/base/literal_string.hpp"
#include "posttrain/base/name_pattern.hpp"
#include "posttrain/params/weights/model_weights.hpp"
#include "posttrain/params/weights/pattern_check.hpp"
#include "posttrain/storage/dense.hpp"

namespace posttrain {

template <class Storage = Dense>
struct BasicFull {
  using State = ModelWeights<Storage>;
  static constexpr bool has_reference = false;

  LiteralString train = "*";  // patterns of what is trained
  LiteralString freeze = "";  // patterns of what is not, although `train` selects it
  Storage storage{};          // of what is frozen

  constexpr void validate() const {
    if (train.view().empty()) fail("posttrain: Full.train must select something");
    storage.validate();
  }

  bool selects(std::string_view tensor) const {
    return matches_any(train.view(), tensor) && !matches_any(freeze.view(), tensor);
  }

  State attach(const auto& model) const {
    const WeightSource source = WeightSource::of(model);
    detail::check_tensor_patterns("Full.train", train.view(), source.layout);
    detail::check_tensor_patterns("Full.freeze", freeze.view(), source.layout);
    State state(source, storage, [this](std::string_view name) { return selects(name); });
    if (state.trainable().empty()) {
      raise(
          "Full{{.train = \"{}\", .freeze = \"{}\"}} selects no tensor of the model; hint: {} is "
          "one",
          train.view(), freeze.view(), state.weights().front().name);
    }
    return state;
  }
};

using Full = BasicFull<>;
using FullState = ModelWeights<Dense>;

}  // namespace posttrain
