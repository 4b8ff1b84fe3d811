// expected: posttrain: Data needs `data::LoadedData load(const data::LoadContext&) const` [docs/concepts.md#data]
// SPDX-License-Identifier: Apache-2.0
// A data policy that loads without the context of the run.
#include "posttrain/concepts/check.hpp"
#include "static/fake_policies.hpp"

using namespace posttrain;

struct MyData {
#ifdef LEGAL
  data::LoadedData load(const data::LoadContext& context) const;
#else
  data::LoadedData load() const;
#endif
};

int main() {
  return check_trainer<fake::Model, fake::Loss, fake::Params, MyData, fake::Optimizer>() ? 0 : 1;
}
