// expected: posttrain: a logits processor is called with `(const Tensor& logits, const RowView& row) const` [docs/concepts.md#logits-processor]
// SPDX-License-Identifier: Apache-2.0
// A processor that wants the ids alone: they are part of a view of the row.
#include "posttrain/generate/generator.hpp"
#include "posttrain/params/frozen.hpp"

using namespace posttrain;

#ifdef LEGAL
void no_repeats(const Tensor&, const RowView&) {}
#else
void no_repeats(const Tensor&, const TokenIds&) {}
#endif

int main() {
  const models::Decoder model{models::DecoderConfig{}};
  const FrozenState gate = Frozen{}.attach(model);
  Generator generator(model, gate, {}, {}, nullptr, no_repeats);
  return generator.idle() ? 0 : 1;
}
