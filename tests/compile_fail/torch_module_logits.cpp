// expected: posttrain: a module needs `Tensor logits(Tensor rows)` [docs/concepts.md#torch-module]
// SPDX-License-Identifier: Apache-2.0
// A module that returns hidden states but cannot turn them into logits.
#include "posttrain/concepts/check.hpp"
#include "static/fake_policies.hpp"

using namespace posttrain;

struct TinyLm {
  Tensor hidden(Tensor ids, Tensor positions, Tensor mask);
#ifdef LEGAL
  Tensor logits(Tensor rows);
#endif
};

int main() { return check_module<TinyLm>() ? 0 : 1; }
