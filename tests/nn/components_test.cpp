// SPDX-License-Identifier: Apache-2.0
// The lines of docs/components.md on nn/, with their results.
#include <cmath>
#include <vector>

#include "posttrain/losses/next_token.hpp"
#include "posttrain/nn/attention.hpp"
#include "posttrain/nn/dropout.hpp"
#include "posttrain/nn/gated_activation.hpp"
#include "posttrain/nn/gemm.hpp"
#include "posttrain/nn/heads.hpp"
#include "posttrain/nn/layer_norm.hpp"
#include "posttrain/nn/linear.hpp"
#include "posttrain/nn/lm_head.hpp"
#include "posttrain/nn/neftune.hpp"
#include "posttrain/nn/packed_matrices.hpp"
#include "posttrain/nn/rms_norm.hpp"
#include "posttrain/nn/rotary.hpp"
#include "posttrain/nn/soft_cap.hpp"
#include "support/catch.hpp"
#include "support/kernels.hpp"
#include "support/tiny_model.hpp"

using namespace posttrain;
using kernel_test::normal;
using kernel_test::relative_error;

TEST_CASE("components: linear adds the weight's gradient to its buffer", "[components]") {
  const Tensor x = normal({7, 3}, 1, at::kFloat);
  // [snippet: linear]
  Weight weight;  // trained, without a bias
  weight.value = at::ones({4, 3});
  weight.grad = at::zeros({4, 3});
  weight.anchor = at::zeros({}).requires_grad_();
  linear(x, weight).sum().backward();  // [7, 3] → [7, 4]; weight.grad += 1ᵀ x
  // [/snippet]
  CHECK(relative_error(weight.grad, at::ones({4, 7}).matmul(x)) < 1e-6);
}

TEST_CASE("components: embed_rows looks up and scatters back", "[components]") {
  // [snippet: embed]
  const Tensor table = at::eye(5), grad = at::zeros({5, 5});
  const Tensor anchor = at::zeros({}).requires_grad_();
  const Tensor ids = at::tensor(std::vector<std::int64_t>{3, 0, 3}, at::kLong);
  const Tensor rows = embed_rows(table, ids, grad, /*padding_row=*/-1, anchor);  // [3, 5]
  rows.sum().backward();  // grad[0] += 1, grad[3] += 2
  // [/snippet]
  CHECK(rows.equal(at::eye(5).index_select(0, ids)));
  CHECK(grad.sum(1).equal(at::tensor(std::vector<float>{5, 0, 0, 10, 0})));
}

TEST_CASE("components: norms", "[components]") {
  const Tensor x = normal({6, 8}, 1), branch = normal({6, 8}, 2);
  // [snippet: norms]
  const Tensor w = at::ones({8}, at::kDouble), b = at::zeros({8}, at::kDouble);
  const Tensor y = rms_norm(x, w, /*eps=*/1e-6);                // [6, 8]
  const Tensor z = layer_norm(x, w, b, /*eps=*/1e-5);           // [6, 8]
  const auto [sum, normed] = add_rms_norm(branch, x, w, 1e-6);  // x + branch, and its norm
  // [/snippet]
  CHECK(relative_error(y, x / (x.pow(2).mean(1, true) + 1e-6).sqrt()) < 1e-12);
  const Tensor centred = x - x.mean(1, true);
  CHECK(relative_error(z, centred / (centred.pow(2).mean(1, true) + 1e-5).sqrt()) < 1e-12);
  CHECK(relative_error(sum, x + branch) < 1e-12);
  CHECK(relative_error(normed, rms_norm(x + branch, w, 1e-6)) < 1e-12);
}

TEST_CASE("components: activations", "[components]") {
  const Tensor gate_up = normal({6, 8}, 1);
  // [snippet: activations]
  const Tensor hidden = gated_activation(gate_up, ActivationKind::kSilu);  // [6, 8] → [6, 4]
  const Tensor plain = activation(gate_up, ActivationKind::kGeluTanh);     // [6, 8]
  // [/snippet]
  const Tensor gate = gate_up.slice(1, 0, 4), up = gate_up.slice(1, 4, 8);
  CHECK(relative_error(hidden, gate * gate.sigmoid() * up) < 1e-12);
  const Tensor inner = (gate_up + gate_up.pow(3) * 0.044715) * std::sqrt(2.0 / M_PI);
  CHECK(relative_error(plain, gate_up * (inner.tanh() + 1.0) * 0.5) < 1e-12);
}

TEST_CASE("components: rotary embedding and heads", "[components]") {
  const Tensor qkv = normal({5, (4 + 2 * 2) * 6}, 1, at::kFloat);
  const Tensor angle =
      at::arange(5, at::kFloat).unsqueeze(1) * at::tensor(std::vector<float>{1, 0.1F, 0.01F});
  // [snippet: heads]
  const Tensor cos = angle.cos(), sin = angle.sin();           // [5, R / 2], R ≤ D = 6
  const auto [q, k, v] = split_heads(qkv, 4, 2, 6);            // [5, 4, 6], [5, 2, 6], [5, 2, 6]
  const Tensor turned = rotary(q, cos, sin);                   // [5, 4, 6]
  const Tensor together = rotary_qkv(qkv, 4, 2, 6, cos, sin);  // the same for q and k in one pass
  // [/snippet]
  CHECK(v.flatten(1).equal(qkv.slice(1, 36, 48)));
  CHECK(turned[0].equal(q[0]));  // position 0
  const Tensor a = q.slice(2, 0, 3), b = q.slice(2, 3, 6);
  const Tensor first = a * cos.unsqueeze(1) - b * sin.unsqueeze(1);
  CHECK(relative_error(turned.slice(2, 0, 3), first) < 1e-6);
  CHECK(relative_error(together.slice(1, 0, 24), turned.flatten(1)) < 1e-6);
  CHECK(together.slice(1, 36, 48).equal(v.flatten(1)));
}

TEST_CASE("components: attention over a forest", "[components]") {
  const Tensor q = normal({7, 4, 8}, 1), k = normal({7, 2, 8}, 2), v = normal({7, 2, 8}, 3);
  // [snippet: attention]
  // Two packed sequences of 4 and 3 tokens: rows [0, 4) and [4, 7), both from position 0.
  const std::vector<Segment> nodes{{0, 4, 4, 0}, {4, 7, 7, 0}};
  const AttentionOptions options{.scale = 1.0 / std::sqrt(8.0)};
  const Tensor out = attention(q, k, v, attention_parts(nodes), options);  // [7, 4, 8]
  // [/snippet]
  const Tensor alone =
      attention(q.slice(0, 4), k.slice(0, 4), v.slice(0, 4), {{0, 3, 0, 3, true, 0, 0}}, options);
  CHECK(relative_error(out.slice(0, 4), alone) < 1e-12);
  CHECK(relative_error(out[4][3], v[4][1]) < 1e-12);  // a first token sees itself only
}

TEST_CASE("components: the head scores predictions in chunks", "[components]") {
  const Tensor hidden = normal({6, 4}, 1).requires_grad_();
  const Tensor w = normal({10, 4}, 2);
  const TokenBatch batch = test::batch_of({test::some_sequence(6, 3, 10)}).to(at::kCPU);
  // [snippet: head]
  const ScoringHead head = [&](const Tensor& rows) { return rows.matmul(w.t()); };  // [n, V]
  const Scores scores = score_predictions(head, hidden, batch, {.entropy = true}, /*chunk=*/128);
  const NextToken loss;
  const double sum = backward_through_head(head, hidden, batch, loss, loss.needs(),
                                           /*scale=*/1.0 / loss.count(batch), /*chunk=*/128)
                         .item()
                         .toDouble();
  // [/snippet]
  const Tensor logp = at::log_softmax(hidden.detach().index_select(0, batch.row).matmul(w.t()), 1);
  const Tensor chosen = logp.gather(1, batch.target.unsqueeze(1)).squeeze(1);
  CHECK(relative_error(scores.logp, chosen) < 1e-12);
  CHECK(relative_error(scores.entropy, -(logp.exp() * logp).sum(1)) < 1e-12);
  CHECK(std::abs(sum + (chosen * batch.weight).sum().item<double>()) < 1e-9);
  // d/dh of −Σ w log p / Σ w = (softmax − onehot) · w / Σ w, through the head.
  const Tensor onehot = at::zeros_like(logp).scatter(1, batch.target.unsqueeze(1), 1.0);
  const Tensor dz = (logp.exp() - onehot) * (batch.weight / loss.count(batch)).unsqueeze(1);
  const Tensor expected = at::zeros({6, 4}, at::kDouble).index_add(0, batch.row, dz.matmul(w));
  CHECK(relative_error(hidden.grad(), expected) < 1e-6);
}

TEST_CASE("components: soft cap", "[components]") {
  const Tensor z = normal({3, 5}, 1) * 40.0;
  // [snippet: soft_cap]
  const Tensor capped = soft_cap(z, /*c=*/30.0);  // the shape of z, within (−30, 30)
  // [/snippet]
  CHECK(relative_error(capped, (z / 30.0).tanh() * 30.0) < 1e-12);
}

TEST_CASE("components: keyed dropout and NEFTune", "[components]") {
  const Sequence one = test::some_sequence(40, 1), two = test::some_sequence(30, 2);
  const Tensor x = at::ones({70, 16}, at::kFloat);
  // [snippet: noise]
  const TokenBatch batch = pack_sequences(std::vector<const Sequence*>{&one, &two});  // 70 tokens
  const KeyedDropout dropout{.probability = 0.1, .seed = 1, .step = 7, .rows = row_keys(batch)};
  const Tensor dropped = dropout.apply(x, /*place=*/0);                         // [70, 16]
  const Tensor noisy = add_neftune_noise(x, batch, {.alpha = 5.0, .step = 7});  // [70, 16]
  // [/snippet]
  const double kept = dropped.gt(0).to(at::kDouble).mean().item<double>();
  CHECK(std::abs(kept - 0.9) < 5.0 * std::sqrt(0.09 / 1120));
  CHECK(dropped.max().item<float>() == 1.0F / 0.9F);
  // The same token is treated alike when it is packed otherwise.
  const TokenBatch other = pack_sequences(std::vector<const Sequence*>{&two, &one});
  const Tensor again = KeyedDropout{0.1, 1, 7, row_keys(other)}.apply(x, 0);
  CHECK(again.slice(0, 0, 30).equal(dropped.slice(0, 40, 70)));
  const Tensor noisy_again = add_neftune_noise(x, other, {.alpha = 5.0, .step = 7});
  CHECK(noisy_again.slice(0, 0, 30).equal(noisy.slice(0, 40, 70)));
  CHECK((noisy - x).slice(0, 0, 40).abs().max().item<double>() <=
        5.0 / std::sqrt(40 * 16.0) + 1e-6);
}

TEST_CASE("components: matrix products", "[components]") {
  const Tensor x = normal({6, 3}, 1, at::kFloat), w = normal({4, 3}, 2, at::kFloat);
  const Tensor dy = normal({6, 4}, 3, at::kFloat);
  // [snippet: gemm]
  const Tensor y = matmul_nt(x, w);    // x wᵀ: [6, 3], [4, 3] → [6, 4]
  const Tensor dx = matmul_nn(dy, w);  // dy w: [6, 4], [4, 3] → [6, 3]
  const Tensor dw = at::zeros({4, 3});
  accumulate_tn(dw, dy, x);  // dw += dyᵀ x
  // [/snippet]
  CHECK(relative_error(y, x.matmul(w.t())) < 1e-6);
  CHECK(relative_error(dx, dy.matmul(w)) < 1e-6);
  CHECK(relative_error(dw, dy.t().matmul(x)) < 1e-6);
}

TEST_CASE("components: packed matrices", "[components]") {
  const models::Decoder model(test::tiny_config(), {.dtype = at::kFloat});
  const FullState gate = Full{}.attach(model);
  const TokenBatch batch = test::batch_of({test::some_sequence(5, 1)}).to(at::kCPU);
  const Tensor w = normal({40, 16}, 1, at::kFloat), x = normal({3, 16}, 2, at::kFloat);
  if (!PackedMatrix::packs(w)) return;
  // [snippet: packed]
  at::NoGradGuard no_grad;
  const PackedMatrix once(w);                           // w [40, 16]
  const Tensor y = once.times(x);                       // x wᵀ: [3, 16] → [3, 40]
  const Tensor same = once.times(x, RowBlocks::fixed);  // a row's bits whatever m is
  PackedMatrices packed;                                // of a model, empty
  Tensor hidden;
  {
    const PackedMatrices::Use use(packed);
    hidden = model.hidden(gate, batch);  // packs at the first use
  }
  packed.clear();  // after every change of the parameters
  // [/snippet]
  CHECK(relative_error(y, x.matmul(w.t())) < 1e-6);
  CHECK(relative_error(same, y) < 1e-6);
  CHECK(relative_error(hidden, model.hidden(gate, batch)) < 1e-6);
}
