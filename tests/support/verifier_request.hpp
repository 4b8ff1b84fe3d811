// SPDX-License-Identifier: Apache-2.0
// A verifier and its options out of one JSON object, for tests/programs/probe_verify.cpp and for
// the cases of tests/rewards/verifier_cases.jsonl:
//
//   {"verifier": "numeric", "completion": "#### 42", "answer": "42", "absolute_tolerance": 0.1}
//
// Options are the verifier's fields. A key that is neither an option nor one of the sample's is an
// error with the nearest name.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <limits>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "posttrain/base/describe.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/base/join.hpp"
#include "posttrain/base/nearest_name.hpp"
#include "posttrain/io/json.hpp"
#include "posttrain/rewards/choice.hpp"
#include "posttrain/rewards/command.hpp"
#include "posttrain/rewards/cosine_length.hpp"
#include "posttrain/rewards/exact_match.hpp"
#include "posttrain/rewards/format_tags.hpp"
#include "posttrain/rewards/json_schema.hpp"
#include "posttrain/rewards/math_answer.hpp"
#include "posttrain/rewards/numeric_answer.hpp"
#include "posttrain/rewards/overlong.hpp"
#include "posttrain/rewards/pattern.hpp"
#include "posttrain/rewards/repetition.hpp"
#include "posttrain/rewards/tool_call.hpp"
#include "posttrain/rewards/verifier.hpp"
#include "support/request_options.hpp"

namespace posttrain::test {

/// Keys of a request that describe the sample; "length" stands for that many ids.
inline const std::vector<std::string>& sample_keys() {
  static const std::vector<std::string> kKeys{"verifier", "prompt", "completion", "answer",  "ids",
                                              "length",   "finish", "record",     "messages"};
  return kKeys;
}

/// Calls use(verifier) with the verifier that a request names, its options set.
template <class Use>
void with_verifier(const Json& request, Use use) {
  std::vector<std::string> used, known;
  const auto with = [&](auto verifier) {
    read_options(request, verifier, used, known);
    refuse_unknown_keys(request, sample_keys(), used, known, "the verifier");
    use(verifier);
  };
  const std::string name =
      io::text_from(io::required_under(request, "verifier", "request"), "request", "verifier");
  std::vector<std::string> names;
  const auto is = [&](const char* one) {
    names.emplace_back(one);
    return name == one;
  };
  if (is("exact")) return with(ExactMatch{});
  if (is("numeric")) return with(NumericAnswer{});
  if (is("math")) return with(MathAnswer{});
  if (is("choice")) return with(Choice{});
  if (is("format")) return with(FormatTags{});
  if (is("pattern")) return with(Pattern{});
  if (is("json_schema")) return with(JsonSchema{});
  if (is("tool_call")) return with(ToolCall{});
  if (is("overlong")) return with(Overlong{});
  if (is("repetition")) return with(Repetition{});
  if (is("command")) return with(Command{});
  if (is("cosine_length")) {  // judged by ExactMatch, whose options are given, too
    CosineLength<ExactMatch> cosine{ExactMatch{}, {}};
    read_options(request, cosine.judge, used, known);
    read_options(request, cosine.lengths, used, known);
    refuse_unknown_keys(request, sample_keys(), used, known, "the verifier");
    return use(cosine);
  }
  const std::string_view near = nearest_name(name, names);
  raise("expected a verifier, got \"{}\"; hint: {}", name,
        near.empty() ? "verifiers are " + join(names, ", ")
                     : fmt::format("did you mean \"{}\"?", near));
}

/// The sample that a request describes.
inline Sample sample_from(const Json& request) {
  Sample sample;
  sample.prompt = io::text_under(request, "prompt", "", "request");
  sample.completion = io::text_under(request, "completion", "", "request");
  if (const Json* answer = io::value_under(request, "answer")) {
    sample.answer = answer->is_string() ? answer->get<std::string>() : answer->dump();
  }
  sample.ids = io::token_ids_under(request, "ids", "request");
  if (request.contains("length")) {
    sample.ids.assign(
        static_cast<std::size_t>(io::integer_under(request, "length", 0, "request", 0)), 0);
  }
  if (request.contains("finish")) read_option(request.at("finish"), "finish", sample.finish);
  for (const auto& [key, place] :
       {std::pair{"record", &sample.record}, std::pair{"messages", &sample.messages}}) {
    if (const Json* value = io::value_under(request, key)) {
      *place = std::make_shared<const Json>(*value);
    }
  }
  return sample;
}

/// The verdict of a request. A bad request, and a verifier that fails, is an Error.
inline Verdict verdict_of(const Json& request) {
  if (!request.is_object()) fail("expected an object per line");
  Verdict verdict;
  with_verifier(request, [&](const auto& verifier) {
    if constexpr (requires { verifier.validate(); }) verifier.validate();
    const Sample sample = sample_from(request);
    const auto begin = std::chrono::steady_clock::now();
    verdict = verdict_from(verifier(sample));
    verdict.seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  });
  return verdict;
}

}  // namespace posttrain::test
