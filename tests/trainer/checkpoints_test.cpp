// SPDX-License-Identifier: Apache-2.0
#include "posttrain/trainer/checkpoints.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <limits>
#include <optional>
#include <utility>

#include "posttrain/io/json.hpp"
#include "posttrain/io/safetensors_writer.hpp"
#include "posttrain/tensor/content.hpp"
#include "posttrain/tensor/transfer.hpp"
#include "support/catch.hpp"
#include "support/device.hpp"
#include "support/stand_in_cuda.hpp"
#include "support/temp_folder.hpp"

namespace fs = std::filesystem;
using namespace posttrain;
using namespace posttrain::test;

namespace {

RunRecord identity(double beta = 0.1, const char* dtype = "Float") {
  RunRecord loss, model, all;
  loss.add("type", std::string_view("Dpo"));
  loss.add("beta", beta);
  model.add("dtype", std::string_view(dtype));
  all.add("loss", loss);
  all.add("model", model);
  return all;
}

Checkpoints checkpoints_in(const TempFolder& folder, std::int64_t keep = 1,
                           const RunRecord& record = identity()) {
  return {(folder / "run").string(), keep, record};
}

/// Those of a run with a second folder, "storage", beside its own.
Checkpoints stored_in(const TempFolder& folder, const RunRecord& record = identity(),
                      std::int64_t keep = 1) {
  return {(folder / "run").string(), keep, record, (folder / "storage").string()};
}

std::vector<std::string> names_in(const TempFolder& folder,
                                  std::string_view inside = "run/checkpoints") {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder / inside)) {
    names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

/// Loads into one tensor of one element; returns its value, or nothing where there is none.
struct Loader {
  Checkpoints& checkpoints;
  Progress progress{};
  std::string warning{};
  Tensor value = at::zeros({1});

  std::optional<float> operator()() {
    if (!checkpoints.load(progress, {{"a", value}}, warning)) return std::nullopt;
    return value.item<float>();
  }
};

void flip_bit(const fs::path& file, std::int64_t byte_from_end) {
  std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
  stream.seekg(-byte_from_end, std::ios::end);
  const auto old = static_cast<char>(stream.get());
  stream.seekp(-byte_from_end, std::ios::end);
  stream.put(static_cast<char>(old ^ 4));
}

}  // namespace

TEST_CASE("a checkpoint gives tensors and progress back, bit for bit [C25]", "[trainer][C25]") {
  const TempFolder folder;
  Checkpoints checkpoints = checkpoints_in(folder);
  const Tensor master = at::arange(7, at::kFloat) / 3,
               moments = (at::ones({2, 3}) / 3).to(at::kBFloat16);
  Progress progress{5, 20, 300, 200, 0.25, {1, 2}};
  progress.loss = {1.0 / 3.0, 1.0};
  progress.last_validation = 4;
  progress.val_loss = 1.0 / 3.0;
  progress.validations_without_gain = 2;
  const std::string path = checkpoints.save(progress, {{"a", master}, {"b", moments}});
  CHECK(path.ends_with("checkpoints/step-00000005"));

  const Tensor again = at::zeros({7}), also = at::zeros({2, 3}, at::kBFloat16);
  Progress read;
  std::string warning;
  REQUIRE(checkpoints.load(read, {{"b", also}, {"a", again}}, warning));
  CHECK(warning.empty());
  CHECK(at::equal(again, master));
  CHECK(at::equal(also, moments));
  CHECK(read.step == 5);
  CHECK(read.samples == 20);
  CHECK(read.tokens == 300);
  CHECK(read.scored == 200);
  CHECK(read.best_val_loss == 0.25);
  CHECK(read.position == data::SamplerPosition{1, 2});
  CHECK(read.loss == progress.loss);
  CHECK(read.last_validation == 4);
  CHECK(read.val_loss == 1.0 / 3.0);
  CHECK(read.validations_without_gain == 2);
  // No validation so far is no number in JSON.
  Progress early;
  checkpoints.save({.step = 6}, {{"a", master}});
  REQUIRE(checkpoints.load(early, {{"a", again}}, warning));
  CHECK(early.best_val_loss == std::numeric_limits<double>::infinity());
  CHECK(early.last_validation == -1);
  CHECK(std::isnan(early.val_loss));
}

TEST_CASE("a checkpoint of a device is that of the host, and each tensor is copied once",
          "[trainer]") {
  const std::vector<NamedSlice> host{{"master", at::arange(70001, at::kFloat) / 3},
                                     {"weights", (at::ones({5, 3}) / 3).to(at::kBFloat16).t()},
                                     {"step", at::full({}, 7.0)},
                                     {"codes", at::arange(100, at::kByte)},
                                     {"none", at::empty({0})}};
  std::vector<NamedSlice> there;
  for (const NamedSlice& tensor : host) {
    // Offloaded moments lie on the host.
    const bool stays = tensor.name == "codes";
    there.push_back({tensor.name, stays ? tensor.value : tensor.value.to(test_device())});
  }
  const TempFolder plain, folder;
  const std::string expected = checkpoints_in(plain).save({.step = 5}, host);
  const TransferCounts before = transfer_counts();
  stand_in::Counts* counts = stand_in::counts_if_loaded();
  if (counts) counts->reset();
  const std::string path = checkpoints_in(folder).save({.step = 5}, there);
  const bool on_cpu = test_device().is_cpu();
  CHECK(transfer_counts().reads - before.reads == (on_cpu ? 0 : 3));
  CHECK(transfer_counts().uploads == before.uploads);
  if (counts) CHECK(counts->reads == (on_cpu ? 0 : 3));

  CHECK(slurp(path + "/state.safetensors") == slurp(expected + "/state.safetensors"));
  CHECK(slurp(path + "/trainer.json") == slurp(expected + "/trainer.json"));
  const Json record = io::parse_json(slurp(path + "/trainer.json"), "trainer.json");
  io::SafetensorsWriter writer(folder / "whole", {{"master", io::Dtype::kF32, {70001}},
                                                  {"weights", io::Dtype::kBF16, {3, 5}},
                                                  {"step", io::Dtype::kF32, {}},
                                                  {"codes", io::Dtype::kU8, {100}},
                                                  {"none", io::Dtype::kF32, {0}}});
  for (const NamedSlice& tensor : host) {
    ContentHash hash;
    add_content(hash, NamedTensor{tensor.name, tensor.value});
    CHECK(record["tensors"][tensor.name] == hash.text());
    const Tensor values = tensor.value.contiguous();
    writer.write(tensor.name, {static_cast<const std::byte*>(values.data_ptr()), values.nbytes()});
  }
  writer.finish();
  CHECK(slurp(path + "/state.safetensors") == slurp(folder / "whole"));
}

TEST_CASE("a checkpoint replaces older ones once a later step was finite", "[trainer]") {
  const TempFolder folder;
  Checkpoints checkpoints = checkpoints_in(folder, 2);
  Loader load{checkpoints};
  CHECK_FALSE(load());
  CHECK(contains(checkpoints.hint(0), "there is no checkpoint; hint: lower learning_rate"));
  for (const std::int64_t step : {1, 2, 10}) {
    checkpoints.save({.step = step}, {{"a", at::full({1}, static_cast<double>(step))}});
    if (step == 1) CHECK(contains(checkpoints.hint(1), "the only checkpoint, of step 1, holds"));
    if (step < 10) checkpoints.confirm();
  }
  CHECK(names_in(folder) ==
        std::vector<std::string>{"step-00000001", "step-00000002", "step-00000010"});
  CHECK(contains(checkpoints.hint(10),
                 "the last good checkpoint is that of step 2 (that of step "
                 "10 holds the weights that led here)"));
  checkpoints.confirm();
  CHECK(names_in(folder) == std::vector<std::string>{"step-00000002", "step-00000010"});
  CHECK(contains(checkpoints.hint(11), "the last good checkpoint is that of step 10; hint"));
  // One whose record is missing was not finished, or is being deleted.
  fs::remove(folder / "run/checkpoints/step-00000010/trainer.json");
  CHECK(load() == 2.0F);
  CHECK(load.progress.step == 2);
  // It goes with the next one that is confirmed; a temporary folder of a dead process, too.
  fs::create_directory(folder / "run/checkpoints/.step-00000007.tmp-999999999-0");
  checkpoints.save({.step = 3}, {{"a", at::ones({1})}});
  checkpoints.confirm();
  CHECK(names_in(folder) == std::vector<std::string>{"step-00000002", "step-00000003"});
}

TEST_CASE("a damaged checkpoint gives way to the one before", "[trainer]") {
  const auto damaged = [](const std::function<void(const fs::path&)>& damage) {
    const TempFolder folder;
    Checkpoints checkpoints = checkpoints_in(folder, 2);
    checkpoints.save({.step = 1}, {{"a", at::full({1}, 1.0)}});
    checkpoints.save({.step = 2}, {{"a", at::full({1}, 2.0)}});
    damage(folder / "run/checkpoints/step-00000002");
    Loader load{checkpoints};
    CHECK(load() == 1.0F);
    CHECK(load.progress.step == 1);
    CHECK(contains(load.warning, "step-00000002"));
    CHECK(contains(load.warning, "; the run goes on from "));
    CHECK(load.warning.ends_with("checkpoints/step-00000001"));
    // Nothing is lost before the run went on, and the damaged one is gone then.
    CHECK(names_in(folder).size() == 2);
    checkpoints.confirm();
    CHECK(names_in(folder) == std::vector<std::string>{"step-00000001"});
    return load.warning;
  };
  CHECK(contains(damaged([](const fs::path& path) { flip_bit(path / "state.safetensors", 1); }),
                 "state.safetensors: tensor 'a': its content differs from its hash"));
  damaged([](const fs::path& path) { flip_bit(path / "state.safetensors", 40); });  // the header
  for (std::int64_t byte = 2; byte < 340; byte += 3) {
    INFO(byte);
    damaged([&](const fs::path& path) { flip_bit(path / "trainer.json", byte); });
  }
  damaged([](const fs::path& path) { fs::remove(path / "state.safetensors"); });
  damaged([](const fs::path& path) { fs::resize_file(path / "state.safetensors", 20); });
  damaged([](const fs::path& path) { fs::resize_file(path / "trainer.json", 0); });
  CHECK(contains(damaged([](const fs::path& path) {
                   std::string text = slurp(path / "trainer.json");
                   text.replace(text.find("\"format\": 2"), 11, "\"format\": 7");
                   std::ofstream(path / "trainer.json") << text;
                 }),
                 "trainer.json: expected format 2 or 3, found 7"));
}

TEST_CASE("where no checkpoint is whole, the run is refused", "[trainer]") {
  const TempFolder folder;
  Checkpoints checkpoints = checkpoints_in(folder);
  checkpoints.save({.step = 1}, {{"a", at::zeros({1})}});
  fs::remove(folder / "run/checkpoints/step-00000001/state.safetensors");
  Loader load{checkpoints};
  const std::string error = error_of([&] { load(); });
  CHECK(contains(error, "no checkpoint is whole: "));
  CHECK(contains(error, "state.safetensors"));
  CHECK(contains(error, "hint: resume = false starts anew"));
  CHECK(names_in(folder).size() == 1);
}

TEST_CASE("a folder that another run began is refused before there is a checkpoint", "[trainer]") {
  const TempFolder folder;
  checkpoints_in(folder).begin();
  const auto error = [&](const RunRecord& record) {
    Checkpoints checkpoints = checkpoints_in(folder, 1, record);
    Loader load{checkpoints};
    return error_of([&] { load(); });
  };
  CHECK(error(identity()) == "");
  CHECK(contains(error(identity(0.5)),
                 "/run is of another run: loss.beta: the run there has 0.1, this run 0.5; "
                 "hint: choose another run_dir, or Options.resume = false"));
  std::ofstream(folder / "run/checkpoints/identity.json") << "{";
  CHECK(contains(error(identity()), "identity.json: expected JSON"));
  CHECK_NOTHROW(Checkpoints().begin());
}

TEST_CASE("a checkpoint of another run or model is refused with both values", "[trainer]") {
  const TempFolder folder;
  checkpoints_in(folder).save({.step = 1}, {{"a", at::zeros({3})}});
  const auto load = [&](const RunRecord& record, const std::vector<NamedSlice>& tensors) {
    Checkpoints checkpoints = checkpoints_in(folder, 1, record);
    Progress progress;
    std::string warning;
    return error_of([&] { checkpoints.load(progress, tensors, warning); });
  };
  const Tensor value = at::zeros({3});
  CHECK(load(identity(), {{"a", value}}).empty());
  CHECK(contains(load(identity(0.5), {{"a", value}}),
                 "step-00000001 is of another run: loss.beta: the checkpoint has 0.1, this run "
                 "0.5; hint: choose another run_dir, or Options.resume = false"));
  CHECK(contains(load(identity(0.5, "BFloat16"), {{"a", value}}),
                 "0.5; model.dtype: the checkpoint has \"Float\", this run \"BFloat16\"; hint"));
  RunRecord more = identity();
  more.add("extra", true);
  CHECK(contains(load(more, {{"a", value}}), "extra: the checkpoint has nothing, this run true"));
  CHECK(contains(load(identity(), {}), "expected 0 tensors, found 1"));
  CHECK(contains(load(identity(), {{"a", at::zeros({4})}}), "'a': expected shape [4], found [3]"));
  CHECK(contains(load(identity(), {{"b", value}}), "'b'"));
  CHECK(contains(error_of([] { Checkpoints().save({}, {}); }), "needs Options.run_dir"));
}

TEST_CASE("a second folder gets every checkpoint, whole", "[trainer]") {
  const TempFolder folder;
  Checkpoints checkpoints = stored_in(folder);
  Progress progress{.step = 1};
  progress.stream = "{\"answers\": 3}\n";
  checkpoints.save(progress, {{"a", at::full({3}, 1.5)}});
  CHECK(names_in(folder, "storage/step-00000001") ==
        std::vector<std::string>{"state.safetensors", "stream.jsonl", "trainer.json"});
  for (const std::string& name : names_in(folder, "storage/step-00000001")) {
    CHECK(slurp(folder / "storage/step-00000001" / name) ==
          slurp(folder / "run/checkpoints/step-00000001" / name));
  }
  // Older ones go there as in the run's own folder, and what a kill left of a copy.
  fs::create_directory(folder / "storage/.step-00000001.tmp-999999999-0");
  checkpoints.save({.step = 2}, {{"a", at::full({3}, 2.5)}});
  checkpoints.confirm();
  CHECK(names_in(folder, "storage") == std::vector<std::string>{"step-00000002"});
  CHECK(names_in(folder) == std::vector<std::string>{"step-00000002"});
}

TEST_CASE("the newest checkpoint of both folders is resumed from", "[trainer]") {
  const auto resumed = [](const std::function<void(const TempFolder&)>& lose) {
    const TempFolder folder;
    Checkpoints before = stored_in(folder, identity(), 2);
    before.save({.step = 1}, {{"a", at::full({1}, 1.0)}});
    before.save({.step = 2}, {{"a", at::full({1}, 2.0)}});
    lose(folder);
    Checkpoints checkpoints = stored_in(folder, identity(), 2);
    Loader load{checkpoints};
    const std::optional<float> value = load();
    CHECK(value.value_or(0.0F) == static_cast<float>(load.progress.step));
    // The next one is in both folders.
    checkpoints.save({.step = 3}, {{"a", at::full({1}, 3.0)}});
    CHECK(names_in(folder, "storage").back() == "step-00000003");
    CHECK(names_in(folder).back() == "step-00000003");
    return std::pair(value.value_or(0.0F), load.warning);
  };
  using Found = std::pair<float, std::string>;  // 0: none
  CHECK(resumed([](const TempFolder&) {}) == Found(2.0F, ""));
  CHECK(resumed([](const TempFolder& all) { fs::remove_all(all / "run"); }) == Found(2.0F, ""));
  CHECK(resumed([](const TempFolder& all) { fs::remove_all(all / "storage"); }) == Found(2.0F, ""));
  CHECK(resumed([](const TempFolder& all) {
          fs::remove_all(all / "run/checkpoints/step-00000002");
        }) == Found(2.0F, ""));
  // A copy that was not finished is none.
  CHECK(resumed([](const TempFolder& all) {
          fs::remove_all(all / "run");
          fs::remove(all / "storage/step-00000002/trainer.json");
        }) == Found(1.0F, ""));
  CHECK(resumed([](const TempFolder& all) {
          fs::remove_all(all / "run");
          fs::remove_all(all / "storage");
        }) == Found(0.0F, ""));
}

TEST_CASE("a copy that a kill prevented is made when the run goes on", "[trainer]") {
  const TempFolder folder;
  stored_in(folder).save({.step = 2}, {{"a", at::full({1}, 2.0)}});
  fs::remove_all(folder / "storage/step-00000002");
  fs::create_directory(folder / "storage/.step-00000002.tmp-999999999-0");
  Checkpoints checkpoints = stored_in(folder);
  Loader load{checkpoints};
  REQUIRE(load() == 2.0F);
  checkpoints.begin();
  CHECK(names_in(folder, "storage") == std::vector<std::string>{"step-00000002"});
  fs::remove_all(folder / "run");
  CHECK(load() == 2.0F);
}

TEST_CASE("a damaged checkpoint gives way to the stored copy of its step", "[trainer]") {
  const TempFolder folder;
  Checkpoints checkpoints = stored_in(folder, identity(), 2);
  checkpoints.save({.step = 1}, {{"a", at::full({1}, 1.0)}});
  checkpoints.save({.step = 2}, {{"a", at::full({1}, 2.0)}});
  flip_bit(folder / "run/checkpoints/step-00000002/state.safetensors", 1);
  Loader load{checkpoints};
  CHECK(load() == 2.0F);
  CHECK(contains(load.warning, "run/checkpoints/step-00000002/state.safetensors: tensor 'a'"));
  CHECK(load.warning.ends_with("; the run goes on from " +
                               (folder / "storage/step-00000002").string()));
  // Both copies of step 2 are damaged: the step before, of the run's own folder.
  flip_bit(folder / "storage/step-00000002/trainer.json", 5);
  CHECK(load() == 1.0F);
  CHECK(load.warning.ends_with("; the run goes on from " +
                               (folder / "run/checkpoints/step-00000001").string()));
}

TEST_CASE("a stored checkpoint of another run is refused by name, and nothing is changed",
          "[trainer]") {
  const TempFolder folder;
  Checkpoints((folder / "other").string(), 1, identity(0.5), (folder / "storage").string())
      .save({.step = 7}, {{"a", at::zeros({1})}});
  Checkpoints checkpoints = stored_in(folder);
  Loader load{checkpoints};
  CHECK(
      contains(error_of([&] { load(); }),
               (folder / "storage/step-00000007").string() +
                   " is of another run: loss.beta: the checkpoint has 0.5, this run 0.1; hint: "));
  CHECK_FALSE(fs::exists(folder / "run"));
  CHECK(names_in(folder, "storage") == std::vector<std::string>{"step-00000007"});
  CHECK(load.value.item<float>() == 0.0F);
}

TEST_CASE("a run that does not resume takes no storage that was used", "[trainer]") {
  const TempFolder folder;
  Checkpoints checkpoints = stored_in(folder);
  CHECK_NOTHROW(checkpoints.check_storage_is_new());
  CHECK_NOTHROW(checkpoints_in(folder).check_storage_is_new());
  checkpoints.save({.step = 1}, {{"a", at::zeros({1})}});
  CHECK(error_of([&] { checkpoints.check_storage_is_new(); }) ==
        "checkpoint_storage " + (folder / "storage").string() +
            " holds the checkpoints of an earlier run, and resume = false starts anew; hint: "
            "choose another folder");
  CHECK_NOTHROW(checkpoints_in(folder).check_storage_is_new());
}
