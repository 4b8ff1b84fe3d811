// SPDX-License-Identifier: Apache-2.0
// A kind of items of one's own, as docs/concepts.md shows it: it loads, packs, is cached and
// trains.
#include <algorithm>
#include <span>
#include <utility>
#include <vector>

#include "posttrain/batch/tokens.hpp"
#include "posttrain/concepts/check.hpp"
#include "posttrain/data/pipeline/loading.hpp"
#include "posttrain/data/pipeline/stream.hpp"
#include "posttrain/nn/lm_head.hpp"
#include "posttrain/optim/adamw.hpp"
#include "posttrain/params/lora.hpp"
#include "posttrain/tensor/ops.hpp"
#include "posttrain/trainer.hpp"
#include "support/catch.hpp"
#include "support/temp_folder.hpp"
#include "support/tiny_model.hpp"

using namespace posttrain;

// [snippet: kind]
/// Answers to one prompt, and by how much each is better than the others.
struct Group {
  TokenIds prompt;
  std::vector<TokenIds> answers;
  std::vector<float> advantages;  // one for each answer
  std::int64_t sample = -1;
};

struct GroupBatch : TokenBatch {
  Tensor advantage;  // [P] float32: that of the answer that a token belongs to

  GroupBatch slice(std::int64_t begin, std::int64_t end) const {
    return {TokenBatch::slice(begin, end), advantage.narrow(0, begin, end - begin)};
  }
  GroupBatch to(at::Device device) const { return {TokenBatch::to(device), advantage.to(device)}; }
};

struct GroupKind {
  using Item = Group;
  using Batch = GroupBatch;

  static std::int64_t tokens(const Group& group) {
    auto total = static_cast<std::int64_t>(group.prompt.size());
    for (const TokenIds& answer : group.answers) total += static_cast<std::int64_t>(answer.size());
    return total;
  }
  static std::int64_t length(const Group& group) {
    std::size_t longest = 0;
    for (const TokenIds& answer : group.answers) longest = std::max(longest, answer.size());
    return static_cast<std::int64_t>(group.prompt.size() + longest);
  }
  static std::int64_t counted(const Group& group) {
    return tokens(group) - static_cast<std::int64_t>(group.prompt.size());
  }
  static bool truncate(Group&, std::int64_t) { return false; }  // half an answer earned nothing
  static std::vector<Sequence> parts(const Group& group) {
    std::vector<Sequence> all{{group.prompt, std::vector<float>(group.prompt.size()), -1}};
    for (std::size_t i = 0; i < group.answers.size(); ++i) {
      const TokenIds& ids = group.answers[i];
      all.push_back({ids, std::vector<float>(ids.size(), group.advantages[i]), -1});
    }
    return all;
  }
  static Group from_parts(const std::vector<Sequence>& parts) {
    Group group{parts.at(0).ids, {}, {}, -1};
    for (const Sequence& part : std::span(parts).subspan(1)) {
      group.answers.push_back(part.ids);
      group.advantages.push_back(part.weights.at(0));
    }
    return group;
  }
  /// The prompt is read once for all of its answers.
  static GroupBatch pack(std::span<const Group* const> groups) {
    BatchBuilder builder;
    std::vector<float> advantages;
    for (const Group* group : groups) {
      const int prompt = builder.add(group->prompt, -1, group->sample);
      for (std::size_t i = 0; i < group->answers.size(); ++i) {
        const TokenIds& ids = group->answers[i];
        builder.add(ids, prompt, group->sample);
        builder.score(std::vector<float>(ids.size(), 1.0F));
        builder.end_sequence(group->sample);
        advantages.insert(advantages.end(), ids.size(), group->advantages[i]);
      }
    }
    return {std::move(builder).build(), at::tensor(advantages, at::kFloat)};
  }
};

/// The policy gradient: −advantage · log p, a mean over the step's tokens.
struct PolicyGradient {
  using Batch = GroupBatch;
  static constexpr bool row_local = true;
  double count(const Batch& batch) const { return static_cast<double>(batch.predictions()); }
  Tensor sum(const Scores& scores, const Batch& batch) const {
    return at::neg(at::sum(at::mul(batch.advantage, scores.logp)));
  }
};

struct Groups {
  std::string path;
  GroupKind kind() const { return {}; }
  data::LoadedItems<Group> load(const data::LoadContext& context) const {
    const auto open = [](std::string_view from) {
      return data::samples_until_nothing(
          [reader = std::make_shared<data::SampleReader>(from)] { return reader->next(); });
    };
    const auto tokenize = [](const Json& sample) {
      return std::vector{Group{sample.at("prompt").get<TokenIds>(),
                               sample.at("answers").get<std::vector<TokenIds>>(),
                               sample.at("advantages").get<std::vector<float>>()}};
    };
    return data::load_items(kind(), {.path = path}, context, open, tokenize, "groups of ids");
  }
};
// [/snippet]

static_assert(ItemKind<GroupKind> && LoadsItems<Groups>);

TEST_CASE("a kind of one's own loads, is cached, packs and trains", "[trainer][kinds]") {
  const test::TempFolder folder;
  const Groups groups{folder.write(
      "groups.jsonl", R"({"prompt": [1, 2], "answers": [[3, 4], [5]], "advantages": [1, -1]})"
                      "\n"
                      R"({"prompt": [7], "answers": [[3, 4, 6]], "advantages": [0.5]})"
                      "\n"
                      R"({"prompt": [8], "answers": [], "advantages": []})")};
  const std::string cache = (folder / "cache").string();
  for (const char* what : {"written", "from"}) {
    const auto loaded = groups.load({.cache_dir = cache});
    CHECK(test::contains(loaded.report.cache, what));
    REQUIRE(loaded.train.size() == 2);
    CHECK(loaded.report.all_masked == 1);
    CHECK(loaded.train[0].advantages == std::vector<float>{1.0F, -1.0F});
    CHECK(loaded.train[1].answers == std::vector<TokenIds>{{3, 4, 6}});
    CHECK(loaded.train[1].sample == 1);
  }
  const auto logp_of = [&](const auto& state, const TokenIds& prompt, TokenId answer) {
    at::NoGradGuard no_grad;
    BatchBuilder builder;
    builder.add(prompt);
    const TokenBatch batch = std::move(builder).build().to(test::test_device());
    const auto model = test::tiny_model(at::kFloat);
    const Tensor logits = model.logits(state, model.hidden(state, batch));
    return at::log_softmax(logits[logits.size(0) - 1], 0)[answer].template item<double>();
  };
  Options options;
  options.effective_batch_size = 2;
  options.max_steps = 20;
  options.learning_rate = 0.05;
  options.progress = false;
  Trainer trainer(test::tiny_model(at::kFloat), PolicyGradient{}, Lora{.rank = 4}, groups, AdamW{},
                  options);
  const double good = logp_of(trainer.state(), {1, 2}, 3),
               bad = logp_of(trainer.state(), {1, 2}, 5);
  trainer.train();
  CHECK(logp_of(trainer.state(), {1, 2}, 3) > good + 0.5);
  CHECK(logp_of(trainer.state(), {1, 2}, 5) < bad - 0.5);
}
