// SPDX-License-Identifier: Apache-2.0
#include "posttrain/trainer/identity.hpp"

#include <nlohmann/json.hpp>

#include "posttrain/base/hash.hpp"
#include "posttrain/data/tokenized.hpp"
#include "posttrain/losses/next_token.hpp"
#include "posttrain/optim/adamw.hpp"
#include "posttrain/params/full.hpp"
#include "support/catch.hpp"
#include "support/tiny_model.hpp"

using namespace posttrain;
using namespace posttrain::test;

namespace {

struct Stream {
  std::string_view items = "items";
  ContentHash content() const {
    ContentHash hash;
    hash.add(items);
    return hash;
  }
};

Json identity(const Options& options, std::string_view path = "a.jsonl", const Stream& stream = {},
              const NextToken& loss = {}) {
  static const models::Decoder model = tiny_model();
  return identity_of(options, model, loss, Full{},
                     Tokenized{.path = LiteralString(std::string(path))}, AdamW{}, stream)
      .json();
}

}  // namespace

TEST_CASE("a run is known by what decides its numbers, wherever its files are", "[trainer]") {
  const Json own = identity({});
  Options elsewhere;
  elsewhere.run_dir = "another";
  elsewhere.num_epochs = 7;
  elsewhere.max_steps = 9;
  elsewhere.checkpoint_steps = 3;
  elsewhere.validation_frequency = 2;
  CHECK(identity(elsewhere) == own);
  CHECK(identity({}, "b.jsonl") == own);
  CHECK(identity({}, "a.jsonl", {.items = "others"}) != own);
  CHECK(identity({.learning_rate = 1.0}) != own);
  CHECK(identity({.seed = 1}) != own);
  CHECK(identity({}, "a.jsonl", {}, {.label_smoothing = 0.5}) != own);
  CHECK(own.at("model").at("dtype") == "Double");
  CHECK(own.at("optimizer").at("type") == "AdamW");
}
