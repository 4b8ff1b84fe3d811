// SPDX-License-Identifier: Apache-2.0
// Attributes by path ("a.b.0"), and sorting by them.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "posttrain/base/error.hpp"
#include "posttrain/jinja/attributes.hpp"
#include "posttrain/jinja/letters.hpp"
#include "posttrain/jinja/operators.hpp"
#include "posttrain/jinja/splitting.hpp"
#include "posttrain/jinja/value.hpp"

namespace posttrain::text::jinja {

/// Follows "a.b.0" through attributes and items; `preset` stands in for what is undefined.
inline Value follow(const Value& value, const Value& path, const Value* preset = nullptr) {
  const auto step = [&](const Value& from, const Value& key) {
    Value found = item(from, key);
    const bool missing = found.is_undefined() && preset != nullptr && !preset->is_none();
    return missing ? *preset : found;
  };
  if (!path.is_string()) return step(value, path);
  Value at = value;
  const Value dot(".");
  for (const Value& part : split(path.text(), &dot, -1, false)) {
    const std::string& name = part.text();
    const bool number = !name.empty() && std::all_of(name.begin(), name.end(),
                                                     [](char c) { return c >= '0' && c <= '9'; });
    at = step(at, number ? Value(std::int64_t{std::atoll(name.c_str())}) : part);
  }
  return at;
}

/// Sort keys: text without case unless asked otherwise.
inline Value sort_key(const Value& value, bool case_sensitive) {
  if (!case_sensitive && value.is_string()) return lower(value.text());
  return value;
}

/// Values by one or several ("a,b") attributes.
inline Value keyed(const Value& value, const Value* attribute, bool case_sensitive) {
  if (attribute == nullptr || attribute->is_none()) return sort_key(value, case_sensitive);
  if (!attribute->is_string() || attribute->text().find(',') == std::string::npos) {
    return sort_key(follow(value, *attribute), case_sensitive);
  }
  const Value comma(",");
  List keys;
  for (const Value& part : split(attribute->text(), &comma, -1, false)) {
    keys.push_back(sort_key(follow(value, part), case_sensitive));
  }
  return Value(std::move(keys));
}

/// A stable sort; `by_list` for keys that Python puts into lists first, where equal ones need no
/// order. The heap stays within bounds even where NaN breaks the order.
inline List sorted(List items, const Value* attribute, bool case_sensitive, bool reverse,
                   bool by_list = false) {
  struct Entry {
    Value key, value;
    std::size_t place;
  };
  spend(items.size() * 4);
  std::vector<Entry> entries;
  for (Value& value : items) {
    Value key = keyed(value, attribute, case_sensitive);
    entries.push_back({std::move(key), std::move(value), entries.size()});
  }
  const auto before = [&](const Entry& a, const Entry& b) {
    if (by_list && a.key == b.key) return a.place < b.place;
    const int c = reverse ? order(b.key, a.key) : order(a.key, b.key);
    return c != 0 ? c < 0 : a.place < b.place;
  };
  std::make_heap(entries.begin(), entries.end(), before);
  std::sort_heap(entries.begin(), entries.end(), before);
  List out;
  for (Entry& entry : entries) out.push_back(std::move(entry.value));
  return out;
}

}  // namespace posttrain::text::jinja
