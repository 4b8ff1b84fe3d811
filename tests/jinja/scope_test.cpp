// SPDX-License-Identifier: Apache-2.0
#include "posttrain/jinja/scope.hpp"

#include "support/catch.hpp"

using namespace posttrain::text::jinja;

TEST_CASE("A name is looked for from the inside out, and set inside") {
  const ScopePtr outer = scope_in(nullptr);
  const ScopePtr inner = scope_in(outer);
  outer->set("a", 1);
  outer->set("b", 2);
  inner->set("a", 3);
  inner->set("a", 4);
  CHECK(inner->names.size() == 1);
  CHECK(inner->find("a")->integer() == 4);
  CHECK(inner->find("b")->integer() == 2);
  CHECK(outer->find("a")->integer() == 1);
  CHECK(inner->find("c") == nullptr);
}
