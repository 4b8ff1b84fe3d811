// SPDX-License-Identifier: Apache-2.0
#include "posttrain/distributed/meeting.hpp"

#include "support/catch.hpp"
#include "support/rank_threads.hpp"

using namespace posttrain;
using namespace std::chrono_literals;

TEST_CASE("ranks that meet read each other's texts", "[meeting]") {
  const auto errors = test::on_ranks(test::places(3), [](const RankPlace& place) {
    const Meeting meeting(place, 20s);
    meeting.set(fmt::format("name/{}", place.rank), fmt::format("I am {}", place.rank));
    const Meeting other = meeting.again();
    std::optional<std::string> found;
    while (!(found = other.find(fmt::format("name/{}", (place.rank + 1) % 3)))) {
      std::this_thread::sleep_for(1ms);
    }
    if (*found != fmt::format("I am {}", (place.rank + 1) % 3)) raise("got {}", *found);
    if (meeting.find("nobody's")) fail("found a text that nobody wrote");
    // Rank 0 serves the meeting until the others have read.
    meeting.set(fmt::format("read/{}", place.rank), "");
    for (int rank = 0; place.rank == 0 && rank < 3; ++rank) {
      while (!meeting.find(fmt::format("read/{}", rank))) std::this_thread::sleep_for(1ms);
    }
  });
  CHECK(errors == std::vector<std::string>(3));
}

TEST_CASE("who does not come is named", "[meeting]") {
  auto all = test::places(4);
  all.erase(all.begin() + 2);
  const std::string wanted = fmt::format(
      "3 of 4 ranks arrived at 127.0.0.1:{} in 1.5 s; missing: 2; hint: did they start, "
      "and do all of them have this address?",
      all[0].port);
  for (const std::string& error :
       test::on_ranks(all, [](const RankPlace& place) { const Meeting meeting(place, 1500ms); })) {
    // Rank 0 takes the meeting with it, whether or not the others have looked who is there.
    if (!error.starts_with("the meeting at ")) CHECK(error == wanted);
  }
  auto alone = test::places(2);
  alone.erase(alone.begin());
  const auto errors =
      test::on_ranks(alone, [](const RankPlace& place) { const Meeting meeting(place, 1000ms); });
  CHECK(errors[0] == fmt::format("rank 1 of 2 reached nobody at 127.0.0.1:{} in 1 s; hint: is rank "
                                 "0 running, and is MASTER_ADDR its machine?",
                                 alone[0].port));
}
