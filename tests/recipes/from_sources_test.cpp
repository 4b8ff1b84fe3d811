// SPDX-License-Identifier: Apache-2.0
#include "posttrain/recipes/from_sources.hpp"

#include <string>
#include <vector>

#include "posttrain/batch/pairs.hpp"
#include "support/catch.hpp"
#include "support/temp_folder.hpp"

using namespace posttrain;

namespace {

/// As many pairs as its path is long; one is held out where it has a validation path.
struct Named {
  LiteralString path{};
  LiteralString validation_path{};

  void validate() const {
    if (path.view() == "bad") fail("a bad path");
  }
  PairKind kind() const { return {}; }
  data::LoadedItems<AnswerPair> load(const data::LoadContext&) const {
    data::LoadedItems<AnswerPair> loaded;
    for (std::size_t i = 0; i < path.view().size(); ++i) {
      AnswerPair pair;
      pair.sample = static_cast<std::int64_t>(i);
      loaded.train.push_back(pair);
    }
    if (!validation_path.empty()) loaded.validation.resize(1);
    loaded.report.read = static_cast<std::int64_t>(loaded.train.size());
    return loaded;
  }
};

}  // namespace

TEST_CASE("several sources stand side by side, with their shares", "[recipes][from_sources]") {
  const FromSources data{DataSources{{"abc", 3.0}, {"de", 1.0}, {"f", 4.0}},
                         Named{.validation_path = "held"}};
  const auto loaded = data.load({});
  REQUIRE(loaded.train.size() == 6);
  std::vector<std::int64_t> samples;
  for (const AnswerPair& pair : loaded.train) samples.push_back(pair.sample);
  CHECK(samples == std::vector<std::int64_t>{0, 1, 2, 3, 4, 5});
  CHECK(loaded.validation.size() == 1);
  CHECK(loaded.report.read == 6);
  REQUIRE(loaded.parts.size() == 3);
  const std::vector<std::pair<std::int64_t, double>> parts{{3, 0.375}, {2, 0.125}, {1, 0.5}};
  for (std::size_t i = 0; i < parts.size(); ++i) {
    CHECK(loaded.parts[i].sequences == parts[i].first);
    CHECK(loaded.parts[i].share == Approx(parts[i].second));
  }
}

TEST_CASE("one source is the policy's own", "[recipes][from_sources]") {
  const FromSources data{DataSources("abcd"), Named{}};
  CHECK(data.load({}).train.size() == 4);
  CHECK(data.load({}).parts.empty());
  CHECK(test::error_of([] {
          FromSources{DataSources("bad"), Named{}}.validate();
        }) == "a bad path");
}
