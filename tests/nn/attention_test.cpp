// SPDX-License-Identifier: Apache-2.0
#include "posttrain/nn/attention.hpp"

#include "support/catch.hpp"
#include "support/kernels.hpp"

using namespace posttrain;
using kernel_test::gradient_error;
using kernel_test::normal;
using kernel_test::precision_error;
using kernel_test::relative_error;

namespace {

struct Shape {
  std::int64_t heads = 4, kv_heads = 2, dim = 8;
};

// Three levels, a childless root and segments that are no multiples of any block.
std::vector<Segment> forest(std::int64_t scale) {
  const std::int64_t s = scale;
  return {{0, 5 * s, 14 * s, 0},           {5 * s, 8 * s, 12 * s, 5 * s},
          {8 * s, 9 * s, 9 * s, 8 * s},    {9 * s, 12 * s, 12 * s, 8 * s},
          {12 * s, 14 * s, 14 * s, 5 * s}, {14 * s, 14 * s + 1, 14 * s + 1, 0},
          {14 * s + 1, 18 * s, 18 * s, 0}};
}

// Whether query row i sees key row j: the definition, from ancestry and positions alone.
Tensor dense_mask(const std::vector<Segment>& nodes, std::int64_t window) {
  const std::int64_t rows = nodes.back().end;
  const std::vector<std::int64_t> position = token_positions(nodes);
  std::vector<std::int64_t> owner(rows);
  for (std::size_t n = 0; n < nodes.size(); ++n) {
    for (std::int64_t r = nodes[n].begin; r < nodes[n].end; ++r) owner[r] = n;
  }
  Tensor mask = at::zeros({rows, rows}, at::kBool);
  bool* visible = mask.mutable_data_ptr<bool>();
  for (std::int64_t i = 0; i < rows; ++i) {
    for (std::int64_t j = 0; j < rows; ++j) {
      const Segment& ancestor = nodes[owner[j]];
      const bool related = i >= ancestor.begin && i < ancestor.subtree_end;
      const std::int64_t distance = position[i] - position[j];
      visible[i * rows + j] = related && distance >= 0 && (window == 0 || distance < window);
    }
  }
  return mask;
}

// Plain softmax attention with a mask, through autograd.
Tensor dense_attention(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& mask,
                       const AttentionOptions& options) {
  const std::int64_t group = q.size(1) / k.size(1);
  const Tensor keys = k.repeat_interleave(group, 1).transpose(0, 1);
  const Tensor values = v.repeat_interleave(group, 1).transpose(0, 1);
  Tensor s = at::matmul(q.transpose(0, 1), keys.transpose(1, 2)) * options.scale;
  if (options.softcap > 0) s = (s / options.softcap).tanh() * options.softcap;
  s = s.masked_fill(mask.logical_not(), -std::numeric_limits<double>::infinity());
  return at::matmul(s.softmax(-1), values).transpose(0, 1);
}

Tensors random_qkv(std::int64_t rows, const Shape& shape, std::uint64_t seed = 1) {
  return {normal({rows, shape.heads, shape.dim}, seed),
          normal({rows, shape.kv_heads, shape.dim}, seed + 1),
          normal({rows, shape.kv_heads, shape.dim}, seed + 2)};
}

Tensors with_gradients(const std::function<Tensor(const Tensors&)>& f, const Tensors& inputs) {
  Tensors leaves;
  for (const Tensor& input : inputs) leaves.push_back(input.clone().requires_grad_());
  const Tensor out = f(leaves);
  (out * normal(out.sizes(), 9).to(out.scalar_type())).sum().backward();
  Tensors results{out.detach()};
  for (const Tensor& leaf : leaves) results.push_back(leaf.grad());
  return results;
}

void check_close(const Tensors& actual, const Tensors& expected, double tolerance) {
  for (std::size_t i = 0; i < expected.size(); ++i) {
    CAPTURE(i);
    CHECK(relative_error(actual[i], expected[i]) < tolerance);
  }
}

}  // namespace

TEST_CASE("Attention over a forest's parts equals attention under a dense mask", "[C14]") {
  const std::int64_t window = GENERATE(0, 1, 4, 9);
  const double softcap = GENERATE(0.0, 2.0);
  const std::vector<Segment> nodes = forest(2);
  const AttentionOptions options{0.35, softcap, window};
  const auto parts = attention_parts(nodes, window);
  const Tensor mask = dense_mask(nodes, window);
  const Tensors inputs = random_qkv(nodes.back().end, {});
  const Tensors actual = with_gradients(
      [&](const Tensors& t) { return attention(t[0], t[1], t[2], parts, options); }, inputs);
  const Tensors expected = with_gradients(
      [&](const Tensors& t) { return dense_attention(t[0], t[1], t[2], mask, options); }, inputs);
  CAPTURE(window, softcap);
  check_close(actual, expected, 1e-12);
}

TEST_CASE("Attention's gradients match finite differences") {
  const std::vector<Segment> nodes{{0, 3, 7, 0}, {3, 5, 5, 3}, {5, 7, 7, 3}, {7, 9, 9, 0}};
  const double softcap = GENERATE(0.0, 1.5);
  const std::int64_t window = GENERATE(0, 2);
  const auto parts = attention_parts(nodes, window);
  const auto f = [&](const Tensors& t) {
    return attention(t[0], t[1], t[2], parts, {0.5, softcap, window});
  };
  CHECK(gradient_error(f, random_qkv(9, {2, 1, 3})) < 1e-7);
}

TEST_CASE("Attention in float32 and bfloat16 equals attention in double", "[C14]") {
  const Shape shape = GENERATE(Shape{4, 2, 8}, Shape{2, 2, 16}, Shape{4, 1, 64}, Shape{2, 1, 80},
                               Shape{2, 2, 128}, Shape{3, 3, 30}, Shape{2, 2, 5});
  const auto [scale, window] =
      GENERATE(std::pair{1, 0}, std::pair{13, 0}, std::pair{13, 70}, std::pair{20, 5});
  const std::vector<Segment> nodes = forest(scale);
  const auto parts = attention_parts(nodes, window);
  const AttentionOptions options{1 / std::sqrt(static_cast<double>(shape.dim)), 0, window};
  const auto f = [&](const Tensors& t) { return attention(t[0], t[1], t[2], parts, options); };
  const Tensors inputs = random_qkv(nodes.back().end, shape);
  CAPTURE(shape.heads, shape.kv_heads, shape.dim, scale, window);
  CHECK(precision_error(f, inputs, at::kFloat) < 5e-6);
  CHECK(precision_error(f, inputs, at::kBFloat16) < 2e-2);
}

TEST_CASE("Attention with a soft cap in float32 and bfloat16 equals that in double") {
  const std::vector<Segment> nodes = forest(7);
  const auto parts = attention_parts(nodes);
  const auto f = [&](const Tensors& t) {
    return attention(t[0], t[1], t[2], parts, {0.25, 1.5, 0});
  };
  const Tensors inputs = random_qkv(nodes.back().end, {4, 2, 32});
  CHECK(precision_error(f, inputs, at::kFloat) < 5e-6);
  CHECK(precision_error(f, inputs, at::kBFloat16) < 2e-2);
}

TEST_CASE("Segments of a packed batch don't see each other", "[C14]") {
  const auto type = GENERATE(at::kDouble, at::kFloat, at::kBFloat16);
  const std::vector<std::int64_t> lengths{1, 70, 3, 64, 129};
  std::vector<Segment> nodes;
  std::int64_t begin = 0;
  for (const std::int64_t length : lengths) {
    nodes.push_back({begin, begin + length, begin + length, 0});
    begin += length;
  }
  const Tensors packed = random_qkv(begin, {2, 2, 16});
  Tensors typed;
  for (const Tensor& t : packed) typed.push_back(t.to(type));
  const Tensors together = with_gradients(
      [&](const Tensors& t) { return attention(t[0], t[1], t[2], attention_parts(nodes), {0.25}); },
      typed);
  for (const Segment& node : nodes) {
    const std::int64_t length = node.end - node.begin;
    const AttentionPart alone{0, length, 0, length, true, 0, 0};
    const Tensor out =
        attention(typed[0].slice(0, node.begin, node.end), typed[1].slice(0, node.begin, node.end),
                  typed[2].slice(0, node.begin, node.end), {alone}, {0.25});
    CHECK(relative_error(together[0].slice(0, node.begin, node.end), out) < 1e-6);
  }
}

TEST_CASE("Attention reads strided views of one fused buffer") {
  const auto type = GENERATE(at::kDouble, at::kFloat, at::kBFloat16);
  const std::int64_t rows = 75, heads = 4, kv_heads = 2, dim = 32;
  const Tensor qkv = normal({rows, (heads + 2 * kv_heads) * dim}, 3).to(type);
  const Tensor split = qkv.unflatten(1, {heads + 2 * kv_heads, dim});
  const Tensors views{split.narrow(1, 0, heads), split.narrow(1, heads, kv_heads),
                      split.narrow(1, heads + kv_heads, kv_heads)};
  const std::vector<AttentionPart> parts{{0, rows, 0, rows, true, 0, 0}};
  Tensors copies;
  for (const Tensor& view : views) copies.push_back(view.contiguous());
  const Tensor gradient = normal({rows, heads, dim}, 4).to(type);
  const AttentionResult a = attention_forward(views[0], views[1], views[2], parts, {0.2});
  const AttentionResult b = attention_forward(copies[0], copies[1], copies[2], parts, {0.2});
  CHECK(a.out.equal(b.out));
  CHECK(a.lse.equal(b.lse));
  const auto da = attention_backward(gradient, views[0], views[1], views[2], a, parts, {0.2});
  const auto db = attention_backward(gradient, copies[0], copies[1], copies[2], b, parts, {0.2});
  CHECK(da.q.equal(db.q));
  CHECK(da.k.equal(db.k));
  CHECK(da.v.equal(db.v));
}

TEST_CASE("Rows that see no key give zero and take no gradient") {
  const auto type = GENERATE(at::kDouble, at::kFloat, at::kBFloat16);
  // Rows 0..2 are in no part; row 3 is covered, but its keys lie in the future.
  const std::vector<AttentionPart> parts{{3, 4, 2, 4, true, 0, 5}, {4, 8, 0, 8, true, 4, 0}};
  Tensors inputs;
  for (const Tensor& t : random_qkv(8, {2, 2, 16})) inputs.push_back(t.to(type));
  const Tensors results = with_gradients(
      [&](const Tensors& t) { return attention(t[0], t[1], t[2], parts, {0.25}); }, inputs);
  CHECK(results[0].slice(0, 0, 4).abs().max().item<double>() == 0);
  CHECK(results[0].slice(0, 4, 8).abs().min().item<double>() > 0);
  CHECK(results[1].slice(0, 0, 4).abs().max().item<double>() == 0);
  for (const Tensor& result : results) CHECK(result.isfinite().all().item<bool>());
  const Tensor nothing = attention(inputs[0], inputs[1], inputs[2], {}, {0.25});
  CHECK(nothing.abs().max().item<double>() == 0);
  CHECK(attention(inputs[0].slice(0, 0, 0), inputs[1], inputs[2], {}, {0.25}).numel() == 0);
}

TEST_CASE("Queries of a few new tokens attend to a longer cache") {
  const auto type = GENERATE(at::kDouble, at::kFloat, at::kBFloat16);
  const std::int64_t fresh = GENERATE(1, 3, 16);
  const Shape shape = GENERATE(Shape{4, 2, 64}, Shape{2, 2, 80}, Shape{6, 1, 8});
  const std::int64_t total = 150, window = GENERATE(0, 20);
  Tensors full;
  for (const Tensor& t : random_qkv(total, shape)) full.push_back(t.to(type));
  const AttentionOptions options{0.2, 0, window};
  const Tensor expected =
      attention(full[0], full[1], full[2], {{0, total, 0, total, true, 0, 0}}, options);
  const AttentionPart part{0, fresh, 0, total, true, total - fresh, 0};
  const Tensor actual =
      attention(full[0].slice(0, total - fresh), full[1], full[2], {part}, options);
  CHECK(relative_error(actual, expected.slice(0, total - fresh)) <
        (type == at::kBFloat16 ? 1e-2 : 1e-5));
}

TEST_CASE("A batch of single queries over own caches and one shared prompt", "[C14]") {
  const auto type = GENERATE(at::kDouble, at::kFloat, at::kBFloat16);
  const std::int64_t prompt = 40, own = 7, batch = 5;
  const Tensor q = normal({batch, 4, 16}, 1).to(type);
  const Tensor k = normal({prompt + batch * own, 2, 16}, 2).to(type);
  const Tensor v = normal({prompt + batch * own, 2, 16}, 3).to(type);
  std::vector<AttentionPart> parts{{0, batch, 0, prompt, false, 0, 0}};
  for (std::int64_t b = 0; b < batch; ++b) {
    parts.push_back(
        {b, b + 1, prompt + b * own, prompt + (b + 1) * own, true, prompt + own - 1, prompt});
  }
  const Tensor actual = attention(q, k, v, parts, {0.25});
  for (std::int64_t b = 0; b < batch; ++b) {
    const auto keys = [&](const Tensor& x) {
      return at::cat({x.slice(0, 0, prompt), x.slice(0, prompt + b * own, prompt + (b + 1) * own)});
    };
    const Tensor alone =
        attention(q.slice(0, b, b + 1).to(at::kDouble), keys(k).to(at::kDouble),
                  keys(v).to(at::kDouble), {{0, 1, 0, prompt + own, false, 0, 0}}, {0.25});
    CHECK(relative_error(actual.slice(0, b, b + 1), alone) < (type == at::kDouble  ? 1e-12
                                                              : type == at::kFloat ? 1e-5
                                                                                   : 1e-2));
  }
}

TEST_CASE("Attention's backward gives the same bits every time and for any number of threads") {
  const auto type = GENERATE(at::kFloat, at::kBFloat16);
  const std::vector<Segment> nodes = forest(11);
  const auto parts = attention_parts(nodes);
  Tensors inputs;
  for (const Tensor& t : random_qkv(nodes.back().end, {4, 2, 32})) inputs.push_back(t.to(type));
  const auto f = [&](const Tensors& t) { return attention(t[0], t[1], t[2], parts, {0.2}); };
  const int threads = at::get_num_threads();
  const Tensors first = with_gradients(f, inputs), second = with_gradients(f, inputs);
  at::set_num_threads(1);
  const Tensors single = with_gradients(f, inputs);
  at::set_num_threads(threads);
  for (std::size_t i = 0; i < first.size(); ++i) {
    CHECK(first[i].equal(second[i]));
    CHECK(first[i].equal(single[i]));
  }
}

TEST_CASE("Attention says which shapes it expects") {
  const Tensor q = at::zeros({4, 3, 8}), k = at::zeros({4, 2, 8});
  CHECK_THROWS_WITH(attention(q, k, k, {}, {1.0}),
                    Catch::Contains("[4, 3, 8]") && Catch::Contains("multiple"));
  CHECK_THROWS_WITH(attention(q, q, q, {{0, 5, 0, 4, true, 0, 0}}, {1.0}),
                    Catch::Contains("outside 4 queries"));
}
