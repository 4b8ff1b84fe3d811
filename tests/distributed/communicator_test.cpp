// SPDX-License-Identifier: Apache-2.0
#include "posttrain/distributed/communicator.hpp"

#include "posttrain/tensor/ops.hpp"
#include "support/catch.hpp"
#include "support/messages.hpp"

using namespace posttrain;
using posttrain::test::error_of;

TEST_CASE("one process has what it gives", "[communicator]") {
  Single single;
  const Tensor numbers = at::arange(6, at::kFloat);
  single.all_reduce(numbers).wait();
  single.broadcast(numbers, 0).wait();
  CHECK(at::equal(numbers, at::arange(6, at::kFloat)));
  const Tensor part = at::zeros({6}, at::kFloat), whole = at::zeros({2, 3}, at::kFloat);
  single.reduce_scatter(part, numbers).wait();
  single.all_gather(whole, part).wait();
  CHECK(at::equal(whole.view({6}), numbers));
  single.barrier();
  CHECK(single.all_texts("alone") == std::vector<std::string>{"alone"});
  CHECK(single.traffic().calls == 5);
  CHECK(single.traffic().bytes == 4 * 6 * 4 + 8);
}

TEST_CASE("an operation that is under way is waited for once", "[communicator]") {
  struct Work final : Pending::Work {
    explicit Work(int& waits) : waits_(&waits) {}
    void wait() override { *waits_ += 1; }
    int* waits_;
  };
  int waits = 0;
  Pending pending(std::make_unique<Work>(waits));
  pending.wait();
  pending.wait();
  CHECK(waits == 1);
  Pending().wait();
}

TEST_CASE("tensors that do not fit are refused", "[communicator]") {
  Single single;
  const Tensor six = at::zeros({2, 3}, at::kFloat);
  CHECK(error_of([&] { single.all_reduce(Tensor()); }) ==
        "expected a contiguous tensor for all_reduce, got none");
  CHECK(error_of([&] {
          single.all_reduce(six.t());
        }).starts_with("expected a contiguous tensor for all_reduce, got "));
  CHECK(error_of([&] { single.broadcast(six, 1); }) == "expected a rank below 1, got 1");
  CHECK_FALSE(error_of([&] { single.all_gather(at::zeros({5}, at::kFloat), six); }).empty());
  CHECK_FALSE(error_of([&] { single.all_gather(at::zeros({6}, at::kDouble), six); }).empty());
  CHECK_FALSE(error_of([&] { single.reduce_scatter(at::zeros({4}, at::kFloat), six); }).empty());
}
