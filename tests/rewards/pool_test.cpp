// SPDX-License-Identifier: Apache-2.0
#include "posttrain/rewards/pool.hpp"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <thread>

#include "posttrain/rewards/exact_match.hpp"
#include "posttrain/rewards/format_tags.hpp"
#include "rewards/samples.hpp"
#include "support/catch.hpp"

using namespace posttrain;
using namespace posttrain::test;
using namespace std::chrono_literals;

namespace {

/// Closed until it is opened: for verifiers that hang as long as a test wants them to.
class Gate {
 public:
  void open() {
    const std::lock_guard lock(mutex_);
    open_ = true;
    opened_.notify_all();
  }
  void wait() {
    std::unique_lock lock(mutex_);
    opened_.wait(lock, [&] { return open_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable opened_;
  bool open_ = false;
};

const auto kLength = [](const Sample& s) { return static_cast<double>(s.completion.size()); };

std::vector<Sample> numbered(std::size_t count) {
  std::vector<Sample> samples;
  for (std::size_t i = 0; i < count; ++i) samples.push_back(sample_of(std::string(i, 'x'), "xx"));
  return samples;
}

void wait_until(const auto& condition) {
  for (int i = 0; i < 2000 && !condition(); ++i) std::this_thread::sleep_for(5ms);
  REQUIRE(condition());
}

}  // namespace

TEST_CASE("each sample has one verdict of each verifier, at its index") {
  for (const int threads : {1, 4}) {
    VerifierPool pool{RewardSum{Weigh{kLength, 0.5, "length"}, ExactMatch{}}, {.threads = threads}};
    for (int round = 0; round < 3; ++round) {
      pool.begin(100);
      const std::vector<Sample> samples = numbered(100);
      for (std::size_t i = 100; i-- > 0;) pool.add(i, samples[i]);
      const Verified verified = pool.finish();
      REQUIRE(verified.verdicts.size() == 100);
      REQUIRE(verified.rewards.size() == 100);
      for (std::size_t i = 0; i < 100; ++i) {
        REQUIRE(verified.verdicts[i].size() == 2);
        CHECK(verified.verdicts[i][0].value == static_cast<double>(i));
        CHECK(verified.verdicts[i][1].value == (i == 2 ? 1.0 : 0.0));
        CHECK(verified.rewards[i].value == 0.5 * static_cast<double>(i) + (i == 2 ? 1.0 : 0.0));
        CHECK(verified.verdicts[i][0].seconds >= 0.0);
      }
      CHECK(verified.failures.empty());
      CHECK(verified.totals[0].name == "length");
      CHECK(verified.totals[0].mean() == 49.5);
      CHECK(verified.totals[1].judged == 100);
      CHECK(verified.totals[1].sum == 1.0);
    }
  }
}

TEST_CASE("a pool of one verifier needs no sum") {
  VerifierPool pool{ExactMatch{}, {.threads = 2}};
  const Verified verified = pool.verify(numbered(4));
  CHECK(verified.totals.at(0).name == "ExactMatch");
  CHECK(verified.rewards[2].value == 1.0);
}

TEST_CASE("verification overlaps generation") {
  VerifierPool pool{RewardSum{kLength}};
  pool.begin(2);
  pool.add(1, sample_of("abc"));
  wait_until([&] { return pool.judged() == 1; });  // before the other sample is there
  pool.add(0, sample_of("a"));
  CHECK(pool.finish().verdicts[1][0].value == 3.0);
  CHECK(pool.judged() == 0);
}

TEST_CASE("a verifier of groups gets each group as soon as it is complete") {
  const auto rank = [](std::span<const Sample> group) {
    std::vector<double> ranks;
    for (const Sample& sample : group) {
      double rank = 0.0;
      for (const Sample& other : group) rank += other.completion.size() < sample.completion.size();
      ranks.push_back(rank + 100.0 * static_cast<double>(group.size()));
    }
    return ranks;
  };
  VerifierPool pool{RewardSum{Weigh{rank, 1.0, "rank"}, kLength}};
  pool.begin(6, 3);
  const std::vector<Sample> samples{sample_of("aaa"), sample_of("a"),  sample_of("aa"),
                                    sample_of("b"),   sample_of("bb"), sample_of("bbb")};
  for (const std::size_t i : {5, 0, 3, 4}) pool.add(i, samples[i]);
  wait_until([&] { return pool.judged() == 7; });  // the second group's ranks, four lengths
  for (const std::size_t i : {2, 1}) pool.add(i, samples[i]);
  const Verified verified = pool.finish();
  std::string ranks;
  for (const auto& of_sample : verified.verdicts) ranks += value_of(of_sample[0]) + " ";
  CHECK(ranks == "302 300 301 300 301 302 ");
}

TEST_CASE("a verifier that throws is reported with its sample, and on_error decides") {
  const auto picky = [](const Sample& s) {
    if (s.completion.size() == 3) throw std::runtime_error("three is too much");
    if (s.completion.size() == 5) throw 5;
    return s.completion.size();
  };
  const auto verify = [&](OnError on_error) {
    VerifierPool pool{RewardSum{Weigh{picky, 1.0, "picky"}, kLength}, {.on_error = on_error}};
    return pool.verify(numbered(7));
  };
  CHECK_THROWS_WITH(verify(OnError::stop),
                    "picky failed on sample 3: three is too much (2 failures among 7 samples); "
                    "hint: on_error says whether that ends a run");
  const Verified zero = verify(OnError::zero);
  CHECK(zero.verdicts[3][0].value == 0.0);
  CHECK(zero.verdicts[3][0].reason == "three is too much");
  CHECK(zero.rewards[3].value == 3.0);
  REQUIRE(zero.failures.size() == 2);
  CHECK(zero.failures[0].sample == 3);
  CHECK(zero.failures[0].verifier == "picky");
  CHECK_FALSE(zero.failures[0].timed_out);
  CHECK(zero.failures[1].what == "an exception that is no std::exception");
  CHECK(zero.totals[0].failed == 2);
  CHECK(zero.totals[0].applicable == 7);
  const Verified none = verify(OnError::not_applicable);
  CHECK_FALSE(none.verdicts[3][0].applicable());
  CHECK(none.totals[0].applicable == 5);
  CHECK(none.verdicts[4][0].value == 4.0);
}

TEST_CASE("a pool works on after a round that failed") {
  const auto once = [](const Sample& s) {
    if (s.completion == "bad") fail("bad");
    return 1.0;
  };
  VerifierPool pool{RewardSum{once}};
  CHECK_THROWS_WITH(pool.verify({sample_of("bad")}), Catch::Contains("failed on sample 0: bad"));
  CHECK(pool.verify({sample_of("good")}).rewards[0].value == 1.0);
}

TEST_CASE("a value that is no number is a failure") {
  const auto odd = [](const Sample& s) { return s.completion.empty() ? 1.0 / 0.0 : 1.0; };
  VerifierPool pool{RewardSum{odd}, {.on_error = OnError::not_applicable}};
  const Verified verified = pool.verify(numbered(2));
  CHECK_FALSE(verified.verdicts[0][0].applicable());
  CHECK(verified.failures.at(0).what ==
        "expected a finite reward, got inf; hint: no value says that a verifier does not apply");
}

TEST_CASE("a verifier that hangs is a verdict after the timeout, and its thread is replaced") {
  const auto gate = std::make_shared<Gate>();
  const auto hangs = [gate](const Sample& s) {
    if (s.completion.size() == 1) gate->wait();
    return 1.0;
  };
  VerifierPool pool{RewardSum{Weigh{hangs, 1.0, "hangs"}},
                    {.timeout = 0.2, .on_error = OnError::zero}};
  const auto begin = std::chrono::steady_clock::now();
  const Verified verified = pool.verify(numbered(4));
  CHECK(std::chrono::steady_clock::now() - begin < 30s);
  REQUIRE(verified.failures.size() == 1);
  CHECK(verified.failures[0].sample == 1);
  CHECK(verified.failures[0].timed_out);
  CHECK(verified.failures[0].what == "timed out after 0.2 s");
  CHECK(verified.totals[0].timed_out == 1);
  CHECK(verified.verdicts[1][0].value == 0.0);
  CHECK(verified.verdicts[3][0].value == 1.0);
  // What comes late is thrown away: the next round has its own verdicts.
  pool.begin(1);
  gate->open();
  pool.add(0, sample_of("xx"));
  CHECK(pool.finish().verdicts[0][0].value == 1.0);
}

TEST_CASE("where too many threads hang, the round ends with an error, whatever on_error says") {
  const auto gate = std::make_shared<Gate>();
  const auto hangs = [gate](const Sample&) {
    gate->wait();
    return 1.0;
  };
  {
    VerifierPool pool{RewardSum{hangs}, {.threads = 8, .timeout = 0.05, .on_error = OnError::zero}};
    CHECK_THROWS_WITH(pool.verify(numbered(64)), Catch::Contains("threads hang in verifiers"));
    CHECK_THROWS_WITH(pool.verify(numbered(2)), Catch::Contains("threads hang in verifiers"));
  }
  gate->open();
}

TEST_CASE("a pool that goes away in mid-round waits for no more than the timeout") {
  const auto gate = std::make_shared<Gate>();
  const auto hangs = [gate](const Sample&) {
    gate->wait();
    return 1.0;
  };
  const auto begin = std::chrono::steady_clock::now();
  {
    VerifierPool pool{RewardSum{hangs}, {.timeout = 0.3}};
    pool.begin(10);
    for (std::size_t i = 0; i < 5; ++i) pool.add(i, sample_of("x"));
    std::this_thread::sleep_for(20ms);
  }
  CHECK(std::chrono::steady_clock::now() - begin < 30s);
  gate->open();
}

TEST_CASE("samples are counted: none twice, none missing, none beyond") {
  VerifierPool pool{RewardSum{kLength}};
  CHECK_THROWS_WITH(pool.finish(), "expected begin() before finish() of a VerifierPool");
  CHECK_THROWS_WITH(pool.add(0, {}), "expected begin() before add() of a VerifierPool");
  CHECK_THROWS_WITH(pool.begin(5, 2),
                    "expected groups of equal size, got 5 samples in groups of 2");
  CHECK_THROWS_WITH(pool.begin(5, 0),
                    "expected groups of equal size, got 5 samples in groups of 0");
  pool.begin(2);
  CHECK_THROWS_WITH(pool.begin(2), "expected finish() before another begin() of a VerifierPool");
  CHECK_THROWS_WITH(pool.add(2, {}), "expected a sample's index below 2, got 2");
  pool.add(0, sample_of("a"));
  CHECK_THROWS_WITH(pool.add(0, sample_of("b")), "expected each sample once, got sample 0 again");
  CHECK_THROWS_WITH(pool.finish(), "expected 2 samples before finish(), sample 1 was never added");
  pool.add(1, sample_of("bb"));
  CHECK(pool.finish().verdicts[0][0].value == 1.0);
  CHECK(pool.verify({}).verdicts.empty());
}

TEST_CASE("options and verifiers are checked when a pool is made") {
  const auto make = [](const VerifierPoolOptions& options) {
    VerifierPool pool{RewardSum{kLength}, options};
  };
  CHECK_THROWS_WITH(make({.threads = 0}),
                    "expected from 1 to 256 threads of a VerifierPool, got 0");
  CHECK_THROWS_WITH(
      make({.timeout = 0.0}),
      "expected a VerifierPool's timeout in seconds, above 0 and at most a day, got 0");
  CHECK_THROWS_WITH((VerifierPool{RewardSum{FormatTags{.think_tag = ""}}}),
                    Catch::Contains("expected FormatTags' tags"));
  CHECK(VerifierPoolOptions{}.threads == 1);
  CHECK(VerifierPoolOptions{}.timeout == 5.0);
  CHECK(VerifierPoolOptions{}.on_error == OnError::stop);
}
