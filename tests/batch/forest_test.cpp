// SPDX-License-Identifier: Apache-2.0
#include "posttrain/batch/forest.hpp"

#include <cstdint>
#include <random>
#include <vector>

#include "support/catch.hpp"

namespace posttrain {
namespace {

using Matrix = std::vector<std::vector<int>>;

struct Forest {
  std::vector<Segment> nodes;
  std::vector<int> parent;  // of each node; -1: a root
  std::int64_t rows = 0;
};

void grow(Forest& forest, std::mt19937& random, int parent, int depth, int max_depth) {
  const std::size_t self = forest.nodes.size();
  const std::int64_t length = std::uniform_int_distribution<int>(0, 4)(random);
  const std::int64_t position =
      parent < 0
          ? 0
          : forest.nodes[parent].position + (forest.nodes[parent].end - forest.nodes[parent].begin);
  forest.nodes.push_back({forest.rows, forest.rows + length, 0, position});
  forest.parent.push_back(parent);
  forest.rows += length;
  if (depth < max_depth) {
    const int children = std::uniform_int_distribution<int>(0, 3)(random);
    for (int c = 0; c < children; ++c) {
      grow(forest, random, static_cast<int>(self), depth + 1, max_depth);
    }
  }
  forest.nodes[self].subtree_end = forest.rows;
}

Forest random_forest(std::uint32_t seed, int roots, int max_depth) {
  std::mt19937 random(seed);
  Forest forest;
  for (int r = 0; r < roots; ++r) grow(forest, random, -1, 1, max_depth);
  return forest;
}

/// How often each query sees each key, by definition: within its own segment and its ancestors, not
/// ahead of itself, and (window > 0) at most window − 1 positions back.
Matrix visible(const Forest& forest, std::int64_t window) {
  Matrix matrix(forest.rows, std::vector<int>(forest.rows, 0));
  for (std::size_t n = 0; n < forest.nodes.size(); ++n) {
    const Segment& node = forest.nodes[n];
    for (std::int64_t q = node.begin; q < node.end; ++q) {
      const std::int64_t q_position = node.position + (q - node.begin);
      for (int a = static_cast<int>(n); a >= 0; a = forest.parent[a]) {
        const Segment& other = forest.nodes[a];
        for (std::int64_t k = other.begin; k < other.end; ++k) {
          const std::int64_t k_position = other.position + (k - other.begin);
          const bool seen =
              k_position <= q_position && (window <= 0 || k_position > q_position - window);
          matrix[q][k] += seen;
        }
      }
    }
  }
  return matrix;
}

/// The same from the parts, read as attention reads them.
Matrix from_parts(const std::vector<AttentionPart>& parts, std::int64_t rows, std::int64_t window) {
  Matrix matrix(rows, std::vector<int>(rows, 0));
  for (const AttentionPart& part : parts) {
    for (std::int64_t q = part.q0; q < part.q1; ++q) {
      for (std::int64_t k = part.k0; k < part.k1; ++k) {
        const std::int64_t q_position = part.qpos + (q - part.q0);
        const std::int64_t k_position = part.kpos + (k - part.k0);
        bool seen = !part.causal || k_position <= q_position;
        if (window > 0) seen = seen && k_position > q_position - window;
        matrix[q][k] += seen;
      }
    }
  }
  return matrix;
}

TEST_CASE("the parts of a random forest of up to four levels show each key once to its queries") {
  for (std::uint32_t seed = 0; seed < 300; ++seed) {
    const Forest forest = random_forest(seed, 1 + static_cast<int>(seed % 3), 1 + seed % 4);
    for (const std::int64_t window : {0, 1, 2, 3, 5, 8, 100}) {
      INFO("seed " << seed << ", window " << window);
      const auto parts = attention_parts(forest.nodes, window);
      REQUIRE(from_parts(parts, forest.rows, window) == visible(forest, window));
      for (const AttentionPart& part : parts) {
        REQUIRE(part.q0 < part.q1);
        REQUIRE(part.k0 < part.k1);
      }
    }
  }
}

TEST_CASE("a prefix is seen as a parent of all trees would be") {
  for (std::uint32_t seed = 0; seed < 60; ++seed) {
    Forest forest = random_forest(seed, 1 + static_cast<int>(seed % 3), 1 + seed % 3);
    const std::int64_t prefix = 1 + seed % 5;
    Forest whole;
    whole.rows = forest.rows + prefix;
    whole.nodes.push_back({0, prefix, whole.rows, 0});
    whole.parent.push_back(-1);
    for (std::size_t n = 0; n < forest.nodes.size(); ++n) {
      Segment& node = forest.nodes[n];
      node.position += prefix;
      whole.nodes.push_back(
          {node.begin + prefix, node.end + prefix, node.subtree_end + prefix, node.position});
      whole.parent.push_back(forest.parent[n] + 1);
    }
    for (const std::int64_t window : {0, 1, 3, 6, 100}) {
      INFO("seed " << seed << ", window " << window);
      Matrix expected = visible(whole, window);
      expected.erase(expected.begin(), expected.begin() + prefix);
      Matrix seen = from_parts(attention_parts_after_prefix(forest.nodes, prefix, window),
                               whole.rows, window);
      seen.resize(static_cast<std::size_t>(forest.rows));
      REQUIRE(seen == expected);
    }
  }
}

TEST_CASE("positions count on from the parent's end in every branch", "[batch][C15]") {
  // A prompt of 3 with two children (2, 1), the first of them with a child of 2; then a root of 2.
  const std::vector<Segment> nodes = {
      {0, 3, 8, 0}, {3, 5, 7, 3}, {5, 7, 7, 5}, {7, 8, 8, 3}, {8, 10, 10, 0}};
  CHECK(token_positions(nodes) == std::vector<std::int64_t>{0, 1, 2, 3, 4, 5, 6, 3, 0, 1});
}

TEST_CASE("plain packing is one causal part per sequence") {
  const std::vector<Segment> nodes = {{0, 4, 4, 0}, {4, 6, 6, 0}};
  const auto parts = attention_parts(nodes);
  REQUIRE(parts.size() == 2);
  CHECK(parts[0].causal);
  CHECK(parts[1].q0 == 4);
  CHECK(parts[1].k1 == 6);
  CHECK(attention_parts(nodes, 2).size() == 2);
}

TEST_CASE("a pair is a causal part per segment and one full part of the prompt") {
  const std::vector<Segment> nodes = {{0, 3, 8, 0}, {3, 5, 5, 3}, {5, 8, 8, 3}};
  const auto parts = attention_parts(nodes);
  REQUIRE(parts.size() == 4);
  CHECK_FALSE(parts[1].causal);
  CHECK(parts[1].q0 == 3);
  CHECK(parts[1].q1 == 8);
  CHECK(parts[1].k0 == 0);
  CHECK(parts[1].k1 == 3);
}

TEST_CASE("an empty forest has no parts and no positions") {
  CHECK(attention_parts({}).empty());
  CHECK(token_positions({}).empty());
}

}  // namespace
}  // namespace posttrain
