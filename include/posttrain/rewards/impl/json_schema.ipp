// SPDX-License-Identifier: Apache-2.0
// Definitions of json_schema.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/base/nearest_name.hpp"
#include "posttrain/io/json.hpp"
#include "posttrain/rewards/json_schema.hpp"
#include "posttrain/rewards/text/canonical_json.hpp"
#include "posttrain/rewards/text/parts.hpp"
#include "posttrain/unicode/limited_regex.hpp"

namespace posttrain {

namespace rewards {

namespace detail {

inline const std::vector<std::string>& schema_keywords() {
  static const std::vector<std::string> kKeywords{"type",
                                                  "enum",
                                                  "const",
                                                  "properties",
                                                  "required",
                                                  "items",
                                                  "minItems",
                                                  "maxItems",
                                                  "uniqueItems",
                                                  "additionalProperties",
                                                  "minLength",
                                                  "maxLength",
                                                  "pattern",
                                                  "exclusiveMinimum",
                                                  "exclusiveMaximum",
                                                  "minimum",
                                                  "maximum",
                                                  "allOf",
                                                  "anyOf",
                                                  "oneOf",
                                                  "not",
                                                  "title",
                                                  "description",
                                                  "default",
                                                  "examples",
                                                  "$schema",
                                                  "$comment"};
  return kKeywords;
}

inline constexpr std::array<std::string_view, 7> kSchemaTypes{
    "null", "boolean", "integer", "number", "string", "array", "object"};

inline bool is_of_type(const Json& value, std::string_view type) {
  if (type == "integer" || type == "number") {
    const std::optional<Decimal> number = decimal_of(value);
    return number && (type == "number" || number->is_integer());
  }
  return (type == "null" && value.is_null()) || (type == "boolean" && value.is_boolean()) ||
         (type == "string" && value.is_string()) || (type == "array" && value.is_array()) ||
         (type == "object" && value.is_object());
}

inline std::vector<std::string> types_of(const Json& type) {
  if (type.is_string()) return {type.get<std::string>()};
  return type.get<std::vector<std::string>>();
}

inline std::size_t code_points(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U;
  }));
}

/// "/a/0/b"
inline std::string pointer(const std::string& where, std::string_view key) {
  std::string escaped;
  for (const char c : key) {
    escaped += c == '~' ? std::string("~0") : c == '/' ? std::string("~1") : std::string(1, c);
  }
  return where + "/" + escaped;
}

inline text::LimitedRegex schema_pattern(const Json& pattern) {
  return text::LimitedRegex(pattern.get_ref<const std::string&>(), PCRE2_DOLLAR_ENDONLY);
}

inline void check_list_of_texts(const Json& value, const std::string& where) {
  bool texts = value.is_array();
  for (std::size_t i = 0; texts && i < value.size(); ++i) texts = value[i].is_string();
  if (!texts) raise("schema{}: expected a list of strings, got {}", where, io::shown(value));
}

inline void check_keyword(const std::string& key, const Json& value, const std::string& where) {
  const auto is_one_of = [&](std::initializer_list<std::string_view> keys) {
    return std::find(keys.begin(), keys.end(), key) != keys.end();
  };
  if (key == "type") {
    if (!value.is_string()) check_list_of_texts(value, where);
    for (const std::string& type : types_of(value)) {
      if (std::find(kSchemaTypes.begin(), kSchemaTypes.end(), type) == kSchemaTypes.end()) {
        raise("schema{}: expected a type of JSON, got '{}'", where, type);
      }
    }
  } else if (key == "required") {
    check_list_of_texts(value, where);
  } else if (key == "properties") {
    for (const auto& [name, schema] :
         io::object_from(value, "schema" + where, "properties").items()) {
      check_schema(schema, pointer(where, name));
    }
  } else if (is_one_of({"items", "additionalProperties", "not"})) {
    check_schema(value, where);
  } else if (is_one_of({"allOf", "anyOf", "oneOf"})) {
    const Json& list = io::array_from(value, "schema" + where, key);
    if (list.empty()) raise("schema{}: expected at least one schema, got none", where);
    for (std::size_t i = 0; i < list.size(); ++i) {
      check_schema(list[i], pointer(where, std::to_string(i)));
    }
  } else if (is_one_of({"minItems", "maxItems", "minLength", "maxLength"})) {
    io::integer_from(value, "schema" + where, key, 0);
  } else if (is_one_of({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"})) {
    if (!decimal_of(value)) raise("schema{}: expected a number, got {}", where, io::shown(value));
  } else if (key == "uniqueItems") {
    io::bool_from(value, "schema" + where, key);
  } else if (key == "enum") {
    io::array_from(value, "schema" + where, key);
  } else if (key == "pattern") {
    io::text_from(value, "schema" + where, key);
    schema_pattern(value);
  }
}

/// Problems of a number, a text, a list or an object by the keywords of its kind.
inline std::string number_problem(const Json& schema, const Decimal& number) {
  struct Bound {
    const char* keyword;
    int wrong_side;  // of the comparison
    bool exclusive;
  };
  constexpr std::array<Bound, 4> kBounds{Bound{"minimum", -1, false}, Bound{"maximum", 1, false},
                                         Bound{"exclusiveMinimum", -1, true},
                                         Bound{"exclusiveMaximum", 1, true}};
  for (const Bound& bound : kBounds) {
    const auto found = schema.find(bound.keyword);
    if (found == schema.end()) continue;
    const int order = Decimal::compare(number, *decimal_of(*found));
    if ((order < 0   ? -1
         : order > 0 ? 1
                     : 0) == bound.wrong_side ||
        (bound.exclusive && order == 0)) {
      return fmt::format("expected {} {}, got {}", bound.keyword, io::shown(*found), number.text());
    }
  }
  return {};
}

inline std::string size_problem(const Json& schema, const char* least, const char* most,
                                std::size_t size) {
  for (const char* keyword : {least, most}) {
    const auto found = schema.find(keyword);
    if (found == schema.end()) continue;
    const auto bound = found->get<std::uint64_t>();
    if (keyword == least ? size < bound : size > bound) {
      return fmt::format("expected {} {}, got {}", keyword, bound, size);
    }
  }
  return {};
}

inline std::string text_problem(const Json& schema, const std::string& text) {
  std::string problem = size_problem(schema, "minLength", "maxLength", code_points(text));
  if (!problem.empty()) return problem;
  const auto pattern = schema.find("pattern");
  if (pattern != schema.end() && !schema_pattern(*pattern).matches(text)) {
    return fmt::format("expected a text that matches {}", io::shown(*pattern));
  }
  return {};
}

inline std::string list_problem(const Json& schema, const Json& list, const std::string& where) {
  std::string problem = size_problem(schema, "minItems", "maxItems", list.size());
  if (!problem.empty()) return fmt::format("at {}: {}", where.empty() ? "/" : where, problem);
  if (schema.value("uniqueItems", false)) {
    std::set<std::string> seen;
    for (const Json& item : list) {
      if (!seen.insert(canonical_json(item)).second) {
        return fmt::format("at {}: expected different items, got {} twice",
                           where.empty() ? "/" : where, io::shown(item));
      }
    }
  }
  const auto items = schema.find("items");
  for (std::size_t i = 0; items != schema.end() && i < list.size(); ++i) {
    problem = schema_problem(*items, list[i], pointer(where, std::to_string(i)));
    if (!problem.empty()) return problem;
  }
  return {};
}

inline std::string object_problem(const Json& schema, const Json& object,
                                  const std::string& where) {
  const auto required = schema.find("required");
  if (required != schema.end()) {
    for (const Json& key : *required) {
      if (!object.contains(key.get_ref<const std::string&>())) {
        return fmt::format("at {}: expected a key {}, found none", where.empty() ? "/" : where,
                           key.dump());
      }
    }
  }
  const auto properties = schema.find("properties");
  const auto others = schema.find("additionalProperties");
  for (const auto& [key, value] : object.items()) {
    const bool named = properties != schema.end() && properties->contains(key);
    if (!named && others == schema.end()) continue;
    const Json& of_value = named ? properties->at(key) : *others;
    if (!named && of_value == false) {
      return fmt::format("at {}: expected no key {}", where.empty() ? "/" : where,
                         Json(key).dump());
    }
    std::string problem = schema_problem(of_value, value, pointer(where, key));
    if (!problem.empty()) return problem;
  }
  return {};
}

/// Problems by the schemas that a schema combines.
inline std::string combined_problem(const Json& schema, const Json& value,
                                    const std::string& where) {
  const std::string place = where.empty() ? "/" : where;
  const auto matching = [&](const Json& list) {
    return std::count_if(list.begin(), list.end(), [&](const Json& one) {
      return schema_problem(one, value, where).empty();
    });
  };
  if (const auto all = schema.find("allOf"); all != schema.end()) {
    for (const Json& one : *all) {
      std::string problem = schema_problem(one, value, where);
      if (!problem.empty()) return problem;
    }
  }
  if (const auto any = schema.find("anyOf"); any != schema.end() && matching(*any) == 0) {
    return fmt::format("at {}: expected one of {} schemas to hold", place, any->size());
  }
  if (const auto one = schema.find("oneOf"); one != schema.end()) {
    const auto count = matching(*one);
    if (count != 1) {
      return fmt::format("at {}: expected exactly one of {} schemas to hold, {} do", place,
                         one->size(), count);
    }
  }
  if (const auto other = schema.find("not");
      other != schema.end() && schema_problem(*other, value, where).empty()) {
    return fmt::format("at {}: expected a value that the schema under \"not\" refuses", place);
  }
  return {};
}

}  // namespace detail

POSTTRAIN_INLINE void check_schema(const Json& schema, const std::string& where) {
  if (schema.is_boolean()) return;
  if (!schema.is_object()) {
    raise("schema{}: expected an object or true or false, got {}", where, io::shown(schema));
  }
  const std::vector<std::string>& known = detail::schema_keywords();
  for (const auto& [key, value] : schema.items()) {
    if (std::find(known.begin(), known.end(), key) == known.end()) {
      const std::string_view near = nearest_name(key, known);
      raise("schema{}: expected a keyword of the subset, got \"{}\"; hint: {}", where, key,
            near.empty() ? "docs/verifiers.md#jsonschema lists them"
                         : fmt::format("did you mean \"{}\"?", near));
    }
    detail::check_keyword(key, value, detail::pointer(where, key));
  }
}

POSTTRAIN_INLINE std::string schema_problem(const Json& schema, const Json& value,
                                            const std::string& where) {
  const std::string place = where.empty() ? "/" : where;
  if (schema.is_boolean()) {
    return schema.get<bool>() ? "" : fmt::format("at {}: expected nothing here", place);
  }
  const auto at_place = [&](const std::string& problem) {
    return problem.empty() ? problem : fmt::format("at {}: {}", place, problem);
  };
  if (const auto type = schema.find("type"); type != schema.end()) {
    const std::vector<std::string> types = detail::types_of(*type);
    if (std::none_of(types.begin(), types.end(),
                     [&](const std::string& one) { return detail::is_of_type(value, one); })) {
      return at_place(fmt::format("expected type {}, got {}", type->dump(), io::shown(value)));
    }
  }
  if (const auto wanted = schema.find("const");
      wanted != schema.end() && canonical_json(*wanted) != canonical_json(value)) {
    return at_place(fmt::format("expected {}, got {}", io::shown(*wanted), io::shown(value)));
  }
  if (const auto choices = schema.find("enum"); choices != schema.end()) {
    const std::string text = canonical_json(value);
    if (std::none_of(choices->begin(), choices->end(),
                     [&](const Json& one) { return canonical_json(one) == text; })) {
      return at_place(
          fmt::format("expected one of {}, got {}", io::shown(*choices), io::shown(value)));
    }
  }
  std::string problem;
  if (const std::optional<Decimal> number = decimal_of(value)) {
    problem = at_place(detail::number_problem(schema, *number));
  } else if (value.is_string()) {
    problem = at_place(detail::text_problem(schema, value.get_ref<const std::string&>()));
  } else if (value.is_array()) {
    problem = detail::list_problem(schema, value, where);
  } else if (value.is_object()) {
    problem = detail::object_problem(schema, value, where);
  }
  return problem.empty() ? detail::combined_problem(schema, value, where) : problem;
}

}  // namespace rewards

POSTTRAIN_INLINE void JsonSchema::validate() const {
  if (schema.empty() == column.empty()) {
    fail("posttrain: JsonSchema needs either a schema or the column that holds it");
  }
  if (!schema.empty()) rewards::check_schema(io::parse_json(schema, "schema"), "");
}

POSTTRAIN_INLINE Verdict JsonSchema::operator()(const Sample& sample) const {
  Json wanted;
  if (column.empty()) {
    wanted = io::parse_json(schema, "schema");
  } else {
    const Json* found = sample.record && sample.record->is_object()
                            ? io::value_under(*sample.record, column.c_str())
                            : nullptr;
    if (found == nullptr) {
      return Verdict::not_applicable(fmt::format("the record has no column {}", column));
    }
    wanted =
        found->is_string() ? io::parse_json(found->get_ref<const std::string&>(), column) : *found;
  }
  rewards::check_schema(wanted, "");
  std::optional<std::string_view> part = rewards::judged_part(sample.completion, after_think);
  if (!part) return Verdict::of(0.0, "", rewards::kNoEndOfThoughts);
  if (fenced) {
    part = rewards::last_fenced_block(*part);
    if (!part) return Verdict::of(0.0, "", "no block between ```");
  }
  std::string problem;
  const std::optional<Json> value = rewards::strict_json(rewards::trimmed(*part), problem);
  if (!value) return Verdict::of(0.0, "", problem);
  problem = rewards::schema_problem(wanted, *value, "");
  std::string shown = io::shown(*value);
  return problem.empty() ? Verdict::of(1.0, std::move(shown), "as the schema wants")
                         : Verdict::of(0.0, std::move(shown), std::move(problem));
}

}  // namespace posttrain
