// SPDX-License-Identifier: Apache-2.0
// What a calibration set says about protection: shares per layer, and directions by their inputs.
#include "posttrain/params/calibration/layer_importance.hpp"

#include "posttrain/params/frozen.hpp"
#include "posttrain/params/osft_on_inputs.hpp"
#include "posttrain/params/prefix_tuning.hpp"
#include "posttrain/params/prompt_tuning.hpp"
#include "support/catch.hpp"
#include "support/kernels.hpp"
#include "support/osft.hpp"
#include "support/tiny_model.hpp"

using namespace posttrain;
using namespace osft_test;
using kernel_test::normal;

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
      const models::Decoder cut(config, {.dtype = at::kDouble, .seed = 1});
      at::NoGradGuard no_grad;
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

TEST_CASE("weighted directions are those of W times the root of the inputs' moments",
          "[params][osft]") {
  for (const auto& [rows, in] : {std::pair<std::int64_t, std::int64_t>(12, 20), {20, 12}}) {
    const Tensor w = normal({rows, in}, 1), x = normal({50, in}, 2) * normal({in}, 3).exp();
    const Tensor gram = x.t().matmul(x) / 50.0;
    Matrix g = to_eigen(gram);
    g += Matrix::Identity(in, in) * (1e-4 * g.diagonal().mean());
    const Matrix root = Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd>(g).operatorSqrt();
    const Eigen::JacobiSVD<Eigen::MatrixXd> svd(to_eigen(w) * root,
                                                Eigen::ComputeThinU | Eigen::ComputeThinV);
    const std::int64_t k = 5;
    const LeadingDirections found = leading_directions(w, k, gram);
    // Orthogonal to the rest on the left, and on the right in whitened coordinates.
    const Matrix left = svd.matrixU().rightCols(std::min(rows, in) - k).transpose();
    CHECK((left * to_eigen(found.left)).norm() < 1e-9 * to_eigen(found.left).norm());
    const Matrix right = svd.matrixV().rightCols(std::min(rows, in) - k).transpose();
    const Matrix whitened = root.inverse() * to_eigen(found.right);
    CHECK((right * whitened).norm() < 1e-7 * whitened.norm());
    // White inputs: the ordinary ones.
    const LeadingDirections white = leading_directions(w, k, at::eye(in, at::kDouble) * 3);
    const LeadingDirections plain = leading_directions(w, k);
    const Complement of_plain = Complement::of(plain.right, at::kDouble);
    CHECK(of_plain.project_columns(white.right).norm().item<double>() <
          1e-9 * white.right.norm().item<double>());
  }
  CHECK_THROWS_WITH(leading_directions(normal({4, 3}, 1), 1, normal({4, 4}, 2)),
                    Catch::Contains("expected second moments [3, 3], got [4, 4]"));
}

TEST_CASE("a policy with inputs protects what its matrices do to them", "[params][osft]") {
  const models::Decoder model = test::tiny_model();
  const InputStatistics inputs = input_statistics(model, Frozen{}.attach(model), calibration());
  const Osft osft{.unfreeze_rank_ratio = 0.5};
  OsftState<Dense> weighted = OsftOnInputs{osft, inputs}.attach(model);
  const OsftState<Dense> plain = osft.attach(model);
  REQUIRE(weighted.targets().size() == plain.targets().size());
  // A random allowed change disturbs the outputs on these inputs less, E‖ΔW x‖² = tr(ΔW G ΔWᵀ).
  double ours = 0.0, theirs = 0.0;
  for (std::size_t i = 0; i < plain.targets().size(); ++i) {
    const OsftTarget &a = *weighted.targets()[i], &b = *plain.targets()[i];
    CHECK(a.rank() == b.rank());
    const Tensor core = normal(a.cores[0].values.master.sizes(), i + 1);
    const Tensor gram = inputs.gram(a.site).to(at::kDouble);
    const auto energy = [&](const OsftTarget& target) {
      const Tensor change = target.cores[0].product(core);
      return (change.matmul(gram) * change).sum().item<double>() /
             (target.base.matmul(gram) * target.base).sum().item<double>();
    };
    ours += energy(a);
    theirs += energy(b);
  }
  INFO("relative disturbance " << ours << " against " << theirs);
  CHECK(ours < 0.5 * theirs);
  CHECK_THROWS_WITH(weighted.begin_task("next", {.keep_protected = true}),
                    Catch::Contains("keep_protected goes by W alone"));
  weighted.begin_task("next");
  CHECK_THROWS_WITH((OsftOnInputs{Osft{.cache_dir = "somewhere"}, inputs}.attach(model)),
                    Catch::Contains("takes no Osft.cache_dir"));
}
