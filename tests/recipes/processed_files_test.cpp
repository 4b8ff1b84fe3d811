// SPDX-License-Identifier: Apache-2.0
#include "posttrain/recipes/processed_files.hpp"

#include "posttrain/data/tokenized.hpp"
#include "support/catch.hpp"
#include "support/temp_folder.hpp"

using namespace posttrain;
using namespace posttrain::test;

namespace {

data::LoadedData some_data() {
  data::LoadedData data;
  data.train.push_back({{5, 6, 7, 8}, {1.0F, 0.0F, 1.0F, 1.0F}, 0});
  data.train.push_back({{9, 2, 3}, {0.0F, 0.5F, 1.0F}, 1});
  return data;
}

}  // namespace

TEST_CASE("sequences are written in Training Hub's processed form", "[recipes]") {
  const TempFolder scratch;
  const ProcessedFiles files((scratch / "a/data").string());
  const ProcessedFiles copy = files;  // the data policy's, beside the run's
  copy.keep(some_data());
  CHECK_FALSE(std::filesystem::exists(scratch / "a"));  // a run that is refused changes nothing
  files.on(event::TrainBegin{});
  CHECK(slurp(scratch / "a/data/data.jsonl") ==
        R"({"input_ids":[5,6,7,8],"labels":[-100,-100,7,8],"len":4,"num_loss_counted_tokens":2})"
        "\n"
        R"({"input_ids":[9,2,3],"labels":[-100,2,3],"len":3,"num_loss_counted_tokens":2,)"
        R"("weights":[0,0.5,1]})"
        "\n");
  CHECK_FALSE(std::filesystem::exists(scratch / "a/data/validation.jsonl"));
}

TEST_CASE("what is held out has a file of its own", "[recipes]") {
  const TempFolder scratch;
  const ProcessedFiles files(scratch.path().string());
  data::LoadedData data = some_data();
  data.validation.push_back({{1, 2}, {0.0F, 1.0F}, 2});
  files.keep(data);
  files.on(event::TrainBegin{});
  CHECK(slurp(scratch / "validation.jsonl") ==
        R"({"input_ids":[1,2],"labels":[-100,2],"len":2,"num_loss_counted_tokens":1})"
        "\n");
}

TEST_CASE("what was written reads as the same sequences", "[recipes]") {
  const TempFolder scratch;
  const ProcessedFiles files(scratch.path().string());
  files.keep(some_data());
  files.on(event::TrainBegin{});
  const LiteralString path = (scratch / "data.jsonl").string();
  const data::LoadedData again = Tokenized{.path = path}.load({});
  const data::LoadedData own = some_data();
  REQUIRE(again.train.size() == 2);
  CHECK(again.report.unread.empty());
  for (std::size_t i = 0; i < 2; ++i) {
    const Sequence a = again.train[i], b = own.train[i];
    CHECK(a.ids == b.ids);
    CHECK(std::vector(a.weights.begin() + 1, a.weights.end()) ==
          std::vector(b.weights.begin() + 1, b.weights.end()));
  }
}

TEST_CASE("without a folder nothing is written", "[recipes]") {
  const ProcessedFiles none;
  none.keep(some_data());
  CHECK_NOTHROW(none.on(event::TrainBegin{}));
  CHECK(none.description() == "");
}
