// SPDX-License-Identifier: Apache-2.0
// Attributes and items of template values: the methods of str, list and dict, and look-up by name.
//
// `a.b` tries the attribute first, `a['b']` the item. Methods that change their object are refused,
// as transformers' immutable sandbox does; names with a leading underscore are undefined.
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "posttrain/text/jinja/operators.hpp"
#include "posttrain/text/jinja/value.hpp"

namespace posttrain::text::jinja {

inline const std::string& text_argument(const Arguments& arguments, std::size_t position,
                                        std::string_view name) {
  const Value* found = arguments.get(position, name);
  if (found == nullptr) raise("missing argument '{}'", name);
  if (!found->is_string()) raise("expected a string for '{}', got {}", name, found->type_name());
  return found->text();
}

inline std::string upper(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size();) {
    const CodePoint point = decode_utf8(text, i);
    if (point.code == 0xDF) {
      out += "SS";
    } else {
      append_utf8(
          out, static_cast<char32_t>(utf8proc_toupper(static_cast<utf8proc_int32_t>(point.code))));
    }
    i += point.size;
  }
  return out;
}

inline std::string lower(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size();) {
    const CodePoint point = decode_utf8(text, i);
    append_utf8(out,
                static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(point.code))));
    i += point.size;
  }
  return out;
}

inline std::string capitalize(std::string_view text) {
  if (text.empty()) return {};
  const std::size_t first = decode_utf8(text, 0).size;
  return upper(text.substr(0, first)) + lower(text.substr(first));
}

/// Every word's first letter upper case; a word starts behind anything that is no letter.
inline std::string title(std::string_view text) {
  std::string out;
  bool inside = false;
  for (const auto c : characters(text)) {
    const bool letter = is_letter(decode_utf8(c, 0).code);
    out += !letter ? std::string(c) : inside ? lower(c) : upper(c);
    inside = letter;
  }
  return out;
}

/// strip(), lstrip(), rstrip(): white space, or any of `set`.
inline std::string strip(std::string_view text, const Value* set, bool left, bool right) {
  const bool blank = set == nullptr || set->is_none() || set->is_undefined();
  if (!blank && !set->is_string()) raise("strip: expected a string, got {}", set->type_name());
  const std::u32string wanted = [&] {
    std::u32string out;
    if (!blank) {
      for (const auto c : characters(set->text())) out += decode_utf8(c, 0).code;
    }
    return out;
  }();
  const auto drop = [&](char32_t c) {
    return blank ? is_whitespace(c) || (c >= 0x1C && c <= 0x1F)
                 : wanted.find(c) != std::u32string::npos;
  };
  std::size_t begin = 0;
  std::size_t end = text.size();
  while (left && begin < end) {
    const CodePoint point = decode_utf8(text, begin);
    if (!drop(point.code)) break;
    begin += point.size;
  }
  while (right && end > begin) {
    const std::size_t start = previous_character(text, end);
    if (!drop(decode_utf8(text, start).code)) break;
    end = start;
  }
  return std::string(text.substr(begin, end - begin));
}

inline std::vector<std::string> split_lines(std::string_view text) {
  std::vector<std::string> lines;
  std::string line;
  for (std::size_t i = 0; i < text.size();) {
    const CodePoint point = decode_utf8(text, i);
    const char32_t c = point.code;
    const bool end = (c >= 0x0A && c <= 0x0D) || (c >= 0x1C && c <= 0x1E) || c == 0x85 ||
                     c == 0x2028 || c == 0x2029;
    if (!end) {
      line += text.substr(i, point.size);
      i += point.size;
      if (i >= text.size()) lines.push_back(line);
      continue;
    }
    i += point.size;
    if (c == '\r' && i < text.size() && text[i] == '\n') ++i;
    lines.push_back(std::move(line));
    line.clear();
  }
  return lines;
}

inline List split(std::string_view text, const Value* separator, std::int64_t limit, bool right) {
  List out;
  if (separator == nullptr || separator->is_none()) {
    std::vector<std::pair<std::size_t, std::size_t>> words;
    for (std::size_t i = 0; i < text.size();) {
      i += leading_whitespace(text.substr(i));
      std::size_t end = i;
      while (end < text.size()) {
        const CodePoint point = decode_utf8(text, end);
        if (is_whitespace(point.code)) break;
        end += point.size;
      }
      if (end > i) words.emplace_back(i, end);
      i = end;
    }
    const auto count = static_cast<std::int64_t>(words.size());
    const std::int64_t cuts = limit < 0 ? count : std::min(limit, count);
    for (std::int64_t i = 0; i < count; ++i) {
      const auto [begin, end] = words[static_cast<std::size_t>(i)];
      if (right && i < count - cuts) {
        // the first part keeps everything up to the last word before the cuts
        const std::size_t stop = words[static_cast<std::size_t>(count - cuts - 1)].second;
        out.emplace_back(text.substr(0, stop));
        i = count - cuts - 1;
      } else if (!right && i == cuts) {
        out.emplace_back(text.substr(begin));
        break;
      } else {
        out.emplace_back(text.substr(begin, end - begin));
      }
    }
    return out;
  }
  if (!separator->is_string()) raise("split: expected a string, got {}", separator->type_name());
  const std::string& mark = separator->text();
  if (mark.empty()) fail("split: empty separator");
  if (!right) {
    std::size_t from = 0;
    for (std::int64_t n = 0; limit < 0 || n < limit; ++n) {
      const std::size_t found = text.find(mark, from);
      if (found == std::string_view::npos) break;
      out.emplace_back(text.substr(from, found - from));
      from = found + mark.size();
    }
    out.emplace_back(text.substr(from));
    return out;
  }
  std::size_t end = text.size();
  for (std::int64_t n = 0; limit < 0 || n < limit; ++n) {
    if (end < mark.size()) break;
    const std::size_t found = text.substr(0, end).rfind(mark);
    if (found == std::string_view::npos) break;
    out.emplace_back(text.substr(found + mark.size(), end - found - mark.size()));
    end = found;
  }
  out.emplace_back(text.substr(0, end));
  std::reverse(out.begin(), out.end());
  return out;
}

inline std::string replace(std::string_view text, std::string_view old, std::string_view fresh,
                           std::int64_t limit) {
  std::string out;
  std::size_t from = 0;
  std::int64_t done = 0;
  if (old.empty()) {
    for (const auto c : characters(text)) {
      if (limit < 0 || done++ < limit) out += fresh;
      out += c;
      check_text(out.size());
    }
    if (limit < 0 || done < limit) out += fresh;
    return out;
  }
  while (limit < 0 || done++ < limit) {
    const std::size_t found = text.find(old, from);
    if (found == std::string_view::npos) break;
    out += text.substr(from, found - from);
    out += fresh;
    check_text(out.size());
    from = found + old.size();
  }
  out += text.substr(from);
  return out;
}

/// str.format() with {}, {0} and {name}; format specifications are not supported.
inline std::string brace_format(std::string_view format, const Arguments& arguments) {
  std::string out;
  std::size_t used = 0;
  for (std::size_t i = 0; i < format.size(); ++i) {
    const char c = format[i];
    if ((c == '{' || c == '}') && i + 1 < format.size() && format[i + 1] == c) {
      out += c;
      ++i;
    } else if (c == '{') {
      const std::size_t close = format.find('}', i);
      if (close == std::string_view::npos) fail("format: a '{' has no '}'");
      const std::string field(format.substr(i + 1, close - i - 1));
      if (field.find_first_of(":!.[") != std::string::npos) {
        raise("format: the field '{}' is not supported", field);
      }
      const bool numbered = !field.empty() && std::all_of(field.begin(), field.end(), [](char d) {
        return d >= '0' && d <= '9';
      });
      const std::size_t position = field.empty() ? used++
                                   : numbered    ? std::stoul(field.substr(0, 9))
                                                 : arguments.positional.size();
      const Value* value = arguments.get(position, numbered || field.empty() ? "" : field);
      if (value == nullptr) raise("format: no argument for '{}'", field);
      out += print(*value);
      i = close;
    } else if (c == '}') {
      fail("format: a '}' has no '{'");
    } else {
      out += c;
    }
  }
  return out;
}

/// [start, end) of the optional arguments of find(), count(), startswith() …, in bytes.
inline std::pair<std::size_t, std::size_t> byte_range(std::string_view text,
                                                      const Arguments& arguments) {
  const Value* start = arguments.get(1, "start");
  const Value* stop = arguments.get(2, "end");
  if (start == nullptr && stop == nullptr) return {0, text.size()};
  const auto size = static_cast<std::int64_t>(count_characters(text));
  const auto place = [&](const Value* v, std::int64_t preset) {
    std::int64_t i = v == nullptr || v->is_none() ? preset : v->integer();
    if (i < 0) i = std::max<std::int64_t>(std::max(i, -size - 1) + size, 0);
    i = std::min(i, size);
    std::size_t byte = 0;
    while (i-- > 0) byte += decode_utf8(text, byte).size;
    return byte;
  };
  const std::size_t begin = place(start, 0);
  return {begin, std::max(begin, place(stop, size))};
}

template <class Test>
bool all_characters(std::string_view text, Test&& test) {
  for (const auto c : characters(text)) {
    if (!test(decode_utf8(c, 0).code)) return false;
  }
  return !text.empty();
}

inline bool is_cased(std::string_view text, bool upper_case) {
  bool any = false;
  for (const auto c : characters(text)) {
    const auto k = category(decode_utf8(c, 0).code);
    if (k == (upper_case ? UTF8PROC_CATEGORY_LL : UTF8PROC_CATEGORY_LU) ||
        k == UTF8PROC_CATEGORY_LT) {
      return false;
    }
    any = any || k == (upper_case ? UTF8PROC_CATEGORY_LU : UTF8PROC_CATEGORY_LL);
  }
  return any;
}

inline Value pad(std::string_view text, const Arguments& arguments, int where) {
  const Value* width = arguments.get(0, "width");
  if (width == nullptr) fail("missing argument 'width'");
  const Value* fill = arguments.get(1, "fillchar");
  const std::string mark = fill != nullptr && fill->is_string() ? fill->text() : " ";
  const auto size = static_cast<std::int64_t>(count_characters(text));
  const std::int64_t space = std::min<std::int64_t>(width->integer(), 100000) - size;
  if (space <= 0) return Value(text);
  const std::int64_t left = where < 0 ? 0 : where > 0 ? space : space / 2 + (space & size & 1);
  std::string out;
  for (std::int64_t i = 0; i < left; ++i) out += mark;
  out += text;
  for (std::int64_t i = left; i < space; ++i) out += mark;
  return out;
}

/// The result of a method of str, or nothing if there is no such method. `probe` only asks whether
/// there is one.
inline std::optional<Value> string_method(const Value& self, std::string_view name,
                                          const Arguments* arguments) {
  static constexpr std::string_view kNames[] = {
      "strip",     "lstrip",     "rstrip",       "split",        "rsplit",    "splitlines",
      "replace",   "startswith", "endswith",     "find",         "rfind",     "index",
      "rindex",    "count",      "join",         "upper",        "lower",     "capitalize",
      "title",     "casefold",   "swapcase",     "isdigit",      "isdecimal", "isnumeric",
      "isalpha",   "isalnum",    "isspace",      "isupper",      "islower",   "format",
      "partition", "rpartition", "removeprefix", "removesuffix", "zfill",     "center",
      "ljust",     "rjust",      "expandtabs",   "istitle",      "isascii",   "isidentifier"};
  if (arguments == nullptr) {
    if (std::find(std::begin(kNames), std::end(kNames), name) == std::end(kNames)) return {};
    return Value(nullptr);
  }
  const std::string& text = self.text();
  const Arguments& args = *arguments;
  const auto limit = [&](std::size_t position, std::string_view key) {
    const Value* found = args.get(position, key);
    return found == nullptr ? std::int64_t{-1} : found->integer();
  };
  if (name == "strip") return strip(text, args.get(0, "chars"), true, true);
  if (name == "lstrip") return strip(text, args.get(0, "chars"), true, false);
  if (name == "rstrip") return strip(text, args.get(0, "chars"), false, true);
  if (name == "split" || name == "rsplit") {
    return split(text, args.get(0, "sep"), limit(1, "maxsplit"), name == "rsplit");
  }
  if (name == "splitlines") {
    List lines;
    for (auto& line : split_lines(text)) lines.emplace_back(std::move(line));
    return lines;
  }
  if (name == "replace") {
    return make_text(replace(text, text_argument(args, 0, "old"), text_argument(args, 1, "new"),
                             limit(2, "count")));
  }
  if (name == "startswith" || name == "endswith") {
    const Value* wanted = args.get(0, "prefix");
    if (wanted == nullptr) raise("{}: missing argument", name);
    const auto [begin, end] = byte_range(text, args);
    const std::string_view part = std::string_view(text).substr(begin, end - begin);
    const auto fits = [&](const Value& v) {
      if (v.is_undefined()) undefined_error(v);
      if (!v.is_string()) raise("{}: expected a string, got {}", name, v.type_name());
      return name == "startswith" ? part.starts_with(v.text()) : part.ends_with(v.text());
    };
    if (!wanted->is_sequence(Sequence::kTuple)) return fits(*wanted);
    return std::any_of(wanted->list().begin(), wanted->list().end(), fits);
  }
  if (name == "find" || name == "rfind" || name == "index" || name == "rindex") {
    const std::string& wanted = text_argument(args, 0, "sub");
    const auto [begin, end] = byte_range(text, args);
    const std::string_view part = std::string_view(text).substr(begin, end - begin);
    const std::size_t found = name[0] == 'r' ? part.rfind(wanted) : part.find(wanted);
    if (found != std::string_view::npos) {
      return count_characters(std::string_view(text).substr(0, begin + found));
    }
    if (name == "index" || name == "rindex") fail("substring not found");
    return std::int64_t{-1};
  }
  if (name == "count") {
    const std::string& wanted = text_argument(args, 0, "sub");
    const auto [begin, end] = byte_range(text, args);
    const std::string_view part = std::string_view(text).substr(begin, end - begin);
    if (wanted.empty()) return count_characters(part) + 1;
    std::int64_t count = 0;
    for (std::size_t i = part.find(wanted); i != std::string_view::npos;
         i = part.find(wanted, i + wanted.size())) {
      ++count;
    }
    return count;
  }
  if (name == "join") {
    const Value* items = args.get(0, "iterable");
    if (items == nullptr) fail("join: missing argument");
    std::string out;
    bool first = true;
    for (const Value& item : iterate(*items)) {
      if (!item.is_string()) raise("join: expected strings, got {}", item.type_name());
      if (!first) out += text;
      first = false;
      out += item.text();
      check_text(out.size());
    }
    return out;
  }
  if (name == "upper") return upper(text);
  if (name == "lower" || name == "casefold") return lower(text);
  if (name == "capitalize") return capitalize(text);
  if (name == "title") return title(text);
  if (name == "swapcase") {
    std::string out;
    for (const auto c : characters(text)) {
      out += category(decode_utf8(c, 0).code) == UTF8PROC_CATEGORY_LU ? lower(c) : upper(c);
    }
    return out;
  }
  if (name == "isdigit" || name == "isdecimal") {
    return all_characters(text, [](char32_t c) { return category(c) == UTF8PROC_CATEGORY_ND; });
  }
  if (name == "isnumeric") return all_characters(text, is_numeric);
  if (name == "isalpha") return all_characters(text, is_letter);
  if (name == "isalnum") {
    return all_characters(text, [](char32_t c) { return is_letter(c) || is_numeric(c); });
  }
  if (name == "isspace") return all_characters(text, is_whitespace);
  if (name == "isascii") return is_ascii(text);
  if (name == "isupper") return is_cased(text, true);
  if (name == "islower") return is_cased(text, false);
  if (name == "istitle") return !text.empty() && title(text) == text && upper(text) != lower(text);
  if (name == "isidentifier") {
    return all_characters(text, is_word) && !is_numeric(decode_utf8(text, 0).code);
  }
  if (name == "format") return make_text(brace_format(text, args));
  if (name == "partition" || name == "rpartition") {
    const std::string& mark = text_argument(args, 0, "sep");
    if (mark.empty()) fail("partition: empty separator");
    const bool right = name == "rpartition";
    const std::size_t found = right ? text.rfind(mark) : text.find(mark);
    if (found == std::string::npos) {
      return Value(right ? List{"", "", text} : List{text, "", ""}, Sequence::kTuple);
    }
    return Value(List{text.substr(0, found), mark, text.substr(found + mark.size())},
                 Sequence::kTuple);
  }
  if (name == "removeprefix") {
    const std::string& mark = text_argument(args, 0, "prefix");
    return text.starts_with(mark) ? text.substr(mark.size()) : text;
  }
  if (name == "removesuffix") {
    const std::string& mark = text_argument(args, 0, "suffix");
    return text.ends_with(mark) ? text.substr(0, text.size() - mark.size()) : text;
  }
  if (name == "zfill") {
    const std::int64_t width = std::min<std::int64_t>(limit(0, "width"), 100000);
    const bool sign = !text.empty() && (text[0] == '-' || text[0] == '+');
    const std::int64_t missing = width - static_cast<std::int64_t>(count_characters(text));
    std::string out = sign ? text.substr(0, 1) : std::string();
    if (missing > 0) out.append(static_cast<std::size_t>(missing), '0');
    return out + text.substr(sign ? 1 : 0);
  }
  if (name == "center") return pad(text, args, 0);
  if (name == "ljust") return pad(text, args, -1);
  if (name == "rjust") return pad(text, args, 1);
  raise("the string method '{}' is not supported", name);
}

inline Value pair_of(Value a, Value b) {
  return Value(List{std::move(a), std::move(b)}, Sequence::kTuple);
}

inline std::optional<Value> dict_method(const Value& self, std::string_view name,
                                        const Arguments* arguments) {
  if (name == "get") {
    if (arguments == nullptr) return Value(nullptr);
    const Value* key = arguments->get(0, "key");
    if (key == nullptr) fail("get: missing argument");
    if (const Value* found = self.dict().find(*key)) return *found;
    const Value* preset = arguments->get(1, "default");
    return preset != nullptr ? *preset : Value(nullptr);
  }
  const bool items = name == "items";
  const bool keys = name == "keys";
  if (items || keys || name == "values") {
    if (arguments == nullptr) return Value(nullptr);
    List out;
    for (const auto& [key, value] : self.dict().items) {
      out.push_back(items ? pair_of(key, value) : keys ? key : value);
    }
    return Value(std::move(out), Sequence::kView);
  }
  if (name == "copy") return self;
  return {};
}

inline std::optional<Value> list_method(const Value& self, std::string_view name,
                                        const Arguments* arguments) {
  if (name == "copy") return self;
  if (name != "index" && name != "count") return {};
  if (arguments == nullptr) return Value(nullptr);
  const Value* wanted = arguments->get(0, "value");
  if (wanted == nullptr) raise("{}: missing argument", name);
  const auto& list = self.list();
  if (name == "count") {
    return static_cast<std::int64_t>(std::count(list.begin(), list.end(), *wanted));
  }
  const auto found = std::find(list.begin(), list.end(), *wanted);
  if (found == list.end()) fail("index: the value is not in the list");
  return static_cast<std::int64_t>(found - list.begin());
}

inline bool changes_object(const Value& object, std::string_view name) {
  static constexpr std::string_view kList[] = {"append", "reverse", "insert", "sort",
                                               "extend", "remove",  "pop",    "clear"};
  static constexpr std::string_view kDict[] = {"clear", "pop", "popitem", "setdefault", "update"};
  if (object.is_dict())
    return std::find(std::begin(kDict), std::end(kDict), name) != std::end(kDict);
  return object.is_sequence(Sequence::kList) &&
         std::find(std::begin(kList), std::end(kList), name) != std::end(kList);
}

/// getattr(): a method bound to its object, a namespace's entry, or nothing.
inline std::optional<Value> find_attribute(const Value& object, std::string_view name) {
  if (name.starts_with('_')) return {};
  if (object.is_namespace()) {
    const Value* found = object.space().attributes.find(name);
    if (found == nullptr) return {};
    return *found;
  }
  if (object.is_callable()) {
    if (name == "name") return Value(object.callable().name);
    return {};
  }
  using Method = std::optional<Value> (*)(const Value&, std::string_view, const Arguments*);
  const Method method = object.is_string() ? string_method
                        : object.is_dict() ? dict_method
                        : object.is_sequence() && !object.is_sequence(Sequence::kGenerator)
                            ? list_method
                            : nullptr;
  if (method == nullptr) return {};
  std::string key(name);
  if (changes_object(object, name)) {
    return Value::function(key, [key](Evaluator&, const Arguments&) -> Value {
      raise("the method '{}' changes its object, which a template may not", key);
    });
  }
  if (!method(object, name, nullptr)) return {};
  return Value::function(key, [object, key, method](Evaluator&, const Arguments& arguments) {
    Value result = *method(object, key, &arguments);
    if (object.is_markup() && result.is_string()) return Value(result.text(), true);
    return result;
  });
}

/// object[key], or nothing.
inline std::optional<Value> find_item(const Value& object, const Value& key) {
  if (object.is_dict()) {
    const Value* found = object.dict().find(key);
    if (found == nullptr) return {};
    return *found;
  }
  if ((key.is_integer() || key.is_bool()) &&
      (object.is_string() || object.is_sequence(Sequence::kList) ||
       object.is_sequence(Sequence::kTuple))) {
    const auto size = static_cast<std::int64_t>(length(object));
    std::int64_t i = key.integer();
    if (i < 0) i += size;
    if (i < 0 || i >= size) return {};
    if (object.is_string()) {
      return Value(std::string(characters(object.text())[static_cast<std::size_t>(i)]),
                   object.is_markup());
    }
    return object.list()[static_cast<std::size_t>(i)];
  }
  return {};
}

/// `object.name` in a template.
inline Value attribute(const Value& object, std::string_view name) {
  if (object.is_undefined()) undefined_error(object);
  if (auto found = find_attribute(object, name)) return *found;
  if (auto found = find_item(object, Value(name))) return *found;
  return Value::undefined(
      fmt::format("'{} object' has no attribute '{}'", object.type_name(), name));
}

/// `object[key]` in a template.
inline Value item(const Value& object, const Value& key) {
  if (object.is_undefined()) undefined_error(object);
  if (auto found = find_item(object, key)) return *found;
  if (key.is_string()) {
    if (auto found = find_attribute(object, key.text())) return *found;
  }
  return Value::undefined(
      fmt::format("'{} object' has no attribute {}", object.type_name(), repr(key)));
}

}  // namespace posttrain::text::jinja
