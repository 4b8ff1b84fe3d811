// SPDX-License-Identifier: Apache-2.0
#include "posttrain/data/rollouts/shared_answers.hpp"

#include "support/catch.hpp"
#include "support/rank_threads.hpp"

using namespace posttrain;

TEST_CASE("each rank answers its part, and all have all answers in order", "[shared_answers]") {
  REQUIRE(has_gloo());
  // Three ranks have 5 prompts, and then fewer than ranks.
  for (const std::size_t prompts : {5, 2, 1}) {
    std::vector<std::string> texts(3);
    std::vector<data::RolloutWork> works(3);
    const auto errors = test::on_gloo(3, [&](const std::shared_ptr<Communicator>& ranks) {
      const auto rank = static_cast<std::size_t>(ranks->rank());
      std::vector<data::DrawnPrompt> drawn(prompts);
      for (std::size_t i = 0; i < prompts; ++i) drawn[i].prompt = i;
      Rollout own;
      data::RolloutWork did;
      for (const data::DrawnPrompt& each : data::own_part(drawn, *ranks)) {
        RolloutGroup& group = own.groups.emplace_back();
        group.sample = static_cast<std::int64_t>(each.prompt);
        group.prompt = {1, static_cast<TokenId>(each.prompt)};
        RolloutSample& sample = group.samples.emplace_back();
        sample.ids = {7, static_cast<TokenId>(rank)};
        sample.sampled = {1, 1};
        sample.sampled_logps = {-0.1F, -1.0F / 3.0F};
        sample.text = "answer " + std::to_string(each.prompt);
        sample.reward = 1.0 / 3.0;
        sample.scores = {1.0 / 3.0};
        did.sampled_tokens += 2;
      }
      did.generate_seconds = static_cast<double>(rank);
      Rollout all;
      all.groups.emplace_back().sample = 99;  // was there before
      data::RolloutWork work;
      work.sampled_tokens = 100;
      work.generate_seconds = 0.5;
      data::add_answers_of_all(*ranks, prompts, own, did, all, work);
      works[rank] = work;
      for (const RolloutGroup& group : all.groups) {
        texts[rank] += std::to_string(group.sample);
        for (const RolloutSample& sample : group.samples) {
          texts[rank] += fmt::format(" {} {} {:a} {:a},", sample.text, sample.ids[1],
                                     sample.sampled_logps[1], *sample.reward);
        }
      }
    });
    CHECK(errors == std::vector<std::string>(3));
    std::string wanted = "99";
    for (std::size_t i = 0; i < prompts; ++i) {
      wanted += fmt::format("{0} answer {0} {1} {2:a} {3:a},", i, i % 3, -1.0F / 3.0F, 1.0 / 3.0);
    }
    for (std::size_t rank = 0; rank < 3; ++rank) {
      CHECK(texts[rank] == wanted);
      CHECK(works[rank].sampled_tokens == 100 + 2 * static_cast<std::int64_t>(prompts));
      CHECK(works[rank].generate_seconds == 2.5);
    }
  }
}
