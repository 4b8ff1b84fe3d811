// expected: posttrain: a gate needs `Tensor linear(int site, const Tensor& x) const`, `embed(int table, const Tensor& ids)`, `vector(int)` and `anchor()` [docs/concepts.md#gate]
// SPDX-License-Identifier: Apache-2.0
// A model with a layout goes through the gate, and the gate lacks the vectors.
#include "posttrain/concepts/check.hpp"
#include "posttrain/concepts/layout.hpp"
#include "static/fake_policies.hpp"

using namespace posttrain;

struct MyState : fake::ParamsState {
  Tensor linear(int site, const Tensor& x) const;
  Tensor embed(int table, const Tensor& ids) const;
#ifdef LEGAL
  Tensor vector(int index) const;
#endif
  const Tensor& anchor() const;
};
struct MyParams {
  MyState attach(const auto& model) const;
};
struct MyModel : fake::Model {
  const Layout& layout() const;
};

int main() {
  return check_trainer<MyModel, fake::Loss, MyParams, fake::Data, fake::Optimizer>() ? 0 : 1;
}
