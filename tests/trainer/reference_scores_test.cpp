// SPDX-License-Identifier: Apache-2.0
#include "posttrain/trainer/reference_scores.hpp"

#include <filesystem>

#include "posttrain/tensor/ops.hpp"
#include "support/catch.hpp"
#include "support/temp_folder.hpp"

using namespace posttrain;
using namespace posttrain::test;

namespace {

using Values = std::vector<float>;

ContentHash hash_of(std::string_view text) {
  ContentHash hash;
  hash.add(text);
  return hash;
}

/// Items that are scored by their place, and keep count of it.
struct Stream {
  Values scores{};
  int scored = 0;
  std::size_t items = 3;

  ContentHash content() const { return hash_of("items"); }
  const Values& reference_scores() const { return scores; }
  bool set_reference_scores(const Values& values) {
    if (values.size() != items) return false;
    scores = values;
    return true;
  }
  void score_reference(const auto& score) {
    ++scored;
    scores.assign(items, static_cast<float>(score(2)));
  }
};

}  // namespace

TEST_CASE("scores are found by the weights and the data that they follow from", "[trainer]") {
  const TempFolder scratch;
  const std::string folder = (scratch / "scores").string();
  const Tensor weight = at::arange(4, at::kFloat);
  const auto file = [&](const Tensor& w, const char* name, const char* data) {
    return ReferenceScoreFile(folder, {{name, w}}, hash_of(data));
  };
  const ReferenceScoreFile own = file(weight, "w", "data");
  CHECK_FALSE(own.find());
  own.keep({-1.5F, 0.0F, -0.25F});
  CHECK(file(weight.clone(), "w", "data").find() == Values{-1.5F, 0.0F, -0.25F});
  for (const ReferenceScoreFile& other :
       {file(weight + 1e-6, "w", "data"), file(weight.to(at::kDouble), "w", "data"),
        file(weight, "v", "data"), file(weight, "w", "others")}) {
    CHECK(other.path() != own.path());
    CHECK_FALSE(other.find());
  }
  std::filesystem::resize_file(own.path(), 10);
  CHECK_FALSE(own.find());  // damaged: as if there were none
  const ReferenceScoreFile none("", {{"w", weight}}, hash_of("data"));
  CHECK_NOTHROW(none.keep({1.0F}));
  CHECK_FALSE(none.find());
}

TEST_CASE("a stream is scored once, and by the next run not at all", "[trainer]") {
  const TempFolder scratch;
  const std::string folder = (scratch / "scores").string();
  const std::vector<NamedTensor> weights{{"w", at::zeros({2})}};
  const auto run = [&](Stream stream, double factor) {
    score_reference_once(stream, folder, weights, Team(),
                         [&](int value) { return factor * value; });
    return stream;
  };
  const Stream first = run({}, 1.5);
  CHECK(first.scored == 1);
  CHECK(first.scores == Values{3.0F, 3.0F, 3.0F});
  const Stream second = run({}, 100.0);
  CHECK(second.scored == 0);
  CHECK(second.scores == first.scores);
  // Scores that do not fit the items are made again.
  const Stream more = run({.items = 4}, 1.0);
  CHECK(more.scored == 1);
  CHECK(more.scores == Values(4, 2.0F));
}
