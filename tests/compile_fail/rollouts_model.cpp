// expected: posttrain: rollouts are made by a Model that samples, a models::Decoder [docs/concepts.md#rollouts]
// SPDX-License-Identifier: Apache-2.0
// A model that can be trained, and has no cache to sample with.
#include "posttrain/data/rollouts.hpp"
#include "posttrain/losses/grpo.hpp"
#include "posttrain/models/decoder.hpp"
#include "posttrain/optim/adamw.hpp"
#include "posttrain/params/full.hpp"
#include "posttrain/rewards/numeric_answer.hpp"
#include "posttrain/trainer.hpp"

using namespace posttrain;

#ifdef LEGAL
using Model = models::Decoder;
#else
struct Model {
  explicit Model(const models::DecoderConfig& config) : decoder(config) {}
  Tensor hidden(const auto& gate, const TokenBatch& batch) const {
    return decoder.hidden(gate, batch);
  }
  Tensor logits(const auto& gate, const Tensor& rows) const { return decoder.logits(gate, rows); }
  const auto& layout() const { return decoder.layout(); }
  std::int64_t vocab_size() const { return decoder.vocab_size(); }
  at::Device device() const { return decoder.device(); }
  at::ScalarType dtype() const { return decoder.dtype(); }
  models::Decoder decoder;
};
#endif

struct Plain {
  using State = FullState;
  State attach(const Model& model) const {
#ifdef LEGAL
    return Full{}.attach(model);
#else
    return Full{}.attach(model.decoder);
#endif
  }
};

int main() {
  Trainer trainer(Model(models::DecoderConfig{}), Grpo{}, Plain{}, Rollouts<NumericAnswer>{},
                  AdamW{});
  return trainer.train().loss < 1.0 ? 0 : 1;
}
