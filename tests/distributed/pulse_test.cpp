// SPDX-License-Identifier: Apache-2.0
#include "posttrain/distributed/pulse.hpp"

#include <atomic>

#include "support/catch.hpp"
#include "support/rank_threads.hpp"

using namespace posttrain;
using namespace std::chrono_literals;

TEST_CASE("a rank without a sign of life is named, one that said goodbye is not missed",
          "[pulse]") {
  std::atomic<int> done = 0;
  std::vector<std::string> troubles(3);
  const auto errors = test::on_ranks(test::places(3), [&](const RankPlace& place) {
    const Meeting meeting(place);
    if (place.rank == 2) {  // writes nothing: as if it were stopped
      while (done < 2) std::this_thread::sleep_for(5ms);
      return;
    }
    std::optional<Pulse> pulse(std::in_place, meeting, place, 600ms);
    if (place.rank == 1) {
      pulse.reset();
      done += 1;
      return;
    }
    while (pulse->trouble().empty()) std::this_thread::sleep_for(5ms);
    troubles[0] = pulse->trouble();
    done += 1;
  });
  CHECK(errors == std::vector<std::string>(3));
  CHECK(troubles[0].starts_with("rank 2 has given no sign of life for 0."));
}

TEST_CASE("after a failure three signs of life are enough to know who went", "[pulse]") {
  std::atomic<bool> done = false;
  const auto errors = test::on_ranks(test::places(2), [&](const RankPlace& place) {
    const Meeting meeting(place);
    if (place.rank == 1) {
      while (!done) std::this_thread::sleep_for(5ms);
      return;
    }
    const Pulse pulse(meeting, place, 1500ms);  // a sign of life in 100 ms
    const auto begin = std::chrono::steady_clock::now();
    const std::string trouble = pulse.trouble_soon();
    done = true;
    if (!trouble.starts_with("rank 1 has given no sign of life")) raise("got {}", trouble);
    if (std::chrono::steady_clock::now() - begin > 1400ms) fail("took as long as the timeout");
  });
  CHECK(errors == std::vector<std::string>(2));
}

TEST_CASE("the reason of a rank that ends reaches the others", "[pulse]") {
  std::atomic<bool> done = false;
  const auto errors = test::on_ranks(test::places(2), [&](const RankPlace& place) {
    const Meeting meeting(place);
    const Pulse pulse(meeting, place, 30s);
    if (place.rank == 1) {
      pulse.end_with("disk full");
      while (!done) std::this_thread::sleep_for(5ms);
      return;
    }
    while (pulse.trouble().empty()) std::this_thread::sleep_for(5ms);
    done = true;
    if (pulse.trouble() != "rank 1 ended: disk full") raise("got {}", pulse.trouble());
  });
  CHECK(errors == std::vector<std::string>(2));
}
