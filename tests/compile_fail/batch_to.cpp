// expected: posttrain: Batch needs `Batch to(at::Device) const` [docs/concepts.md#batches]
// SPDX-License-Identifier: Apache-2.0
// A batch that is moved in place.
#include "posttrain/concepts/check.hpp"
#include "static/fake_policies.hpp"

using namespace posttrain;

struct MyBatch {
  std::int64_t tokens() const;
  std::int64_t predictions() const;
  Tensor row;
  Tensor target;
  std::vector<std::int64_t> samples;
  MyBatch slice(std::int64_t begin, std::int64_t end) const;
#ifdef LEGAL
  MyBatch to(c10::Device device) const;
#else
  void to(c10::Device device);
#endif
};
struct MyModel {
  Tensor hidden(const auto& gate, const MyBatch& batch) const;
  Tensor logits(const auto& gate, const Tensor& rows) const;
  std::int64_t vocab_size() const;
  c10::Device device() const;
};
struct MyLoss {
  using Batch = MyBatch;
  static constexpr bool row_local = true;
  double count(const Batch& batch) const;
  Tensor sum(const Scores& scores, const Batch& batch) const;
};
struct MyData {
  using Batch = MyBatch;
  fake::Stream<Batch> open(const data::LoadContext& context,
                           std::int64_t effective_batch_size) const;
};

int main() {
  return check_trainer<MyModel, MyLoss, fake::Params, MyData, fake::Optimizer>() ? 0 : 1;
}
