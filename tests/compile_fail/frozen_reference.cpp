// expected: posttrain: these Params have a reference without a copy [docs/concepts.md#reference]
// SPDX-License-Identifier: Apache-2.0
// A frozen copy beside adapters, whose base is the reference already.
#include "posttrain/params/full.hpp"
#include "posttrain/params/lora.hpp"
#include "posttrain/params/with_frozen_reference.hpp"

using namespace posttrain;

#ifdef LEGAL
using Params = Full;
#else
using Params = Lora;
#endif

int main() {
  const WithFrozenReference<Params> params{};
  return has_reference<decltype(params)>() ? 0 : 1;
}
