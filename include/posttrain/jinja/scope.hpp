// SPDX-License-Identifier: Apache-2.0
// Names of a block of a template, within those of the blocks around it.
#pragma once

#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "posttrain/jinja/value.hpp"

namespace posttrain::text::jinja {

/// A block has few names, so they are looked through.
struct Scope {
  std::vector<std::pair<std::string_view, Value>> names;  // the views are the template's
  std::shared_ptr<Scope> parent;
  Held held{4 * sizeof(void*) + 4 * kBytesOfValue};  // and a few names

  void set(std::string_view name, Value value) {
    spend(names.size() / 8);
    for (auto& [known, old] : names) {
      if (known == name) {
        old = std::move(value);
        return;
      }
    }
    names.emplace_back(name, std::move(value));
  }

  /// The value of a name here or further out, or nothing.
  const Value* find(std::string_view name) const {
    for (const Scope* scope = this; scope != nullptr; scope = scope->parent.get()) {
      spend(scope->names.size() / 8);
      for (const auto& [known, value] : scope->names) {
        if (known == name) return &value;
      }
    }
    return nullptr;
  }
};
using ScopePtr = std::shared_ptr<Scope>;

inline ScopePtr scope_in(ScopePtr parent) {
  return std::make_shared<Scope>(Scope{{}, std::move(parent)});
}

}  // namespace posttrain::text::jinja
