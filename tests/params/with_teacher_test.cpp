// SPDX-License-Identifier: Apache-2.0
#include "posttrain/params/with_teacher.hpp"

#include <memory>
#include <string>

#include "posttrain/params/lora.hpp"
#include "posttrain/params/with_frozen_reference.hpp"
#include "posttrain/storage/nf4.hpp"
#include "posttrain/tensor/ops.hpp"
#include "support/catch.hpp"
#include "support/rollout_model.hpp"

using namespace posttrain;
using namespace posttrain::test;

namespace {

/// Wider than the model, with its vocabulary.
models::Decoder some_teacher(at::ScalarType dtype = at::kFloat, std::int64_t vocab = 50) {
  models::DecoderConfig config = tiny_config();
  config.vocab_size = vocab;
  config.hidden_size = 64;
  return models::Decoder(config, {.dtype = dtype, .device = test_device(), .seed = 7});
}

/// A model whose tokens have names of their own.
struct Speaking : TalkingModel {
  explicit Speaking(const std::string& other_for_a) {
    text::ChatFiles files = tiny_tokenizer_files();
    const std::size_t at = files.tokenizer.find("\"a\":");
    files.tokenizer.replace(at + 1, 1, other_for_a);
    own = std::make_shared<text::ChatTokenizer>(files);
  }
  const text::ChatTokenizer* text() const { return own.get(); }
  std::shared_ptr<const text::ChatTokenizer> own;
};

}  // namespace

static_assert(has_reference<WithTeacher<Lora, models::Decoder>>());
static_assert(!has_reference<WithTeacher<Full, models::Decoder>>());

TEST_CASE("A teacher gives what it gives alone, dense or in 4 bits", "[params][teacher]") {
  at::NoGradGuard no_grad;
  const models::Decoder model = tiny_model(at::kFloat), teacher = some_teacher();
  const TokenBatch batch = batch_of({some_sequence(6, 1), some_sequence(4, 2)});
  const auto check = [&](const auto& storage) {
    const auto alone = BasicFrozen<std::remove_cvref_t<decltype(storage)>>{storage}.attach(teacher);
    const auto state = WithTeacher{Full{}, teacher, storage}.attach(model);
    const Tensor rows = state.teacher_hidden(batch);
    CHECK(rows.size(1) == 64);
    CHECK(
        at::equal(state.teacher_logits(rows), teacher.logits(alone, teacher.hidden(alone, batch))));
    CHECK(state.trainable().size() == Full{}.attach(model).trainable().size());
  };
  check(Dense{});
  check(Nf4{});
  CHECK(HasTeacher<
        StateOf<WithFrozenReference<WithTeacher<Full, models::Decoder>>, models::Decoder>>);
}

TEST_CASE("A teacher of other tokens is refused, whatever its size", "[params][teacher]") {
  const models::Decoder model = tiny_model(at::kFloat), other = some_teacher(at::kFloat, 51),
                        exact = some_teacher(at::kDouble);
  CHECK_THROWS_WITH((WithTeacher{Full{}, other}.attach(model)),
                    Catch::Contains("the model's vocabulary of 50 ids, got 51"));
  CHECK_THROWS_WITH((WithTeacher{Full{}, exact}.attach(model)),
                    Catch::Contains("expected a teacher of the model's dtype"));
  const Speaking speaking("a"), foreign("é");
  CHECK_NOTHROW(WithTeacher{Full{}, speaking}.attach(TalkingModel()));
  CHECK_THROWS_WITH((WithTeacher{Full{}, foreign}.attach(TalkingModel())),
                    Catch::Contains("got \"é\" for id") && Catch::Contains("instead of \"a\""));
}

TEST_CASE("What stands beside a teacher is checked as it is alone", "[params][teacher]") {
  const models::Decoder teacher = some_teacher();
  CHECK_THROWS_WITH((WithTeacher{Lora{.rank = 0}, teacher}.validate()), Catch::Contains("rank"));
  CHECK(WithTeacher{Full{}, teacher}.description().find("Full") != std::string::npos);
}
