// SPDX-License-Identifier: Apache-2.0
// Definitions of sequence_filters.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/jinja/arithmetic.hpp"
#include "posttrain/jinja/attributes.hpp"
#include "posttrain/jinja/function.hpp"
#include "posttrain/jinja/operators.hpp"
#include "posttrain/jinja/ordering.hpp"
#include "posttrain/jinja/runtime.hpp"
#include "posttrain/jinja/sequence_filters.hpp"

namespace posttrain::text::jinja::filters {

inline Value generator(List items) { return Value(std::move(items), Sequence::kGenerator); }

POSTTRAIN_INLINE Value map(Runtime& runtime, const Value& input, const Arguments& arguments) {
  List out;
  if (!input.truth()) return generator({});  // None, say
  if (arguments.positional.empty()) {
    const Value* attribute = arguments.get(0, "attribute");
    const Value* preset = arguments.get(1, "default");
    if (attribute == nullptr) fail("map: expected a filter or attribute=");
    for (const auto& [name, value] : arguments.named) {
      if (name != "attribute" && name != "default") raise("map: unexpected argument '{}'", name);
    }
    for (const Value& value : iterate(input)) {
      out.push_back(follow(value, *attribute, preset));
    }
    return generator(std::move(out));
  }
  Arguments rest = arguments;
  const std::string filter = text_argument(arguments, 0, "filter");
  rest.positional.erase(rest.positional.begin());
  for (const Value& value : iterate(input)) {
    out.push_back(runtime.apply_filter(filter, value, rest));
  }
  return generator(std::move(out));
}

template <bool keep, bool by_attribute>
Value selected(Runtime& runtime, const Value& input, const Arguments& arguments) {
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
    const bool holds = test.empty() ? subject.truth() : runtime.apply_test(test, subject, rest);
    if (holds == keep) out.push_back(value);
  }
  return generator(std::move(out));
}

POSTTRAIN_INLINE Value select(Runtime& runtime, const Value& input, const Arguments& arguments) {
  return selected<true, false>(runtime, input, arguments);
}

POSTTRAIN_INLINE Value reject(Runtime& runtime, const Value& input, const Arguments& arguments) {
  return selected<false, false>(runtime, input, arguments);
}

POSTTRAIN_INLINE Value selectattr(Runtime& runtime, const Value& input,
                                  const Arguments& arguments) {
  return selected<true, true>(runtime, input, arguments);
}

POSTTRAIN_INLINE Value rejectattr(Runtime& runtime, const Value& input,
                                  const Arguments& arguments) {
  return selected<false, true>(runtime, input, arguments);
}

template <bool largest>
Value extreme(Runtime&, const Value& input, const Arguments& arguments) {
  const Value* attribute = arguments.get(1, "attribute");
  const List items =
      sorted(iterate(input), attribute, flag_argument(arguments, 0, "case_sensitive"), false);
  if (items.empty()) return Value::undefined("no aggregated item, sequence was empty");
  if (!largest) return items.front();
  const Value best = keyed(items.back(), attribute, flag_argument(arguments, 0, "case_sensitive"));
  for (const Value& value : items) {  // the first of equals
    if (keyed(value, attribute, flag_argument(arguments, 0, "case_sensitive")) == best)
      return value;
  }
  return items.back();
}

POSTTRAIN_INLINE Value max(Runtime& runtime, const Value& input, const Arguments& arguments) {
  return extreme<true>(runtime, input, arguments);
}

POSTTRAIN_INLINE Value min(Runtime& runtime, const Value& input, const Arguments& arguments) {
  return extreme<false>(runtime, input, arguments);
}

POSTTRAIN_INLINE Value dictsort(Runtime&, const Value& input, const Arguments& arguments) {
  if (!input.is_dict()) raise("dictsort: expected a mapping, got {}", input.type_name());
  const Value* by = arguments.get(1, "by");
  const std::string side = by != nullptr ? print(*by) : "key";
  if (side != "key" && side != "value") fail("dictsort: expected by='key' or by='value'");
  List items;
  for (const auto& [key, value] : input.dict().items) items.push_back(pair_of(key, value));
  const Value place(side == "key" ? 0 : 1);
  return sorted(std::move(items), &place, flag_argument(arguments, 0, "case_sensitive"),
                flag_argument(arguments, 2, "reverse"));
}

POSTTRAIN_INLINE Value groupby(Runtime&, const Value& input, const Arguments& arguments) {
  const Value* attribute = arguments.get(0, "attribute");
  if (attribute == nullptr) fail("groupby: expected an attribute");
  const Value* preset = arguments.get(1, "default");
  const bool case_sensitive = flag_argument(arguments, 2, "case_sensitive");
  List keys;
  const List items = iterate(input);
  for (const Value& value : items)
    keys.push_back(pair_of(follow(value, *attribute, preset), value));
  const Value first(0);
  List groups;
  Value last;
  List members;
  Value label;
  const auto close = [&] {
    if (members.empty()) return;
    groups.emplace_back(List{label, Value(std::exchange(members, {}))}, Sequence::kGroup);
  };
  for (const Value& pair : sorted(std::move(keys), &first, case_sensitive, false)) {
    const Value key = sort_key(pair.list()[0], case_sensitive);
    if (members.empty() || !(key == last)) {
      close();
      label = pair.list()[0];
      last = key;
    }
    members.push_back(pair.list()[1]);
  }
  close();
  return groups;
}

POSTTRAIN_INLINE Value unique(Runtime&, const Value& input, const Arguments& arguments) {
  const Value* attribute = arguments.get(1, "attribute");
  List seen;
  List out;
  for (const Value& value : iterate(input)) {
    Value key = keyed(value, attribute, flag_argument(arguments, 0, "case_sensitive"));
    check_key(key);
    spend(seen.size() / 4);
    if (std::find(seen.begin(), seen.end(), key) != seen.end()) continue;
    seen.push_back(std::move(key));
    out.push_back(value);
  }
  return generator(std::move(out));
}

POSTTRAIN_INLINE Value batch(Runtime&, const Value& input, const Arguments& arguments) {
  const std::int64_t size = integer_argument(arguments, 0, "linecount", 0);
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

POSTTRAIN_INLINE Value slices(Runtime&, const Value& input, const Arguments& arguments) {
  const List items = iterate(input);
  const std::int64_t count = need(arguments, 0, "slices").integer();
  const Value* fill = arguments.get(1, "fill_with");
  if (count <= 0 || count > kLongestRange) fail("slice: expected a positive number of slices");
  const auto size = static_cast<std::int64_t>(items.size());
  const std::int64_t longer = size % count;
  List out;
  std::int64_t at = 0;
  for (std::int64_t s = 0; s < count; ++s) {
    const std::int64_t end = at + size / count + (s < longer ? 1 : 0);
    List part(items.begin() + at, items.begin() + end);
    if (fill != nullptr && !fill->is_none() && s >= longer) part.push_back(*fill);
    out.emplace_back(std::move(part));
    at = end;
  }
  return generator(std::move(out));
}

POSTTRAIN_INLINE Value first(Runtime&, const Value& v, const Arguments&) {
  if (v.is_sequence(Sequence::kGenerator)) {
    const auto& generator = v.sequenced();
    if (generator.used < generator.items.size()) return generator.items[generator.used++];
  } else if (List items = iterate(v); !items.empty()) {
    return items.front();
  }
  return Value::undefined("No first item, sequence was empty.");
}

POSTTRAIN_INLINE Value last(Runtime&, const Value& v, const Arguments&) {
  if (v.is_sequence(Sequence::kGenerator)) fail("'generator' object is not reversible");
  const List items = iterate(v);
  if (items.empty()) return Value::undefined("No last item, sequence was empty.");
  return v.is_markup() ? Value(items.back().text(), true) : items.back();
}

POSTTRAIN_INLINE Value items(Runtime&, const Value& v, const Arguments&) {
  if (v.is_undefined()) return generator({});
  if (!v.is_dict()) raise("items: expected a mapping, got {}", v.type_name());
  return generator(dict_view(v, Sequence::kItems).list());
}

POSTTRAIN_INLINE Value sort(Runtime&, const Value& v, const Arguments& a) {
  return Value(sorted(iterate(v), a.get(2, "attribute"), flag_argument(a, 1, "case_sensitive"),
                      flag_argument(a, 0, "reverse"), true));
}

POSTTRAIN_INLINE Value reverse(Runtime&, const Value& input, const Arguments&) {
  if (input.is_string()) {
    return slice(input, nullptr, nullptr, -1);
  }
  List items = iterate(input);
  std::reverse(items.begin(), items.end());
  return input.is_sequence(Sequence::kGenerator) ? Value(std::move(items))
                                                 : generator(std::move(items));
}

POSTTRAIN_INLINE Value sum(Runtime&, const Value& input, const Arguments& arguments) {
  const Value* attribute = arguments.get(0, "attribute");
  const Value* start = arguments.get(1, "start");
  Value total = start != nullptr ? *start : Value(0);
  if (total.is_string()) fail("sum: texts are joined, not summed");
  for (const Value& value : iterate(input)) {
    total = binary_operation(
        "+", total,
        attribute != nullptr && !attribute->is_none() ? follow(value, *attribute) : value);
  }
  return total;
}

}  // namespace posttrain::text::jinja::filters
