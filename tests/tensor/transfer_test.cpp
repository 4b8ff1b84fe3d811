// SPDX-License-Identifier: Apache-2.0
#include "posttrain/tensor/transfer.hpp"

#include <vector>

#include "posttrain/tensor/ops.hpp"
#include "support/catch.hpp"
#include "support/device.hpp"

using namespace posttrain;

TEST_CASE("tensors of several types go together and come out as they were", "[tensor][device]") {
  const Tensor ids = at::arange(7, at::kLong), weight = at::arange(15, at::kFloat).view({3, 5}),
               flags = at::tensor({1, 0, 1}, at::kByte).to(at::kBool);
  Tensor a = ids, b = weight, c = flags, none, empty = at::empty({0, 4});
  Tensor* const all[] = {&a, &b, &none, &c, &empty};
  const TransferCounts before = transfer_counts();
  upload_together(all, test::test_device());
  CHECK(transfer_counts().uploads - before.uploads == (test::test_device().is_cpu() ? 0 : 1));
  CHECK_FALSE(none.defined());
  CHECK(a.device() == at::Device(test::test_device()));
  CHECK(at::equal(a.to(at::kCPU), ids));
  CHECK(at::equal(b.to(at::kCPU), weight));
  CHECK(at::equal(c.to(at::kCPU), flags));
  CHECK(empty.sizes() == at::IntArrayRef({0, 4}));
  upload_together(all, test::test_device());  // they are there
  CHECK(transfer_counts().uploads - before.uploads == (test::test_device().is_cpu() ? 0 : 1));
}

TEST_CASE("numbers of several types are read at once, in order", "[tensor][device]") {
  const at::TensorOptions there = at::TensorOptions(test::test_device());
  const Tensors numbers{at::full({}, 1.5, there), at::full({1}, 3, there.dtype(at::kLong)),
                        at::full({}, 0.25, at::kDouble),
                        at::full({}, 2.5, there.dtype(at::kBFloat16))};
  const TransferCounts before = transfer_counts();
  CHECK(read_numbers(numbers) == std::vector<double>{1.5, 3.0, 0.25, 2.5});
  CHECK(transfer_counts().reads - before.reads == (test::test_device().is_cpu() ? 0 : 1));
  CHECK(read_numbers({}).empty());
}

TEST_CASE("a table of constants is copied once", "[tensor][device]") {
  const std::vector<float> values{0.5F, -1.0F, 3.0F};
  const Tensor first = device_constant(values, test::test_device());
  const TransferCounts before = transfer_counts();
  const std::vector<float> same = values;
  const Tensor second = device_constant(same, test::test_device());
  CHECK(transfer_counts().uploads == before.uploads);
  CHECK(at::equal(first, second));
  CHECK(at::equal(first.to(at::kCPU), at::tensor(values, at::kFloat)));
}
