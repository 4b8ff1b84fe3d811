// SPDX-License-Identifier: Apache-2.0
#include "posttrain/base/environment_variables.hpp"

#include <cstdlib>

#include "support/catch.hpp"

using posttrain::EnvironmentVariables;

TEST_CASE("variables come from the process, or from what is given alone") {
  constexpr const char* kName = "POSTTRAIN_ENVIRONMENT_TEST";
  ::setenv(kName, "x", 1);
  const EnvironmentVariables own, given(EnvironmentVariables::Variables{{"A", "1"}, {"B", ""}});
  CHECK(own.find(kName) == "x");
  CHECK_FALSE(given.find(kName));
  CHECK(given.find("A") == "1");
  ::setenv(kName, "y", 1);
  CHECK(own.find(kName) == "y");
  ::unsetenv(kName);
  CHECK_FALSE(own.find(kName));
}

TEST_CASE("a variable that is set to nothing is as good as not set") {
  const EnvironmentVariables given(EnvironmentVariables::Variables{{"B", ""}});
  CHECK_FALSE(given.find("B"));
  ::setenv("POSTTRAIN_ENVIRONMENT_TEST", "", 1);
  CHECK_FALSE(EnvironmentVariables().find("POSTTRAIN_ENVIRONMENT_TEST"));
  ::unsetenv("POSTTRAIN_ENVIRONMENT_TEST");
}
