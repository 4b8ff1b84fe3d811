// SPDX-License-Identifier: Apache-2.0
#include "posttrain/recipes/osft.hpp"

#include "posttrain/io/safetensors.hpp"
#include "posttrain/io/tensor_io.hpp"
#include "posttrain/params/osft.hpp"
#include "posttrain/tensor/ops.hpp"
#include "support/catch.hpp"
#include "support/recipe_run.hpp"
#include "support/tensor_peak.hpp"

using namespace posttrain;
using namespace posttrain::test;

namespace {

Tensor matrix(const std::string& model, const std::string& name) {
  const io::SafetensorsFile file(model + "/model.safetensors");
  return io::to_tensor(file.at(name), file).to(at::kDouble).clone();
}

OsftOptions small(const RecipeFolder& folder) {
  return {.model_path = folder.model(),
          .data_path = folder.chats(),
          .effective_batch_size = 4,
          .learning_rate = 1e-2,
          .progress = false};
}

}  // namespace

TEST_CASE("what a matrix knows stays, and the rest learns", "[recipes][osft]") {
  RecipeFolder folder;
  OsftOptions options = small(folder);
  options.unfreeze_rank_ratio = 0.5;
  const RecipeRun trained = folder.run(options, [](const OsftOptions& o) { return osft(o); });
  REQUIRE(trained.error == "");
  CHECK(trained.losses().back() < trained.losses().front());
  const std::string name = "model.layers.0.self_attn.q_proj.weight";
  const Tensor before = matrix(folder.model(), name), after = matrix(trained.result.model, name);
  const auto [u, s, v] = at::linalg_svd(before);
  const Tensor change = after - before;
  CHECK(change.abs().max().item<double>() > 1e-3);
  CHECK(at::matmul(u.narrow(1, 0, 8).t(), change).abs().max().item<double>() < 1e-6);
  CHECK(at::matmul(change, v.narrow(0, 0, 8).t()).abs().max().item<double>() < 1e-6);
}

TEST_CASE("making subspaces ready takes the memory of one matrix, however many there are",
          "[recipes][osft]") {
  const auto beyond_what_stays = [](int layers) {
    const TempFolder scratch;
    write_tiny_model(scratch / "model", 1, layers);
    const hub::PretrainedDecoder model((scratch / "model").string());
    const TensorPeak peak;
    const auto state = Osft{}.attach(model);
    CHECK(peak.held() > 0);
    return peak.bytes() - peak.held();
  };
  const std::int64_t few = beyond_what_stays(2), many = beyond_what_stays(12);
  INFO(few << " bytes with 2 layers, " << many << " with 12");
  CHECK(10 * many <= 11 * few);
}

TEST_CASE("an interrupted call goes on to the same weights [C25]", "[recipes][osft][C25]") {
  RecipeFolder folder;
  OsftOptions options = small(folder);
  const auto recipe = [](const OsftOptions& o) { return osft(o); };
  const RecipeRun whole = folder.run(options, recipe);
  options.ckpt_output_dir = folder.path("pieces");
  const RecipeRun piece =
      folder.run(options, [](const OsftOptions& o) { return osft(o, StopsAt{1}); });
  CHECK(piece.result.interrupted);
  CHECK(piece.models().empty());
  const RecipeRun last = folder.run(options, recipe);
  CHECK(last.result.first_step == 2);
  CHECK(slurp(last.result.model + "/model.safetensors") ==
        slurp(whole.result.model + "/model.safetensors"));
}
