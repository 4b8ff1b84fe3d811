// SPDX-License-Identifier: Apache-2.0
// Samples on a CUDA device, the stand-in or a GPU: those of the CPU, and few copies for each token.
#include <cmath>
#include <vector>

#include "posttrain/generate/generator.hpp"
#include "posttrain/params/frozen.hpp"
#include "posttrain/params/lora.hpp"
#include "posttrain/params/prefix_tuning.hpp"
#include "posttrain/params/qlora.hpp"
#include "posttrain/tensor/transfer.hpp"
#include "support/catch.hpp"
#include "support/device.hpp"
#include "support/disturb.hpp"
#include "support/tiny_model.hpp"

using namespace posttrain;
using namespace posttrain::test;

namespace {

/// With heads that FlashAttention takes.
models::Decoder model_on(const Device& device, at::ScalarType dtype) {
  models::DecoderConfig config = tiny_config();
  config.head_dim = 8;
  config.ropes[0].inv_freq = {1.0F, 0.3F, 0.1F, 0.03F};
  config.ropes[0].rotary_dim = 8;
  config.attention_softcap = 0.0;
  return models::Decoder(config, {.dtype = dtype, .device = device, .seed = 1});
}

std::vector<Request> requests() {
  Sampling sampling{.max_new_tokens = 10, .temperature = 0.9, .top_p = 0.9, .seed = 3};
  std::vector<Request> all;
  for (std::uint64_t i = 0; i < 4; ++i) {
    TokenIds prompt = some_ids(5, 1);
    const TokenIds own = some_ids(static_cast<std::int64_t>(2 + 3 * i), 10 + i);
    prompt.insert(prompt.end(), own.begin(), own.end());
    all.push_back({.prompt = prompt, .sampling = sampling, .samples = 3, .prompt_index = i});
    sampling.repetition_penalty = 1.2;
    sampling.temperature = i == 1 ? 0.0 : 0.9;
  }
  return all;
}

}  // namespace

TEST_CASE("samples on a device are those of the CPU", "[device][generate]") {
  const auto check = [](const auto& policy) {
    const models::Decoder here = model_on(Device(), at::kFloat);
    const models::Decoder there = model_on(test_device(), at::kFloat);
    auto own = policy.attach(here);
    auto moved = policy.attach(there);
    disturb(own, 0.2);
    disturb(moved, 0.2);
    for (const GeneratorOptions& options :
         std::vector<GeneratorOptions>{{},
                                       {.max_live = 5, .draft_ngrams = 1},
                                       {.max_live = 3, .sync_every = 4},
                                       {.sync_every = 100}}) {
      const auto expected = Generator(here, own, {}, options).run(requests());
      const auto groups = Generator(there, moved, {}, options).run(requests());
      for (std::size_t i = 0; i < expected.size(); ++i) {
        for (std::size_t s = 0; s < expected[i].size(); ++s) {
          CHECK(groups[i][s].ids == expected[i][s].ids);
          for (std::size_t t = 0; t < expected[i][s].logps.size(); ++t) {
            CHECK(std::abs(groups[i][s].logps[t] - expected[i][s].logps[t]) < 1e-4);
          }
        }
      }
    }
  };
  check(Lora{.rank = 2});
  check(QLora{.rank = 2});
  check(PrefixTuning{.num_virtual_tokens = 3});
}

TEST_CASE("a token costs one read, and the uploads do not grow with the samples",
          "[device][generate]") {
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
    const models::Decoder model = model_on(test_device(), dtype);
    const FrozenState gate = Frozen{}.attach(model);
    Generator generator(model, gate, {});
    for (Request& request : requests()) generator.add(std::move(request));
    for (int step = 0; step < 3; ++step) generator.step();
    const TransferCounts before = transfer_counts();
    constexpr int kSteps = 4;
    for (int step = 0; step < kSteps; ++step) generator.step();
    const TransferCounts after = transfer_counts();
    CHECK(generator.counts().sampled_tokens == 12 * (3 + kSteps));
    CHECK(after.reads - before.reads == kSteps);
    // The rows that are read and where they go; what they are drawn with; in 16 bits the plan of
    // FlashAttention's calls.
    CHECK(after.uploads - before.uploads == kSteps * (dtype == at::kFloat ? 2 : 3));
  }
}
