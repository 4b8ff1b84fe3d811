// SPDX-License-Identifier: Apache-2.0
// Definitions of repetition.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "posttrain/base/compiled.hpp"
#include "posttrain/rewards/repetition.hpp"
#include "posttrain/unicode/normal_form.hpp"
#include "posttrain/unicode/utf8.hpp"

namespace posttrain {

namespace detail {

/// Words as numbers: equal words have equal ones.
inline std::vector<std::size_t> numbered_words(const std::string& text) {
  std::map<std::string, std::size_t, std::less<>> numbers;
  std::vector<std::size_t> words;
  for (std::size_t at = 0; at < text.size();) {
    const text::CodePoint first = text::decode_utf8(text, at);
    if (text::is_whitespace(first.code)) {
      at += first.size;
      continue;
    }
    const std::size_t begin = at;
    while (at < text.size()) {
      const text::CodePoint point = text::decode_utf8(text, at);
      if (text::is_whitespace(point.code)) break;
      at += point.size;
    }
    words.push_back(
        numbers.try_emplace(text.substr(begin, at - begin), numbers.size()).first->second);
  }
  return words;
}

/// How many n-grams differ: their beginnings are sorted, n at a time.
inline std::size_t different_ngrams(const std::vector<std::size_t>& items, std::size_t n) {
  std::vector<std::size_t> begins(items.size() - n + 1);
  for (std::size_t i = 0; i < begins.size(); ++i) begins[i] = i;
  const auto compare = [&](std::size_t a, std::size_t b) {
    const auto at = [&](std::size_t i) { return items.begin() + static_cast<std::ptrdiff_t>(i); };
    return std::lexicographical_compare(at(a), at(a + n), at(b), at(b + n));
  };
  std::sort(begins.begin(), begins.end(), compare);
  std::size_t different = begins.empty() ? 0 : 1;
  for (std::size_t i = 1; i < begins.size(); ++i) different += compare(begins[i - 1], begins[i]);
  return different;
}

}  // namespace detail

POSTTRAIN_INLINE Verdict Repetition::operator()(const Sample& sample) const {
  if (of_ids && sample.ids.empty() && !sample.completion.empty()) {
    return Verdict::not_applicable("the sample has no ids to count");
  }
  std::vector<std::size_t> items;
  if (of_ids) {
    for (std::size_t i = 0; i < sample.ids.size(); ++i) {
      const bool own = sample.sampled.empty() || sample.sampled[i] != 0;
      if (own) items.push_back(static_cast<std::size_t>(sample.ids[i]));
    }
  } else {
    items = detail::numbered_words(text::case_folded(sample.completion));
  }
  const auto n = static_cast<std::size_t>(ngram);
  if (items.size() < n) return Verdict::of(0.0, "", "too short to repeat anything");
  const std::size_t all = items.size() - n + 1;
  const std::size_t different = detail::different_ngrams(items, n);
  const double share = static_cast<double>(all - different) / static_cast<double>(all);
  // 0, not −0, where nothing repeats.
  return Verdict::of(share == 0.0 ? 0.0 : max_penalty * share, fmt::format("{}/{}", different, all),
                     "different n-grams of all");
}

}  // namespace posttrain
