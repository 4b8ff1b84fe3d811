// SPDX-License-Identifier: Apache-2.0
#include "posttrain/models/families/table.hpp"

#include <set>
#include <string_view>

#include "support/model_config.hpp"

using namespace posttrain::test;
using posttrain::Json;
using posttrain::models::HeadKind;
using posttrain::models::parse_config;
using posttrain::models::detail::Family;
using posttrain::models::detail::kFamilies;

TEST_CASE("every family of the table is found by each of its names") {
  std::set<std::string_view> names;
  for (const Family& family : kFamilies) {
    INFO(family.model_type);
    CHECK(names.insert(family.model_type).second);
    const Json by_type = {{"model_type", family.model_type}};
    CHECK(read_config(by_type).model_type == family.model_type);
    const Json by_architecture = {{"architectures", {family.architecture}}};
    CHECK(read_config(by_architecture).model_type == family.model_type);
    const Json base = {{"model_type", family.model_type}, {"architectures", {family.base}}};
    CHECK(refusal_of(base).empty());

    CHECK(posttrain::models::reward_architecture(family.model_type) == family.reward);
    if (family.reward.empty()) continue;
    const Json reward = {{"architectures", {family.reward}}, {"num_labels", 1}};
    CHECK(parse_config(reward.dump(), HeadKind::kReward).head == HeadKind::kReward);
    CHECK_THAT(refusal_of(reward), Catch::Contains("hint: hub::RewardModel opens it"));
  }
  CHECK(posttrain::models::reward_architecture("mamba").empty());
}

TEST_CASE("a classifier of more than one label is no reward model") {
  const Json two = {{"architectures", {"LlamaForSequenceClassification"}}, {"num_labels", 2}};
  CHECK_THROWS_WITH(parse_config(two.dump(), HeadKind::kReward),
                    Catch::Contains("expected one label (num_labels = 1), the reward, got 2"));
}
