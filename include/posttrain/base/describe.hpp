// SPDX-License-Identifier: Apache-2.0
// Fields of an aggregate by name, without macros: printing and recording every hyperparameter.
//
// The number of fields is found by probing aggregate initialisation, references by structured
// bindings, names from the compiler's spelling of a pointer to a member of a never-defined object.
// Works for aggregates of at most 96 fields without base classes and C arrays, on g++ and clang.
#pragma once

#include <fmt/format.h>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

#include "posttrain/base/literal_string.hpp"

namespace posttrain {

namespace detail {

inline constexpr std::size_t kMaxFields = 96;

struct AnyField {
  template <class T>
  operator T() const;  // never defined: used unevaluated
};

template <class T, std::size_t... I>
constexpr bool constructible_with(std::index_sequence<I...>) {
  return requires { T{((void)I, AnyField{})...}; };
}

/// How many values an aggregate takes of which all have defaults: those counts that fit go up to
/// it. From `fits`, which does, in growing strides until one does not, then by halves: an aggregate
/// of 64 fields is probed a dozen times.
template <class T, std::size_t fits, std::size_t fails>
constexpr std::size_t count_between() {
  if constexpr (fits + 1 == fails) {
    return fits;
  } else if constexpr (constexpr std::size_t middle = fits + (fails - fits) / 2;
                       constructible_with<T>(std::make_index_sequence<middle>{})) {
    return count_between<T, middle, fails>();
  } else {
    return count_between<T, fits, middle>();
  }
}
template <class T, std::size_t fits, std::size_t stride>
constexpr std::size_t count_from() {
  constexpr std::size_t next = fits + stride <= kMaxFields ? fits + stride : kMaxFields + 1;
  if constexpr (!constructible_with<T>(std::make_index_sequence<next>{})) {
    return count_between<T, fits, next>();
  } else if constexpr (next > kMaxFields) {
    return next;
  } else {
    return count_from<T, next, 2 * stride>();
  }
}

/// The same where some have none: only a first count that fits and those above do.
template <class T, std::size_t N>
constexpr std::size_t first_that_fits() {
  if constexpr (constructible_with<T>(std::make_index_sequence<N>{})) {
    return count_from<T, N, 1>();
  } else if constexpr (N < kMaxFields) {
    return first_that_fits<T, N + 1>();
  } else {
    return 0;
  }
}

/// How many values T is made of; 0 for what is no aggregate.
template <class T>
constexpr std::size_t field_count() {
  constexpr std::size_t count = first_that_fits<T, 0>();
  static_assert(count <= kMaxFields,
                "posttrain: an aggregate that is described has at most 96 fields");
  return count <= kMaxFields ? count : 0;
}

/// References to the fields of an object that has `count` of them.
template <std::size_t count>
struct FieldReferences;

template <>
struct FieldReferences<0> {
  static constexpr std::tuple<> of(auto&) { return {}; }
};

// Structured bindings need every name, so there is one specialisation for each count, and only the
// one in use is instantiated. They come in eights: `before` fields, which __VA_ARGS__ names, and
// one to eight more, named by a letter and a digit.
#define POSTTRAIN_BIND(count, ...)           \
  template <>                                \
  struct FieldReferences<count> {            \
    static constexpr auto of(auto& object) { \
      auto& [__VA_ARGS__] = object;          \
      return std::tie(__VA_ARGS__);          \
    }                                        \
  };
#define POSTTRAIN_BIND_EIGHT(before, x, ...)                                       \
  POSTTRAIN_BIND(before + 1, __VA_ARGS__ x##0)                                     \
  POSTTRAIN_BIND(before + 2, __VA_ARGS__ x##0, x##1)                               \
  POSTTRAIN_BIND(before + 3, __VA_ARGS__ x##0, x##1, x##2)                         \
  POSTTRAIN_BIND(before + 4, __VA_ARGS__ x##0, x##1, x##2, x##3)                   \
  POSTTRAIN_BIND(before + 5, __VA_ARGS__ x##0, x##1, x##2, x##3, x##4)             \
  POSTTRAIN_BIND(before + 6, __VA_ARGS__ x##0, x##1, x##2, x##3, x##4, x##5)       \
  POSTTRAIN_BIND(before + 7, __VA_ARGS__ x##0, x##1, x##2, x##3, x##4, x##5, x##6) \
  POSTTRAIN_BIND(before + 8, __VA_ARGS__ x##0, x##1, x##2, x##3, x##4, x##5, x##6, x##7)
#define POSTTRAIN_EIGHT(x) x##0, x##1, x##2, x##3, x##4, x##5, x##6, x##7,
POSTTRAIN_BIND_EIGHT(0, a, )
POSTTRAIN_BIND_EIGHT(8, b, POSTTRAIN_EIGHT(a))
POSTTRAIN_BIND_EIGHT(16, c, POSTTRAIN_EIGHT(a) POSTTRAIN_EIGHT(b))
POSTTRAIN_BIND_EIGHT(24, d, POSTTRAIN_EIGHT(a) POSTTRAIN_EIGHT(b) POSTTRAIN_EIGHT(c))
POSTTRAIN_BIND_EIGHT(32, e,
                     POSTTRAIN_EIGHT(a) POSTTRAIN_EIGHT(b) POSTTRAIN_EIGHT(c) POSTTRAIN_EIGHT(d))
POSTTRAIN_BIND_EIGHT(40, f,
                     POSTTRAIN_EIGHT(a) POSTTRAIN_EIGHT(b) POSTTRAIN_EIGHT(c) POSTTRAIN_EIGHT(d)
                         POSTTRAIN_EIGHT(e))
POSTTRAIN_BIND_EIGHT(48, g,
                     POSTTRAIN_EIGHT(a) POSTTRAIN_EIGHT(b) POSTTRAIN_EIGHT(c) POSTTRAIN_EIGHT(d)
                         POSTTRAIN_EIGHT(e) POSTTRAIN_EIGHT(f))
POSTTRAIN_BIND_EIGHT(56, h,
                     POSTTRAIN_EIGHT(a) POSTTRAIN_EIGHT(b) POSTTRAIN_EIGHT(c) POSTTRAIN_EIGHT(d)
                         POSTTRAIN_EIGHT(e) POSTTRAIN_EIGHT(f) POSTTRAIN_EIGHT(g))
POSTTRAIN_BIND_EIGHT(64, i,
                     POSTTRAIN_EIGHT(a) POSTTRAIN_EIGHT(b) POSTTRAIN_EIGHT(c) POSTTRAIN_EIGHT(d)
                         POSTTRAIN_EIGHT(e) POSTTRAIN_EIGHT(f) POSTTRAIN_EIGHT(g)
                             POSTTRAIN_EIGHT(h))
POSTTRAIN_BIND_EIGHT(72, j,
                     POSTTRAIN_EIGHT(a) POSTTRAIN_EIGHT(b) POSTTRAIN_EIGHT(c) POSTTRAIN_EIGHT(d)
                         POSTTRAIN_EIGHT(e) POSTTRAIN_EIGHT(f) POSTTRAIN_EIGHT(g) POSTTRAIN_EIGHT(h)
                             POSTTRAIN_EIGHT(i))
POSTTRAIN_BIND_EIGHT(80, k,
                     POSTTRAIN_EIGHT(a) POSTTRAIN_EIGHT(b) POSTTRAIN_EIGHT(c) POSTTRAIN_EIGHT(d)
                         POSTTRAIN_EIGHT(e) POSTTRAIN_EIGHT(f) POSTTRAIN_EIGHT(g) POSTTRAIN_EIGHT(h)
                             POSTTRAIN_EIGHT(i) POSTTRAIN_EIGHT(j))
POSTTRAIN_BIND_EIGHT(88, l,
                     POSTTRAIN_EIGHT(a) POSTTRAIN_EIGHT(b) POSTTRAIN_EIGHT(c) POSTTRAIN_EIGHT(d)
                         POSTTRAIN_EIGHT(e) POSTTRAIN_EIGHT(f) POSTTRAIN_EIGHT(g) POSTTRAIN_EIGHT(h)
                             POSTTRAIN_EIGHT(i) POSTTRAIN_EIGHT(j) POSTTRAIN_EIGHT(k))
#undef POSTTRAIN_BIND
#undef POSTTRAIN_BIND_EIGHT
#undef POSTTRAIN_EIGHT

template <class T>
constexpr auto tie_fields(T& object) {
  return FieldReferences<field_count<std::remove_const_t<T>>()>::of(object);
}

template <class T>
struct Never {
  T value;
};
// Policies may live in unnamed namespaces.
#ifdef __clang__
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wundefined-internal"
#endif
template <class T>
extern const Never<T> never;
#ifdef __clang__
#pragma clang diagnostic pop
#endif

template <auto Pointer>
constexpr std::string_view pointer_spelling() {
  return __PRETTY_FUNCTION__;
}

/// A pointer wrapped so that it is a structural template argument.
template <class P>
struct PointerHolder {
  P pointer;
};
template <class P>
PointerHolder(P) -> PointerHolder<P>;

/// The last identifier of a template argument as spelt in __PRETTY_FUNCTION__.
constexpr std::string_view last_identifier(std::string_view spelling) {
  // g++ appends "; std::string_view = …".
  spelling = spelling.substr(0, spelling.find(';'));
  const auto in_identifier = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  };
  std::size_t end = spelling.size();
  while (end > 0 && !in_identifier(spelling[end - 1])) --end;
  std::size_t begin = end;
  while (begin > 0 && in_identifier(spelling[begin - 1])) --begin;
  return spelling.substr(begin, end - begin);
}

template <class T, std::size_t I>
constexpr std::string_view field_name() {
#ifdef __clang__
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wundefined-var-template"
#endif
  return last_identifier(
      pointer_spelling<PointerHolder{&std::get<I>(tie_fields(never<T>.value))}>());
#ifdef __clang__
#pragma clang diagnostic pop
#endif
}

template <auto Value>
constexpr std::string_view value_spelling() {
  return __PRETTY_FUNCTION__;
}

template <class T>
constexpr std::string_view type_spelling() {
  return __PRETTY_FUNCTION__;
}

}  // namespace detail

/// "NextToken" for posttrain::NextToken, "BasicMessages" for posttrain::data::BasicMessages<…>.
template <class T>
constexpr std::string_view type_name() {
  // g++: "… [with T = a::B; …]", clang: "… [T = a::B]".
  std::string_view text = detail::type_spelling<T>();
  text.remove_prefix(text.find("T = ") + 4);
  text = text.substr(0, text.find_first_of("<;]"));
  return detail::last_identifier(text);
}

/// The enumerator's own name; enumerations with a fixed underlying type (`enum class`), values 0
/// … 31.
template <class E>
requires std::is_enum_v<E>
constexpr std::string_view enum_name(E value) {
  std::string_view name = "?";
  [&]<std::size_t... I>(std::index_sequence<I...>) {
    ((static_cast<E>(I) == value
          ? void(name = detail::last_identifier(detail::value_spelling<static_cast<E>(I)>()))
          : void()),
     ...);
  }
  (std::make_index_sequence<32>{});
  return name;
}

/// visit(name, value) for every field, in order; the values of an object that may be changed may
/// be, too.
template <class T, class Visit>
constexpr void for_each_field(T&& object, Visit visit) {
  const auto fields = detail::tie_fields(object);
  [&]<std::size_t... I>(std::index_sequence<I...>) {
    (visit(detail::field_name<std::remove_cvref_t<T>, I>(), std::get<I>(fields)), ...);
  }
  (std::make_index_sequence<std::tuple_size_v<decltype(fields)>>{});
}

/// Whether a type that is no aggregate of hyperparameters says in words what it is.
template <class T>
concept DescribesItself = requires(const T& value) {
  { value.description() } -> std::same_as<std::string>;
};

/// "NextToken{.label_smoothing = 0.1, .z_loss = 0}".
template <class T>
std::string describe(const T& value) {
  if constexpr (DescribesItself<T>) {
    return value.description();
  } else if constexpr (std::is_same_v<T, bool>) {
    return value ? "true" : "false";
  } else if constexpr (std::is_enum_v<T>) {
    return std::string(enum_name(value));
  } else if constexpr (std::is_arithmetic_v<T>) {
    return fmt::format("{}", value);
  } else if constexpr (std::is_convertible_v<T, std::string_view>) {
    return fmt::format("\"{}\"", std::string_view(value));
  } else if constexpr (requires { value.begin() != value.end(); }) {
    std::string text = "[";
    for (const auto& element : value) {
      text += (text.size() > 1 ? ", " : "") + describe(element);
    }
    return text + "]";
  } else if constexpr (!std::is_aggregate_v<T>) {  // a closure, say
    return std::string(type_name<T>());
  } else {
    std::string text = std::string(type_name<T>()) + "{";
    std::string_view separator;
    for_each_field(value, [&](std::string_view name, const auto& field) {
      text += fmt::format("{}.{} = {}", separator, name, describe(field));
      separator = ", ";
    });
    return text + "}";
  }
}

}  // namespace posttrain
