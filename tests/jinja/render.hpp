// SPDX-License-Identifier: Apache-2.0
// Renders a template in one call.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

#include "posttrain/jinja/evaluator.hpp"
#include "posttrain/jinja/from_json.hpp"
#include "posttrain/jinja/parser.hpp"

namespace posttrain::test {

inline text::jinja::Output run_template(const std::string& source, const Json& context,
                                        std::int64_t most_steps = text::jinja::kFreeSteps) {
  const text::jinja::Tree tree = text::jinja::Parser(source).run();
  return text::jinja::Evaluator(tree, text::jinja::from_json(context).dict(), most_steps).run();
}

inline std::string render(const std::string& source, const Json& context = Json::object()) {
  return run_template(source, context).text;
}

}  // namespace posttrain::test
