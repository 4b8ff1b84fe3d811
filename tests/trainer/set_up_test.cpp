// SPDX-License-Identifier: Apache-2.0
#include "posttrain/trainer/set_up.hpp"

#include "posttrain/data/tokenized.hpp"
#include "posttrain/losses/grpo.hpp"
#include "posttrain/losses/next_token.hpp"
#include "posttrain/optim/adamw.hpp"
#include "posttrain/params/full.hpp"
#include "posttrain/params/lora.hpp"
#include "posttrain/params/prompt_tuning.hpp"
#include "support/catch.hpp"
#include "support/messages.hpp"

using namespace posttrain;

namespace {

struct ModelWithoutText {};

template <class Loss = NextToken, class Params = Full>
std::string refusal(const Options& options, const Loss& loss = {}, const Params& params = {},
                    bool takes_call = true, const AdamW& optimizer = {}) {
  try {
    check_set_up(options, loss, params, Tokenized{.path = "x"}, optimizer, takes_call);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("every policy and the options are checked, and one against another", "[trainer]") {
  using test::contains;
  CHECK(refusal({}).empty());
  CHECK(contains(refusal({.num_epochs = 0}), "Options.num_epochs"));
  CHECK(contains(refusal({}, NextToken{.label_smoothing = 2.0}), "label_smoothing"));
  CHECK(contains(refusal({}, NextToken{}, Full{}, true, AdamW{.beta1 = 2.0}), "beta1"));
  CHECK(contains(refusal({}, NextToken{}, Lora{.rank = 0}), "rank"));
  Options noise, recomputes, best;
  noise.neftune_noise_alpha = 5.0;
  recomputes.gradient_checkpointing = true;
  best.run_dir = "run";
  best.save_best = true;
  CHECK(refusal(noise).empty());
  for (const Options& options : {noise, recomputes}) {
    CHECK(contains(refusal(options, NextToken{}, Full{}, false), "takes a ModelCall"));
  }
  CHECK(refusal(best).empty());
  CHECK(contains(refusal(best, NextToken{}, PromptTuning{}), "save_best writes whole models"));
  CHECK(contains(refusal(noise, Grpo{}), "expected neftune_noise_alpha = 0 and no dropout"));
  CHECK(contains(refusal({}, Grpo{}, Lora{.dropout = 0.1}), "another one than that which wrote"));
}

TEST_CASE("what needs a validation set is refused without one", "[trainer][options]") {
  Options patient, best;
  patient.early_stopping_patience = 2;
  best.save_best = true;
  CHECK_NOTHROW(check_validation({}, false));
  for (const Options& options : {patient, best}) CHECK_NOTHROW(check_validation(options, true));
  CHECK_THROWS_WITH(check_validation(patient, false),
                    Catch::Contains("early_stopping_patience needs validation, and the data have"));
  CHECK_THROWS_WITH(check_validation(best, false),
                    Catch::Contains("save_best needs validation, and the data have none; hint: "));
}

TEST_CASE("data policies are told the options that concern them", "[trainer]") {
  Options options;
  options.max_seq_len = 7;
  options.truncate = true;
  options.max_tokens_per_batch = 8;
  options.seed = 9;
  options.validation_split = 0.25;
  options.skip_bad_samples = true;
  options.deduplicate = true;
  options.cache_dir = "kept";
  const data::LoadContext context = load_context(options, ModelWithoutText{}, Team());
  CHECK(context.text == nullptr);
  CHECK(context.max_seq_len == 7);
  CHECK(context.truncate);
  CHECK(context.max_tokens_per_batch == 8);
  CHECK(context.seed == 9);
  CHECK(context.validation_split == 0.25);
  CHECK(context.skip_bad_samples);
  CHECK(context.deduplicate);
  CHECK(context.cache_dir == "kept");
}
