// SPDX-License-Identifier: Apache-2.0
// The table of losses and parameter policies in README.md and docs/parameters.md is what this test
// trained: every product on every storage, or the reason why it is refused. Where a page says
// something else the test fails; POSTTRAIN_UPDATE_DOCS=1 in the environment rewrites the page.
//
// A new loss is one line of `losses()`, a new parameter policy one line of `rows()`. A loss with
// a critic or a teacher trains the policies with one around them.
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string_view>
#include <variant>

#include "posttrain/batch/answers.hpp"
#include "posttrain/batch/pairs.hpp"
#include "posttrain/data/rollouts.hpp"
#include "posttrain/losses/aot_pair.hpp"
#include "posttrain/losses/aot_unpaired.hpp"
#include "posttrain/losses/apo_down.hpp"
#include "posttrain/losses/apo_zero.hpp"
#include "posttrain/losses/apo_zero_unpaired.hpp"
#include "posttrain/losses/bco.hpp"
#include "posttrain/losses/bco_pair.hpp"
#include "posttrain/losses/cpo.hpp"
#include "posttrain/losses/discopop.hpp"
#include "posttrain/losses/distillation.hpp"
#include "posttrain/losses/dpo.hpp"
#include "posttrain/losses/exo_pair.hpp"
#include "posttrain/losses/grpo.hpp"
#include "posttrain/losses/hinge.hpp"
#include "posttrain/losses/ipo.hpp"
#include "posttrain/losses/kto.hpp"
#include "posttrain/losses/kto_pair.hpp"
#include "posttrain/losses/nca_pair.hpp"
#include "posttrain/losses/next_token.hpp"
#include "posttrain/losses/on_side.hpp"
#include "posttrain/losses/orpo.hpp"
#include "posttrain/losses/ppo.hpp"
#include "posttrain/losses/robust_dpo.hpp"
#include "posttrain/losses/sigmoid_norm.hpp"
#include "posttrain/losses/simpo.hpp"
#include "posttrain/losses/sppo_hard.hpp"
#include "posttrain/optim/adamw.hpp"
#include "posttrain/params/eva.hpp"
#include "posttrain/params/frozen.hpp"
#include "posttrain/params/lora.hpp"
#include "posttrain/params/osft.hpp"
#include "posttrain/params/osft_factored.hpp"
#include "posttrain/params/osft_on_inputs.hpp"
#include "posttrain/params/prefix_tuning.hpp"
#include "posttrain/params/prompt_tuning.hpp"
#include "posttrain/params/with_critic.hpp"
#include "posttrain/params/with_frozen_reference.hpp"
#include "posttrain/params/with_moving_reference.hpp"
#include "posttrain/params/with_reference_scores.hpp"
#include "posttrain/params/with_teacher.hpp"
#include "posttrain/storage/gguf.hpp"
#include "posttrain/storage/int8.hpp"
#include "posttrain/storage/nf4.hpp"
#include "posttrain/trainer.hpp"
#include "support/any_loss.hpp"
#include "support/catch.hpp"
#include "support/fixed_items.hpp"
#include "support/loss_curve.hpp"
#include "support/rollout_model.hpp"
#include "support/small_run.hpp"
#include "support/temp_folder.hpp"
#include "support/tiny_model.hpp"

using namespace posttrain;
using namespace posttrain::test;

namespace {

// --- losses --------------------------------------------------------------------------------------

struct LossColumn {
  std::string name;
  std::variant<OnTokens, OnItems<PairBatch, false>, OnItems<PairBatch, true>,
               OnItems<AnswerBatch, true>, OnRollouts<false>, OnRollouts<true>, Ppo,
               OnPolicyDistillation>
      loss;
};

template <class Loss>
LossColumn column(const std::string& name, const Loss& loss) {
  using Batch = typename Loss::Batch;
  if constexpr (needs_critic<Loss>() || needs_teacher<Loss>()) {
    return {name, loss};
  } else if constexpr (std::is_same_v<Batch, TokenBatch>) {
    return {name, OnTokens{LossFunctions<Batch>(loss)}};
  } else if constexpr (std::is_same_v<Batch, RolloutBatch>) {
    return {name, OnRollouts<needs_reference<Loss>()>(loss)};
  } else {
    return {name, OnItems<Batch, needs_reference<Loss>()>{LossFunctions<Batch>(loss)}};
  }
}

std::vector<LossColumn> losses() {
  return {
      column("`NextToken`", NextToken{}),
      column("`OnChosen`", OnChosen{NextToken{}}),
      column("`SimPo`", SimPo{}),
      column("`Cpo`", Cpo{}),
      column("`Orpo`", Orpo{}),
      column("`Dpo`", Dpo{}),
      column("`Ipo`", Ipo{}),
      column("`Hinge`", Hinge{}),
      column("`RobustDpo`", RobustDpo{.label_smoothing = 0.1}),
      column("`ExoPair`", ExoPair{}),
      column("`NcaPair`", NcaPair{}),
      column("`BcoPair`", BcoPair{}),
      column("`SppoHard`", SppoHard{}),
      column("`AotPair`", AotPair{}),
      column("`AotUnpaired`", AotUnpaired{}),
      column("`ApoZero`", ApoZero{}),
      column("`ApoDown`", ApoDown{}),
      column("`Discopop`", Discopop{}),
      column("`SigmoidNorm`", SigmoidNorm{}),
      column("`KtoPair`", KtoPair{}),
      column("`Kto`", Kto{}),
      column("`ApoZeroUnpaired`", ApoZeroUnpaired{}),
      column("`Bco`", Bco{}),
      column("`Grpo`", Grpo{}),
      column("`Grpo::With<Kl>`", Grpo::With<Kl>{.kl = {.coefficient = 0.01}}),
      column("`Ppo` (`WithCritic`)", Ppo{}),
      column("`OnPolicyDistillation` (`WithTeacher`)", OnPolicyDistillation{}),
  };
}

/// The same few items in every epoch; two of the answers are to one prompt.
template <class Batch>
auto fixed_data() {
  std::vector<Sequence> sequences;
  std::vector<AnswerPair> pairs;
  std::vector<Answer> answers;
  for (std::uint64_t i = 1; i < 5; ++i) {
    const auto sample = static_cast<std::int64_t>(i);
    const std::uint64_t prompt = std::min<std::uint64_t>(i, 3);
    sequences.push_back(some_sequence(6 + sample, i));
    pairs.push_back({some_ids(3 + sample, i), some_sequence(4, i + 100), some_sequence(5, i + 200),
                     0.0F, sample});
    answers.push_back({some_ids(3 + static_cast<std::int64_t>(prompt), prompt),
                       some_sequence(4, i + 100), i % 2 == 0, sample});
  }
  if constexpr (std::is_same_v<Batch, RolloutBatch>) {
    static const TempFolder folder;
    static const std::string prompts = folder.write("prompts.jsonl", counting_prompts(4));
    return short_rollouts(prompts);
  } else if constexpr (std::is_same_v<Batch, TokenBatch>) {
    return FixedItems<SequenceKind>{sequences};
  } else if constexpr (std::is_same_v<Batch, PairBatch>) {
    return FixedItems<PairKind>{pairs};
  } else {
    return FixedItems<AnswerKind>{answers};
  }
}

// --- one product ---------------------------------------------------------------------------------

template <class Params>
inline constexpr bool kStoresScores = false;
template <class Params>
inline constexpr bool kStoresScores<WithReferenceScores<Params>> = true;

/// It has to live as long as what is trained beside it.
const models::Decoder& some_teacher() {
  static const models::Decoder teacher = [] {
    models::DecoderConfig config = tiny_config();
    config.vocab_size = 100;
    return models::Decoder(config, {.device = test_device(), .seed = 11});
  }();
  return teacher;
}

/// What the policy wrote is another thing at every step: not the loss tells that it trains, but
/// that there is a gradient, that its own numbers move, not those of a critic alone, and that
/// critic and teacher were asked.
template <class Params, class Loss, class Data>
std::string train_on_rollouts(const Params& params, const Loss& loss, const Data& data) {
  std::vector<StepMetrics> steps;
  try {
    Trainer trainer(TalkingModel(), loss, params, data, AdamW{}, small_run(2, 8, 120));
    trainer.add(StepCurve{steps});
    const Tensor first = trainer.state().trainable().front().master, before = first.clone();
    trainer.train();
    CHECK_FALSE(at::equal(first, before));
  } catch (const Error&) {
    return "refused";
  }
  REQUIRE(steps.size() == 2);
  for (const StepMetrics& step : steps) {
    CHECK(std::isfinite(step.loss));
    CHECK(step.grad_norm > 0.0);
    if constexpr (needs_critic<Loss>()) CHECK(metric(step, "value/error") > 0.0);
    if constexpr (needs_teacher<Loss>()) CHECK(metric(step, "divergence") > 0.0);
  }
  return "trains";
}

/// "trains", or why not. What is refused at run time is refused with an Error.
template <class Params, class Loss, class Data>
std::string train(const Params& params, const Loss& loss, const Data& data) {
  if constexpr (!trains<Params>()) {
    return "refused: nothing trains";
  } else if constexpr (needs_reference<Loss>() && !has_reference<Params>()) {
    return "refused: no reference";
  } else if constexpr (kStoresScores<Params> && std::is_same_v<Data, FixedItems<AnswerKind>>) {
    return "refused: answers keep no scores";
  } else if constexpr (kStoresScores<Params> &&
                       std::is_same_v<typename Loss::Batch, RolloutBatch>) {
    return "refused: rollouts keep no scores";
  } else if constexpr (needs_teacher<Loss>() &&
                       HasVirtualTokens<StateOf<Params, models::Decoder>>) {
    return "refused: virtual tokens beside a teacher";
  } else if constexpr (std::is_same_v<typename Loss::Batch, RolloutBatch>) {
    INFO(describe(params) << " with " << describe(loss));
    if constexpr (needs_critic<Loss>()) {
      return train_on_rollouts(WithCritic{params}, loss, data);
    } else if constexpr (needs_teacher<Loss>()) {
      return train_on_rollouts(WithTeacher{params, some_teacher()}, loss, data);
    } else {
      return train_on_rollouts(params, loss, data);
    }
  } else {
    INFO(describe(params) << " with " << describe(loss));
    std::vector<double> values;
    try {
      // On the stand-in device an operation takes ten times as long.
      const std::int64_t steps = test_device().is_cpu() ? 8 : 2;
      Trainer trainer(tiny_model(at::kFloat), loss, params, data, AdamW{}, small_run(steps, 4, 40));
      trainer.add(LossCurve{values});
      trainer.train();
    } catch (const Error&) {
      return "refused";
    }
    CHECK(values.size() >= 2);
    if (!test_device().is_cpu()) {
      CHECK(std::isfinite(values.back()));
      return "trains";
    }
    CHECK(values.back() < values.front());
    return "trains";
  }
}

template <class Params>
std::string train(const Params& params, const LossColumn& column) {
  return std::visit(
      [&]<class Loss>(const Loss& loss) {
        return train(params, loss, fixed_data<typename Loss::Batch>());
      },
      column.loss);
}

// --- parameters ----------------------------------------------------------------------------------

struct Row {
  std::string name;
  /// By storage, and within it by loss.
  std::vector<std::pair<std::string, std::vector<std::string>>> results;
};

template <class Storage, class Make>
void add_storage(Row& row, const std::string& storage, const Make& make) {
  std::vector<std::string> results;
  for (const LossColumn& loss : losses()) {
    results.push_back(train(make.template operator()<Storage>(), loss));
  }
  row.results.emplace_back(storage, std::move(results));
}

/// `make<Storage>()` is the policy.
template <class Make>
Row on_every_storage(const std::string& name, const Make& make) {
  Row row{name, {}};
  add_storage<Dense>(row, "`Dense`", make);
  add_storage<Nf4>(row, "`Nf4`", make);
  add_storage<Int8>(row, "`Int8`", make);
  add_storage<Gguf>(row, "`Gguf`", make);
  return row;
}

template <class Params>
Row dense(const std::string& name, const Params& params) {
  Row row{name, {}};
  add_storage<Dense>(row, "`Dense`", [&]<class>() { return params; });
  return row;
}

InputStatistics some_inputs() {
  const models::Decoder model = tiny_model(at::kFloat);
  const std::vector<TokenBatch> batches{batch_of({some_sequence(40, 1), some_sequence(40, 2)})};
  return input_statistics(model, Frozen{}.attach(model), batches);
}

std::vector<Row> rows() {
  using enum OsftProjection;
  // clang-format off
  return {
      dense("`Full{}`", Full{}),
      on_every_storage("`Full`, a selection", []<class S>() { return BasicFull<S>{.train = "layers.1"}; }),
      dense("`WithFrozenReference{Full{}}`", WithFrozenReference{Full{}}),
      dense("`WithMovingReference{Full{}}`", WithMovingReference{Full{}}),
      dense("`WithReferenceScores{Full{}}`", WithReferenceScores{Full{}}),
      on_every_storage("`Lora`", []<class S>() { return BasicLora<S>{.rank = 4}; }),
      on_every_storage("`Lora`, DoRA", []<class S>() { return BasicLora<S>{.rank = 4, .use_dora = true}; }),
      on_every_storage("`Lora`, OLoRA", []<class S>() { return BasicLora<S>{.rank = 4, .init = LoraInit::olora}; }),
      on_every_storage("`Lora`, PiSSA", []<class S>() { return BasicLora<S>{.rank = 4, .init = LoraInit::pissa}; }),
      on_every_storage("`Lora`, LoftQ", []<class S>() { return BasicLora<S>{.rank = 4, .init = LoraInit::loftq}; }),
      on_every_storage("`Eva`", []<class S>() { return BasicEva<S>{.lora = {.rank = 4}, .inputs = some_inputs()}; }),
      on_every_storage("`Osft`", []<class S>() { return BasicOsft<S>{.unfreeze_rank_ratio = 0.5}; }),
      on_every_storage("`Osft`, `joint`", []<class S>() { return BasicOsft<S>{.unfreeze_rank_ratio = 0.5, .projection = joint}; }),
      on_every_storage("`OsftOnInputs`", []<class S>() { return BasicOsftOnInputs<S>{{.unfreeze_rank_ratio = 0.5}, some_inputs()}; }),
      dense("`OsftFactored`", OsftFactored{.unfreeze_rank_ratio = 0.5}),
      on_every_storage("`PromptTuning`", []<class S>() { return BasicPromptTuning<S>{.num_virtual_tokens = 6}; }),
      on_every_storage("`PrefixTuning`", []<class S>() { return BasicPrefixTuning<S>{.num_virtual_tokens = 6}; }),
      on_every_storage("`Frozen`", []<class S>() { return BasicFrozen<S>{}; }),
  };
  // clang-format on
}

// --- the table -----------------------------------------------------------------------------------

/// The storages on which a product trains; the reason where there is none.
std::string cell(const Row& row, std::size_t loss) {
  std::string storages;
  for (const auto& [storage, results] : row.results) {
    if (results[loss] == "trains") storages += (storages.empty() ? "" : ", ") + storage;
  }
  return storages.empty() ? row.results.front().second[loss] : storages;
}

/// Losses that train and are refused with the same parameters share a column.
std::string table() {
  const std::vector<LossColumn> columns = losses();
  const std::vector<Row> all = rows();
  std::vector<std::pair<std::string, std::vector<std::string>>> merged;
  for (std::size_t i = 0; i < columns.size(); ++i) {
    std::vector<std::string> cells;
    for (const Row& row : all) cells.push_back(cell(row, i));
    const auto same =
        std::ranges::find_if(merged, [&](const auto& other) { return other.second == cells; });
    if (same != merged.end()) {
      same->first += ", " + columns[i].name;
    } else {
      merged.emplace_back(columns[i].name, std::move(cells));
    }
  }
  std::string text = "| parameters |", rule = "|---|";
  for (const auto& [names, cells] : merged) {
    text += " " + names + " |";
    rule += "---|";
  }
  text += "\n" + rule + "\n";
  for (std::size_t r = 0; r < all.size(); ++r) {
    text += "| " + all[r].name + " |";
    for (const auto& [names, cells] : merged) text += " " + cells[r] + " |";
    text += "\n";
  }
  return text;
}

std::string read(const std::string& path) {
  std::ifstream file(path);
  REQUIRE(file.good());
  return {std::istreambuf_iterator<char>(file), {}};
}

/// The text of a page between its markers; rewritten first where the environment asks for that.
std::string table_in(const std::string& page, const std::string& trained) {
  const std::string path = std::string(POSTTRAIN_SOURCE_ROOT) + "/" + page;
  const std::string begin = "<!-- products: tests/trainer/product_table_test.cpp -->\n";
  const std::string end = "<!-- /products -->\n";
  std::string text = read(path);
  const std::size_t from = text.find(begin), to = text.find(end);
  if (from == std::string::npos || to == std::string::npos || to < from) return "no markers";
  const std::size_t first = from + begin.size();
  if (const char* update = std::getenv("POSTTRAIN_UPDATE_DOCS"); update && *update == '1') {
    text.replace(first, to - first, trained);
    std::ofstream(path) << text;
    return trained;
  }
  return text.substr(first, to - first);
}

}  // namespace

TEST_CASE("the table of products in the documentation is what trains", "[trainer][products]") {
  const std::string trained = table();
  for (const char* page : {"README.md", "docs/parameters.md"}) {
    INFO(page << "; hint: POSTTRAIN_UPDATE_DOCS=1 rewrites its table");
    CHECK(table_in(page, trained) == trained);
  }
}
