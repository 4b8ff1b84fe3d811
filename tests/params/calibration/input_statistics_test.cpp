// SPDX-License-Identifier: Apache-2.0
#include "posttrain/params/calibration/input_statistics.hpp"

#include <map>

#include "posttrain/params/frozen.hpp"
#include "posttrain/params/lora.hpp"
#include "support/catch.hpp"
#include "support/input_keeper.hpp"
#include "support/tiny_model.hpp"

using namespace posttrain;
using namespace posttrain::test;

namespace {

const std::vector<Sequence>& sequences() {
  static const std::vector<Sequence> all{some_sequence(7, 1), some_sequence(12, 2),
                                         some_sequence(5, 3)};
  return all;
}

std::map<int, Tensor> inputs_of(const models::Decoder& model, const FrozenState& gate,
                                const TokenBatch& batch) {
  at::NoGradGuard no_grad;
  std::map<int, Tensors> kept;
  const InputKeeper keeper(gate,
                           [&](int site, const Tensor& x) { kept[site].push_back(x.clone()); });
  model.logits(keeper, model.hidden(keeper, batch));
  std::map<int, Tensor> all;
  for (const auto& [site, parts] : kept) all[site] = at::cat(parts);
  return all;
}

}  // namespace

TEST_CASE("moments of every site's input are those of all rows at once",
          "[params][input_statistics]") {
  const models::Decoder model = tiny_model();
  const auto gate = Frozen{}.attach(model);
  const auto expected = inputs_of(model, gate, batch_of(sequences()));
  for (const bool apart : {false, true}) {
    std::vector<TokenBatch> batches;
    if (apart) {
      for (const Sequence& sequence : sequences()) batches.push_back(batch_of({sequence}));
    } else {
      batches.push_back(batch_of(sequences()));
    }
    const InputStatistics inputs = input_statistics(model, gate, batches);
    int recorded = 0;
    for (int site = 0; site < static_cast<int>(model.layout().sites.size()); ++site) {
      if (model.layout().sites[static_cast<std::size_t>(site)].head) {
        CHECK_FALSE(inputs.records(site));
        CHECK_THROWS_WITH(inputs.gram(site), Catch::Contains("recorded inputs"));
        continue;
      }
      ++recorded;
      const Tensor x = expected.at(site);
      CHECK(inputs.rows(site) == 24);
      CHECK(relative_error(inputs.gram(site), at::matmul(x.t(), x)) < 1e-13);
      CHECK(relative_error(inputs.mean(site), x.mean(0)) < 1e-12);
      CHECK(at::equal(inputs.covariance(site), inputs.covariance(site)));
      const Tensor centred = x - x.mean(0);
      CHECK(relative_error(inputs.covariance(site), at::matmul(centred.t(), centred) / 24) < 1e-12);
    }
    CHECK(recorded == 8);
  }
}

TEST_CASE("a bfloat16 model has float32 moments, without rounding of the products",
          "[params][input_statistics]") {
  const models::Decoder model = tiny_model(at::kBFloat16);
  const auto gate = Frozen{}.attach(model);
  const auto expected = inputs_of(model, gate, batch_of(sequences()));
  const InputStatistics inputs = input_statistics(model, gate, {batch_of(sequences())});
  const Tensor x = expected.at(0).to(at::kDouble);
  CHECK(inputs.gram(0).scalar_type() == at::kFloat);
  CHECK(relative_error(inputs.gram(0), at::matmul(x.t(), x)) < 1e-6);
}

TEST_CASE("rows that predict nothing can be left out, and the LM head can be recorded",
          "[params][input_statistics]") {
  const models::Decoder model = tiny_model();
  const auto gate = Frozen{}.attach(model);
  // A prompt whose last row predicts the first tokens of two answers counts once.
  BatchBuilder builder;
  const int root = builder.add(TokenIds{11, 12, 13});
  builder.add(TokenIds{21, 22}, root);
  builder.score(std::vector<float>{1.0F, 0.0F}, /*keep_unweighted=*/true);
  builder.end_sequence();
  builder.add(TokenIds{31, 32}, root);
  builder.score(std::vector<float>{1.0F, 1.0F});
  builder.end_sequence();
  const TokenBatch batch = std::move(builder).build().to(test_device());
  const auto expected = inputs_of(model, gate, batch);
  InputStatistics inputs(model, [](const SiteSpec&) { return true; });
  record_inputs(model, gate, batch, inputs, InputRows::predicting);
  for (const auto& [site, x] : expected) {
    INFO(site);
    const Tensor rows =
        at::index_select(x, 0, at::tensor(std::vector<std::int64_t>{2, 5}).to(test_device()));
    CHECK(inputs.rows(site) == 2);
    CHECK(relative_error(inputs.gram(site), at::matmul(rows.t(), rows)) < 1e-12);
  }
}

TEST_CASE("recording changes nothing of what a gate computes", "[params][input_statistics]") {
  const models::Decoder model = tiny_model();
  const std::vector<TokenBatch> batches{batch_of(sequences())};
  // [snippet: record]
  const auto gate = Lora{.rank = 4, .init = LoraInit::olora}.attach(model);  // or any other policy
  InputStatistics inputs(model);
  for (const TokenBatch& batch : batches) record_inputs(model, gate, batch, inputs);
  const Tensor moments = inputs.gram(/*site=*/0);  // Σ x xᵀ, [in, in]
  // [/snippet]
  CHECK(moments.size(0) == 16);
  at::NoGradGuard no_grad;
  CHECK(at::equal(model.hidden(RecordingGate(gate, inputs), batches[0]),
                  model.hidden(gate, batches[0])));
}
