// expected: posttrain: an environment needs `std::optional<Reply> operator()(const text::Conversation&) const` [docs/concepts.md#environment]
// SPDX-License-Identifier: Apache-2.0
// A text alone does not say whose it is.
#include <optional>
#include <string>

#include "posttrain/data/rollouts.hpp"
#include "posttrain/losses/grpo.hpp"
#include "posttrain/models/decoder.hpp"
#include "posttrain/optim/adamw.hpp"
#include "posttrain/params/full.hpp"
#include "posttrain/rewards/numeric_answer.hpp"
#include "posttrain/trainer.hpp"

using namespace posttrain;

namespace {

struct Clock {
#ifdef LEGAL
  std::optional<Reply> operator()(const text::Conversation&) const {
    return Reply::of("tool", "12:30");
  }
#else
  std::optional<std::string> operator()(const text::Conversation&) const { return "12:30"; }
#endif
};

struct Model : models::Decoder {
  using models::Decoder::Decoder;
  const text::ChatTokenizer* text() const { return nullptr; }
};

}  // namespace

int main() {
  Trainer trainer(Model(models::DecoderConfig{}), Grpo{}, Full{}, Rollouts<NumericAnswer, Clock>{},
                  AdamW{});
  trainer.train();
}
