// SPDX-License-Identifier: Apache-2.0
// Values of the template language: what Python objects are to Jinja.
//
// Scalars are held by value, everything else is shared and, once made, never changed (the sandbox
// that transformers uses forbids changing lists and dicts; namespaces are the exception). Printing,
// comparing and truth follow Python.
#pragma once

#include <charconv>
#include <cmath>
#include <cstdint>
#include <limits>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "posttrain/core/error.hpp"

namespace posttrain::text::jinja {

using Json = nlohmann::ordered_json;

class Value;
class Evaluator;
using List = std::vector<Value>;

/// Insertion-ordered, as Python's. Small in templates: looked through from the start.
struct Dict {
  std::vector<std::pair<Value, Value>> items;

  const Value* find(const Value& key) const;
  const Value* find(std::string_view key) const;
  const Value* find(const char* key) const { return find(std::string_view(key)); }
  void set(Value key, Value value);
};

/// Arguments of a call.
struct Arguments {
  std::vector<Value> positional;
  std::vector<std::pair<std::string, Value>> named;

  /// The argument at a position or under a name, or nothing.
  const Value* get(std::size_t position, std::string_view name) const;
};

/// An undefined name or attribute: prints as nothing, is false and empty, anything else is an
/// error that names it.
struct Undefined {
  std::string hint;  // "'x' is undefined"
};

struct String {
  std::string text;
  bool markup = false;  // came through `safe` or `escape`
};

enum class Sequence { kList, kTuple, kView, kGenerator };

struct Sequenced {
  List items;
  Sequence kind = Sequence::kList;
};

struct Namespace {
  Dict attributes;
};

/// Something that can be called: a built-in, a method bound to its object, a macro.
struct Callable {
  explicit Callable(std::string its_name) : name(std::move(its_name)) {}
  virtual ~Callable() = default;
  virtual Value call(Evaluator&, const Arguments&) const = 0;

  std::string name;
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
      : data_(std::make_shared<const String>(String{std::move(text), markup})) {}
  Value(std::string_view text) : Value(std::string(text)) {}
  Value(const char* text) : Value(std::string(text)) {}
  Value(List items, Sequence kind = Sequence::kList)
      : data_(std::make_shared<const Sequenced>(Sequenced{std::move(items), kind})) {}
  Value(Dict dict) : data_(std::make_shared<const Dict>(std::move(dict))) {}

  static Value undefined(std::string hint) {
    Value value;
    value.data_ = std::make_shared<const Undefined>(Undefined{std::move(hint)});
    return value;
  }
  static Value make_namespace(Dict attributes) {
    Value value;
    value.data_ = std::make_shared<Namespace>(Namespace{std::move(attributes)});
    return value;
  }
  static Value callable(std::shared_ptr<const Callable> callable) {
    Value value;
    value.data_ = std::move(callable);
    return value;
  }
  /// A callable from any `Value f(Evaluator&, const Arguments&)`.
  template <class F>
  static Value function(std::string name, F f);
  /// JSON data as values; nested at most 500 levels deep.
  static Value from_json(const Json& json, int depth = 0);

  bool is_undefined() const { return holds<std::shared_ptr<const Undefined>>(); }
  bool is_none() const { return holds<std::nullptr_t>(); }
  bool is_bool() const { return holds<bool>(); }
  bool is_integer() const { return holds<std::int64_t>(); }  // without booleans
  bool is_float() const { return holds<double>(); }
  bool is_number() const { return is_bool() || is_integer() || is_float(); }
  bool is_string() const { return holds<std::shared_ptr<const String>>(); }
  bool is_sequence() const { return holds<std::shared_ptr<const Sequenced>>(); }
  bool is_sequence(Sequence kind) const { return is_sequence() && sequenced().kind == kind; }
  bool is_dict() const { return holds<std::shared_ptr<const Dict>>(); }
  bool is_namespace() const { return holds<std::shared_ptr<Namespace>>(); }
  bool is_callable() const { return holds<std::shared_ptr<const Callable>>(); }

  const std::string& text() const { return get<std::shared_ptr<const String>>()->text; }
  bool is_markup() const { return is_string() && get<std::shared_ptr<const String>>()->markup; }
  const Sequenced& sequenced() const { return *get<std::shared_ptr<const Sequenced>>(); }
  const List& list() const { return sequenced().items; }
  const Dict& dict() const { return *get<std::shared_ptr<const Dict>>(); }
  Namespace& space() const { return *get<std::shared_ptr<Namespace>>(); }
  const Callable& callable() const { return *get<std::shared_ptr<const Callable>>(); }
  const std::string& hint() const { return get<std::shared_ptr<const Undefined>>()->hint; }

  /// A number as integer (booleans are 0 and 1); floats are an error.
  std::int64_t integer() const {
    if (is_bool()) return get<bool>() ? 1 : 0;
    if (is_integer()) return get<std::int64_t>();
    raise("expected an integer, got {}", type_name());
  }
  double number() const {
    if (is_float()) return get<double>();
    return static_cast<double>(integer());
  }

  bool truth() const {
    if (is_undefined() || is_none()) return false;
    if (is_bool()) return get<bool>();
    if (is_integer()) return get<std::int64_t>() != 0;
    if (is_float()) return get<double>() != 0;
    if (is_string()) return !text().empty();
    if (is_sequence()) return sequenced().kind == Sequence::kGenerator || !list().empty();
    if (is_dict()) return !dict().items.empty();
    return true;
  }

  /// Python's name of the type, for messages.
  std::string type_name() const {
    if (is_undefined()) return "undefined";
    if (is_none()) return "None";
    if (is_bool()) return "bool";
    if (is_integer()) return "int";
    if (is_float()) return "float";
    if (is_string()) return "str";
    if (is_sequence(Sequence::kList)) return "list";
    if (is_sequence(Sequence::kTuple)) return "tuple";
    if (is_sequence(Sequence::kView)) return "dict_items";
    if (is_sequence()) return "generator";
    if (is_dict()) return "dict";
    if (is_namespace()) return "namespace";
    return "function";
  }

  /// Python's `==`.
  friend bool operator==(const Value& a, const Value& b) {
    if (a.is_undefined() || b.is_undefined()) return a.is_undefined() && b.is_undefined();
    if (a.is_none() || b.is_none()) return a.is_none() && b.is_none();
    if (a.is_number() && b.is_number()) {
      if (a.is_float() || b.is_float()) return a.number() == b.number();
      return a.integer() == b.integer();
    }
    if (a.is_string() && b.is_string()) return a.text() == b.text();
    if (a.is_sequence() && b.is_sequence()) {
      return a.sequenced().kind == b.sequenced().kind && a.list() == b.list();
    }
    if (a.is_dict() && b.is_dict()) {
      if (a.dict().items.size() != b.dict().items.size()) return false;
      for (const auto& [key, value] : a.dict().items) {
        const Value* other = b.dict().find(key);
        if (other == nullptr || !(value == *other)) return false;
      }
      return true;
    }
    return a.data_ == b.data_;
  }

  /// Whether both are the very same object (`is sameas`).
  bool same(const Value& other) const {
    if (data_.index() != other.data_.index()) return false;
    if (is_string()) return text() == other.text();
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
               std::shared_ptr<const Callable>>
      data_;
};

inline const Value* Dict::find(const Value& key) const {
  for (const auto& [name, value] : items) {
    if (name == key) return &value;
  }
  return nullptr;
}

inline const Value* Dict::find(std::string_view key) const {
  for (const auto& [name, value] : items) {
    if (name.is_string() && name.text() == key) return &value;
  }
  return nullptr;
}

inline void Dict::set(Value key, Value value) {
  for (auto& [name, old] : items) {
    if (name == key) {
      old = std::move(value);
      return;
    }
  }
  items.emplace_back(std::move(key), std::move(value));
}

inline const Value* Arguments::get(std::size_t position, std::string_view name) const {
  if (position < positional.size()) return &positional[position];
  for (const auto& [key, value] : named) {
    if (key == name) return &value;
  }
  return nullptr;
}

template <class F>
struct Lambda final : Callable {
  Lambda(std::string its_name, F its_function)
      : Callable(std::move(its_name)), function(std::move(its_function)) {}
  Value call(Evaluator& evaluator, const Arguments& arguments) const override {
    return function(evaluator, arguments);
  }
  F function;
};

template <class F>
Value Value::function(std::string name, F f) {
  return callable(std::make_shared<const Lambda<F>>(std::move(name), std::move(f)));
}

inline Value Value::from_json(const Json& json, int depth) {
  if (depth > 500) fail("a template's data is nested more than 500 levels deep");
  switch (json.type()) {
    case Json::value_t::boolean:
      return json.get<bool>();
    case Json::value_t::number_integer:
      return json.get<std::int64_t>();
    case Json::value_t::number_unsigned: {
      const auto number = json.get<std::uint64_t>();
      if (number > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
        raise("expected integers of 64 bits in a template's data, got {}", number);
      }
      return static_cast<std::int64_t>(number);
    }
    case Json::value_t::number_float:
      return json.get<double>();
    case Json::value_t::string:
      return json.get<std::string>();
    case Json::value_t::array: {
      List items;
      items.reserve(json.size());
      for (const Json& item : json) items.push_back(from_json(item, depth + 1));
      return items;
    }
    case Json::value_t::object: {
      Dict dict;
      for (const auto& [key, item] : json.items()) {
        dict.items.emplace_back(Value(key), from_json(item, depth + 1));
      }
      return dict;
    }
    default:
      return nullptr;
  }
}

}  // namespace posttrain::text::jinja
