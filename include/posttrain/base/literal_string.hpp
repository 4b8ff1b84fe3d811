// SPDX-License-Identifier: Apache-2.0
// A string that may live in a `constexpr` policy and may also own run-time text.
//
// `std::string` cannot be part of a constexpr object on all supported compilers and a `string_view`
// dangles when it is given a temporary. This type refers to literals in constant expressions and
// copies whatever it is given at run time.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <type_traits>

namespace posttrain {

class LiteralString {
 public:
  constexpr LiteralString() = default;

  constexpr LiteralString(const char* text) : LiteralString(std::string_view(text)) {}
  LiteralString(const std::string& text) : LiteralString(std::string_view(text)) {}

  constexpr LiteralString(std::string_view text) {
    if (std::is_constant_evaluated()) {
      view_ = text;
    } else {
      assign(text);
    }
  }

  constexpr LiteralString(const LiteralString& other) : LiteralString(other.view_) {}
  constexpr LiteralString& operator=(const LiteralString& other) {
    if (this != &other) {
      if (std::is_constant_evaluated()) {
        view_ = other.view_;
      } else {
        delete[] owned_;
        owned_ = nullptr;
        assign(other.view_);
      }
    }
    return *this;
  }
  constexpr ~LiteralString() { delete[] owned_; }

  constexpr std::string_view view() const { return view_; }
  constexpr operator std::string_view() const { return view_; }
  constexpr bool empty() const { return view_.empty(); }
  std::string str() const { return std::string(view_); }

  friend constexpr bool operator==(const LiteralString& a, const LiteralString& b) {
    return a.view_ == b.view_;
  }

 private:
  void assign(std::string_view text) {
    if (text.empty()) {
      view_ = {};
      return;
    }
    owned_ = new char[text.size()];
    text.copy(owned_, text.size());
    view_ = {owned_, text.size()};
  }

  std::string_view view_{};
  char* owned_ = nullptr;
};

}  // namespace posttrain
