// SPDX-License-Identifier: Apache-2.0
#include "posttrain/base/version.hpp"

#include <string>

#include "support/catch.hpp"
#include "support/temp_folder.hpp"

using namespace posttrain::test;

TEST_CASE("the version is that of both builds", "[base]") {
  const std::filesystem::path root = POSTTRAIN_SOURCE_ROOT;
  const std::string version(posttrain::kVersion);
  CHECK(contains(slurp(root / "meson.build"), "\n  version: '" + version + "',\n"));
  CHECK(contains(slurp(root / "CMakeLists.txt"), "project(posttrain VERSION " + version + " "));
}
