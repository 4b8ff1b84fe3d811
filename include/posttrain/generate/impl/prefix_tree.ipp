// SPDX-License-Identifier: Apache-2.0
// Definitions of prefix_tree.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <algorithm>
#include <iterator>

#include "posttrain/base/compiled.hpp"
#include "posttrain/generate/prefix_tree.hpp"

namespace posttrain::detail {

POSTTRAIN_INLINE PrefixNode* PrefixTree::cut(PrefixNode& node, std::int64_t size) {
  const auto at = static_cast<std::ptrdiff_t>(size);
  auto& siblings = node.parent->children;
  const auto place = std::ranges::find_if(
      siblings, [&](const std::unique_ptr<PrefixNode>& each) { return each.get() == &node; });
  auto first = std::make_unique<PrefixNode>();
  first->parent = node.parent;
  first->ids.assign(node.ids.begin(), node.ids.begin() + at);
  first->rows = node.rows.first(size);
  first->regime = node.regime;
  first->position = node.position;
  first->read = std::min(node.read, size);
  first->last_used = node.last_used;
  node.parent = first.get();
  node.ids.erase(node.ids.begin(), node.ids.begin() + at);
  node.rows = node.rows.from(size);
  node.position += size;
  node.read -= first->read;
  first->children.push_back(std::move(*place));
  *place = std::move(first);
  return place->get();
}

POSTTRAIN_INLINE PrefixNode& PrefixTree::top_of(std::int64_t regime) {
  for (const auto& top : root_->children) {
    if (top->regime == regime) return *top;
  }
  PrefixNode& top = add_child(*root_, {}, {});
  top.regime = regime;
  return top;
}

POSTTRAIN_INLINE PrefixNode& PrefixTree::add_child(PrefixNode& node, std::span<const TokenId> ids,
                                                   PoolRange rows) {
  auto child = std::make_unique<PrefixNode>();
  child->parent = &node;
  child->ids.assign(ids.begin(), ids.end());
  child->rows = rows;
  child->regime = node.regime;
  child->position = node.end_position();
  child->last_used = ++clock_;
  node.children.push_back(std::move(child));
  return *node.children.back();
}

POSTTRAIN_INLINE std::pair<PrefixNode*, std::int64_t> PrefixTree::match(
    std::span<const TokenId> prompt, std::int64_t regime) {
  PrefixNode* node = &top_of(regime);
  std::size_t matched = 0;
  while (matched < prompt.size()) {
    const auto next = std::ranges::find_if(
        node->children, [&](const auto& child) { return child->ids.front() == prompt[matched]; });
    if (next == node->children.end()) break;
    const TokenIds& ids = (*next)->ids;
    const auto rest = prompt.subspan(matched);
    const auto common = std::ranges::mismatch(ids, rest).in1 - ids.begin();
    matched += static_cast<std::size_t>(common);
    const bool whole = common == std::ssize(ids);
    node = whole ? next->get() : cut(**next, common);
    if (!whole) break;
  }
  return {node, static_cast<std::int64_t>(matched)};
}

POSTTRAIN_INLINE PrefixNode* PrefixTree::insert(std::span<const TokenId> prompt, std::int64_t also,
                                                std::int64_t regime) {
  auto [node, matched] = match(prompt, regime);
  node->users += 1;  // what is found must not make room for the rest
  const std::int64_t rest = static_cast<std::int64_t>(prompt.size()) - matched;
  const auto rows = take(rest);
  const auto room = rows ? take(also) : std::nullopt;
  node->users -= 1;
  if (room) pool_->give_back(*room);
  if (!room) {
    if (rows) pool_->give_back(*rows);
    return nullptr;
  }
  if (rest > 0) {
    node = &add_child(*node, prompt.subspan(static_cast<std::size_t>(matched)), *rows);
  }
  node->users += 1;
  node->last_used = ++clock_;
  return node;
}

POSTTRAIN_INLINE PrefixNode* PrefixTree::insert_runs(std::span<const TokenIds> runs,
                                                     std::int64_t also, std::int64_t regime) {
  PrefixNode* node = &top_of(regime);
  std::vector<PrefixNode*> path;  // used, so that they do not make room for the rest
  const auto end = [&](PrefixNode* result) {
    for (PrefixNode* each : path) each->users -= 1;
    return result;
  };
  for (const TokenIds& ids : runs) {
    const auto found = std::ranges::find(
        node->children, ids, [](const auto& child) -> const auto& { return child->ids; });
    if (found != node->children.end()) {
      node = found->get();
    } else {
      const auto rows = take(static_cast<std::int64_t>(ids.size()));
      if (!rows) return end(nullptr);
      node = &add_child(*node, ids, *rows);
    }
    node->users += 1;
    path.push_back(node);
  }
  const auto room = take(also);
  if (room) pool_->give_back(*room);
  if (!room) return end(nullptr);
  node->users += 1;
  node->last_used = ++clock_;
  return end(node);
}

POSTTRAIN_INLINE std::optional<PoolRange> PrefixTree::take(std::int64_t rows) {
  while (true) {
    if (const auto range = pool_->take(rows)) return range;
    if (!drop_oldest()) return std::nullopt;
  }
}

POSTTRAIN_INLINE void PrefixTree::release(PrefixNode& node, std::int64_t keep_rows) {
  node.users -= 1;
  node.last_used = ++clock_;
  trim(keep_rows);
}

POSTTRAIN_INLINE void PrefixTree::adopt(PrefixNode& parent, std::span<const TokenId> ids,
                                        PoolRange tail, std::int64_t keep_rows) {
  const bool known = ids.empty() || std::ranges::any_of(parent.children, [&](const auto& child) {
                       return child->ids.front() == ids.front();
                     });
  if (known || keep_rows <= 0) return pool_->give_back(tail);
  const auto count = static_cast<std::int64_t>(ids.size());
  add_child(parent, ids, tail.first(count)).read = count;
  pool_->give_back(tail.from(count));
}

POSTTRAIN_INLINE std::int64_t PrefixTree::idle_rows() const {
  std::int64_t idle = 0;
  const auto used = [&](const auto& self, const PrefixNode& node) -> bool {
    bool any = node.users > 0;
    for (const auto& child : node.children) any |= self(self, *child);
    if (!any) idle += node.rows.size;
    return any;
  };
  used(used, *root_);
  return idle;
}

POSTTRAIN_INLINE bool PrefixTree::drop_oldest() {
  PrefixNode* oldest = nullptr;
  each([&](PrefixNode& node) {
    const bool leaf = node.parent != nullptr && node.children.empty() && node.users == 0;
    if (leaf && (oldest == nullptr || node.last_used < oldest->last_used)) oldest = &node;
  });
  if (oldest == nullptr) return false;
  pool_->give_back(oldest->rows);
  std::erase_if(oldest->parent->children, [&](const auto& each) { return each.get() == oldest; });
  return true;
}

POSTTRAIN_INLINE void PrefixTree::trim(std::int64_t keep_rows) {
  while (idle_rows() > keep_rows && drop_oldest()) {
  }
}

}  // namespace posttrain::detail
