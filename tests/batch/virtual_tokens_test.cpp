// SPDX-License-Identifier: Apache-2.0
#include "posttrain/batch/virtual_tokens.hpp"

#include "posttrain/tensor/ops.hpp"
#include "support/catch.hpp"

using namespace posttrain;

namespace {

using Longs = std::vector<std::int64_t>;

Longs longs(const Tensor& tensor) {
  const Tensor plain = tensor.to(at::kLong).contiguous();
  return {plain.data_ptr<std::int64_t>(), plain.data_ptr<std::int64_t>() + plain.numel()};
}

/// A prompt of two with two continuations, and a sequence of its own.
TokenBatch two_trees() {
  BatchBuilder builder;
  const int prompt = builder.add(TokenIds{1, 2});
  for (const TokenIds& answer : {TokenIds{3}, TokenIds{4, 5}}) {
    builder.add(answer, prompt);
    builder.score(std::vector<float>(answer.size(), 1.0F));
    builder.end_sequence(7);
  }
  builder.add(TokenIds{6, 8});
  builder.score(std::vector<float>{0.0F, 1.0F});
  builder.end_sequence(9);
  return std::move(builder).build();
}

std::vector<Longs> nodes(const TokenBatch& batch) {
  std::vector<Longs> all;
  for (const Segment& node : batch.nodes) {
    all.push_back({node.begin, node.end, node.subtree_end, node.position});
  }
  return all;
}

}  // namespace

TEST_CASE("a shared prompt is the parent of every tree", "[batch][prompt]") {
  const TokenBatch own = two_trees();
  REQUIRE(longs(own.row) == Longs{1, 1, 3, 5});
  TokenBatch batch = own;
  add_prompt_segments(batch, 3, 50, /*shared=*/true);
  CHECK(longs(batch.ids) == Longs{50, 51, 52, 1, 2, 3, 4, 5, 6, 8});
  CHECK(longs(batch.row) == Longs{4, 4, 6, 8});
  CHECK(
      nodes(batch) ==
      std::vector<Longs>{{0, 3, 10, 0}, {3, 5, 8, 3}, {5, 6, 6, 5}, {6, 8, 8, 5}, {8, 10, 10, 3}});
  CHECK(batch.node_sample.front() == -1);
  CHECK(batch.virtual_tokens == 3);
  // Which predictions there are, and of what, stays.
  CHECK(at::equal(batch.target, own.target));
  CHECK(batch.offsets == own.offsets);
  CHECK(batch.samples == own.samples);
}

TEST_CASE("a prompt that is not shared stands before each tree", "[batch][prompt]") {
  TokenBatch batch = two_trees();
  add_prompt_segments(batch, 2, 50, /*shared=*/false);
  CHECK(longs(batch.ids) == Longs{50, 51, 1, 2, 3, 4, 5, 50, 51, 6, 8});
  CHECK(longs(batch.row) == Longs{3, 3, 5, 9});
  CHECK(nodes(batch) ==
        std::vector<Longs>{
            {0, 2, 7, 0}, {2, 4, 7, 2}, {4, 5, 5, 4}, {5, 7, 7, 4}, {7, 9, 11, 0}, {9, 11, 11, 2}});
}

TEST_CASE("a prefix moves positions alone, and a batch is prepared once", "[batch][prompt]") {
  const TokenBatch own = two_trees();
  TokenBatch batch = own;
  add_prefix_positions(batch, 4);
  CHECK(token_positions(batch.nodes) == Longs{4, 5, 6, 6, 7, 4, 5});
  CHECK(at::equal(batch.ids, own.ids));
  CHECK(at::equal(batch.row, own.row));
  for (const auto& prepare : {+[](TokenBatch& b) { add_prefix_positions(b, 1); },
                              +[](TokenBatch& b) { add_prompt_segments(b, 1, 50, true); }}) {
    CHECK_THROWS_WITH(prepare(batch),
                      "expected a batch without virtual tokens, got one that was prepared with 4");
  }
}

TEST_CASE("a gate without virtual tokens reads a batch as it is", "[batch][prompt]") {
  struct None {};
  struct Two {
    std::int64_t virtual_tokens() const { return 2; }
    TokenBatch prepare(const TokenBatch& batch) const {
      TokenBatch ready = batch;
      add_prefix_positions(ready, 2);
      return ready;
    }
  };
  struct Named : TokenBatch {
    int name = 0;
  };
  CHECK(virtual_tokens(None{}) == 0);
  CHECK(virtual_tokens(Two{}) == 2);
  CHECK(prepared(None{}, two_trees()).virtual_tokens == 0);
  const Named ready = prepared(Two{}, Named{two_trees(), 5});
  CHECK(ready.virtual_tokens == 2);
  CHECK(ready.name == 5);  // what a batch type adds is kept
}

TEST_CASE("rows of the prompt take the place of those looked up, and their gradient",
          "[batch][prompt]") {
  const Tensor rows = at::arange(8, at::kDouble).view({4, 2}).clone().requires_grad_();
  const Tensor ids = at::tensor(Longs{11, 3, 10, 11}, at::kLong);
  const Tensor values = at::tensor(std::vector<double>{1, 2, 3, 4}, at::kDouble).view({2, 2});
  const ParameterView prompt{values, values, at::zeros_like(values)};
  const Tensor anchor = at::zeros({}, at::kDouble).requires_grad_();
  const Tensor all = with_prompt_rows(rows.detach(), ids, 10, prompt, anchor);
  CHECK(
      at::equal(all.detach(),
                at::tensor(std::vector<double>{3, 4, 2, 3, 1, 2, 3, 4}, at::kDouble).view({4, 2})));
  (all * at::tensor(std::vector<double>{1, 10, 100, 1000}, at::kDouble).unsqueeze(1))
      .sum()
      .backward();
  CHECK(at::equal(prompt.grad,
                  at::tensor(std::vector<double>{100, 100, 1001, 1001}, at::kDouble).view({2, 2})));
  const Tensor none = at::tensor(Longs{1, 3}, at::kLong);
  const Tensor few = rows.narrow(0, 0, 2);
  CHECK(with_prompt_rows(few, none, 10, prompt, anchor).is_same(few));
}
