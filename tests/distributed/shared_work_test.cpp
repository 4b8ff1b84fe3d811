// SPDX-License-Identifier: Apache-2.0
#include "posttrain/distributed/shared_work.hpp"

#include "posttrain/base/error.hpp"
#include "posttrain/tensor/ops.hpp"
#include "support/catch.hpp"
#include "support/rank_threads.hpp"

using namespace posttrain;

namespace {

void expect(bool so, const char* what) {
  if (!so) fail(what);
}

}  // namespace

TEST_CASE("the dearest work goes to the rank that has the least", "[shared_work]") {
  const std::vector<double> costs{5, 9, 1, 7, 8, 6};
  CHECK(owners(costs, 3) == std::vector<std::int64_t>{1, 0, 0, 2, 1, 2});
  CHECK(owners(costs, 1) == std::vector<std::int64_t>(6, 0));
  CHECK(owners(std::vector<double>{4, 6}, 5) == std::vector<std::int64_t>{1, 0});
  CHECK(owners({}, 2).empty());
}

TEST_CASE("every rank has the tensors of all", "[shared_work]") {
  REQUIRE(has_gloo());
  const auto errors = test::on_gloo(3, [](const std::shared_ptr<Communicator>& ranks) {
    Tensors own{at::full({ranks->rank(), 2}, ranks->rank(), at::kDouble)};
    if (ranks->rank() == 1)
      own = {Tensor(), at::arange(3, at::kLong), at::full({}, 2.5, at::kHalf)};
    const std::vector<Tensors> all = all_tensors(*ranks, own);
    expect(all.size() == 3 && all[0].size() == 1 && all[2].size() == 1, "as many as they gave");
    expect(all[0][0].sizes() == at::IntArrayRef{0, 2}, "without elements");
    expect(at::equal(all[2][0], at::full({2, 2}, 2, at::kDouble)), "doubles");
    expect(all[1].size() == 3 && !all[1][0].defined(), "undefined");
    expect(at::equal(all[1][1], at::arange(3, at::kLong)), "integers");
    expect(all[1][2].scalar_type() == at::kHalf && all[1][2].item<double>() == 2.5, "halves");
  });
  CHECK(errors == std::vector<std::string>(3));
}

TEST_CASE("work is done once, and all have what it gives", "[shared_work]") {
  REQUIRE(has_gloo());
  const std::vector<double> costs{1, 4, 2, 3};
  const auto work = [](std::size_t i, int& calls) {
    ++calls;
    return Tensors(i, at::full({2}, static_cast<double>(i), at::kDouble));
  };
  const auto check = [&](Communicator* ranks) {
    int calls = 0;
    const auto all = shared_work(ranks, costs, [&](std::size_t i) { return work(i, calls); });
    expect(all.size() == 4, "all of it");
    for (std::size_t i = 0; i < all.size(); ++i) {
      expect(all[i].size() == i, "its number");
      for (const Tensor& each : all[i]) expect(each[1].item<double>() == double(i), "its values");
    }
    return calls;
  };
  CHECK(check(nullptr) == 4);
  for (const std::int64_t size : {2, 3, 6}) {
    std::vector<int> calls(static_cast<std::size_t>(size));
    const auto errors = test::on_gloo(size, [&](const std::shared_ptr<Communicator>& ranks) {
      calls[static_cast<std::size_t>(ranks->rank())] = check(ranks.get());
    });
    CHECK(errors == std::vector<std::string>(static_cast<std::size_t>(size)));
    int sum = 0;
    for (const int each : calls) sum += each;
    CHECK(sum == 4);
  }
}
