// SPDX-License-Identifier: Apache-2.0
#include "posttrain/rewards/process/scratch_folder.hpp"

#include <sys/stat.h>

#include <filesystem>
#include <string>

#include "support/catch.hpp"
#include "support/temp_folder.hpp"

using posttrain::rewards::ScratchFolder;
using namespace posttrain::test;
namespace fs = std::filesystem;

TEST_CASE("a scratch folder is new, closed to others, and goes away with what it holds") {
  const TempFolder place;
  fs::path path;
  {
    const ScratchFolder folder(place.path().string());
    const ScratchFolder other(place.path().string());
    path = folder.path();
    CHECK(path != other.path());
    CHECK(path.is_absolute());
    CHECK((fs::status(path).permissions() & fs::perms::all) == fs::perms::owner_all);
    folder.write("a.txt", "content");
    CHECK(slurp(path / "a.txt") == "content");
    CHECK_THROWS_AS(folder.write("a.txt", "again"), posttrain::Error);
    fs::create_directories(path / "closed" / "inner");
    fs::permissions(path / "closed", fs::perms::none);
    fs::create_symlink(place.path(), path / "out");
  }
  CHECK_FALSE(fs::exists(path));
  CHECK(fs::is_empty(place.path()));  // the link was removed, not followed: the folder is there
}

TEST_CASE("a folder that cannot be made is an error with its place") {
  CHECK_THROWS_WITH(ScratchFolder("/no/such/place"),
                    Catch::Contains("/no/such/place/posttrain-command-"));
}
