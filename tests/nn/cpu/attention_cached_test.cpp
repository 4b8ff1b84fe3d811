// SPDX-License-Identifier: Apache-2.0
// Few queries over many keys, as decoding asks for them, against the plain operations in double.
#include "posttrain/nn/cpu/attention_cached.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numeric>
#include <vector>

#include "posttrain/base/rng.hpp"
#include "posttrain/nn/attention.hpp"
#include "posttrain/nn/attention_generic.hpp"
#include "support/catch.hpp"
#include "support/kernels.hpp"

using namespace posttrain;
using kernel_test::normal;
using kernel_test::relative_error;

namespace {

struct Shape {
  std::int64_t group = 1, kv_heads = 2, dim = 64;
};

struct Call {
  std::vector<AttentionPart> parts;
  std::int64_t rows = 0, keys = 0;
};

// Groups of rows: each with a system prompt that all share, a prompt of its group, sometimes one
// more level, and a tail per row; a few rows are drafts (causal parts of several rows), and some
// see nothing at all. Parts stand in the order in which a forest lists them, or by row.
Call random_call(std::uint64_t seed, bool window) {
  Philox4x32 random(seed, 0);
  const auto below = [&](std::int64_t limit) {
    return static_cast<std::int64_t>(random.uniform() * static_cast<double>(limit));
  };
  Call call;
  std::int64_t key = 3 + below(5);  // keys that nobody sees
  const auto keys = [&](std::int64_t count) { return key += count, key - count; };
  const std::int64_t groups = 1 + below(3), system = below(2) * (1 + below(700));
  const std::int64_t total = 1 + below(70);
  const std::int64_t system_keys = keys(system);
  // Under a window every row needs its own position: parts of one position per row.
  const auto share = [&](std::int64_t q0, std::int64_t q1, std::int64_t k0, std::int64_t count,
                         std::int64_t kpos, std::int64_t qpos) {
    if (count > 0) call.parts.push_back({q0, q1, k0, k0 + count, false, qpos, kpos});
  };
  const std::int64_t base = system + 1500;
  if (system > 0) share(0, total, system_keys, system, 0, base);
  for (std::int64_t g = 0; g < groups; ++g) {
    const std::int64_t q0 = total * g / groups, q1 = total * (g + 1) / groups;
    if (q0 == q1) continue;
    const std::int64_t prompt = below(4) == 0 ? 0 : 1 + below(1400);
    share(q0, q1, keys(prompt), prompt, system, base + q0);
    if (below(3) == 0) {
      const std::int64_t middle = q0 + (q1 - q0) / 2, more = below(200);
      share(q0, middle, keys(more), more, system + prompt, base + q0);
    }
    for (std::int64_t row = q0; row < q1;) {
      const std::int64_t size = std::min(q1 - row, below(5) == 0 ? 1 + below(7) : 1);
      const std::int64_t tail = below(8) == 0 ? 0 : size + below(300);
      const std::int64_t k0 = keys(tail);
      if (tail > 0) {
        const std::int64_t last = window ? base + row : tail - size;
        call.parts.push_back(
            {row, row + size, k0, k0 + tail, true, last, window ? last - tail + size : 0});
      }
      row += size;
    }
  }
  if (seed % 2 == 0) std::reverse(call.parts.begin(), call.parts.end());
  call.rows = total + below(2);  // perhaps a row without keys
  call.keys = std::max(key + below(9), 4 * call.rows);
  return call;
}

struct Inputs {
  Tensor q, k, v;  // q is a view of a fused buffer
};

Inputs random_inputs(const Call& call, const Shape& shape, at::ScalarType type) {
  const std::int64_t heads = shape.group * shape.kv_heads;
  const Tensor fused = normal({call.rows, heads + 2 * shape.kv_heads, shape.dim}, 1).to(type);
  return {fused.narrow(1, 0, heads), normal({call.keys, shape.kv_heads, shape.dim}, 2).to(type),
          normal({call.keys, shape.kv_heads, shape.dim}, 3).to(type)};
}

AttentionResult in_double(const Inputs& x, const Call& call, const AttentionOptions& options) {
  return attention_forward_generic(x.q.to(at::kDouble), x.k.to(at::kDouble), x.v.to(at::kDouble),
                                   call.parts, options);
}

void check_results(const AttentionResult& actual, const AttentionResult& expected,
                   at::ScalarType type) {
  CHECK(actual.out.is_contiguous());
  CHECK(actual.out.scalar_type() == type);
  CHECK(actual.lse.scalar_type() == at::kFloat);
  CHECK(relative_error(actual.out, expected.out) < (type == at::kFloat ? 2e-6 : 1e-2));
  const Tensor seen = expected.lse > -std::numeric_limits<double>::infinity();
  CHECK(seen.equal(actual.lse > -std::numeric_limits<float>::infinity()));
  CHECK(relative_error(actual.lse.masked_select(seen), expected.lse.masked_select(seen)) <
        (type == at::kFloat ? 2e-6 : 2e-3));
  const Tensor hidden = seen.logical_not().t().unsqueeze(2);  // [Tq, Hq, 1]
  CHECK(actual.out.to(at::kDouble).mul(hidden).abs().max().item<double>() == 0);
}

bool same_bits(const AttentionResult& a, const AttentionResult& b) {
  return a.out.equal(b.out) && a.lse.equal(b.lse);
}

// One prompt of `prompt` keys under `rows` rows with tails of 1 … 40 keys.
Call shared_prompt(std::int64_t rows, std::int64_t prompt) {
  Call call{{{0, rows, 0, prompt, false, 0, 0}}, rows, prompt};
  for (std::int64_t r = 0; r < rows; ++r) {
    const std::int64_t tail = 1 + r * 17 % 40;
    call.parts.push_back({r, r + 1, call.keys, call.keys + tail, true, tail - 1, 0});
    call.keys += tail;
  }
  return call;
}

}  // namespace

TEST_CASE("Rows over shared and own keys get what the plain operations give in double", "[C14]") {
  const auto type = GENERATE(at::kFloat, at::kBFloat16);
  const Shape shape = GENERATE(Shape{1, 2, 64}, Shape{2, 2, 32}, Shape{3, 1, 80}, Shape{8, 1, 128},
                               Shape{3, 2, 4}, Shape{1, 3, 5}, Shape{8, 2, 64});
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    const Call call = random_call(seed + 100 * static_cast<std::uint64_t>(shape.dim), false);
    const Inputs x = random_inputs(call, shape, type);
    const double softcap = seed == 3 ? 1.5 : 0;
    const AttentionOptions options{1 / std::sqrt(static_cast<double>(shape.dim)), softcap, 0};
    CAPTURE(shape.group, shape.dim, seed, call.rows, call.keys, softcap);
    check_results(attention_forward(x.q, x.k, x.v, call.parts, options),
                  in_double(x, call, options), type);
  }
}

TEST_CASE("Sliding windows over shared and own keys", "[C14]") {
  const auto type = GENERATE(at::kFloat, at::kBFloat16);
  const Shape shape = GENERATE(Shape{1, 2, 64}, Shape{3, 1, 32});
  const std::int64_t window = GENERATE(1, 70, 1700);
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    const Call call = random_call(seed, true);
    const Inputs x = random_inputs(call, shape, type);
    const AttentionOptions options{0.125, seed == 3 ? 2.0 : 0.0, window};
    CAPTURE(shape.group, window, seed, call.rows, call.keys);
    check_results(attention_forward(x.q, x.k, x.v, call.parts, options),
                  in_double(x, call, options), type);
  }
}

TEST_CASE("A piece of a sequence over a long cache: causal, windowed, one row and hundreds") {
  const auto type = GENERATE(at::kFloat, at::kBFloat16);
  const std::int64_t rows = GENERATE(1, 4, 63, 300);
  const std::int64_t window = GENERATE(0, 700);
  const Call call{{{0, rows, 0, 2600, true, 2600 - rows, 0}}, rows, 2600};
  const Inputs x = random_inputs(call, {2, 2, 64}, type);
  const AttentionOptions options{0.125, 0, window};
  CAPTURE(rows, window);
  check_results(attention_forward(x.q, x.k, x.v, call.parts, options), in_double(x, call, options),
                type);
}

TEST_CASE("Attention over caches has the same bits for any number of threads") {
  const auto type = GENERATE(at::kFloat, at::kBFloat16);
  const std::int64_t window = GENERATE(0, 1700);
  const int threads = at::get_num_threads();
  for (std::uint64_t seed = 1; seed <= 4; ++seed) {
    const Call call = random_call(seed, true);
    const Inputs x = random_inputs(call, {2, 3, 64}, type);
    std::vector<AttentionResult> results;
    for (const int count : {1, 2, 3}) {
      at::set_num_threads(count);
      results.push_back(attention_forward(x.q, x.k, x.v, call.parts, {0.125, 0, window}));
    }
    at::set_num_threads(threads);
    CHECK(same_bits(results[0], results[1]));
    CHECK(same_bits(results[0], results[2]));
  }
}

TEST_CASE("A row's bits depend neither on its place nor on how many rows share its prompt") {
  const auto type = GENERATE(at::kFloat, at::kBFloat16);
  const Shape shape = GENERATE(Shape{1, 2, 64}, Shape{3, 1, 80}, Shape{8, 1, 128});
  const std::int64_t prompt = 1100;
  const AttentionOptions options{0.125};
  const std::int64_t most = 64;
  const Call all = shared_prompt(most, prompt);
  const Inputs x = random_inputs(all, shape, type);
  const AttentionResult whole = attention_forward(x.q, x.k, x.v, all.parts, options);
  for (std::int64_t rows = 5; rows < most; rows += rows < 20 ? 1 : 7) {
    // The last `rows` rows alone, the last one first.
    std::vector<std::int64_t> order(static_cast<std::size_t>(rows));
    std::iota(order.rbegin(), order.rend(), most - rows);
    std::vector<AttentionPart> parts{{0, rows, 0, prompt, false, 0, 0}};
    for (std::int64_t r = 0; r < rows; ++r) {
      AttentionPart tail = all.parts[static_cast<std::size_t>(order[r] + 1)];
      tail.q0 = r;
      tail.q1 = r + 1;
      parts.push_back(tail);
    }
    const Tensor index = at::tensor(order, at::kLong);
    const AttentionResult some =
        attention_forward(x.q.index_select(0, index), x.k, x.v, parts, options);
    CAPTURE(rows, shape.group);
    CHECK(some.out.equal(whole.out.index_select(0, index)));
    CHECK(some.lse.equal(whole.lse.index_select(1, index)));
  }
}

TEST_CASE("The plan of a call is made once for all layers") {
  const Call call = shared_prompt(16, 600);
  const AttentionParts parts = call.parts, copy = parts;
  const Inputs x = random_inputs(call, {2, 2, 64}, at::kFloat);
  const AttentionResult first = attention_forward(x.q, x.k, x.v, parts, {0.125});
  const posttrain::detail::CachedPlan* plan = &parts.cached(0, 16, 2);
  const posttrain::detail::CachedItem* items = plan->products.data();
  CHECK(same_bits(attention_forward(x.q, x.k, x.v, copy, {0.125}), first));
  CHECK(&copy.cached(0, 16, 2) == plan);
  CHECK(plan->products.data() == items);
  // Another window, another plan.
  const AttentionOptions windowed{0.125, 0, 5};
  check_results(attention_forward(x.q, x.k, x.v, parts, windowed), in_double(x, call, windowed),
                at::kFloat);
}
