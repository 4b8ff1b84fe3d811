// SPDX-License-Identifier: Apache-2.0
#include "posttrain/batch/tokens.hpp"

#include "support/catch.hpp"

using namespace posttrain;

namespace {

std::vector<std::int64_t> longs(const Tensor& tensor) {
  const Tensor plain = tensor.contiguous();
  return {plain.data_ptr<std::int64_t>(), plain.data_ptr<std::int64_t>() + plain.numel()};
}

std::vector<float> floats(const Tensor& tensor) {
  const Tensor plain = tensor.contiguous();
  return {plain.data_ptr<float>(), plain.data_ptr<float>() + plain.numel()};
}

using Longs = std::vector<std::int64_t>;
using Floats = std::vector<float>;

/// A prompt with two continuations and a sequence of its own.
TokenBatch tree() {
  BatchBuilder builder;
  const int prompt = builder.add(TokenIds{10, 11, 12}, -1, 4);
  const int chosen = builder.add(TokenIds{20, 21}, prompt, 4);
  builder.score(Floats{1.0F, 0.5F});
  builder.end_sequence(4);
  builder.add(TokenIds{30}, prompt, 4);
  builder.score(Floats{2.0F});
  builder.end_sequence(4);
  builder.add(TokenIds{40, 41, 42}, -1, 5);
  builder.score(Floats{9.0F, 0.0F, 3.0F});
  builder.end_sequence(5);
  CHECK(chosen == 1);
  return std::move(builder).build();
}

}  // namespace

TEST_CASE("segments become nodes of a forest in depth-first order", "[tensor][batch]") {
  const TokenBatch batch = tree();
  CHECK(longs(batch.ids) == Longs{10, 11, 12, 20, 21, 30, 40, 41, 42});
  CHECK(batch.tokens() == 9);
  REQUIRE(batch.nodes.size() == 4);
  const auto node = [&](int n) {
    const Segment& found = batch.nodes[static_cast<std::size_t>(n)];
    return Longs{found.begin, found.end, found.subtree_end, found.position};
  };
  CHECK(node(0) == Longs{0, 3, 6, 0});
  CHECK(node(1) == Longs{3, 5, 5, 3});
  CHECK(node(2) == Longs{5, 6, 6, 3});
  CHECK(node(3) == Longs{6, 9, 9, 0});
  CHECK(batch.node_sample == Longs{4, 4, 4, 5});
}

TEST_CASE("the first token of a continuation is predicted from the prompt's last row",
          "[tensor][batch]") {
  const TokenBatch batch = tree();
  CHECK(longs(batch.row) == Longs{2, 3, 2, 7});
  CHECK(longs(batch.target) == Longs{20, 21, 30, 42});
  CHECK(floats(batch.weight) == Floats{1.0F, 0.5F, 2.0F, 3.0F});
  CHECK(batch.offsets == Longs{0, 2, 3, 4});
  CHECK(batch.samples == Longs{4, 4, 5});
  CHECK(batch.predictions() == 4);
}

TEST_CASE("a root's first token is never predicted and weight 0 lists nothing",
          "[tensor][batch][C3]") {
  BatchBuilder builder;
  builder.add(TokenIds{5, 6, 7});
  builder.score(Floats{1.0F, 0.0F, 1.0F});
  builder.end_sequence();
  const TokenBatch batch = std::move(builder).build();
  CHECK(longs(batch.row) == Longs{1});
  CHECK(longs(batch.target) == Longs{7});
}

TEST_CASE("unweighted predictions are kept where a loss asks for them", "[tensor][batch]") {
  BatchBuilder builder;
  builder.add(TokenIds{5, 6, 7});
  builder.score(Floats{1.0F, 0.0F, 1.0F}, /*keep_unweighted=*/true);
  builder.end_sequence();
  const TokenBatch batch = std::move(builder).build();
  CHECK(longs(batch.row) == Longs{0, 1});
  CHECK(floats(batch.weight) == Floats{0.0F, 1.0F});
}

TEST_CASE("segments out of order are refused", "[tensor][batch]") {
  BatchBuilder builder;
  const int prompt = builder.add(TokenIds{1, 2});
  const int first = builder.add(TokenIds{3}, prompt);
  builder.add(TokenIds{4}, prompt);  // closes the first continuation
  CHECK_THROWS_WITH(builder.add(TokenIds{5}, first),
                    Catch::Contains("depth-first order, got segment 3 below the closed segment 1"));
  BatchBuilder another;
  CHECK_THROWS_WITH(another.add(TokenIds{5}, 7), Catch::Contains("depth-first order"));
  CHECK_THROWS_WITH(another.add(TokenIds{}), Catch::Contains("at least one token"));
}

TEST_CASE("scoring without a segment or with other lengths is refused", "[tensor][batch]") {
  BatchBuilder builder;
  CHECK_THROWS_WITH(builder.score(Floats{1.0F}), Catch::Contains("expected a segment"));
  builder.add(TokenIds{1, 2});
  CHECK_THROWS_WITH(builder.score(Floats{1.0F}),
                    Catch::Contains("expected 2 weights, one for each token, got 1"));
}

TEST_CASE("predictions that belong to no sequence are refused", "[tensor][batch]") {
  BatchBuilder builder;
  builder.add(TokenIds{1, 2});
  builder.score(Floats{1.0F, 1.0F});
  builder.end_sequence();
  builder.add(TokenIds{3, 4, 5});
  builder.score(Floats{1.0F, 1.0F, 1.0F});
  CHECK_THROWS_WITH(std::move(builder).build(),
                    "expected end_sequence() after the last prediction, got 2 predictions that "
                    "belong to no sequence");
}

TEST_CASE("a slice holds a range of predictions of the same tokens", "[tensor][batch]") {
  const TokenBatch batch = tree();
  const TokenBatch part = batch.slice(1, 3);
  CHECK(longs(part.row) == Longs{3, 2});
  CHECK(longs(part.target) == Longs{21, 30});
  CHECK(floats(part.weight) == Floats{0.5F, 2.0F});
  CHECK(part.tokens() == batch.tokens());
  CHECK(part.offsets == Longs{0, 2});
  CHECK(batch.slice(2, 2).predictions() == 0);
}

TEST_CASE("packed sequences are roots in the given order", "[tensor][batch]") {
  const Sequence a{{1, 2, 3}, {0.0F, 1.0F, 1.0F}, 7}, b{{4, 5}, {0.0F, 2.0F}, 3};
  const std::vector<const Sequence*> both{&a, &b};
  const TokenBatch batch = pack_sequences(both);
  CHECK(longs(batch.row) == Longs{0, 1, 3});
  CHECK(batch.samples == Longs{7, 3});
  CHECK(batch.node_sample == Longs{7, 3});
  CHECK(batch.offsets == Longs{0, 2, 3});
  CHECK(token_positions(batch.nodes) == Longs{0, 1, 2, 0, 1});
}

TEST_CASE("an empty batch has no tokens and no predictions", "[tensor][batch]") {
  CHECK(TokenBatch{}.tokens() == 0);
  CHECK(TokenBatch{}.predictions() == 0);
  const TokenBatch batch = BatchBuilder{}.build();
  CHECK(batch.tokens() == 0);
  CHECK(batch.predictions() == 0);
}
