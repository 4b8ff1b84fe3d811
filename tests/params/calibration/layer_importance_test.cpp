// SPDX-License-Identifier: Apache-2.0
// The shares of its directions that a layer keeps, by what a calibration set says of it.
#include "posttrain/params/calibration/layer_importance.hpp"

#include "posttrain/params/frozen.hpp"
#include "posttrain/params/osft.hpp"
#include "posttrain/params/prefix_tuning.hpp"
#include "posttrain/params/prompt_tuning.hpp"
#include "support/catch.hpp"
#include "support/osft.hpp"
#include "support/tiny_model.hpp"

using namespace posttrain;
using namespace osft_test;

namespace {

std::vector<TokenBatch> calibration() {
  return {test::batch_of({test::some_sequence(17, 1), test::some_sequence(9, 2)}),
          test::batch_of({test::some_sequence(30, 3)})};
}

}  // namespace

TEMPLATE_TEST_CASE("a layer's importance is the cosine of what it reads and writes",
                   "[params][osft]", Frozen, PromptTuning, PrefixTuning) {
  const models::Decoder model = test::tiny_model();
  const LayerImportance all = layer_importance(model, TestType{}.attach(model), calibration());
  REQUIRE(all.cosine.size() == 2);
  CHECK(all.layers == "layers");
  // The same from the embedding and the residual streams of models cut off after each layer: the
  // final norm of ones keeps a direction, so its output has the cosine of what it normalises.
  std::vector<double> expected(2, 0.0);
  double rows = 0.0;
  for (const TokenBatch& batch : calibration()) {
    std::vector<Tensor> streams;
    for (std::size_t layers : {0, 1, 2}) {
      models::DecoderConfig config = test::tiny_config();
      config.layers.resize(layers);
      const models::Decoder cut(config,
                                {.dtype = at::kDouble, .device = test::test_device(), .seed = 1});
      at::NoGradGuard no_grad;
      // A prefix is keys and values of layers: without a layer there is none.
      if constexpr (std::is_same_v<TestType, PrefixTuning>) {
        if (layers == 0) {
          streams.push_back(cut.hidden(Frozen{}.attach(cut), batch));
          continue;
        }
      }
      const auto gate = TestType{}.attach(cut);
      streams.push_back(cut.hidden(gate, prepared(gate, batch)));
    }
    for (std::size_t l = 0; l < 2; ++l) {
      const Matrix x = to_eigen(streams[l]), y = to_eigen(streams[l + 1]);
      for (Eigen::Index t = 0; t < x.rows(); ++t) {
        expected[l] += x.row(t).dot(y.row(t)) / (x.row(t).norm() * y.row(t).norm());
      }
    }
    rows += static_cast<double>(streams[0].size(0));
  }
  for (std::size_t l = 0; l < 2; ++l) {
    CHECK(all.cosine[l] == Approx(expected[l] / rows).epsilon(1e-9));
  }
  CHECK(all.importance[0] + all.importance[1] == Approx(2.0));
  CHECK(all.importance[0] / all.importance[1] == Approx(all.cosine[0] / all.cosine[1]));
}

TEST_CASE("retention goes from the least to the target, and its mean is the target",
          "[params][osft]") {
  const LayerImportance given{"h", {0.9, 0.5, 0.1}, {1.8, 1.0, 0.2}};
  const RetentionOptions options{.min_retention = 0.2, .target_retention = 0.6};
  CHECK(given.retention(0, options) == Approx(0.92));
  CHECK(given.retention(1, options) == Approx(0.6));
  CHECK(given.retention(2, options) == Approx(0.28));
  CHECK(given.ratio_pattern(options) == "h.0=0.0800, h.1=0.4000, h.2=0.7200");
  // Never more than everything.
  CHECK(given.retention(0, {.min_retention = 0.1, .target_retention = 0.9}) == 1.0);
  CHECK_THROWS_WITH(given.ratio_pattern({.min_retention = 0.8}),
                    Catch::Contains("0 <= min_retention <= target_retention <= 1"));
  // The text is a policy's field.
  const models::Decoder model = test::tiny_model();
  const LayerImportance measured = layer_importance(model, Frozen{}.attach(model), calibration());
  const std::string text = measured.ratio_pattern({.target_retention = 0.5});
  INFO(text);
  const OsftState<Dense> state = Osft{.ratio_pattern = text}.attach(model);
  for (const OsftTarget* target : state.targets()) {
    const std::size_t layer = target->name.find("layers.0") != std::string::npos ? 0 : 1;
    const auto shorter = static_cast<double>(std::min(target->rows, target->in));
    const double kept = measured.retention(layer, {.target_retention = 0.5});
    CHECK(std::abs(static_cast<double>(target->rank()) - kept * shorter) <= 0.51);
  }
  CHECK_THROWS_WITH(layer_importance(model, Frozen{}.attach(model), {}),
                    Catch::Contains("expected calibration batches"));
}
