// SPDX-License-Identifier: Apache-2.0
// Evaluation of adapted models, for the tests of LoRA's pieces.
#pragma once

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "support/catch.hpp"
#include "support/tiny_model.hpp"

namespace posttrain::test {

inline TokenBatch some_batch() {
  return batch_of({some_sequence(7, 1), some_sequence(12, 2), some_sequence(5, 3)});
}

template <class State>
Tensor logits_of(const State& state, const models::Decoder& model = tiny_model()) {
  at::NoGradGuard no_grad;
  return model.logits(state, model.hidden(state, some_batch()));
}

template <class State>
Tensor hidden_of(const State& state, const models::Decoder& model = tiny_model()) {
  at::NoGradGuard no_grad;
  return model.hidden(state, some_batch());
}

/// Every gradient against finite differences, on every 7th number of every group. In double the
/// masters are the weights; nothing is published, since DoRA's gradient leaves its norm out.
template <class State>
void check_gradients(const models::Decoder& model, State& state) {
  const TokenBatch batch = some_batch();
  const NextToken loss{.label_smoothing = 0.1};
  zero_gradients(state);
  add_gradients(model, state, batch, loss);
  for (ParameterGroup& group : state.trainable()) {
    INFO(group.name);
    double largest = 0.0;
    for (std::int64_t i = 0; i < group.master.numel(); i += 7) {
      const double original = number_at(group.master, i), h = 1e-5;
      const double gradient = number_at(group.grad, i);
      const auto at = [&](double value) {
        set_number(group.master, i, value);
        return loss_sum(model, state, batch, loss);
      };
      const double above = at(original + h), below = at(original - h);
      at(original);
      CHECK(gradient == Approx((above - below) / (2 * h)).epsilon(1e-5).margin(1e-7));
      largest = std::max(largest, std::abs(gradient));
    }
    CHECK(largest > 1e-4);
  }
}

/// The merged weights as a model of their own, untied if they come so.
template <class State>
models::Decoder merged(const State& state) {
  std::map<std::string, Tensor> by_name;
  for (const NamedTensor& weight : state.weights()) by_name[weight.name] = weight.value;
  models::DecoderConfig config = tiny_config();
  config.tied = !by_name.contains("lm_head.weight");
  return models::Decoder(config, {.dtype = at::kDouble, .device = test_device()},
                         [by_name](const std::string& name, const std::vector<std::int64_t>&) {
                           return by_name.at(name);
                         });
}

}  // namespace posttrain::test
