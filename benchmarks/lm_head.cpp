// SPDX-License-Identifier: Apache-2.0
// Case S4 of benchmarks/sft.py: loss and gradients through an LM head of 151,936 tokens, chunk by
// chunk (ours) or with all logits and a cross entropy (dense). One process per side, because peak
// memory is a process's. Prints {"loss", "grad_norm", "seconds", "extra_memory"}; the last is the
// peak over what hidden states, weights and their gradients take.
//
//   lm_head ours|dense [--rows 2048] [--hidden 512] [--vocab 151936] [--repeat 3]
#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>

#include "posttrain/losses/next_token.hpp"
#include "posttrain/nn/linear.hpp"
#include "posttrain/tensor/allocator.hpp"
#include "posttrain/tensor/ops.hpp"
#include "posttrain/trainer/run/log.hpp"

int main(int argc, char** argv) {
  using namespace posttrain;
  CLI::App app("Loss and gradients through a large LM head");
  std::string side;
  std::int64_t rows = 2048, hidden_size = 512, vocab = 151936, repeat = 3;
  app.add_option("side", side)->required()->check(CLI::IsMember({"ours", "dense"}));
  app.add_option("--rows", rows);
  app.add_option("--hidden", hidden_size);
  app.add_option("--vocab", vocab);
  app.add_option("--repeat", repeat);
  CLI11_PARSE(app, argc, argv);
  tune_allocator();

  const auto wave = [](std::int64_t m, std::int64_t n, double scale) {
    return at::arange(m * n, at::kFloat).sin_().mul_(scale).view({m, n});  // no second buffer
  };
  Tensor hidden = wave(rows + 1, hidden_size, 1.0).requires_grad_();
  Weight head;
  head.value = wave(vocab, hidden_size, 0.05);
  head.grad = at::zeros_like(head.value);
  head.anchor = at::zeros({}).requires_grad_();
  BatchBuilder builder;
  TokenIds ids;
  for (std::int64_t i = 0; i <= rows; ++i) ids.push_back(static_cast<TokenId>((i * 7919) % vocab));
  builder.add(ids);
  builder.score(std::vector<float>(ids.size(), 1.0F));
  builder.end_sequence(0);
  const TokenBatch batch = std::move(builder).build();

  const double base = peak_memory_gib();
  double best = 1e30, loss = 0.0;
  for (std::int64_t i = 0; i < repeat; ++i) {
    head.grad.zero_();
    hidden.mutable_grad() = Tensor();
    const auto start = std::chrono::steady_clock::now();
    const auto logits = [&](const Tensor& x) { return linear(x, head); };
    if (side == "ours") {
      loss = backward_through_head(logits, hidden * 1.0, batch, NextToken{}, {},
                                   1.0 / static_cast<double>(rows), head_chunk_rows(vocab))
                 .item<double>() /
             static_cast<double>(rows);
    } else {
      const Tensor z = logits(hidden.index_select(0, batch.row));
      const Tensor nll = -at::log_softmax(z, 1).gather(1, batch.target.unsqueeze(1)).mean();
      nll.backward();
      loss = nll.item<double>();
    }
    best = std::min(
        best, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  const double norm = head.grad.norm().item<double>() + hidden.grad().norm().item<double>();
  std::printf("{\"loss\": %.8g, \"grad_norm\": %.8g, \"seconds\": %.5f, \"extra_memory\": %.0f}\n",
              loss, norm, best, (peak_memory_gib() - base) * 1024 * 1024 * 1024);
}
