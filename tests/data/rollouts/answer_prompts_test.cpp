// SPDX-License-Identifier: Apache-2.0
#include "posttrain/data/rollouts/answer_prompts.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "posttrain/batch/rollouts.hpp"
#include "posttrain/params/frozen.hpp"
#include "posttrain/rewards/pool.hpp"
#include "support/catch.hpp"
#include "support/rollout_model.hpp"

using namespace posttrain;
using namespace posttrain::test;

namespace {

std::vector<data::PromptItem> some_items(const text::ChatTokenizer& text, int count) {
  std::vector<data::PromptItem> items;
  for (int i = 0; i < count; ++i) {
    const Json messages =
        Json::array({{{"role", "user"}, {"content", "n" + std::to_string(i) + "="}}});
    data::PromptItem& item = items.emplace_back();
    item.ids = text.prompt_ids(text::Conversation(messages));
    item.messages = messages.dump();
    item.record = "{}";
    item.inputs = R"({"tools": null, "documents": null, "chat_template_kwargs": null})";
    item.sample = i;
  }
  return items;
}

/// Counts the turns, and says nothing behind the third.
std::optional<Reply> counts(const text::Conversation& so_far) {
  const auto turns = (so_far.messages.size() - 1 + 1) / 2;
  if (turns >= 3) return std::nullopt;
  return Reply::of("tool", "turn " + std::to_string(turns) + " of " +
                               so_far.messages[0].at("content").get<std::string>());
}

/// Whether a sample looks as sample.hpp says.
double looks_right(const Sample& sample) {
  const Json& messages = *sample.messages;
  bool right = sample.completion == messages.back().at("content") &&
               text::is_assistant(messages.back()) && messages.size() % 2 == 0 &&
               sample.sampled.size() == sample.ids.size();
  for (std::size_t i = 2; i < messages.size(); i += 2) {
    right = right && text::role(messages[i]) == "tool";
  }
  right = right && (messages.size() == 2) == (sample.sampled_tokens() == std::ssize(sample.ids));
  return right ? static_cast<double>(messages.size()) : -1.0;
}

struct Answers {
  TalkingModel model;
  FrozenState gate = Frozen{}.attach(model);
  std::vector<data::PromptItem> items = some_items(*model.text(), 6);
  data::TurnOptions turns{.environment = counts};
  Sampling sampling = brief();

  /// Half of the ids end a turn.
  static Sampling brief() {
    Sampling sampling{.max_new_tokens = 40, .seed = 5};
    for (TokenId id = 0; id < 94; id += 2) sampling.stop_ids.push_back(id);
    return sampling;
  }

  Rollout operator()(const std::vector<std::size_t>& chosen, const GeneratorOptions& options = {},
                     std::int64_t samples = 3) {
    Rollout rollout;
    work = {};
    VerifierPool pool(looks_right);
    std::vector<data::DrawnPrompt> drawn;
    for (const std::size_t prompt : chosen) drawn.push_back({prompt, 2});
    data::answer_prompts(model, gate, *model.text(),
                         {.items = &items,
                          .chosen = drawn,
                          .samples = samples,
                          .sampling = sampling,
                          .generator = options,
                          .turns = turns.environment ? &turns : nullptr},
                         pool, rollout, work);
    return rollout;
  }

  data::RolloutWork work;
};

const std::vector<std::size_t> kAll{0, 1, 2, 3, 4, 5};

/// [begin, end) of the sample's turns.
std::vector<std::pair<std::int64_t, std::int64_t>> turns_of(const RolloutSample& sample) {
  std::vector<std::pair<std::int64_t, std::int64_t>> turns;
  for (std::int64_t i = 0; i < std::ssize(sample.ids); ++i) {
    if (sample.sampled[static_cast<std::size_t>(i)] == 0) continue;
    if (!turns.empty() && turns.back().second == i) {
      turns.back().second += 1;
    } else {
      turns.emplace_back(i, i + 1);
    }
  }
  return turns;
}

}  // namespace

TEST_CASE("Samples have turns of the policy with replies between them", "[data][rollouts]") {
  Answers answers;
  const text::Tokenizer& tokenizer = answers.model.text()->tokenizer();
  const Rollout rollout = answers(kAll);
  std::map<std::size_t, int> seen;
  for (const RolloutGroup& group : rollout.groups) {
    for (const RolloutSample& sample : group.samples) {
      const auto turns = turns_of(sample);
      seen[turns.size()] += 1;
      REQUIRE(sample.sampled.size() == sample.ids.size());
      REQUIRE(sample.sampled_logps.size() == sample.ids.size());
      CHECK(sample.trained_tokens() <= 40);
      CHECK((sample.finish == FinishReason::stop_id) == (turns.size() == 3));
      CHECK(sample.reward == 2.0 * static_cast<double>(turns.size()));  // by messages; what is read
      std::string read;
      for (std::size_t i = 0; i < sample.ids.size(); ++i) {
        if (sample.sampled[i] == 0) read += tokenizer.decode(std::vector{sample.ids[i]});
      }
      std::string expected;
      for (std::size_t t = 1; t < turns.size(); ++t) {
        expected += "<eos>t:turn " + std::to_string(t) + " of n" + std::to_string(group.sample) +
                    "=<eos>a:";
      }
      CHECK(read == expected);
      const auto last = turns.back();
      CHECK(sample.text == tokenizer.decode(TokenIds(sample.ids.begin() + last.first,
                                                     sample.ids.begin() + last.second),
                                            /*skip_special_tokens=*/true));
    }
  }
  CHECK(seen[3] >= 12);
  CHECK(answers.work.replies >= 24);
  CHECK(answers.work.failed_replies == 0);
  CHECK(answers({0}, {}, 1).groups[0].samples[0].ids == rollout.groups[0].samples[0].ids);
}

TEST_CASE("What an id was drawn among stands at its place, behind replies, too",
          "[data][rollouts]") {
  Answers answers;
  answers.sampling.top_k = 5;
  answers.sampling.support = true;
  std::int64_t replies = 0;
  for (const RolloutGroup& group : answers(kAll).groups) {
    for (const RolloutSample& sample : group.samples) {
      REQUIRE(sample.support.sizes.size() == sample.ids.size());
      auto next = sample.support.ids.begin();
      for (std::size_t i = 0; i < sample.ids.size(); ++i) {
        const std::int32_t size = sample.support.sizes[i];
        CHECK(size == (sample.sampled[i] != 0 ? 5 : 0));
        if (size > 0) CHECK(std::binary_search(next, next + size, sample.ids[i]));
        next += size;
        replies += size == 0;
      }
      CHECK(next == sample.support.ids.end());
    }
  }
  CHECK(replies > 0);
}

TEST_CASE("Replies are read and never trained", "[data][rollouts]") {
  Answers answers;
  Rollout rollout = answers(kAll);
  std::vector<RolloutItem> items;
  TokenIds drawn;
  std::vector<float> logps;
  for (const RolloutGroup& group : rollout.groups) {
    for (const RolloutSample& sample : group.samples) {
      items.push_back({&group, &sample});
      for (std::size_t i = 0; i < sample.ids.size(); ++i) {
        if (sample.sampled[i] == 0) continue;
        drawn.push_back(sample.ids[i]);
        logps.push_back(sample.sampled_logps[i]);
      }
    }
  }
  const RolloutBatch batch = pack_rollout(items, 1.0);
  const Tensor target = batch.target.to(at::kLong);
  REQUIRE(target.size(0) == std::ssize(drawn));
  CHECK(TokenIds(target.data_ptr<std::int64_t>(), target.data_ptr<std::int64_t>() + drawn.size()) ==
        drawn);
  CHECK(at::equal(batch.sampled_logps, at::tensor(logps)));
  std::int64_t read = 0;
  for (const RolloutItem& item : items) read += std::ssize(item.sample->ids);
  CHECK(read > std::ssize(drawn));
}

TEST_CASE("A sample of several turns depends on its key alone", "[data][rollouts]") {
  Answers answers;
  const Rollout all = answers(kAll);
  const auto samples_of = [](const Rollout& rollout, std::size_t group) {
    std::vector<TokenIds> ids;
    for (const RolloutSample& sample : rollout.groups[group].samples) ids.push_back(sample.ids);
    return ids;
  };
  for (const GeneratorOptions& options : std::vector<GeneratorOptions>{
           {.max_live = 1}, {.max_live = 5}, {.idle_cache_bytes = 1 << 24}, {.draft_ngrams = 1}}) {
    const Rollout again = answers(kAll, options);
    for (const std::size_t group : kAll) CHECK(samples_of(again, group) == samples_of(all, group));
  }
  const Rollout two = answers({4, 1});
  CHECK(samples_of(two, 0) == samples_of(all, 4));
  CHECK(samples_of(two, 1) == samples_of(all, 1));
  CHECK(std::set<TokenIds>{all.groups[0].samples[0].ids, all.groups[0].samples[1].ids,
                           all.groups[0].samples[2].ids}
            .size() == 3);
}

TEST_CASE("A conversation whose keys and values would not fit is cut off before the reply",
          "[data][rollouts]") {
  Answers answers;
  answers.sampling.max_new_tokens = 12;
  const Rollout free = answers(kAll);
  std::int64_t prompt = 0, longest = 0;
  for (const RolloutGroup& group : free.groups) {
    prompt = std::max(prompt, std::ssize(group.prompt));
    for (const RolloutSample& sample : group.samples) {
      longest = std::max(longest, std::ssize(group.prompt) + std::ssize(sample.ids));
    }
  }
  const std::int64_t first = prompt + 12 - 1;  // what one turn may need
  const std::int64_t room = first + 24;
  REQUIRE(longest > room);
  const models::DecoderConfig& config = answers.model.config();
  const std::int64_t row = 2 * config.num_layers() * config.num_kv_heads * config.head_dim *
                           static_cast<std::int64_t>(c10::elementSize(answers.model.dtype()));
  const Rollout tight = answers(kAll, {.max_cache_bytes = room * row});
  std::int64_t cut = 0;
  for (std::size_t g = 0; g < tight.groups.size(); ++g) {
    for (std::size_t s = 0; s < tight.groups[g].samples.size(); ++s) {
      const RolloutSample& sample = tight.groups[g].samples[s];
      const TokenIds& whole = free.groups[g].samples[s].ids;
      CHECK(std::ssize(tight.groups[g].prompt) + std::ssize(sample.ids) <= room + 1);
      CHECK(std::equal(sample.ids.begin(), sample.ids.end(), whole.begin()));
      if (sample.ids.size() == whole.size()) continue;
      CHECK(sample.finish == FinishReason::length);
      cut += 1;
    }
  }
  CHECK(cut > 0);
  CHECK_THROWS_WITH(answers(kAll, {.max_cache_bytes = (first - 1) * row}),
                    Catch::Contains("to fit into max_cache_bytes"));
}

TEST_CASE("A turn is what its request draws: from the position where it begins",
          "[data][rollouts]") {
  Answers answers;
  const Rollout rollout = answers({2});
  const RolloutGroup& group = rollout.groups[0];
  int later = 0;
  for (std::size_t s = 0; s < group.samples.size(); ++s) {
    const RolloutSample& sample = group.samples[s];
    std::int64_t drawn = 0;
    for (const auto& turn : turns_of(sample)) {
      Request request{.prompt = group.prompt,
                      .sampling = answers.sampling,
                      .epoch = 2,
                      .prompt_index = 2,
                      .first_sample = static_cast<std::int64_t>(s),
                      .first_position = turn.first};
      request.prompt.insert(request.prompt.end(), sample.ids.begin(),
                            sample.ids.begin() + turn.first);
      request.sampling.max_new_tokens -= drawn;
      Generator generator(answers.model, answers.gate, answers.model.text()->eos_ids());
      const TokenIds expected(sample.ids.begin() + turn.first, sample.ids.begin() + turn.second);
      CHECK(generator.run({request})[0][0].ids == expected);
      drawn += turn.second - turn.first;
      later += turn.first > 0 ? 1 : 0;
    }
  }
  CHECK(later > 0);
}

TEST_CASE("A sample whose environment failed has the reward that on_error says",
          "[data][rollouts]") {
  Answers answers;
  answers.turns.environment = [](const text::Conversation& so_far) -> std::optional<Reply> {
    if (so_far.messages[0].at("content") == "n1=") throw std::runtime_error("out of order");
    return std::nullopt;
  };
  CHECK_THROWS_WITH(answers({0, 1}), Catch::StartsWith("sample 1, turn 1: the environment failed"));
  for (const OnError on_error : {OnError::zero, OnError::not_applicable}) {
    answers.turns.on_error = on_error;
    const Rollout rollout = answers({0, 1});
    for (const RolloutSample& sample : rollout.groups[0].samples) CHECK(sample.reward == 2.0);
    for (const RolloutSample& sample : rollout.groups[1].samples) {
      if (sample.finish == FinishReason::length) continue;
      CHECK(sample.finish == FinishReason::error);
      CHECK(sample.reward.has_value() == (on_error == OnError::zero));
      CHECK(sample.reward.value_or(0.0) == 0.0);
    }
    CHECK(answers.work.failed_replies > 0);
  }
}
