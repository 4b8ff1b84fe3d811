// SPDX-License-Identifier: Apache-2.0
#include "posttrain/base/environment.hpp"

#include <cstdlib>

#include "support/catch.hpp"

using posttrain::Environment;

TEST_CASE("variables come from the process, or from what is given alone") {
  constexpr const char* kName = "POSTTRAIN_ENVIRONMENT_TEST";
  ::setenv(kName, "x", 1);
  const Environment own, given(Environment::Variables{{"A", "1"}, {"B", ""}});
  CHECK(own.find(kName) == "x");
  CHECK_FALSE(given.find(kName));
  CHECK(given.find("A") == "1");
  ::setenv(kName, "y", 1);
  CHECK(own.find(kName) == "y");
  ::unsetenv(kName);
  CHECK_FALSE(own.find(kName));
}

TEST_CASE("a variable that is set to nothing is as good as not set") {
  const Environment given(Environment::Variables{{"B", ""}});
  CHECK_FALSE(given.find("B"));
  ::setenv("POSTTRAIN_ENVIRONMENT_TEST", "", 1);
  CHECK_FALSE(Environment().find("POSTTRAIN_ENVIRONMENT_TEST"));
  ::unsetenv("POSTTRAIN_ENVIRONMENT_TEST");
}
