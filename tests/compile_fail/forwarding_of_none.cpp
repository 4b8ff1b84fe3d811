// expected: posttrain: a gate needs `Tensor linear(int site, const Tensor& x) const`, `embed(int table, const Tensor& ids)`, `vector(int)` and `anchor()` [docs/concepts.md#gate]
// SPDX-License-Identifier: Apache-2.0
// Forwarding to what is no gate.
#include "posttrain/params/forwarding.hpp"
#include "posttrain/params/frozen.hpp"

using namespace posttrain;

#ifdef LEGAL
using Other = FrozenState;
#else
using Other = Frozen;
#endif

Forwarding<const Other&> forwarding(const Other& other) { return Forwarding<const Other&>(other); }

int main() {}
