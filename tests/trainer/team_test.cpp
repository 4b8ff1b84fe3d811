// SPDX-License-Identifier: Apache-2.0
#include "posttrain/trainer/team.hpp"

#include <atomic>

#include "posttrain/tensor/ops.hpp"
#include "posttrain/tensor/transfer.hpp"
#include "support/catch.hpp"
#include "support/messages.hpp"
#include "support/rank_threads.hpp"

using namespace posttrain;
using posttrain::test::error_of;

namespace {

void expect(bool holds, const char* what) {
  if (!holds) fail(what);
}

template <class Work>
void check_on_team(std::int64_t size, const Work& work) {
  const auto errors =
      test::on_gloo(size, [&](const std::shared_ptr<Communicator>& ranks) { work(Team(ranks)); });
  CHECK(errors == std::vector<std::string>(static_cast<std::size_t>(size)));
}

}  // namespace

TEST_CASE("one rank does everything and asks nobody", "[team]") {
  const Team team;
  CHECK(team.alone());
  CHECK(team.leads());
  CHECK(team.own(std::vector<double>{3, 5}) == std::vector<std::size_t>{0, 1});
  CHECK(team.all(true));
  CHECK_FALSE(team.all(false));
  CHECK_FALSE(team.sum(Tensor(), at::kCPU).defined());
  CHECK(team.sum(2.5) == 2.5);
  CHECK(team.agreed({{.save = true, .stop = false}, 15}).signal == 15);
  team.check_same(RunRecord());
}

TEST_CASE("work is divided by its cost", "[team]") {
  REQUIRE(has_gloo());
  check_on_team(3, [](const Team& team) {
    // 9 → rank 0, 8 → 1, 7 → 2, 6 → 2 (7), 5 → 1 (8), 1 → 0 (9).
    const std::vector<double> costs{5, 9, 1, 7, 8, 6};
    const std::vector<std::vector<std::size_t>> wanted{{1, 2}, {0, 4}, {3, 5}};
    expect(team.own(costs) == wanted[static_cast<std::size_t>(team.rank())], "own");
    // Fewer than ranks: some have none, and the dearest comes first.
    const std::vector<std::vector<std::size_t>> few{{1}, {0}, {}};
    expect(team.own(std::vector<double>{4, 6}) == few[static_cast<std::size_t>(team.rank())],
           "few");
    expect(!team.all(team.rank() != 1), "not all");
  });
}

TEST_CASE("the first rank's work is waited for, and its trouble is everyone's", "[team]") {
  REQUIRE(has_gloo());
  std::atomic<int> calls = 0;
  check_on_team(3, [&](const Team& team) {
    team.by_first([&] { ++calls; });
    expect(calls == 1, "done when anyone returns");
    const std::string error = error_of([&] { team.by_first([] { fail("the disk is full"); }); });
    expect(error == (team.leads() ? "the disk is full" : "rank 0 failed: the disk is full"),
           "what it threw");
    team.by_first([] {});
  });
  Team().by_first([&] { ++calls; });
  CHECK(calls == 2);
}

TEST_CASE("numbers and wishes of all ranks", "[team]") {
  REQUIRE(has_gloo());
  check_on_team(3, [](const Team& team) {
    const Tensor loss = team.rank() == 1 ? Tensor() : at::full({}, 0.5, at::kFloat);
    expect(team.sum(loss, at::kCPU).item<double>() == 1.0, "a rank without a micro-batch");
    expect(team.sum(0.25) == 0.75, "numbers");

    Team::Wish wish{{}, team.rank() == 2 ? 15 : 0};
    wish.request.stop = team.rank() == 1;
    wish = team.agreed(wish);
    expect(wish.request.stop && !wish.request.save && wish.signal == 15, "wishes");
  });
}

TEST_CASE("metrics are those of all micro-batches", "[team]") {
  REQUIRE(has_gloo());
  const auto add = [](MetricMeans& means, int part) {
    const double x = 0.1 * part;
    means.add("mean", at::full({}, x, at::kFloat), part + 1);
    means.add_min("least", x);
    means.add_max("greatest", at::full({}, x, at::kDouble));
    means.add_effective_share("share", x, at::full({}, x * x, at::kDouble), 2.0);
    // Three samples, of which each part has another piece.
    const Tensor parts = at::zeros({3}, at::kFloat);
    parts[part % 3] = x;
    parts[(part + 1) % 3] = 1.0;
    means.add_least_sum("least sum", parts);
    means.add_greatest_sum("greatest sum", parts);
    if (part == 4) means.add("name with spaces, once", 7.0, 2.0);
  };
  MetricMeans whole;
  for (const int part : {0, 3, 1, 4}) add(whole, part);
  check_on_team(3, [&](const Team& team) {
    MetricMeans own;
    if (team.rank() == 0) {
      for (const int part : {0, 3}) add(own, part);
    } else if (team.rank() == 2) {
      for (const int part : {1, 4}) add(own, part);
    }
    const auto values = team.values(own, read_numbers(own.pending()));
    const auto wanted = whole.values();
    expect(values.size() == wanted.size(), "as many");
    for (std::size_t i = 0; i < values.size(); ++i) {
      expect(values[i].first == wanted[i].first, "names");
      expect(std::abs(values[i].second - wanted[i].second) < 1e-7, "values");
    }
  });
}

TEST_CASE("ranks of different runs say what differs", "[team]") {
  REQUIRE(has_gloo());
  const auto errors = test::on_gloo(3, [](const std::shared_ptr<Communicator>& ranks) {
    RunRecord options, record;
    options.add("learning_rate", ranks->rank() == 2 ? 1e-4 : 1e-5);
    record.add("options", options);
    Team(ranks).check_same(record);
  });
  for (const std::string& error : errors) {
    CHECK(error ==
          "the ranks of a run must have the same model, data and options, got "
          "options.learning_rate: rank 0 has 1e-05, rank 2 0.0001; hint: start all of them with "
          "the same program and arguments");
  }
}
