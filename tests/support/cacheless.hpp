// SPDX-License-Identifier: Apache-2.0
// A decoder as a model that keeps no keys and values: what a model of one's own is to sampling.
#pragma once

#include "posttrain/models/decoder.hpp"

namespace posttrain::test {

template <class Decoder>
struct Cacheless {
  Decoder decoder{};

  Tensor hidden(const auto& gate, const TokenBatch& batch, const ModelCall& call = {}) const {
    return decoder.hidden(gate, batch, call);
  }
  Tensor logits(const auto& gate, const Tensor& rows) const { return decoder.logits(gate, rows); }
  const auto& layout() const { return decoder.layout(); }
  auto load(const auto&... arguments) const { return decoder.load(arguments...); }
  auto load_packed(const auto&... arguments) const { return decoder.load_packed(arguments...); }
  const auto& options() const { return decoder.options(); }
  const auto* text() const requires requires { decoder.text(); }
  { return decoder.text(); }
  std::int64_t vocab_size() const { return decoder.vocab_size(); }
  at::Device device() const { return decoder.device(); }
  at::ScalarType dtype() const { return decoder.dtype(); }
};

}  // namespace posttrain::test
