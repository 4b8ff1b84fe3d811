// SPDX-License-Identifier: Apache-2.0
#include "posttrain/recipes/model_folders.hpp"

#include <algorithm>
#include <vector>

#include "support/catch.hpp"
#include "support/temp_folder.hpp"

using namespace posttrain;
using posttrain::test::TempFolder;

namespace {

using Names = std::vector<std::string>;

/// Writes models as a run does, in this order: 4, or -4 for the best one.
Names left_by(const std::vector<std::int64_t>& order, bool newest_only) {
  const TempFolder scratch;
  const ModelFolders folders(scratch.path().string(), newest_only);
  for (const std::int64_t samples : order) {
    const bool best = samples < 0;
    const std::int64_t count = best ? -samples : samples;
    CHECK_FALSE(folders.has(count, best));
    std::filesystem::create_directories(folders.folder(count, best));
    CHECK(folders.has(count, best));
    folders.written(count, best);
  }
  Names names;
  for (const auto& entry : std::filesystem::directory_iterator(scratch / "hf_format")) {
    names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace

TEST_CASE("models are in folders named by their samples", "[recipes]") {
  const ModelFolders folders("out", false);
  CHECK(folders.folder(320, false) == "out/hf_format/samples_320");
  CHECK(folders.folder(320, true) == "out/hf_format/samples_320_best_val_loss");
  CHECK(folders.newest() == "");
  CHECK(folders.best() == "");
}

TEST_CASE("all models stay, or the newest; the best one is replaced by a better one alone",
          "[recipes]") {
  CHECK(left_by({4, -4, 8, -8, 12}, false) ==
        Names{"samples_12", "samples_4", "samples_8", "samples_8_best_val_loss"});
  CHECK(left_by({4, -4, 8, 12}, true) == Names{"samples_12", "samples_4_best_val_loss"});
  CHECK(left_by({-4, -8, -100}, true) == Names{"samples_100_best_val_loss"});
  // A run that goes on from an earlier state replaces what a kill left of later ones.
  CHECK(left_by({12, -12, 8, -8}, true) == Names{"samples_8", "samples_8_best_val_loss"});
}

TEST_CASE("what a kill left of a removed model is under another name, and goes", "[recipes]") {
  const TempFolder scratch;
  const ModelFolders folders(scratch.path().string(), true);
  std::filesystem::create_directories(folders.folder(8, false));
  const std::string left = (scratch / "hf_format/.samples_4.tmp-999999999-0").string();
  std::filesystem::create_directories(left + "/samples_4");
  CHECK(folders.newest() == folders.folder(8, false));
  folders.written(8, false);
  CHECK_FALSE(std::filesystem::exists(left));
  CHECK(folders.has(8, false));
}

TEST_CASE("newest and best are found by number, among folders of other names", "[recipes]") {
  const TempFolder scratch;
  for (const char* name : {"samples_9", "samples_100", "samples_20_best_val_loss", "samples_x",
                           "samples_999_old", "samples_", "samples_500_best", "best"}) {
    std::filesystem::create_directories((scratch / "hf_format") / name);
  }
  const ModelFolders folders(scratch.path().string(), true);
  CHECK(folders.newest() == folders.folder(100, false));
  CHECK(folders.best() == folders.folder(20, true));
  folders.written(100, false);
  CHECK_FALSE(folders.has(9, false));
  CHECK(std::filesystem::exists(scratch / "hf_format/samples_999_old"));
  CHECK(std::filesystem::exists(scratch / "hf_format/samples_x"));
  CHECK(folders.has(20, true));
}
