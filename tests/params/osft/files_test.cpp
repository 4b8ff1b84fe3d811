// SPDX-License-Identifier: Apache-2.0
#include "posttrain/params/osft/files.hpp"

#include "posttrain/base/describe.hpp"
#include "posttrain/io/atomic_file.hpp"
#include "posttrain/io/tensor_io.hpp"
#include "support/catch.hpp"
#include "support/json_mutations.hpp"
#include "support/kernels.hpp"
#include "support/messages.hpp"
#include "support/named_tensors.hpp"
#include "support/osft.hpp"
#include "support/temp_folder.hpp"

using namespace posttrain;
using namespace osft_test;
using kernel_test::normal;
using kernel_test::relative_error;
using test::TempFolder;

TEST_CASE("a delta brings the tuned model back on its base", "[params][osft]") {
  const TempFolder folder;
  const std::string path = (folder / "delta").string();
  const auto check = [&](const auto& policy, const auto& loader, at::ScalarType type) {
    INFO(describe(policy) << " in " << c10::toString(type));
    const OsftModel model{.type = type};
    auto state = policy.attach(model);
    move_cores(state);
    state.trainable().front().master.add_(0.5);  // the norm
    state.publish();
    save(state, path, "the/base");
    auto again = loader.attach(model);
    const double tolerance = type == at::kDouble ? 1e-12 : type == at::kFloat ? 1e-6 : 4e-3;
    const auto expected = state.weights(), weights = again.weights();
    REQUIRE(weights.size() == expected.size());
    for (std::size_t i = 0; i < weights.size(); ++i) {
      INFO(weights[i].name);
      CHECK(weights[i].name == expected[i].name);
      CHECK(relative_error(weights[i].value, expected[i].value) < tolerance);
    }
    const Tensor x = normal({3, 8}, 1, type);
    CHECK(at::equal(again.reference().linear(0, x).detach(),
                    state.reference().linear(0, x).detach()));
    CHECK(at::equal(again.vector(0).detach(), state.vector(0).detach()));
    REQUIRE(again.targets().size() == state.targets().size());
    for (std::size_t i = 0; i < again.targets().size(); ++i) {
      const OsftTarget &a = *again.targets()[i], &b = *state.targets()[i];
      CHECK(a.rank() == b.rank());
      CHECK(a.cores.size() == b.cores.size());
    }
    // Never more than the matrices themselves.
    std::int64_t stored = 0, dense = 0;
    for (const auto& [name, tensor] :
         io::load_tensors(io::fs::path(path) / "osft_delta.safetensors")) {
      if (name != "norm.weight") stored += tensor.numel();
      if (name != "norm.weight") CHECK(tensor.scalar_type() == type);
    }
    for (const OsftTarget* target : again.targets()) dense += target->rows * target->in;
    CHECK(stored <= dense);
    return static_cast<double>(stored) / static_cast<double>(dense);
  };
  for (const auto type : {at::kDouble, at::kFloat, at::kBFloat16}) {
    for (const OsftProjection projection : kProjections) {
      const double share = check(Osft{.unfreeze_rank_ratio = 0.25,
                                      .ratio_pattern = "q=0",
                                      .projection = projection,
                                      .train = "norm"},
                                 From<Osft>{.folder = path}, type);
      if (projection == OsftProjection::both_sides) CHECK(share < 0.5);
      check(Osft{.unfreeze_rank_ratio = 0.75, .projection = projection, .train = "norm"},
            From<Osft>{.folder = path}, type);
      check(BasicOsft<Kept>{.unfreeze_rank_ratio = 0.5, .projection = projection, .train = "norm"},
            From<BasicOsft<Kept>>{.folder = path}, type);
    }
  }
  // The delta of a task belongs to the model that the task began with.
  OsftState<Dense> state = Osft{.unfreeze_rank_ratio = 0.5}.attach(OsftModel{});
  move_cores(state);
  state.begin_task("second");
  move_cores(state);
  save(state, path);
  CHECK_THROWS_WITH(From<Osft>{.folder = path}.attach(OsftModel{}),
                    Catch::Contains("of this base is not the one that the delta was made on"));
}

TEST_CASE("a delta on another base, or with other tensors, is refused", "[params][osft]") {
  const TempFolder folder;
  const io::fs::path path = folder / "delta";
  OsftState<Dense> state = Osft{.unfreeze_rank_ratio = 0.5, .train = "norm"}.attach(OsftModel{});
  move_cores(state);
  save(state, path.string());
  const From<Osft> from{.folder = path.string()};
  struct Moved : OsftModel {
    Tensor load(const std::string& name, const std::vector<std::int64_t>& shape, double initial,
                bool random) const {
      const Tensor w = OsftModel::load(name, shape, initial, random);
      return name == "down.weight" ? w + 1e-6 : w;
    }
  };
  CHECK_THROWS_WITH(from.attach(Moved{}), Catch::Contains("down of this base is not the one"));
  struct Wider : OsftModel {
    Layout layout() const {
      Layout all = OsftModel::layout();
      all.sites[2].in = 24;
      return all;
    }
  };
  CHECK_THROWS_WITH(from.attach(Wider{}), Catch::Contains("down is [8, 20] there"));
  struct Fewer : OsftModel {
    Layout layout() const {
      Layout all = OsftModel::layout();
      all.sites.erase(all.sites.begin() + 2);
      return all;
    }
  };
  CHECK_THROWS_WITH(from.attach(Fewer{}), Catch::Contains("the model has no 'down.weight'"));
  CHECK_THROWS_WITH(From<Osft>{}.attach(OsftModel{}),
                    Catch::Contains("must name a delta's folder"));

  const auto good = io::load_tensors(path / "osft_delta.safetensors");
  const auto rewrite = [&](auto change) {
    std::map<std::string, Tensor> tensors = good;
    change(tensors);
    std::vector<std::pair<std::string, Tensor>> list(tensors.begin(), tensors.end());
    io::save_tensors(path / "osft_delta.safetensors", list);
  };
  rewrite([](auto& tensors) { tensors.erase("norm.weight"); });
  CHECK_THROWS_WITH(from.attach(OsftModel{}), Catch::Contains("missing key 'norm.weight'"));
  rewrite([](auto& tensors) { tensors["more"] = tensors["norm.weight"].clone(); });
  CHECK_THROWS_WITH(from.attach(OsftModel{}), Catch::Contains("unexpected key 'more'"));
  rewrite([](auto& tensors) {
    for (auto& [name, tensor] : tensors) {
      if (name.starts_with("q.")) tensor = normal(tensor.sizes(), 77);
    }
  });
  CHECK_THROWS_WITH(from.attach(OsftModel{}), Catch::Contains("do not hold the change"));
  // Nothing is lost where nothing can be saved.
  state.trainable().back().master[0] = std::nan("");
  CHECK_THROWS_WITH(save(state, path.string()), Catch::Contains("not finite"));
  CHECK(io::fs::exists(path / "osft_delta.json"));
  CHECK_THROWS_WITH(save(Osft{.keep_base = false}.attach(OsftModel{}), path.string()),
                    Catch::Contains("keep_base = false keeps no base"));
}

TEST_CASE("whatever stands in an osft_delta.json, it is read or one line says what is wrong",
          "[params][osft]") {
  const TempFolder folder;
  const io::fs::path path = folder / "delta";
  OsftState<Dense> state =
      Osft{.unfreeze_rank_ratio = 0.5, .target_patterns = "q, down", .train = "norm"}.attach(
          OsftModel{});
  move_cores(state);
  save(state, path.string(), "the/base");
  const From<Osft> from{.folder = path.string()};
  const auto error = [&] { return test::error_of([&] { from.attach(OsftModel{}); }); };
  REQUIRE(error() == "");

  const std::string text = io::read_text_file(path / "osft_delta.json");
  const Json config = io::parse_json(text, "delta");
  int refused = 0;
  test::each_mutation(config, [&](const Json& changed, const std::string& key) {
    INFO(key << " in " << io::shown(changed));
    io::write_file_atomically(path / "osft_delta.json", changed.dump());
    const std::string message = error();
    test::check_helpful(message, path.string());
    refused += message.empty() ? 0 : 1;
  });
  CHECK(refused > 100);
  Json changed = config;
  changed["matrices"][0]["rank"] = nullptr;
  io::write_file_atomically(path / "osft_delta.json", changed.dump());
  CHECK(error() == (path / "osft_delta.json").string() +
                       ": matrices[0]: expected a value under \"rank\", found null");

  io::write_file_atomically(path / "osft_delta.json", text);
  const io::fs::path weights = path / "osft_delta.safetensors";
  const auto good = io::load_tensors(weights);
  for (const auto& [key, tensor] : good) {
    for (const Tensor& other : {at::zeros(at::IntArrayRef()), at::zeros({0}), at::zeros({3}),
                                at::zeros({2, 2, 2}), at::zeros(tensor.sizes(), at::kLong)}) {
      INFO(key << " of shape " << shape_text(other));
      std::map<std::string, Tensor> tensors = good;
      tensors[key] = other;
      io::save_tensors(weights,
                       std::vector<std::pair<std::string, Tensor>>(tensors.begin(), tensors.end()));
      const std::string message = error();
      CHECK(message.find("'" + key + "'") != std::string::npos);
      CHECK(message.find(other.scalar_type() == at::kLong ? "Long" : shape_text(other)) !=
            std::string::npos);
      test::check_helpful(message, path.string());
    }
  }
}
