// SPDX-License-Identifier: Apache-2.0
// Python's questions to values: iteration, length, order, membership, slices.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>

#include "posttrain/base/error.hpp"
#include "posttrain/jinja/print.hpp"
#include "posttrain/jinja/search.hpp"
#include "posttrain/jinja/value.hpp"
#include "posttrain/unicode/utf8.hpp"

namespace posttrain::text::jinja {

[[noreturn]] inline void undefined_error(const Value& value) { throw Error(value.hint()); }

inline Value make_text(std::string text, bool markup = false) {
  return Value(std::move(text), markup);
}

/// The characters of a string, one after the other. Keeps a view of it.
class Characters {
 public:
  class Iterator {
   public:
    Iterator(std::string_view text, std::size_t at) : text_(text), at_(at) { read(); }
    std::string_view operator*() const { return text_.substr(at_, size_); }
    Iterator& operator++() {
      at_ += size_;
      read();
      return *this;
    }
    bool operator==(const Iterator& other) const { return at_ == other.at_; }

   private:
    void read() { size_ = at_ < text_.size() ? decode_utf8(text_, at_).size : 0; }

    std::string_view text_;
    std::size_t at_ = 0, size_ = 0;
  };

  explicit Characters(std::string_view text) : text_(text) { spend_decoding(text.size()); }
  Iterator begin() const { return {text_, 0}; }
  Iterator end() const { return {text_, text_.size()}; }

 private:
  std::string_view text_;
};
inline Characters characters(std::string_view text) { return Characters(text); }

/// The first `count` characters of a string; all where it has fewer.
inline std::string_view first_characters(std::string_view text, std::int64_t count) {
  std::size_t end = 0;
  for (; count > 0 && end < text.size(); --count) end += decode_utf8(text, end).size;
  spend_decoding(end);
  return text.substr(0, end);
}

inline std::size_t count_characters(std::string_view text) {
  spend_reading(text.size());
  std::size_t count = 0;
  for (const char c : text) count += (static_cast<unsigned char>(c) & 0xC0U) != 0x80U;
  return count;
}

/// The items that a for loop runs over. A generator yields its items once.
inline List iterate(const Value& value) {
  if (value.is_undefined()) return {};
  if (value.is_sequence(Sequence::kGenerator)) {
    const auto& generator = value.sequenced();
    const auto begin = generator.items.begin() + static_cast<std::ptrdiff_t>(generator.used);
    generator.used = generator.items.size();
    check_list(generator.items.size());
    return {begin, generator.items.end()};
  }
  if (value.is_sequence()) {
    check_list(value.list().size());
    return value.list();
  }
  if (value.is_string()) {
    List out;
    check_list(count_characters(value.text()));
    for (const auto c : characters(value.text())) out.emplace_back(c);
    return out;
  }
  if (value.is_dict()) {
    List out;
    check_list(value.dict().items.size());
    for (const auto& [key, item] : value.dict().items) out.push_back(key);
    return out;
  }
  raise("'{}' object is not iterable", value.type_name());
}

inline bool is_iterable(const Value& value) {
  return value.is_undefined() || value.is_string() || value.is_sequence() || value.is_dict();
}

inline std::size_t length(const Value& value) {
  if (value.is_undefined()) return 0;
  if (value.is_string()) return count_characters(value.text());
  if (value.is_sequence() && !value.is_sequence(Sequence::kGenerator)) return value.list().size();
  if (value.is_dict()) return value.dict().items.size();
  raise("object of type '{}' has no len()", value.type_name());
}

/// −1, 0 or 1; values that Python does not order are an error.
inline int order(const Value& a, const Value& b) {
  const Level level(kDeepestValue);
  if (a.is_undefined()) undefined_error(a);
  if (b.is_undefined()) undefined_error(b);
  if (a.is_number() && b.is_number()) {
    if (a.is_float() || b.is_float()) {
      return a.number() < b.number() ? -1 : a.number() > b.number() ? 1 : 0;
    }
    return a.integer() < b.integer() ? -1 : a.integer() > b.integer() ? 1 : 0;
  }
  if (a.is_string() && b.is_string()) {
    spend_reading(std::min(a.text().size(), b.text().size()));
    const int c = a.text().compare(b.text());
    return c < 0 ? -1 : c > 0 ? 1 : 0;
  }
  const bool lists = a.is_sequence(Sequence::kList) && b.is_sequence(Sequence::kList);
  if (lists || (a.is_tuple() && b.is_tuple())) {
    const std::size_t common = std::min(a.list().size(), b.list().size());
    for (std::size_t i = 0; i < common; ++i) {
      if (!(a.list()[i] == b.list()[i])) return order(a.list()[i], b.list()[i]);
    }
    return a.list().size() < b.list().size() ? -1 : a.list().size() > b.list().size() ? 1 : 0;
  }
  raise("'<' not supported between '{}' and '{}'", a.type_name(), b.type_name());
}

/// Lists, dicts and what holds them are no keys.
inline void check_key(const Value& key) {
  const bool unhashable = key.is_sequence(Sequence::kList) || key.is_sequence(Sequence::kKeys) ||
                          key.is_sequence(Sequence::kItems) || key.is_dict();
  if (unhashable) {
    raise("unhashable type: '{}'", key.type_name());
  }
  if (key.is_tuple()) {
    for (const Value& part : key.list()) check_key(part);
  }
}

inline bool contains(const Value& container, const Value& item) {
  if (container.is_string()) {
    if (!item.is_string()) {
      raise("'in <string>' requires string as left operand, not {}", item.type_name());
    }
    return find_text(container.text(), item.text()) != std::string::npos;
  }
  if (container.is_dict()) {
    check_key(item);
    return container.dict().find(item) != nullptr;
  }
  if (container.is_sequence(Sequence::kGenerator)) {  // reads on until it is found
    const auto& generator = container.sequenced();
    while (generator.used < generator.items.size()) {
      spend(1);
      if (generator.items[generator.used++] == item) return true;
    }
    return false;
  }
  const List items = iterate(container);
  return std::find(items.begin(), items.end(), item) != items.end();
}

namespace detail {

/// The characters from, from + stride … before `to`, which lie within the text.
inline std::string slice_text(std::string_view text, std::int64_t from, std::int64_t to,
                              std::int64_t stride) {
  if (stride > 0 ? from >= to : from <= to) return {};
  const std::int64_t last = from + (to - from - (stride > 0 ? 1 : -1)) / stride * stride;
  const std::int64_t step = std::abs(stride);
  const std::int64_t begin = std::min(from, last), end = std::max(from, last);
  std::string out;
  std::int64_t i = 0;
  std::int64_t next = begin;
  const std::string_view rest = text.substr(first_characters(text, begin).size());
  for (const auto c : characters(first_characters(rest, end - begin + 1))) {
    if (begin + i++ != next) continue;
    out += c;
    next += step;
  }
  if (stride > 0) return out;
  std::string backward(out.size(), '\0');
  std::size_t at = out.size();
  for (const auto c : characters(out)) {
    at -= c.size();
    backward.replace(at, c.size(), c);
  }
  return backward;
}

}  // namespace detail

/// value[start:stop:step] as Python counts.
inline Value slice(const Value& value, const Value& start, const Value& stop, const Value& step) {
  if (value.is_undefined()) undefined_error(value);
  if (!value.is_string() && !value.is_indexable()) {
    raise("'{}' object cannot be sliced", value.type_name());
  }
  const auto size = static_cast<std::int64_t>(length(value));
  const std::int64_t by = step.is_none() ? 1 : step.integer();
  if (by == 0) fail("slice step cannot be zero");
  const std::int64_t low = by > 0 ? 0 : -1;
  const std::int64_t high = by > 0 ? size : size - 1;
  const auto place = [&](const Value& v, std::int64_t preset) {
    if (v.is_none()) return preset;
    std::int64_t i = v.integer();
    if (i < 0) i = std::max(i, -size - 1) + size;
    return std::clamp(i, low, std::max(low, high));
  };
  const std::int64_t from = place(start, by > 0 ? low : high);
  const std::int64_t to = place(stop, by > 0 ? high : low);
  const std::int64_t stride = std::clamp<std::int64_t>(by, -size - 1, size + 1);
  if (value.is_string()) {
    return Value(detail::slice_text(value.text(), from, to, stride), value.is_markup());
  }
  List list;
  for (std::int64_t i = from; by > 0 ? i < to : i > to; i += stride) {
    list.push_back(value.list()[static_cast<std::size_t>(i)]);
  }
  if (!value.is_sequence(Sequence::kRange)) {
    return Value(std::move(list), value.sequenced().kind);
  }
  const Range& range = value.sequenced().range;
  return Value(std::move(list), Sequence::kRange,
               {range.start + from * range.step, range.start + to * range.step, by * range.step});
}

}  // namespace posttrain::text::jinja
