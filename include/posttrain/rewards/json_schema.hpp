// SPDX-License-Identifier: Apache-2.0
// 1 where the completion is JSON of a schema, else 0. The subset of JSON Schema (2020-12):
//
//   type (one or a list), enum, const · properties, required, additionalProperties · items,
//   minItems, maxItems, uniqueItems · minLength, maxLength, pattern · minimum, maximum,
//   exclusiveMinimum, exclusiveMaximum · allOf, anyOf, oneOf, not · true and false as schemas
//
// and title, description, default, examples, $schema, $comment, which say nothing. Any other
// keyword is an error of the schema: one that is not understood would pass everything. Numbers are
// compared exactly; 1.0 is an integer; lengths are in code points; `pattern` is PCRE2's, with
// limits.
#pragma once

#include <string>
#include <string_view>

#include "posttrain/rewards/sample.hpp"

namespace posttrain {

struct JsonSchema {
  std::string schema{};      // the schema's text
  std::string column{};      // instead: the column of the record that holds it, a text or an object
  bool fenced = false;       // reads the last block between ``` instead of the whole text
  bool after_think = false;  // reads behind the last </think> only; none: 0

  /// A schema that is no JSON or has an unknown keyword is an error that names the place.
  void validate() const;

  /// `reason` says where in the value, as a JSON pointer, and what was expected.
  Verdict operator()(const Sample& sample) const;
};

namespace rewards {
/// Throws where a schema is beyond the subset; `where` is its place.
void check_schema(const Json& schema, const std::string& where);

/// What is wrong with a value: empty where nothing is. The schema has been checked.
std::string schema_problem(const Json& schema, const Json& value, const std::string& where);
}  // namespace rewards

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/rewards/impl/json_schema.ipp"
#endif
