// SPDX-License-Identifier: Apache-2.0
#include "posttrain/generate/kv_cache.hpp"

#include "posttrain/params/frozen.hpp"
#include "posttrain/params/prompt_tuning.hpp"
#include "support/catch.hpp"
#include "support/tiny_model.hpp"

using namespace posttrain;
using namespace posttrain::test;

namespace {

Tensor at_once(const models::Decoder& model, const auto& gate, const TokenIds& ids) {
  const Sequence sequence{ids, std::vector<float>(ids.size(), 1.0F), 0};
  return model.hidden(gate, prepared(gate, batch_of({sequence})));
}

}  // namespace

TEST_CASE("a sequence read in pieces has the hidden states of one read at once", "[generate]") {
  at::NoGradGuard no_grad;
  const models::Decoder model = tiny_model();  // one layer has a window of four
  const FrozenState gate = Frozen{}.attach(model);
  const TokenIds ids = some_ids(11, 4);
  KeyValueCache cache(model, 11);
  Tensors pieces;
  for (const auto& [begin, size] : std::vector<std::pair<int, int>>{{0, 5}, {5, 1}, {6, 5}}) {
    CHECK(cache.length() == begin);
    pieces.push_back(cache.read(gate, std::span(ids).subspan(begin, size)));
    CHECK(pieces.back().size(0) == size);
  }
  CHECK(cache.length() == 11);
  CHECK(relative_error(at::cat(pieces), at_once(model, gate, ids)) < 1e-12);
}

TEST_CASE("a soft prompt is read before the first token and counts", "[generate]") {
  at::NoGradGuard no_grad;
  const models::Decoder model = tiny_model();
  const auto gate = PromptTuning{.num_virtual_tokens = 3}.attach(model);
  const TokenIds ids = some_ids(6, 4);
  KeyValueCache cache(model, 3 + 6);
  const Tensor first = cache.read(gate, std::span(ids).first(2));
  CHECK(first.size(0) == 2);
  CHECK(cache.length() == 5);
  const Tensor rest = cache.read(gate, std::span(ids).subspan(2));
  const Tensor expected = at_once(model, gate, ids).narrow(0, 3, 6);
  CHECK(relative_error(at::cat({first, rest}), expected) < 1e-12);
}
