// SPDX-License-Identifier: Apache-2.0
// Definitions of globals.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <cstddef>
#include <cstdint>
#include <ctime>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/jinja/attributes.hpp"
#include "posttrain/jinja/function.hpp"
#include "posttrain/jinja/globals.hpp"
#include "posttrain/jinja/limits.hpp"
#include "posttrain/jinja/operators.hpp"
#include "posttrain/jinja/runtime.hpp"

namespace posttrain::text::jinja {

namespace global {

inline Dict dict_of(const Arguments& arguments) {
  Dict dict;
  if (arguments.positional.size() > 1) fail("expected at most 1 argument");
  for (const Value& value : arguments.positional) {
    if (value.is_namespace()) fail("'namespace' object is not iterable");
    if (value.is_dict()) {
      dict = value.dict();
      continue;
    }
    for (const Value& pair : iterate(value)) {
      const List parts = iterate(pair);
      if (parts.size() != 2) fail("expected pairs");
      check_key(parts[0]);
      dict.set(parts[0], parts[1]);
    }
  }
  for (const auto& [key, value] : arguments.named) dict.set(key, value);
  return dict;
}

inline Value range(Runtime&, const Arguments& arguments) {
  const auto& a = arguments.positional;
  if (a.empty() || a.size() > 3 || !arguments.named.empty()) {
    fail("range: expected 1 to 3 arguments");
  }
  const std::int64_t from = a.size() > 1 ? a[0].integer() : 0;
  const std::int64_t to = a[a.size() > 1 ? 1 : 0].integer();
  const std::int64_t by = a.size() > 2 ? a[2].integer() : 1;
  if (by == 0) fail("range: the step must not be zero");
  List out;
  for (std::int64_t i = from; by > 0 ? i < to : i > to;) {
    if (static_cast<std::int64_t>(out.size()) >= kLongestRange) {
      raise("range: expected at most {} items", kLongestRange);
    }
    out.emplace_back(i);
    if (__builtin_add_overflow(i, by, &i)) break;
  }
  return Value(std::move(out), Sequence::kRange, {from, to, by});
}

inline Value make_namespace(Runtime& runtime, const Arguments& arguments) {
  Dict dict = dict_of(arguments);
  for (const auto& [key, value] : dict.items) {
    if (key.is_string() && key.text().starts_with('_')) {
      fail("a namespace has no names with a leading underscore");
    }
  }
  return runtime.make_namespace(std::move(dict));
}

struct DictFunction final : Object {
  DictFunction() : Object("dict") {}
  Value call(Runtime&, const Arguments& arguments) const override { return dict_of(arguments); }
  std::optional<Value> attribute(std::string_view asked) const override {
    if (asked != "fromkeys") return {};
    return Value::function("fromkeys",
                           [](Runtime&, const Arguments& a) { return dict_from_keys(a); });
  }
};

struct Joiner final : Object {
  explicit Joiner(const Value& its_separator) : Object("joiner"), separator(its_separator) {
    depth = separator.depth() + 1;
  }
  Value call(Runtime&, const Arguments& arguments) const override {
    if (!arguments.positional.empty() || !arguments.named.empty()) {
      fail("a joiner takes no arguments");
    }
    return std::exchange(used, true) ? separator : Value("");
  }
  std::optional<Value> attribute(std::string_view asked) const override {
    if (asked == "sep") return separator;
    if (asked == "used") return used;
    return {};
  }
  Value separator;
  mutable bool used = false;
};

inline Value joiner(Runtime&, const Arguments& arguments) {
  const Value* given = arguments.get(0, "sep");
  const Value separator = given != nullptr ? *given : Value(", ");
  return Value::object(std::make_shared<Joiner>(separator));
}

struct Cycler final : Object, std::enable_shared_from_this<Cycler> {
  explicit Cycler(const Value& its_items) : Object("cycler"), items(its_items) {
    depth = items.depth() + 1;
  }
  Value call(Runtime&, const Arguments&) const override { fail("'Cycler' object is not callable"); }
  bool is_callable() const override { return false; }
  std::optional<Value> attribute(std::string_view asked) const override {
    if (asked == "pos") return at;
    if (asked == "items") return items;
    if (asked == "current") return items.list()[at];
    const auto self = shared_from_this();
    if (asked == "next") {
      return Value::function(
          "next",
          [self](Runtime&, const Arguments&) {
            const Value now = self->items.list()[self->at];
            self->at = (self->at + 1) % self->items.list().size();
            return now;
          },
          depth);
    }
    if (asked == "reset") {
      return Value::function(
          "reset",
          [self](Runtime&, const Arguments&) -> Value {
            self->at = 0;
            return nullptr;
          },
          depth);
    }
    return {};
  }
  Value items;
  mutable std::size_t at = 0;
};

inline Value cycler(Runtime&, const Arguments& arguments) {
  if (arguments.positional.empty()) fail("at least one item has to be provided");
  return Value::object(std::make_shared<Cycler>(Value(arguments.positional, Sequence::kTuple)));
}

inline Value raise_exception(Runtime&, const Arguments& arguments) {
  const std::string message = print(need(arguments, 0, "message"));
  raise("{}", message.empty() ? std::string("raise_exception") : message);
}

inline Value strftime_now(Runtime&, const Arguments& arguments) {
  const std::string& format = text_argument(arguments, 0, "format");
  if (format.size() > 1000) fail("strftime_now: expected a format of at most 1000 bytes");
  spend(64);
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  localtime_r(&now, &local);
  std::string text(8192, '\0');
  text.resize(std::strftime(text.data(), text.size(), format.c_str(), &local));
  return text;
}

inline Value lipsum(Runtime&, const Arguments&) {
  fail("the function 'lipsum' would render the same conversation differently each time");
}

}  // namespace global

POSTTRAIN_INLINE const Dict& globals() {
  static const Dict table = [] {
    Dict dict;
    const auto add = [&](const char* name, auto function) {
      dict.items.emplace_back(name, Value::function(name, function));
    };
    add("range", global::range);
    add("namespace", global::make_namespace);
    dict.items.emplace_back("dict", Value::object(std::make_shared<global::DictFunction>()));
    add("joiner", global::joiner);
    add("cycler", global::cycler);
    add("lipsum", global::lipsum);
    add("raise_exception", global::raise_exception);
    add("strftime_now", global::strftime_now);
    return dict;
  }();
  return table;
}

}  // namespace posttrain::text::jinja
