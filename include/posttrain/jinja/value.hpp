// SPDX-License-Identifier: Apache-2.0
// Values of the template language: what Python objects are to Jinja.
//
// Scalars are held by value, everything else is shared and, once made, never changed (the sandbox
// that transformers uses forbids changing lists and dicts; namespaces are the exception). Values
// know how deep they nest, so that no template can build one that is too deep to be destroyed.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "posttrain/base/error.hpp"
#include "posttrain/jinja/limits.hpp"

namespace posttrain::text::jinja {

class Value;
class Runtime;
struct Arguments;
using List = std::vector<Value>;

inline constexpr std::size_t kBytesOfValue = 24;  // in a list

/// Insertion-ordered, as Python's. Small in templates: looked through from the start.
struct Dict {
  std::vector<std::pair<Value, Value>> items;
  int depth = 1;
  Held held{};

  const Value* find(const Value& key) const;
  const Value* find(std::string_view key) const;
  const Value* find(const char* key) const { return find(std::string_view(key)); }
  void set(Value key, Value value);
};

// Declared apart: before values are complete, clang cannot count them.
std::size_t bytes_of(const List& items);
std::size_t bytes_of(const Dict& dict);

/// An undefined name or attribute: prints as nothing, is false and empty, anything else is an
/// error that names it.
struct Undefined {
  std::string hint{};  // "'x' is undefined"
  Held held{sizeof(Undefined) + hint.size()};
};

struct String {
  std::string text;
  bool markup = false;  // came through `safe` or `escape`
  Held held{sizeof(String) + text.size()};
};

enum class Sequence { kList, kTuple, kGroup, kRange, kKeys, kValues, kItems, kGenerator };

struct Range {
  std::int64_t start = 0, stop = 0, step = 1;
};

struct Sequenced {
  List items;
  Sequence kind = Sequence::kList;
  int depth = 1;
  mutable std::size_t used = 0;  // a generator yields every item once
  Range range{};                 // of a range
  Held held{sizeof(Sequenced) + bytes_of(items)};
};

struct Namespace {
  Dict attributes;
  Held held{sizeof(Namespace) + bytes_of(attributes)};
};

/// Any other value: built-ins, methods bound to their object, macros, `loop`. An object that is no
/// function overrides `call`, too, to refuse.
struct Object {
  explicit Object(std::string its_name) : name(std::move(its_name)) {}
  virtual ~Object() = default;
  virtual Value call(Runtime&, const Arguments&) const = 0;
  virtual std::optional<Value> attribute(std::string_view) const;
  virtual bool is_callable() const { return true; }
  virtual std::string print() const { return "<function " + name + ">"; }

  std::string name;
  int depth = 1;
  Held held{2 * sizeof(Object)};
};

class Value {
 public:
  Value() : data_(std::make_shared<const Undefined>()) {}
  Value(std::nullptr_t) : data_(nullptr) {}
  Value(bool value) : data_(value) {}
  Value(int value) : data_(std::int64_t{value}) {}
  Value(std::int64_t value) : data_(value) {}
  Value(std::size_t value) : data_(static_cast<std::int64_t>(value)) {}
  Value(double value) : data_(value) {}
  Value(std::string text, bool markup = false)
      : data_((check_text(text.size()),
               std::make_shared<const String>(String{std::move(text), markup}))) {}
  Value(std::string_view text) : Value(std::string(text)) {}
  Value(const char* text) : Value(std::string(text)) {}
  Value(List items, Sequence kind = Sequence::kList, Range range = {});
  Value(Dict dict);

  static Value undefined(std::string hint) {
    spend(1);
    Value value(nullptr);
    value.data_ = std::make_shared<const Undefined>(Undefined{std::move(hint)});
    return value;
  }
  static Value make_namespace(Dict attributes) {
    Value value(nullptr);
    value.data_ = std::make_shared<Namespace>(Namespace{std::move(attributes)});
    return value;
  }
  static Value object(std::shared_ptr<const Object> object) {
    spend(1);
    if (object->depth > kDeepestValue) fail("a value is nested too deeply");
    Value value(nullptr);
    value.data_ = std::move(object);
    return value;
  }
  /// A function from any `Value f(Runtime&, const Arguments&)`; `depth` of what it holds.
  template <class F>
  static Value function(std::string name, F f, int depth = 0);

  bool is_undefined() const { return holds<std::shared_ptr<const Undefined>>(); }
  bool is_none() const { return holds<std::nullptr_t>(); }
  bool is_bool() const { return holds<bool>(); }
  bool is_integer() const { return holds<std::int64_t>(); }  // without booleans
  bool is_float() const { return holds<double>(); }
  bool is_whole() const { return is_integer() || is_bool(); }
  bool is_number() const { return is_whole() || is_float(); }
  bool is_string() const { return holds<std::shared_ptr<const String>>(); }
  bool is_sequence() const { return holds<std::shared_ptr<const Sequenced>>(); }
  bool is_sequence(Sequence kind) const { return is_sequence() && sequenced().kind == kind; }
  bool is_tuple() const { return is_sequence(Sequence::kTuple) || is_sequence(Sequence::kGroup); }
  /// Sequences with places: not views, not generators.
  bool is_indexable() const {
    return is_sequence(Sequence::kList) || is_tuple() || is_sequence(Sequence::kRange);
  }
  bool is_dict() const { return holds<std::shared_ptr<const Dict>>(); }
  bool is_namespace() const { return holds<std::shared_ptr<Namespace>>(); }
  bool is_object() const { return holds<std::shared_ptr<const Object>>(); }

  const std::string& text() const { return get<std::shared_ptr<const String>>()->text; }
  bool is_markup() const { return is_string() && get<std::shared_ptr<const String>>()->markup; }
  const Sequenced& sequenced() const { return *get<std::shared_ptr<const Sequenced>>(); }
  const List& list() const { return sequenced().items; }
  const Dict& dict() const { return *get<std::shared_ptr<const Dict>>(); }
  Namespace& space() const { return *get<std::shared_ptr<Namespace>>(); }
  const Object& object() const { return *get<std::shared_ptr<const Object>>(); }
  const std::string& hint() const { return get<std::shared_ptr<const Undefined>>()->hint; }

  /// A number as integer (booleans are 0 and 1); anything else is an error.
  std::int64_t integer() const {
    if (is_bool()) return get<bool>() ? 1 : 0;
    if (is_integer()) return get<std::int64_t>();
    if (is_undefined()) raise("{}", hint());
    raise("expected an integer, got {}", type_name());
  }
  double number() const {
    if (is_float()) return get<double>();
    return static_cast<double>(integer());
  }

  int depth() const {
    if (is_sequence()) return sequenced().depth;
    if (is_dict()) return dict().depth;
    return is_object() ? object().depth : 0;
  }

  bool truth() const;

  /// Python's name of the type, for messages.
  std::string type_name() const;

  /// Python's `==`.
  friend bool operator==(const Value& a, const Value& b);

  /// Whether both are the very same object (`is sameas`).
  bool same(const Value& other) const {
    if (data_.index() != other.data_.index()) return false;
    if (is_string()) return equal_texts(text(), other.text());
    return data_ == other.data_;
  }

 private:
  template <class T>
  bool holds() const {
    return std::holds_alternative<T>(data_);
  }
  template <class T>
  const T& get() const {
    return std::get<T>(data_);
  }

  std::variant<std::nullptr_t, bool, std::int64_t, double, std::shared_ptr<const Undefined>,
               std::shared_ptr<const String>, std::shared_ptr<const Sequenced>,
               std::shared_ptr<const Dict>, std::shared_ptr<Namespace>,
               std::shared_ptr<const Object>>
      data_;
};

static_assert(sizeof(Value) == kBytesOfValue);

inline std::size_t bytes_of(const List& items) { return items.size() * kBytesOfValue; }
inline std::size_t bytes_of(const Dict& dict) { return dict.items.size() * 2 * kBytesOfValue; }

inline Value::Value(List items, Sequence kind, Range range) : data_(nullptr) {
  check_list(items.size());
  int depth = 0;
  for (const Value& item : items) depth = std::max(depth, item.depth());
  if (depth >= kDeepestValue) fail("a value is nested too deeply");
  data_ = std::make_shared<const Sequenced>(Sequenced{std::move(items), kind, depth + 1, 0, range});
}

inline Value::Value(Dict dict) : data_(nullptr) {
  check_list(dict.items.size());
  spend(dict.items.size());
  int depth = 0;
  for (const auto& [key, item] : dict.items) depth = std::max({depth, key.depth(), item.depth()});
  if (depth >= kDeepestValue) fail("a value is nested too deeply");
  dict.depth = depth + 1;
  dict.held = Held(sizeof(Dict) + bytes_of(dict));
  data_ = std::make_shared<const Dict>(std::move(dict));
}

inline bool Value::truth() const {
  if (is_undefined() || is_none()) return false;
  if (is_bool()) return get<bool>();
  if (is_integer()) return get<std::int64_t>() != 0;
  if (is_float()) return get<double>() != 0;
  if (is_string()) return !text().empty();
  if (is_sequence()) return sequenced().kind == Sequence::kGenerator || !list().empty();
  if (is_dict()) return !dict().items.empty();
  return true;
}

inline std::string Value::type_name() const {
  static constexpr const char* kSequences[] = {
      "list", "tuple", "tuple", "range", "dict_keys", "dict_values", "dict_items", "generator"};
  if (is_undefined()) return "undefined";
  if (is_none()) return "None";
  if (is_bool()) return "bool";
  if (is_integer()) return "int";
  if (is_float()) return "float";
  if (is_string()) return "str";
  if (is_sequence()) return kSequences[static_cast<int>(sequenced().kind)];
  if (is_dict()) return "dict";
  if (is_namespace()) return "namespace";
  return "function";
}

/// Whether two views of as many keys or pairs, each of them once, hold the same.
inline bool same_entries(const List& a, const List& b) {
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a[i] == b[i]) continue;  // mostly in the same order
    spend(1 + b.size() / 8);
    if (std::find(b.begin(), b.end(), a[i]) == b.end()) return false;
  }
  return true;
}

inline bool operator==(const Value& a, const Value& b) {
  if (a.is_undefined() || b.is_undefined()) return a.is_undefined() && b.is_undefined();
  if (a.is_none() || b.is_none()) return a.is_none() && b.is_none();
  if (a.is_number() && b.is_number()) {
    if (a.is_float() || b.is_float()) return a.number() == b.number();
    return a.integer() == b.integer();
  }
  if (a.is_string() && b.is_string()) return equal_texts(a.text(), b.text());
  if (a.is_sequence() && b.is_sequence()) {
    if (a.data_ == b.data_) return true;
    const bool alike = a.sequenced().kind == b.sequenced().kind || (a.is_tuple() && b.is_tuple());
    const bool views = a.is_sequence(Sequence::kKeys) || a.is_sequence(Sequence::kItems);
    if (!alike || a.list().size() != b.list().size()) return false;
    spend(a.list().size());
    if (a.is_indexable()) return a.list() == b.list();
    return views && same_entries(a.list(), b.list());
  }
  if (a.is_dict() && b.is_dict()) {
    if (a.data_ == b.data_) return true;
    if (a.dict().items.size() != b.dict().items.size()) return false;
    for (const auto& [key, value] : a.dict().items) {
      const Value* other = b.dict().find(key);
      if (other == nullptr || !(value == *other)) return false;
    }
    return true;
  }
  return a.data_ == b.data_;
}

inline const Value* Dict::find(const Value& key) const {
  spend(items.size() / 8);
  for (const auto& [name, value] : items) {
    if (name == key) return &value;
  }
  return nullptr;
}

inline const Value* Dict::find(std::string_view key) const {
  spend(items.size() / 8);
  for (const auto& [name, value] : items) {
    if (name.is_string() && equal_texts(name.text(), key)) return &value;
  }
  return nullptr;
}

inline void Dict::set(Value key, Value value) {
  spend(items.size() / 8);
  for (auto& [name, old] : items) {
    if (name == key) {
      old = std::move(value);
      return;
    }
  }
  items.emplace_back(std::move(key), std::move(value));
}

inline std::optional<Value> Object::attribute(std::string_view) const { return {}; }

}  // namespace posttrain::text::jinja
