// SPDX-License-Identifier: Apache-2.0
#include "posttrain/generate/sampling.hpp"

#include <cmath>
#include <limits>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "posttrain/base/error.hpp"
#include "support/catch.hpp"

using namespace posttrain;

TEST_CASE("the defaults of Sampling are valid and draw from the model itself", "[generate]") {
  const Sampling sampling;
  CHECK_NOTHROW(sampling.validate());
  CHECK(sampling.temperature == 1.0);
  CHECK(sampling.top_k == 0);
  CHECK(sampling.top_p == 1.0);
  CHECK(sampling.min_p == 0.0);
  CHECK(sampling.repetition_penalty == 1.0);
  CHECK(sampling.presence_penalty == 0.0);
  CHECK(sampling.frequency_penalty == 0.0);
  CHECK_FALSE(sampling.keep_stop_string);
  CHECK_NOTHROW(Sampling{.temperature = 0.0, .top_k = 1, .top_p = 1e-9, .min_p = 1.0}.validate());
  CHECK_NOTHROW(Sampling{.max_new_tokens = 3, .min_new_tokens = 3}.validate());
  CHECK_NOTHROW(Sampling{.presence_penalty = -2.0, .frequency_penalty = -2.0}.validate());
}

TEST_CASE("what is out of range in Sampling is named in one line", "[generate]") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const double infinity = std::numeric_limits<double>::infinity();
  const std::vector<std::pair<Sampling, std::string>> cases{
      {{.max_new_tokens = 0}, "max_new_tokens must be at least 1, got 0"},
      {{.min_new_tokens = -1}, "min_new_tokens must be at least 0, got -1"},
      {{.max_new_tokens = 4, .min_new_tokens = 5},
       "min_new_tokens must be at most max_new_tokens (4), got 5"},
      {{.temperature = -0.5}, "temperature must be at least 0 and finite, got -0.5"},
      {{.temperature = nan}, "temperature must be at least 0 and finite, got nan"},
      {{.temperature = infinity}, "temperature must be at least 0 and finite, got inf"},
      {{.top_k = -1}, "top_k must be at least 0 (off), got -1"},
      {{.top_p = 0.0}, "top_p must be in (0, 1], got 0"},
      {{.top_p = 1.5}, "top_p must be in (0, 1], got 1.5"},
      {{.top_p = nan}, "top_p must be in (0, 1], got nan"},
      {{.min_p = -0.1}, "min_p must be in [0, 1], got -0.1"},
      {{.min_p = 1.1}, "min_p must be in [0, 1], got 1.1"},
      {{.min_p = nan}, "min_p must be in [0, 1], got nan"},
      {{.repetition_penalty = 0.0}, "repetition_penalty must be above 0 and finite, got 0"},
      {{.repetition_penalty = infinity}, "repetition_penalty must be above 0 and finite, got inf"},
      {{.repetition_penalty = nan}, "repetition_penalty must be above 0 and finite, got nan"},
      {{.presence_penalty = nan}, "presence_penalty must be finite, got nan"},
      {{.frequency_penalty = -infinity}, "frequency_penalty must be finite, got -inf"},
      {{.stop_ids = {3, -7}}, "stop_ids must be ids of tokens, got -7"},
      {{.stop_strings = {"a", ""}}, "stop_strings must be texts, got an empty one"},
      {{.top_logps = -2}, "top_logps must be at least 0, got -2"},
  };
  for (const auto& [sampling, message] : cases) {
    std::string text;
    try {
      sampling.validate();
    } catch (const Error& error) {
      text = error.what();
    }
    CHECK(text == "posttrain: Sampling." + message);
  }
}
