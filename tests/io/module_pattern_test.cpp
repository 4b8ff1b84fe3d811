// SPDX-License-Identifier: Apache-2.0
#include "posttrain/io/module_pattern.hpp"

#include "support/catch.hpp"
#include "support/messages.hpp"

using posttrain::io::matches_module;
using posttrain::test::contains;
using posttrain::test::error_of;

TEST_CASE("a module pattern matches the end of a name, from a dot or from its beginning") {
  const char* const name = "model.layers.12.self_attn.q_proj";
  CHECK(matches_module("q_proj", name));
  CHECK(matches_module("self_attn.q_proj", name));
  CHECK(matches_module(R"(layers\.(1[0-9])\..*)", name));
  CHECK(matches_module("k_proj|q_proj", name));
  CHECK(matches_module(".*", name));
  CHECK(matches_module("q_proj", "q_proj"));
  CHECK_FALSE(matches_module("proj", name));
  CHECK_FALSE(matches_module("self_attn", name));
  CHECK_FALSE(matches_module("q_proj", "model.q_proj.weight"));
  CHECK_FALSE(matches_module("Q_proj", name));
}

TEST_CASE("a module pattern that does not compile is an error that quotes it") {
  const std::string error = error_of([] { matches_module("layers.(1", "layers.1"); });
  CHECK(contains(error, "expected a regular expression of module names, got 'layers.(1'"));
}
