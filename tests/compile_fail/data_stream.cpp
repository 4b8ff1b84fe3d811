// expected: posttrain: Data's Stream needs the members of `data::TokenStream` [docs/concepts.md#data]
// SPDX-License-Identifier: Apache-2.0
// A stream that a resumed run could not continue.
#include "posttrain/concepts/check.hpp"
#include "static/fake_policies.hpp"

using namespace posttrain;

struct MyStream {
  std::optional<std::vector<TokenBatch>> next();
  data::SamplerPosition position() const;
#ifdef LEGAL
  void seek(data::SamplerPosition position);
#endif
  std::int64_t steps_per_epoch() const;
  bool at_epoch_end() const;
  bool has_validation() const;
  std::vector<TokenBatch> validation() const;
  const data::DataReport& report() const;
};
struct MyData {
  using Batch = TokenBatch;
  MyStream open(const data::LoadContext& context, std::int64_t effective_batch_size) const;
};

int main() {
  return check_trainer<fake::Model, fake::Loss, fake::Params, MyData, fake::Optimizer>() ? 0 : 1;
}
