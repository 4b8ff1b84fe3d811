// SPDX-License-Identifier: Apache-2.0
#include "posttrain/params/with_reference_scores.hpp"

#include <cmath>
#include <filesystem>

#include "posttrain/losses/dpo.hpp"
#include "posttrain/optim/adamw.hpp"
#include "posttrain/params/full.hpp"
#include "posttrain/params/with_frozen_reference.hpp"
#include "posttrain/trainer.hpp"
#include "support/catch.hpp"
#include "support/loss_curve.hpp"
#include "support/small_run.hpp"
#include "support/some_pairs.hpp"
#include "support/temp_folder.hpp"
#include "support/tiny_model.hpp"

using namespace posttrain;
using namespace posttrain::test;

TEST_CASE("reference scores are computed once, or found", "[pairs][trainer]") {
  const TempFolder scratch;
  const models::Decoder model = tiny_model(at::kFloat);
  const auto run = [&](const auto& params, std::uint64_t pairs) {
    const Options options = small_run(5, 6, 40);
    std::vector<StepMetrics> steps;
    Trainer trainer(model, Dpo{}, params, fixed_pairs(pairs), AdamW{}, options);
    trainer.add(StepCurve{steps});
    trainer.train();
    return steps;
  };
  const WithReferenceScores scored{Full{}, (scratch / "scores").string()};
  const auto files = [&] {
    std::int64_t count = 0;
    for (const auto& entry : std::filesystem::directory_iterator((scratch / "scores").string())) {
      count += entry.path().extension() == ".safetensors";
    }
    return count;
  };
  const auto copied = run(WithFrozenReference{Full{}}, 6), first = run(scored, 6);
  CHECK(files() == 1);
  const auto found = run(scored, 6);
  CHECK(files() == 1);
  for (std::size_t i = 0; i < copied.size(); ++i) {
    CHECK(std::abs(first[i].loss - copied[i].loss) < 1e-5);
    CHECK(found[i].loss == first[i].loss);
  }
  run(scored, 5);  // other data
  CHECK(files() == 2);
  // A damaged file is made again.
  for (const auto& entry : std::filesystem::directory_iterator((scratch / "scores").string())) {
    std::filesystem::resize_file(entry.path(), 10);
  }
  CHECK(run(scored, 6).back().loss == first.back().loss);
}

TEST_CASE("without its scores a batch finds no reference after the first step", "[pairs]") {
  Trainer trainer(tiny_model(at::kFloat), Dpo{}, WithReferenceScores{Full{}}, fixed_pairs(),
                  AdamW{}, small_run(1, 6));
  CHECK(std::abs(trainer.evaluate({packed(some_pairs(2))}) - std::log(2.0)) < 1e-6);
  trainer.train();
  CHECK_THROWS_WITH(trainer.evaluate({packed(some_pairs(2))}),
                    Catch::Contains("WithReferenceScores has no reference after the first step"));
}
