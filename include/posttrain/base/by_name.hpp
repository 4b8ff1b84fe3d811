// SPDX-License-Identifier: Apache-2.0
// One of an enumeration's values, given as an enumerator or by its name, as it stands in a file or
// in another library's call:
//
//   ByName<Dtype> dtype = Dtype::bfloat16;   dtype = "bfloat16";
//
// A name that none of them has is an error that lists all.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <type_traits>

#include "posttrain/base/describe.hpp"
#include "posttrain/base/error.hpp"

namespace posttrain {

template <class E>
requires std::is_enum_v<E>
class ByName {
 public:
  constexpr ByName(E value) : value_(value) {}
  ByName(std::string_view name) : value_(named(name)) {}
  ByName(const char* name) : ByName(std::string_view(name)) {}
  ByName(const std::string& name) : ByName(std::string_view(name)) {}

  constexpr operator E() const { return value_; }
  constexpr E value() const { return value_; }
  std::string description() const { return std::string(enum_name(value_)); }

 private:
  static E named(std::string_view name) {
    std::string all;
    for (int i = 0; i < 32; ++i) {
      const std::string_view own = enum_name(static_cast<E>(i));
      if (own.empty() || (own.front() >= '0' && own.front() <= '9')) break;
      if (own == name) return static_cast<E>(i);
      all += (all.empty() ? "" : ", ") + std::string(own);
    }
    raise("expected one of {}, got \"{}\"", all, name);
  }

  E value_;
};

}  // namespace posttrain
