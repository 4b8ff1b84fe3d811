// SPDX-License-Identifier: Apache-2.0
// A data policy that loads the same items in every run.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "posttrain/base/error.hpp"
#include "posttrain/concepts/kind.hpp"
#include "posttrain/data/pipeline/loaded.hpp"

namespace posttrain::test {

/// Recorded by their number.
template <class Item>
class Held {
 public:
  Held() = default;
  Held(std::vector<Item> items) : items_(std::move(items)) {}
  std::string description() const { return fmt::format("{} items", items_.size()); }
  const std::vector<Item>& get() const { return items_; }

 private:
  std::vector<Item> items_;
};

template <ItemKind Kind>
struct FixedItems {
  using Item = typename Kind::Item;

  Held<Item> train{}, validation{};
  Kind how{};

  Kind kind() const { return how; }
  data::LoadedOf<Kind> load(const data::LoadContext&) const {
    data::LoadedOf<Kind> loaded;
    for (const Item& item : train.get()) loaded.train.push_back(item);
    for (const Item& item : validation.get()) loaded.validation.push_back(item);
    return loaded;
  }
};

}  // namespace posttrain::test
