// SPDX-License-Identifier: Apache-2.0
#include "posttrain/generate/prefix_tree.hpp"

#include "support/catch.hpp"
#include "support/tiny_model.hpp"

using namespace posttrain;
using namespace posttrain::test;
using posttrain::detail::KeyValuePool;
using posttrain::detail::PrefixNode;
using posttrain::detail::PrefixTree;

namespace {

/// The ids on the way to a node, and whether ranges and positions follow one another.
TokenIds path(const PrefixNode& node) {
  TokenIds ids;
  if (node.parent != nullptr) {
    ids = path(*node.parent);
    CHECK(node.position == std::ssize(ids));
    CHECK(node.rows.size == std::ssize(node.ids));
  }
  ids.insert(ids.end(), node.ids.begin(), node.ids.end());
  return ids;
}

/// Those with tokens.
int count(PrefixTree& tree) {
  int nodes = 0;
  tree.each([&](PrefixNode& node) { nodes += !node.ids.empty(); });
  return nodes;
}

}  // namespace

TEST_CASE("a common beginning has one node, cut where prompts part", "[generate]") {
  const models::Decoder model = tiny_model();
  KeyValuePool pool(model, 0);
  PrefixTree tree(pool);
  PrefixNode* first = tree.insert(TokenIds{1, 2, 3, 4}, 0);
  first->read = 4;
  const std::int64_t begin = first->rows.begin;
  PrefixNode* second = tree.insert(TokenIds{1, 2, 5}, 0);
  CHECK(path(*first) == TokenIds{1, 2, 3, 4});
  CHECK(path(*second) == TokenIds{1, 2, 5});
  CHECK(first->parent == second->parent);
  CHECK(first->parent->read == 2);
  CHECK(first->read == 2);
  CHECK(second->read == 0);
  CHECK(first->parent->rows.begin == begin);
  CHECK(first->rows.begin == begin + 2);
  CHECK(pool.taken_rows() == 5);
  CHECK(tree.insert(TokenIds{1, 2, 3, 4}, 0) == first);
  CHECK(first->users == 2);
  PrefixNode* inner = tree.insert(TokenIds{1}, 0);
  CHECK(path(*inner) == TokenIds{1});
  CHECK(path(*first) == TokenIds{1, 2, 3, 4});
  CHECK(pool.taken_rows() == 5);
  PrefixNode* other = tree.insert(TokenIds{2, 2}, 0);
  CHECK(other->parent->parent == &tree.root());
  CHECK(tree.idle_rows() == 0);
}

TEST_CASE("nodes that nobody uses go, the oldest first, and never those that others need",
          "[generate]") {
  const models::Decoder model = tiny_model();
  KeyValuePool pool(model, 20 * 256);
  PrefixTree tree(pool);
  PrefixNode* first = tree.insert(TokenIds{1, 2, 3, 4}, 0);
  PrefixNode* second = tree.insert(TokenIds{1, 2, 5}, 0);
  tree.release(*first, 100);
  CHECK(tree.idle_rows() == 2);
  tree.release(*second, 100);
  CHECK(tree.idle_rows() == 5);
  CHECK(tree.insert(TokenIds{1, 2, 3, 4}, 0) == first);
  tree.release(*first, 4);  // five idle rows: the older one of the two ends goes
  CHECK(tree.idle_rows() == 4);
  CHECK(pool.taken_rows() == 4);
  tree.insert(TokenIds{9}, 0);
  CHECK(tree.take(15));
  CHECK(count(tree) == 3);
  CHECK(tree.take(4));  // room is made where it is needed
  CHECK(count(tree) == 1);
  CHECK_FALSE(tree.take(1));
}

TEST_CASE("a prompt is not admitted without room for what follows", "[generate]") {
  const models::Decoder model = tiny_model();
  KeyValuePool pool(model, 10 * 256);
  PrefixTree tree(pool);
  CHECK(tree.insert(TokenIds{1, 2, 3, 4, 5, 6}, 5) == nullptr);
  CHECK(pool.taken_rows() == 0);
  PrefixNode* node = tree.insert(TokenIds{1, 2, 3, 4, 5, 6}, 4);
  REQUIRE(node != nullptr);
  CHECK(pool.taken_rows() == 6);
  CHECK(tree.insert(TokenIds{1, 2, 3, 7}, 4) == nullptr);  // the common part is found, the rest not
  CHECK(pool.taken_rows() == 6);
  CHECK(path(*node) == TokenIds{1, 2, 3, 4, 5, 6});
  CHECK(tree.insert(TokenIds{1, 2, 3, 7}, 3) != nullptr);
}

TEST_CASE("a finished tail becomes a node where it is kept", "[generate]") {
  const models::Decoder model = tiny_model();
  KeyValuePool pool(model, 0);
  PrefixTree tree(pool);
  PrefixNode* prompt = tree.insert(TokenIds{1, 2}, 0);
  prompt->read = 2;
  tree.adopt(*prompt, TokenIds{5, 6}, *tree.take(9), 0);
  CHECK(pool.taken_rows() == 2);
  tree.adopt(*prompt, TokenIds{5, 6}, *tree.take(9), 100);
  CHECK(pool.taken_rows() == 4);
  tree.adopt(*prompt, TokenIds{5, 7}, *tree.take(9), 100);  // begins alike: not kept
  CHECK(pool.taken_rows() == 4);
  PrefixNode* next = tree.insert(TokenIds{1, 2, 5, 6, 8}, 0);
  CHECK(path(*next) == TokenIds{1, 2, 5, 6, 8});
  CHECK(next->rows.size == 1);
  CHECK(next->parent->read == 2);
  tree.release(*next, 0);
  CHECK(pool.taken_rows() == 2);
  tree.release(*prompt, 0);
  tree.drop_idle();
  CHECK(pool.taken_rows() == 0);
}

TEST_CASE("prompts of different regimes have no keys in common", "[generate]") {
  const models::Decoder model = tiny_model();
  KeyValuePool pool(model, 0);
  PrefixTree tree(pool);
  PrefixNode* near = tree.insert(TokenIds{1, 2, 3}, 0);
  PrefixNode* far = tree.insert(TokenIds{1, 2, 3}, 0, 11);
  CHECK(near != far);
  CHECK(far->regime == 11);
  CHECK(pool.taken_rows() == 6);
  CHECK(tree.insert(TokenIds{1, 2, 4}, 0, 11)->parent->regime == 11);
}

TEST_CASE("runs are shared as a whole or not at all", "[generate]") {
  const models::Decoder model = tiny_model();
  KeyValuePool pool(model, 8 * 256);
  PrefixTree tree(pool);
  const std::vector<TokenIds> first{{1, 2}, {3, 4, 5}}, second{{1, 2}, {3, 4}}, third{{1}};
  PrefixNode* node = tree.insert_runs(first, 0);
  CHECK(node->ids == TokenIds{3, 4, 5});
  CHECK(node->parent->ids == TokenIds{1, 2});
  CHECK(tree.insert_runs(first, 0) == node);
  CHECK(tree.insert_runs(second, 2) == nullptr);
  CHECK(pool.taken_rows() == 5 + 2);  // idle until room is needed
  PrefixNode* other = tree.insert_runs(second, 1);
  CHECK(other->parent == node->parent);
  CHECK(tree.insert_runs(third, 0)->parent->parent == &tree.root());
  CHECK(pool.taken_rows() == 8);
  CHECK(node->users == 2);
}
