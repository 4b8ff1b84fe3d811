// SPDX-License-Identifier: Apache-2.0
// Attributes and items of template values: methods, and look-up by name.
//
// `a.b` tries the attribute first, `a['b']` the item. Methods that change their object and names
// with a leading underscore are undefined, as in transformers' immutable sandbox.
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "posttrain/base/error.hpp"
#include "posttrain/jinja/arithmetic.hpp"
#include "posttrain/jinja/function.hpp"
#include "posttrain/jinja/operators.hpp"
#include "posttrain/jinja/registry.hpp"
#include "posttrain/jinja/string_methods.hpp"
#include "posttrain/jinja/value.hpp"

namespace posttrain::text::jinja {

inline Value pair_of(Value a, Value b) {
  return Value(List{std::move(a), std::move(b)}, Sequence::kTuple);
}

inline Value dict_view(const Value& self, Sequence kind) {
  List out;
  for (const auto& [key, value] : self.dict().items) {
    out.push_back(kind == Sequence::kItems  ? pair_of(key, value)
                  : kind == Sequence::kKeys ? key
                                            : value);
  }
  return Value(std::move(out), kind);
}

inline Value dict_from_keys(const Arguments& arguments) {
  const Value* value = arguments.get(1, "value");
  Dict dict;
  for (const Value& key : iterate(need(arguments, 0, "iterable"))) {
    check_key(key);
    dict.set(key, value != nullptr ? *value : Value(nullptr));
  }
  return dict;
}

inline const MethodTable& dict_method_table() {
  static const MethodTable table = {
      {"get",
       [](const Value& v, const Arguments& a) {
         const Value& key = need(a, 0, "key");
         check_key(key);
         if (const Value* found = v.dict().find(key)) return *found;
         const Value* preset = a.get(1, "default");
         return preset != nullptr ? *preset : Value(nullptr);
       }},
      {"items", [](const Value& v, const Arguments&) { return dict_view(v, Sequence::kItems); }},
      {"keys", [](const Value& v, const Arguments&) { return dict_view(v, Sequence::kKeys); }},
      {"values", [](const Value& v, const Arguments&) { return dict_view(v, Sequence::kValues); }},
      {"copy", [](const Value& v, const Arguments&) { return v; }},
      {"fromkeys", [](const Value&, const Arguments& a) { return dict_from_keys(a); }},
  };
  return table;
}

inline const MethodTable& list_method_table() {
  static const MethodTable table = {
      {"count",
       [](const Value& v, const Arguments& a) -> Value {
         const List& list = v.list();
         spend(list.size());
         return static_cast<std::int64_t>(
             std::count(list.begin(), list.end(), need(a, 0, "value")));
       }},
      {"index",
       [](const Value& v, const Arguments& a) -> Value {
         const List& list = v.list();
         spend(list.size());
         const auto found = std::find(list.begin(), list.end(), need(a, 0, "value"));
         if (found == list.end()) fail("index: the value is not in the list");
         return static_cast<std::int64_t>(found - list.begin());
       }},
      {"copy", [](const Value& v, const Arguments&) { return v; }},
  };
  return table;
}

inline bool changes_object(const Value& object, std::string_view name) {
  static constexpr std::string_view kList[] = {"append", "reverse", "insert", "sort",
                                               "extend", "remove",  "pop",    "clear"};
  static constexpr std::string_view kDict[] = {"clear", "pop", "popitem", "setdefault", "update"};
  if (object.is_dict()) {
    return std::find(std::begin(kDict), std::end(kDict), name) != std::end(kDict);
  }
  return object.is_sequence(Sequence::kList) &&
         std::find(std::begin(kList), std::end(kList), name) != std::end(kList);
}

/// A method of markup: what it puts in is escaped, and what it returns is markup.
inline Value markup_method(const Value& object, std::string_view name, Method method,
                           Arguments arguments) {
  const bool replaces = name == "replace";
  if (replaces || name == "join" || name == "format" || name == "format_map") {
    for (std::size_t i = replaces ? 1 : 0; i < arguments.positional.size(); ++i) {
      arguments.positional[i] = escaped_parts(arguments.positional[i]);
    }
    for (auto& [key, value] : arguments.named) {
      if (key != "old") value = escaped_parts(value);
    }
  }
  const Value result = method(object, arguments);
  if (result.is_string()) return Value(result.text(), true);
  if (!result.is_sequence()) return result;
  List parts;
  for (const Value& part : result.list()) parts.push_back(Value(part.text(), true));
  return Value(std::move(parts), result.sequenced().kind);
}

/// A name for a message, which a template may make as long as it likes.
inline std::string brief(std::string_view name) {
  constexpr std::int64_t kMost = 80;  // characters
  const std::string_view shown = first_characters(name, kMost);
  return std::string(shown) + (shown.size() < name.size() ? "…" : "");
}

/// A method of the object's type, or null.
inline Method find_method(const Value& object, std::string_view name) {
  const MethodTable* table = object.is_string()      ? &string_method_table()
                             : object.is_dict()      ? &dict_method_table()
                             : object.is_indexable() ? &list_method_table()
                                                     : nullptr;
  if (table == nullptr || (name == "copy" && object.is_tuple())) return nullptr;
  for (const MethodTable* methods : {table, object.is_string() ? &registry().methods() : table}) {
    for (const auto& [known, method] : *methods) {
      if (known == name) return method;
    }
  }
  return nullptr;
}

/// getattr(): a method bound to its object, a namespace's entry, or nothing.
inline std::optional<Value> find_attribute(const Value& object, std::string_view name) {
  if (name.starts_with('_')) return {};
  if (object.is_namespace()) {
    const Value* found = object.space().attributes.find(name);
    if (found == nullptr) return {};
    return *found;
  }
  if (object.is_object()) return object.object().attribute(name);
  if (object.is_sequence(Sequence::kRange)) {
    const Range& range = object.sequenced().range;
    if (name == "start") return range.start;
    if (name == "stop") return range.stop;
    if (name == "step") return range.step;
  }
  if (object.is_sequence(Sequence::kGroup) && (name == "grouper" || name == "list")) {
    return object.list()[name == "list" ? 1 : 0];
  }
  if (changes_object(object, name)) {
    return Value::undefined(
        fmt::format("the method '{}' changes its object, which a template may not", name));
  }
  const Method method = find_method(object, name);
  if (method == nullptr) {
    if (!object.is_string() || !is_extra_method(name)) return {};
    return Value::undefined(needs_extra(fmt::format("the method '{}' of str", name)));
  }
  return Value::function(
      std::string(name),
      [object, name = std::string(name), method](Runtime&, const Arguments& arguments) {
        return object.is_markup() ? markup_method(object, name, method, arguments)
                                  : method(object, arguments);
      },
      object.depth());
}

/// object[key], or nothing.
inline std::optional<Value> find_item(const Value& object, const Value& key) {
  if (object.is_dict()) {
    const Value* found = object.dict().find(key);
    if (found == nullptr) return {};
    return *found;
  }
  if (!key.is_whole() || (!object.is_string() && !object.is_indexable())) return {};
  const auto size = static_cast<std::int64_t>(length(object));
  std::int64_t i = key.integer();
  if (i < 0) i += size;
  if (i < 0 || i >= size) return {};
  if (object.is_string()) {
    const std::string_view rest =
        std::string_view(object.text()).substr(first_characters(object.text(), i).size());
    return Value(std::string(first_characters(rest, 1)), object.is_markup());
  }
  return object.list()[static_cast<std::size_t>(i)];
}

/// `object.name` in a template.
inline Value attribute(const Value& object, std::string_view name) {
  if (object.is_undefined()) undefined_error(object);
  if (auto found = find_attribute(object, name)) return *found;
  if (object.is_dict()) {
    if (const Value* found = object.dict().find(name)) return *found;
  }
  return Value::undefined(
      fmt::format("'{} object' has no attribute '{}'", object.type_name(), brief(name)));
}

/// `object[key]` in a template.
inline Value item(const Value& object, const Value& key) {
  if (object.is_undefined()) undefined_error(object);
  if (auto found = find_item(object, key)) return *found;
  if (key.is_string()) {
    if (auto found = find_attribute(object, key.text())) return *found;
  }
  return Value::undefined(
      fmt::format("'{} object' has no attribute {}", object.type_name(), brief(repr(key))));
}

}  // namespace posttrain::text::jinja
