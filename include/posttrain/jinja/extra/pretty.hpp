// SPDX-License-Identifier: Apache-2.0
// The filter `pprint`: a value as Python's pprint.pformat writes it, dicts sorted by key, what is
// wider than 80 characters on several lines. Including this header registers it
// (jinja/registry.hpp).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "posttrain/base/error.hpp"
#include "posttrain/jinja/function.hpp"
#include "posttrain/jinja/letters.hpp"
#include "posttrain/jinja/operators.hpp"
#include "posttrain/jinja/print.hpp"
#include "posttrain/jinja/registry.hpp"
#include "posttrain/jinja/splitting.hpp"
#include "posttrain/jinja/value.hpp"

namespace posttrain::text::jinja {

class PrettyPrinter {
 public:
  std::string run(const Value& value) {
    format(value, 0, 0, 0);
    return std::move(out_);
  }

 private:
  static constexpr std::int64_t kWidth = 80;

  static std::int64_t width(const std::string& text) {
    return static_cast<std::int64_t>(count_characters(text));
  }
  static bool is_plain_sequence(const Value& value) {  // no named tuple, range or view
    return value.is_sequence(Sequence::kList) || value.is_sequence(Sequence::kTuple);
  }

  static bool goes_before(const Value& a, const Value& b) {
    try {
      return order(a, b) < 0;
    } catch (const Error&) {  // keys that have no order: by the names of their types
      return a.type_name() < b.type_name();
    }
  }
  /// Pairs of a dict by key. Put in one by one, since keys such as NaN have no consistent order.
  static std::vector<std::pair<Value, Value>> sorted_items(const Dict& dict) {
    std::vector<std::pair<Value, Value>> items;
    for (const auto& item : dict.items) {
      spend(1 + items.size() / 8);
      items.insert(std::upper_bound(
                       items.begin(), items.end(), item,
                       [](const auto& a, const auto& b) { return goes_before(a.first, b.first); }),
                   item);
    }
    return items;
  }

  /// repr() with sorted dicts.
  static std::string flat(const Value& value) {
    const Level level(kDeepestValue);
    std::string out;
    const auto separate = [&] { out += out.size() > 1 ? ", " : ""; };
    if (value.is_dict()) {
      out = "{";
      for (const auto& [key, item] : sorted_items(value.dict())) {
        separate();
        append(out, flat(key) + ": " + flat(item));
      }
      out += "}";
    } else if (is_plain_sequence(value)) {
      out = value.is_tuple() ? "(" : "[";
      for (const Value& item : value.list()) {
        separate();
        append(out, flat(item));
      }
      if (value.is_tuple()) out += value.list().size() == 1 ? ",)" : ")";
      if (!value.is_tuple()) out += "]";
    } else {
      out = repr(value);
    }
    check_text(out.size());
    return out;
  }

  /// Writes a value whose first line starts in column `indent` and whose last one is followed by
  /// `allowance` characters.
  void format(const Value& value, std::int64_t indent, std::int64_t allowance, int depth) {
    const Level level(kDeepestValue);
    const std::string line = flat(value);
    if (width(line) <= kWidth - indent - allowance) {
      append(out_, line);
    } else if (value.is_dict()) {
      format_dict(value.dict(), indent, allowance + 1, depth + 1);
    } else if (is_plain_sequence(value)) {
      format_sequence(value, indent, allowance, depth + 1);
    } else if (value.is_string() && !value.is_markup()) {
      format_text(value.text(), indent, allowance, depth + 1);
    } else {
      append(out_, line);
    }
  }

  void next_line(std::int64_t indent) {
    append(out_, '\n' + std::string(static_cast<std::size_t>(indent), ' '));
  }

  void format_dict(const Dict& dict, std::int64_t indent, std::int64_t allowance, int depth) {
    out_ += '{';
    const auto items = sorted_items(dict);
    for (std::size_t i = 0; i < items.size(); ++i) {
      const std::string key = flat(items[i].first);
      append(out_, key + ": ");
      const bool last = i + 1 == items.size();
      format(items[i].second, indent + 1 + width(key) + 2, last ? allowance : 1, depth);
      if (last) break;
      out_ += ',';
      next_line(indent + 1);
    }
    out_ += '}';
  }

  void format_sequence(const Value& value, std::int64_t indent, std::int64_t allowance, int depth) {
    const List& items = value.list();
    const std::string end = !value.is_tuple() ? "]" : items.size() == 1 ? ",)" : ")";
    out_ += value.is_tuple() ? '(' : '[';
    for (std::size_t i = 0; i < items.size(); ++i) {
      const bool last = i + 1 == items.size();
      const auto behind = allowance + static_cast<std::int64_t>(end.size());
      format(items[i], indent + 1, last ? behind : 1, depth);
      if (last) break;
      out_ += ',';
      next_line(indent + 1);
    }
    out_ += end;
  }

  /// A text's words with the white space behind them.
  static std::vector<std::string> words(const std::string& line) {
    std::vector<std::string> out;
    bool space = true;
    for (const std::string_view c : characters(line)) {
      const bool now = is_python_space(decode_utf8(c, 0).code);
      if (out.empty() || (space && !now)) {
        check_list_size(out.size() + 1);
        spend(4);
        out.emplace_back();
      }
      out.back() += c;
      space = now;
    }
    return out;
  }

  /// A long text as several literals, cut at line ends, then between words.
  void format_text(const std::string& text, std::int64_t indent, std::int64_t allowance,
                   int depth) {
    if (depth == 1) {
      ++indent;
      ++allowance;
    }
    const std::int64_t most = kWidth - indent;
    std::vector<std::string> literals;
    const std::vector<std::string> lines = split_lines(text, true);
    for (std::size_t i = 0; i < lines.size(); ++i) {
      const bool last_line = i + 1 == lines.size();
      const std::string whole = quote(lines[i]);
      if (width(whole) <= most - (last_line ? allowance : 0)) {
        literals.push_back(whole);
        continue;
      }
      const std::vector<std::string> parts = words(lines[i]);
      std::string current;
      for (std::size_t j = 0; j < parts.size(); ++j) {
        const bool last = last_line && j + 1 == parts.size();
        const std::string candidate = current + parts[j];
        spend(1 + candidate.size() / 16);
        const bool fits = width(quote(candidate)) <= most - (last ? allowance : 0);
        if (!fits && !current.empty()) literals.push_back(quote(current));
        current = fits ? candidate : parts[j];
      }
      if (!current.empty()) literals.push_back(quote(current));
    }
    const bool bracketed = depth == 1 && literals.size() > 1;
    if (bracketed) out_ += '(';
    for (std::size_t i = 0; i < literals.size(); ++i) {
      if (i > 0) next_line(indent);
      append(out_, literals[i]);
    }
    if (bracketed) out_ += ')';
  }

  std::string out_;
};

namespace filters {

inline Value pretty(Runtime&, const Value& input, const Arguments&) {
  return make_text(PrettyPrinter().run(input));
}

inline const bool kPretty = registry().add_filter("pprint", pretty);

}  // namespace filters

}  // namespace posttrain::text::jinja
