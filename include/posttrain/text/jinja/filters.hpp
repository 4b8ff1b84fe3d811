// SPDX-License-Identifier: Apache-2.0
// The filters of `value | filter`, with the meanings of Jinja2's and transformers' `tojson`.
//
// Left out, with an error that names them: those made for web pages (urlize, xmlattr, striptags,
// filesizeformat), pprint, random and wordwrap.
#pragma once

#include <algorithm>
#include <cmath>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "posttrain/text/jinja/evaluator.hpp"
#include "posttrain/text/jinja/print.hpp"
#include "posttrain/text/jinja/tests.hpp"

namespace posttrain::text::jinja {

using Filter = Value (*)(Evaluator&, const Value&, const Arguments&);

namespace filters {

inline bool flag(const Arguments& arguments, std::size_t position, std::string_view name,
                 bool preset = false) {
  const Value* found = arguments.get(position, name);
  return found != nullptr ? found->truth() : preset;
}

inline std::int64_t integer(const Arguments& arguments, std::size_t position, std::string_view name,
                            std::int64_t preset) {
  const Value* found = arguments.get(position, name);
  return found != nullptr && !found->is_none() ? found->integer() : preset;
}

/// Follows "a.b.0" through attributes and items.
inline Value follow(const Value& value, const Value& path) {
  if (!path.is_string()) return item(value, path);
  Value at = value;
  const Value dot(".");
  for (const Value& part : split(path.text(), &dot, -1, false)) {
    const std::string& name = part.text();
    const bool number = !name.empty() && std::all_of(name.begin(), name.end(),
                                                     [](char c) { return c >= '0' && c <= '9'; });
    at = item(at, number ? Value(std::int64_t{std::atoll(name.c_str())}) : part);
  }
  return at;
}

inline Value generator(List items) { return Value(std::move(items), Sequence::kGenerator); }

/// Sort keys: text without case unless asked otherwise.
inline Value sort_key(const Value& value, bool case_sensitive) {
  if (!case_sensitive && value.is_string()) return lower(value.text());
  return value;
}

/// Values by one or several ("a,b") attributes.
inline Value keyed(const Value& value, const Value* attribute, bool case_sensitive) {
  if (attribute == nullptr || attribute->is_none()) return sort_key(value, case_sensitive);
  if (!attribute->is_string() || attribute->text().find(',') == std::string::npos) {
    return sort_key(follow(value, *attribute), case_sensitive);
  }
  const Value comma(",");
  List keys;
  for (const Value& part : split(attribute->text(), &comma, -1, false)) {
    keys.push_back(sort_key(follow(value, part), case_sensitive));
  }
  return keys;
}

/// A stable sort. The heap stays within bounds even where NaN breaks the order.
inline List sorted(List items, const Value* attribute, bool case_sensitive, bool reverse) {
  struct Entry {
    Value key, value;
    std::size_t place;
  };
  std::vector<Entry> entries;
  for (Value& value : items) {
    Value key = keyed(value, attribute, case_sensitive);
    entries.push_back({std::move(key), std::move(value), entries.size()});
  }
  const auto before = [&](const Entry& a, const Entry& b) {
    const int c = reverse ? order(b.key, a.key) : order(a.key, b.key);
    return c != 0 ? c < 0 : a.place < b.place;
  };
  std::make_heap(entries.begin(), entries.end(), before);
  std::sort_heap(entries.begin(), entries.end(), before);
  List out;
  for (Entry& entry : entries) out.push_back(std::move(entry.value));
  return out;
}

inline Value tojson(Evaluator&, const Value& input, const Arguments& arguments) {
  JsonOptions options;
  options.ensure_ascii = flag(arguments, 0, "ensure_ascii");
  options.sort_keys = flag(arguments, 3, "sort_keys");
  if (const Value* indent = arguments.get(1, "indent"); indent != nullptr && !indent->is_none()) {
    options.pretty = true;
    options.item_separator = ",";
    options.indent =
        indent->is_string()
            ? indent->text()
            : std::string(
                  static_cast<std::size_t>(std::clamp<std::int64_t>(indent->integer(), 0, 1000)),
                  ' ');
  }
  if (const Value* separators = arguments.get(2, "separators");
      separators != nullptr && !separators->is_none()) {
    const List parts = iterate(*separators);
    if (parts.size() != 2) fail("tojson: expected two separators");
    options.item_separator = print(parts[0]);
    options.key_separator = print(parts[1]);
  }
  std::string out;
  write_json(input, options, 0, out);
  return make_text(std::move(out));
}

inline Value indent(Evaluator&, const Value& input, const Arguments& arguments) {
  const Value* width = arguments.get(0, "width");
  const std::string by = width != nullptr && width->is_string()
                             ? width->text()
                             : std::string(static_cast<std::size_t>(std::clamp<std::int64_t>(
                                               width != nullptr ? width->integer() : 4, 0, 10000)),
                                           ' ');
  const bool first = flag(arguments, 1, "first");
  const bool blank = flag(arguments, 2, "blank");
  const std::vector<std::string> lines = split_lines(print(input) + "\n");
  std::string out = first ? by : "";
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (i > 0) {
      out += '\n';
      if (blank || !lines[i].empty()) out += by;
    }
    out += lines[i];
    check_text(out.size());
  }
  return Value(std::move(out), input.is_markup());
}

inline Value to_integer(Evaluator&, const Value& input, const Arguments& arguments) {
  const Value* preset = arguments.get(0, "default");
  const Value otherwise = preset != nullptr ? *preset : Value(0);
  if (input.is_number() && !input.is_float()) return input.integer();
  double number = 0;
  if (input.is_float()) {
    number = input.number();
  } else if (input.is_string()) {
    const std::string text = strip(input.text(), nullptr, true, true);
    std::int64_t whole = 0;
    const char* begin = text.data() + (text.starts_with('+') ? 1 : 0);
    const char* end = text.data() + text.size();
    const auto base = static_cast<int>(integer(arguments, 1, "base", 10));
    if (base < 2 || base > 36) fail("int: expected a base from 2 to 36");
    const auto parsed = std::from_chars(begin, end, whole, base);
    if (parsed.ec == std::errc{} && parsed.ptr == end) return whole;
    char* stop = nullptr;
    number = std::strtod(text.c_str(), &stop);
    if (text.empty() || *stop != '\0') return otherwise;
  } else {
    return otherwise;
  }
  if (!std::isfinite(number) || std::abs(number) >= 9.2e18) return otherwise;
  return static_cast<std::int64_t>(number);
}

inline Value to_float(Evaluator&, const Value& input, const Arguments& arguments) {
  if (input.is_number()) return input.number();
  if (input.is_string()) {
    const std::string text = strip(input.text(), nullptr, true, true);
    char* stop = nullptr;
    const double number = std::strtod(text.c_str(), &stop);
    if (!text.empty() && *stop == '\0') return number;
  }
  const Value* preset = arguments.get(0, "default");
  return preset != nullptr ? *preset : Value(0.0);
}

inline Value round(Evaluator&, const Value& input, const Arguments& arguments) {
  const std::int64_t precision =
      std::clamp<std::int64_t>(integer(arguments, 0, "precision", 0), -300, 300);
  const Value* given = arguments.get(1, "method");
  const std::string method = given != nullptr ? print(*given) : "common";
  const double scale = std::pow(10.0, static_cast<double>(precision));
  const double value = input.number();
  if (method == "ceil") return std::ceil(value * scale) / scale;
  if (method == "floor") return std::floor(value * scale) / scale;
  if (method != "common") fail("round: expected the method common, ceil or floor");
  if (precision >= 0 && precision < 17) {  // correctly rounded decimal digits, ties to even
    char buffer[512];
    std::snprintf(buffer, sizeof buffer, "%.*f", static_cast<int>(precision), value);
    return std::strtod(buffer, nullptr);
  }
  return std::nearbyint(value * scale) / scale;
}

inline Value join(Evaluator&, const Value& input, const Arguments& arguments) {
  const Value* separator = arguments.get(0, "d");
  const Value* attribute = arguments.get(1, "attribute");
  const std::string mark = separator != nullptr ? print(*separator) : "";
  std::string out;
  bool first = true;
  for (const Value& value : iterate(input)) {
    if (!first) out += mark;
    first = false;
    out += print(attribute != nullptr ? follow(value, *attribute) : value);
    check_text(out.size());
  }
  return out;
}

inline Value map(Evaluator& evaluator, const Value& input, const Arguments& arguments) {
  List out;
  if (!input.truth()) return generator({});  // None, say
  if (arguments.positional.empty()) {
    const Value* attribute = arguments.get(0, "attribute");
    const Value* preset = arguments.get(1, "default");
    if (attribute == nullptr) fail("map: expected a filter or attribute=");
    for (const Value& value : iterate(input)) {
      Value found = follow(value, *attribute);
      out.push_back(found.is_undefined() && preset != nullptr ? *preset : std::move(found));
    }
    return generator(std::move(out));
  }
  Arguments rest = arguments;
  const std::string filter = text_argument(arguments, 0, "filter");
  rest.positional.erase(rest.positional.begin());
  for (const Value& value : iterate(input)) {
    out.push_back(apply_filter(evaluator, filter, value, rest));
  }
  return generator(std::move(out));
}

/// select, reject and their attribute forms.
template <bool keep, bool by_attribute>
Value select(Evaluator& evaluator, const Value& input, const Arguments& arguments) {
  if (!input.truth()) return generator({});  // None, say
  Arguments rest = arguments;
  Value attribute;
  if (by_attribute) {
    if (rest.positional.empty()) fail("expected the name of an attribute");
    attribute = rest.positional[0];
    rest.positional.erase(rest.positional.begin());
  }
  std::string test;
  if (!rest.positional.empty()) {
    test = print(rest.positional[0]);
    rest.positional.erase(rest.positional.begin());
  }
  List out;
  for (const Value& value : iterate(input)) {
    const Value subject = by_attribute ? follow(value, attribute) : value;
    const bool holds = test.empty() ? subject.truth() : apply_test(evaluator, test, subject, rest);
    if (holds == keep) out.push_back(value);
  }
  return generator(std::move(out));
}

template <bool largest>
Value extreme(Evaluator&, const Value& input, const Arguments& arguments) {
  const Value* attribute = arguments.get(1, "attribute");
  const List items = sorted(iterate(input), attribute, flag(arguments, 0, "case_sensitive"), false);
  if (items.empty()) return Value::undefined("no aggregated item, sequence was empty");
  if (!largest) return items.front();
  const Value best = keyed(items.back(), attribute, flag(arguments, 0, "case_sensitive"));
  for (const Value& value : items) {  // the first of equals
    if (keyed(value, attribute, flag(arguments, 0, "case_sensitive")) == best) return value;
  }
  return items.back();
}

inline Value dictsort(Evaluator&, const Value& input, const Arguments& arguments) {
  if (!input.is_dict()) raise("dictsort: expected a mapping, got {}", input.type_name());
  const Value* by = arguments.get(1, "by");
  const std::string side = by != nullptr ? print(*by) : "key";
  if (side != "key" && side != "value") fail("dictsort: expected by='key' or by='value'");
  List items;
  for (const auto& [key, value] : input.dict().items) items.push_back(pair_of(key, value));
  const Value place(side == "key" ? 0 : 1);
  return sorted(std::move(items), &place, flag(arguments, 0, "case_sensitive"),
                flag(arguments, 2, "reverse"));
}

inline Value groupby(Evaluator&, const Value& input, const Arguments& arguments) {
  const Value* attribute = arguments.get(0, "attribute");
  if (attribute == nullptr) fail("groupby: expected an attribute");
  const bool case_sensitive = flag(arguments, 2, "case_sensitive");
  List groups;
  Value last;
  List members;
  Value label;
  const auto close = [&] {
    if (!members.empty()) groups.push_back(pair_of(label, Value(std::exchange(members, {}))));
  };
  for (const Value& value : sorted(iterate(input), attribute, case_sensitive, false)) {
    const Value key = keyed(value, attribute, case_sensitive);
    if (members.empty() || !(key == last)) {
      close();
      label = follow(value, *attribute);
      last = key;
    }
    members.push_back(value);
  }
  close();
  return groups;
}

inline Value unique(Evaluator&, const Value& input, const Arguments& arguments) {
  const Value* attribute = arguments.get(1, "attribute");
  List seen;
  List out;
  for (const Value& value : iterate(input)) {
    Value key = keyed(value, attribute, flag(arguments, 0, "case_sensitive"));
    if (std::find(seen.begin(), seen.end(), key) != seen.end()) continue;
    seen.push_back(std::move(key));
    out.push_back(value);
  }
  return generator(std::move(out));
}

inline Value batch(Evaluator&, const Value& input, const Arguments& arguments) {
  const std::int64_t size = integer(arguments, 0, "linecount", 0);
  if (size <= 0) fail("batch: expected a positive size");
  const Value* fill = arguments.get(1, "fill_with");
  List out;
  List row;
  for (const Value& value : iterate(input)) {
    if (static_cast<std::int64_t>(row.size()) == size) out.emplace_back(std::exchange(row, {}));
    row.push_back(value);
  }
  if (!row.empty()) {
    check_list(static_cast<std::size_t>(size));
    while (fill != nullptr && !fill->is_none() && static_cast<std::int64_t>(row.size()) < size) {
      row.push_back(*fill);
    }
    out.emplace_back(std::move(row));
  }
  return generator(std::move(out));
}

inline Value reverse(Evaluator&, const Value& input, const Arguments&) {
  if (input.is_string()) {
    auto parts = characters(input.text());
    std::string out;
    for (auto part = parts.rbegin(); part != parts.rend(); ++part) out += *part;
    return out;
  }
  List items = iterate(input);
  std::reverse(items.begin(), items.end());
  return generator(std::move(items));
}

inline Value truncate(Evaluator&, const Value& input, const Arguments& arguments) {
  const auto parts = characters(input.text());
  const std::int64_t size = integer(arguments, 0, "length", 255);
  const bool kill_words = flag(arguments, 1, "killwords");
  const Value* given = arguments.get(2, "end");
  const std::string end = given != nullptr ? print(*given) : "...";
  const std::int64_t leeway = integer(arguments, 3, "leeway", 5);
  if (static_cast<std::int64_t>(parts.size()) <= size + leeway) return input;
  const std::int64_t kept = size - static_cast<std::int64_t>(count_characters(end));
  if (kept < 0) fail("truncate: the end is longer than the length");
  std::string out;
  for (std::int64_t i = 0; i < kept; ++i) out += parts[static_cast<std::size_t>(i)];
  if (!kill_words) {
    const std::size_t space = out.rfind(' ');
    if (space != std::string::npos) out.resize(space);
  }
  return out + end;
}

inline Value sum(Evaluator&, const Value& input, const Arguments& arguments) {
  const Value* attribute = arguments.get(0, "attribute");
  const Value* start = arguments.get(1, "start");
  Value total = start != nullptr ? *start : Value(0);
  for (const Value& value : iterate(input)) {
    total = binary_operation(
        "+", total,
        attribute != nullptr && !attribute->is_none() ? follow(value, *attribute) : value);
  }
  return total;
}

inline Value url_encode(Evaluator&, const Value& input, const Arguments&) {
  std::string out;
  for (const char c : print(input)) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       std::string_view("_.-~/").find(c) != std::string_view::npos;
    if (plain) {
      out += c;
    } else {
      out += fmt::format("%{:02X}", byte);
    }
  }
  return out;
}

}  // namespace filters

inline const std::vector<std::pair<std::string_view, Filter>>& filter_table() {
  static const auto text = [](const Value& v, std::string out) {
    return make_text(std::move(out), v.is_markup());
  };
  static const Filter preset = [](Evaluator&, const Value& v, const Arguments& a) -> Value {
    if (!v.is_undefined() && (v.truth() || !filters::flag(a, 1, "boolean"))) return v;
    const Value* given = a.get(0, "default_value");
    return given != nullptr ? *given : Value("");
  };
  static const Filter size = [](Evaluator&, const Value& v, const Arguments&) -> Value {
    return length(v);
  };
  static const Filter escape = [](Evaluator&, const Value& v, const Arguments&) -> Value {
    return v.is_markup() ? v : Value(escape_markup(print(v)), true);
  };
  static const std::vector<std::pair<std::string_view, Filter>> table = {
      {"tojson", filters::tojson},
      {"default", preset},
      {"d", preset},
      {"length", size},
      {"count", size},
      {"escape", escape},
      {"e", escape},
      {"forceescape", [](Evaluator&, const Value& v,
                         const Arguments&) { return Value(escape_markup(print(v)), true); }},
      {"safe", [](Evaluator&, const Value& v, const Arguments&) { return Value(print(v), true); }},
      {"trim",
       [](Evaluator&, const Value& v, const Arguments& a) {
         return text(v, strip(print(v), a.get(0, "chars"), true, true));
       }},
      {"upper",
       [](Evaluator&, const Value& v, const Arguments&) { return text(v, upper(print(v))); }},
      {"lower",
       [](Evaluator&, const Value& v, const Arguments&) { return text(v, lower(print(v))); }},
      {"capitalize",
       [](Evaluator&, const Value& v, const Arguments&) { return text(v, capitalize(print(v))); }},
      {"title",
       [](Evaluator&, const Value& v, const Arguments&) { return text(v, title(print(v))); }},
      {"string", [](Evaluator&, const Value& v,
                    const Arguments&) { return v.is_string() ? v : Value(print(v)); }},
      {"replace",
       [](Evaluator&, const Value& v, const Arguments& a) {
         const Value* old = a.get(0, "old");
         const Value* fresh = a.get(1, "new");
         if (old == nullptr || fresh == nullptr) fail("replace: expected two texts");
         return make_text(
             replace(print(v), print(*old), print(*fresh), filters::integer(a, 2, "count", -1)));
       }},
      {"indent", filters::indent},
      {"join", filters::join},
      {"int", filters::to_integer},
      {"float", filters::to_float},
      {"round", filters::round},
      {"abs",
       [](Evaluator&, const Value& v, const Arguments&) -> Value {
         if (v.is_float()) return std::abs(v.number());
         return v.integer() < 0 ? integer_operation("-", 0, v.integer()) : Value(v.integer());
       }},
      {"first",
       [](Evaluator&, const Value& v, const Arguments&) {
         const List items = iterate(v);
         return items.empty() ? Value::undefined("No first item, sequence was empty.")
                              : items.front();
       }},
      {"last",
       [](Evaluator&, const Value& v, const Arguments&) {
         const List items = iterate(v);
         return items.empty() ? Value::undefined("No last item, sequence was empty.")
                              : items.back();
       }},
      {"list", [](Evaluator&, const Value& v, const Arguments&) { return Value(iterate(v)); }},
      {"items",
       [](Evaluator&, const Value& v, const Arguments&) -> Value {
         if (v.is_undefined()) return filters::generator({});
         if (!v.is_dict()) raise("items: expected a mapping, got {}", v.type_name());
         List out;
         for (const auto& [key, value] : v.dict().items) out.push_back(pair_of(key, value));
         return filters::generator(std::move(out));
       }},
      {"attr",
       [](Evaluator&, const Value& v, const Arguments& a) -> Value {
         const std::string& name = text_argument(a, 0, "name");
         if (auto found = find_attribute(v, name)) return *found;
         return Value::undefined(
             fmt::format("'{} object' has no attribute '{}'", v.type_name(), name));
       }},
      {"sort",
       [](Evaluator&, const Value& v, const Arguments& a) {
         return Value(filters::sorted(iterate(v), a.get(2, "attribute"),
                                      filters::flag(a, 1, "case_sensitive"),
                                      filters::flag(a, 0, "reverse")));
       }},
      {"dictsort", filters::dictsort},
      {"groupby", filters::groupby},
      {"unique", filters::unique},
      {"batch", filters::batch},
      {"reverse", filters::reverse},
      {"map", filters::map},
      {"select", filters::select<true, false>},
      {"reject", filters::select<false, false>},
      {"selectattr", filters::select<true, true>},
      {"rejectattr", filters::select<false, true>},
      {"min", filters::extreme<false>},
      {"max", filters::extreme<true>},
      {"sum", filters::sum},
      {"truncate", filters::truncate},
      {"center",
       [](Evaluator&, const Value& v, const Arguments& a) {
         Arguments with_default = a;
         if (a.get(0, "width") == nullptr) with_default.positional.emplace_back(80);
         return text(v, pad(print(v), with_default, 0).text());
       }},
      {"format",
       [](Evaluator&, const Value& v, const Arguments& a) {
         if (a.positional.empty() && !a.named.empty()) {
           Dict dict;
           for (const auto& [key, value] : a.named) dict.set(key, value);
           return text(v, printf_format(print(v), dict));
         }
         return text(v, printf_format(print(v), Value(a.positional, Sequence::kTuple)));
       }},
      {"wordcount",
       [](Evaluator&, const Value& v, const Arguments&) {
         std::int64_t words = 0;
         bool inside = false;
         for (const auto c : characters(print(v))) {
           const bool word = is_word(decode_utf8(c, 0).code);
           words += word && !inside;
           inside = word;
         }
         return Value(words);
       }},
      {"urlencode", filters::url_encode},
  };
  return table;
}

inline bool has_filter(std::string_view name) {
  for (const auto& [known, filter] : filter_table()) {
    if (known == name) return true;
  }
  return false;
}

inline Value apply_filter(Evaluator& evaluator, std::string_view name, const Value& input,
                          const Arguments& arguments) {
  for (const auto& [known, filter] : filter_table()) {
    if (known == name) return filter(evaluator, input, arguments);
  }
  raise("the filter '{}' is not supported", name);
}

}  // namespace posttrain::text::jinja
