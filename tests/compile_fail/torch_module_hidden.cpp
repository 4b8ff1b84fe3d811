// expected: posttrain: a module needs `Tensor hidden(Tensor ids, Tensor positions, Tensor mask)` [docs/concepts.md#torch-module]
// SPDX-License-Identifier: Apache-2.0
// A module that has torch's usual forward() only.
#include "posttrain/concepts/check.hpp"
#include "static/fake_policies.hpp"

using namespace posttrain;

struct TinyLm {
#ifdef LEGAL
  Tensor hidden(const Tensor& ids, const Tensor& positions, const Tensor& mask);
#else
  Tensor forward(const Tensor& ids);
#endif
  Tensor logits(const Tensor& rows);
};

int main() { return check_module<TinyLm>() ? 0 : 1; }
