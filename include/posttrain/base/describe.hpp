// SPDX-License-Identifier: Apache-2.0
// Fields of an aggregate by name, without macros: printing and recording every hyperparameter.
//
// The number of fields is found by probing aggregate initialisation, references by structured
// bindings, names from the compiler's spelling of a pointer to a member of a never-defined object.
// Works for aggregates of at most 26 fields without base classes and C arrays, on g++ and clang.
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

struct AnyField {
  template <class T>
  operator T() const;  // never defined: used unevaluated
};

template <class T, std::size_t... I>
constexpr bool constructible_with(std::index_sequence<I...>) {
  return requires { T{((void)I, AnyField{})...}; };
}

template <class T, std::size_t N = 26>
constexpr std::size_t field_count() {
  if constexpr (N == 0) {
    return 0;
  } else if constexpr (constructible_with<T>(std::make_index_sequence<N>{})) {
    return N;
  } else {
    return field_count<T, N - 1>();
  }
}

template <class T>
constexpr auto tie_fields(T& object) {
  constexpr std::size_t kCount = field_count<std::remove_const_t<T>>();
  if constexpr (kCount == 0) {
    return std::tuple<>();
  } else if constexpr (kCount == 26) {
    auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17, f18, f19,
           f20, f21, f22, f23, f24, f25] = object;
    return std::tie(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17,
                    f18, f19, f20, f21, f22, f23, f24, f25);
  } else if constexpr (kCount == 25) {
    auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17, f18, f19,
           f20, f21, f22, f23, f24] = object;
    return std::tie(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17,
                    f18, f19, f20, f21, f22, f23, f24);
  } else if constexpr (kCount == 24) {
    auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17, f18, f19,
           f20, f21, f22, f23] = object;
    return std::tie(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17,
                    f18, f19, f20, f21, f22, f23);
  } else if constexpr (kCount == 23) {
    auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17, f18, f19,
           f20, f21, f22] = object;
    return std::tie(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17,
                    f18, f19, f20, f21, f22);
  } else if constexpr (kCount == 22) {
    auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17, f18, f19,
           f20, f21] = object;
    return std::tie(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17,
                    f18, f19, f20, f21);
  } else if constexpr (kCount == 21) {
    auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17, f18, f19,
           f20] = object;
    return std::tie(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17,
                    f18, f19, f20);
  } else if constexpr (kCount == 20) {
    auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17, f18,
           f19] = object;
    return std::tie(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17,
                    f18, f19);
  } else if constexpr (kCount == 19) {
    auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17, f18] =
        object;
    return std::tie(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17,
                    f18);
  } else if constexpr (kCount == 18) {
    auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17] = object;
    return std::tie(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17);
  } else if constexpr (kCount == 17) {
    auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16] = object;
    return std::tie(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16);
  } else if constexpr (kCount == 16) {
    auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15] = object;
    return std::tie(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15);
  } else if constexpr (kCount == 15) {
    auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14] = object;
    return std::tie(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14);
  } else if constexpr (kCount == 14) {
    auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13] = object;
    return std::tie(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13);
  } else if constexpr (kCount == 13) {
    auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12] = object;
    return std::tie(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12);
  } else if constexpr (kCount == 12) {
    auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11] = object;
    return std::tie(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11);
  } else if constexpr (kCount == 11) {
    auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10] = object;
    return std::tie(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10);
  } else if constexpr (kCount == 10) {
    auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9] = object;
    return std::tie(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9);
  } else if constexpr (kCount == 9) {
    auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8] = object;
    return std::tie(f0, f1, f2, f3, f4, f5, f6, f7, f8);
  } else if constexpr (kCount == 8) {
    auto& [f0, f1, f2, f3, f4, f5, f6, f7] = object;
    return std::tie(f0, f1, f2, f3, f4, f5, f6, f7);
  } else if constexpr (kCount == 7) {
    auto& [f0, f1, f2, f3, f4, f5, f6] = object;
    return std::tie(f0, f1, f2, f3, f4, f5, f6);
  } else if constexpr (kCount == 6) {
    auto& [f0, f1, f2, f3, f4, f5] = object;
    return std::tie(f0, f1, f2, f3, f4, f5);
  } else if constexpr (kCount == 5) {
    auto& [f0, f1, f2, f3, f4] = object;
    return std::tie(f0, f1, f2, f3, f4);
  } else if constexpr (kCount == 4) {
    auto& [f0, f1, f2, f3] = object;
    return std::tie(f0, f1, f2, f3);
  } else if constexpr (kCount == 3) {
    auto& [f0, f1, f2] = object;
    return std::tie(f0, f1, f2);
  } else if constexpr (kCount == 2) {
    auto& [f0, f1] = object;
    return std::tie(f0, f1);
  } else if constexpr (kCount == 1) {
    auto& [f0] = object;
    return std::tie(f0);
  }
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

/// visit(name, value) for every field, in order.
template <class T, class Visit>
constexpr void for_each_field(const T& object, Visit visit) {
  const auto fields = detail::tie_fields(object);
  [&]<std::size_t... I>(std::index_sequence<I...>) {
    (visit(detail::field_name<T, I>(), std::get<I>(fields)), ...);
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
