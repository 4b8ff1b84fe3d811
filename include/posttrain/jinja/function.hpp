// SPDX-License-Identifier: Apache-2.0
// Functions as template values, and their arguments.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "posttrain/base/error.hpp"
#include "posttrain/jinja/value.hpp"

namespace posttrain::text::jinja {

/// Arguments of a call.
struct Arguments {
  std::vector<Value> positional;
  std::vector<std::pair<std::string, Value>> named;

  /// The argument at a position or under a name, or nothing.
  const Value* get(std::size_t position, std::string_view name) const;
};

inline const Value* Arguments::get(std::size_t position, std::string_view name) const {
  if (position < positional.size()) return &positional[position];
  spend(named.size() / 8);
  for (const auto& [key, value] : named) {
    if (key == name) return &value;
  }
  return nullptr;
}

template <class F>
struct Function final : Object {
  Function(std::string its_name, F its_function)
      : Object(std::move(its_name)), function(std::move(its_function)) {}
  Value call(Runtime& runtime, const Arguments& arguments) const override {
    return function(runtime, arguments);
  }
  F function;
};

template <class F>
Value Value::function(std::string name, F f, int depth) {
  auto made = std::make_shared<Function<F>>(std::move(name), std::move(f));
  made->depth = depth + 1;
  return object(std::move(made));
}

inline const Value& need(const Arguments& arguments, std::size_t position, std::string_view name) {
  const Value* found = arguments.get(position, name);
  if (found == nullptr) raise("missing argument '{}'", name);
  return *found;
}

inline const std::string& text_argument(const Arguments& arguments, std::size_t position,
                                        std::string_view name) {
  const Value& found = need(arguments, position, name);
  if (found.is_undefined()) raise("{}", found.hint());
  if (!found.is_string()) raise("expected a string for '{}', got {}", name, found.type_name());
  return found.text();
}

inline bool flag_argument(const Arguments& arguments, std::size_t position, std::string_view name) {
  const Value* found = arguments.get(position, name);
  return found != nullptr && found->truth();
}

inline std::int64_t integer_argument(const Arguments& arguments, std::size_t position,
                                     std::string_view name, std::int64_t preset) {
  const Value* found = arguments.get(position, name);
  return found != nullptr && !found->is_none() ? found->integer() : preset;
}

}  // namespace posttrain::text::jinja
