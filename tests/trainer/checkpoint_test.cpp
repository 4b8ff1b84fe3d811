// SPDX-License-Identifier: Apache-2.0
#include "posttrain/trainer/checkpoint.hpp"

#include <algorithm>
#include <filesystem>
#include <limits>

#include "posttrain/tensor/ops.hpp"
#include "support/catch.hpp"
#include "support/temp_folder.hpp"

using namespace posttrain;
using namespace posttrain::test;

namespace {

Options in_folder(const TempFolder& folder) { return {.run_dir = (folder / "run").string()}; }

std::vector<std::string> checkpoints(const TempFolder& folder) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder / "run/checkpoints")) {
    names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace

TEST_CASE("a checkpoint gives tensors and progress back, bit for bit [C25]", "[trainer][C25]") {
  const TempFolder folder;
  const Options options = in_folder(folder);
  const Tensor master = at::arange(7, at::kFloat) / 3,
               moments = (at::ones({2, 3}) / 3).to(at::kBFloat16);
  const Progress progress{5, 20, 300, 200, 0.25, {1, 2}};
  const std::string path = save_checkpoint(options, progress, {{"a", master}, {"b", moments}});
  CHECK(path.ends_with("checkpoints/step-00000005"));

  const Tensor again = at::zeros({7}), also = at::zeros({2, 3}, at::kBFloat16);
  Progress read;
  REQUIRE(load_checkpoint(options, read, {{"b", also}, {"a", again}}));
  CHECK(at::equal(again, master));
  CHECK(at::equal(also, moments));
  CHECK(read.step == 5);
  CHECK(read.samples == 20);
  CHECK(read.tokens == 300);
  CHECK(read.scored == 200);
  CHECK(read.best_val_loss == 0.25);
  CHECK(read.position == data::SamplerPosition{1, 2});
  // No validation so far is no number in JSON.
  Progress early;
  save_checkpoint(options, {.step = 6}, {{"a", master}});
  REQUIRE(load_checkpoint(options, early, {{"a", again}}));
  CHECK(early.best_val_loss == std::numeric_limits<double>::infinity());
}

TEST_CASE("the newest checkpoints are kept, and the newest complete one is read", "[trainer]") {
  const TempFolder folder;
  Options options = in_folder(folder);
  options.keep_checkpoints = 2;
  const Tensor value = at::zeros({1});
  Progress progress;
  CHECK_FALSE(load_checkpoint(options, progress, {{"a", value}}));
  CHECK(contains(last_checkpoint_hint(options), "there is no checkpoint"));
  for (const std::int64_t step : {1, 2, 10}) {
    value.fill_(static_cast<double>(step));
    save_checkpoint(options, {.step = step}, {{"a", value}});
  }
  CHECK(checkpoints(folder) == std::vector<std::string>{"step-00000002", "step-00000010"});
  CHECK(contains(last_checkpoint_hint(options), "that of step 10"));
  // One whose record is missing was not finished, or is being deleted.
  std::filesystem::remove(folder / "run/checkpoints/step-00000010/trainer.json");
  REQUIRE(load_checkpoint(options, progress, {{"a", value}}));
  CHECK(progress.step == 2);
  CHECK(value.item<float>() == 2.0F);
}

TEST_CASE("a checkpoint of another run or model is refused with a reason", "[trainer]") {
  const TempFolder folder;
  const Options options = in_folder(folder);
  const Tensor value = at::zeros({3});
  save_checkpoint(options, {.step = 1}, {{"a", value}});
  Progress progress;
  const auto load = [&](const Options& own, const std::vector<NamedTensor>& tensors) {
    return error_of([&] { load_checkpoint(own, progress, tensors); });
  };
  Options other = options;
  other.seed = 7;
  CHECK(contains(load(other, {{"a", value}}),
                 "its seed was 42 and is now 7; hint: choose another run_dir, or resume = false"));
  Options longer = options;  // a run may go on for longer
  longer.num_epochs = 3;
  longer.max_steps = 9;
  CHECK(load(longer, {{"a", value}}).empty());
  CHECK(contains(load(options, {}), "expected 0 tensors, found 1"));
  CHECK(contains(load(options, {{"a", at::zeros({4})}}), "'a': expected 4 elements, found 3"));
  CHECK(contains(load(options, {{"b", value}}), "'b'"));
  CHECK(contains(error_of([] { save_checkpoint({}, {}, {}); }), "needs Options.run_dir"));
  CHECK_FALSE(load_checkpoint({}, progress, {}));
}
