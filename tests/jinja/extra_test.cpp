// SPDX-License-Identifier: Apache-2.0
#include "posttrain/jinja/extra.hpp"

#include <set>
#include <string>

#include "posttrain/jinja/filters.hpp"
#include "posttrain/jinja/registry.hpp"
#include "support/catch.hpp"

using namespace posttrain::text::jinja;

TEST_CASE("Including the header registers every filter and method that names it, and no other") {
  std::set<std::string> filters, methods;
  for (const auto& [name, filter] : registry().filters()) {
    INFO(name);
    CHECK(is_extra_filter(name));
    CHECK(filters.emplace(name).second);
  }
  for (const auto& [name, method] : registry().methods()) {
    INFO(name);
    CHECK(is_extra_method(name));
    CHECK(methods.emplace(name).second);
  }
  CHECK(filters.size() == 10);
  CHECK(methods.size() == 2);
  CHECK(has_filter("urlize"));
}
