// SPDX-License-Identifier: Apache-2.0
#include "posttrain/distributed/gloo.hpp"

#include <mutex>

#include "posttrain/tensor/ops.hpp"
#include "support/catch.hpp"
#include "support/messages.hpp"
#include "support/rank_threads.hpp"

using namespace posttrain;
using namespace std::chrono_literals;

namespace {

void expect(bool holds, const char* what) {
  if (!holds) fail(what);
}

}  // namespace

TEST_CASE("Gloo adds, gathers, scatters and sends", "[gloo]") {
  REQUIRE(has_gloo());
  const std::int64_t size = GENERATE(2, 3, 4);
  const auto errors = test::on_gloo(size, [size](const std::shared_ptr<Communicator>& ranks) {
    const std::int64_t rank = ranks->rank(), sum = size * (size + 1) / 2;
    for (const at::ScalarType type : {at::kFloat, at::kDouble, at::kBFloat16, at::kLong}) {
      const Tensor own = at::full({3, 5}, rank + 1, type);
      ranks->all_reduce(own).wait();
      expect(at::equal(own, at::full({3, 5}, sum, type)), "all_reduce");
      own.fill_(rank + 1);
      ranks->all_reduce(own, Communicator::Reduction::max).wait();
      expect(at::equal(own, at::full({3, 5}, size, type)), "greatest");
      own.fill_(rank + 1);
      ranks->broadcast(own, size - 1).wait();
      expect(at::equal(own, at::full({3, 5}, size, type)), "broadcast");
      const Tensor part = at::full({2}, rank + 1, type), whole = at::empty({size, 2}, type);
      ranks->all_gather(whole, part).wait();
      for (std::int64_t r = 0; r < size; ++r) {
        expect(at::equal(whole[r], at::full({2}, r + 1, type)), "all_gather");
      }
    }
    const Tensor all = at::arange(2 * size, at::kFloat), mine = at::empty({2}, at::kFloat);
    ranks->reduce_scatter(mine, all).wait();
    expect(at::equal(mine, all.narrow(0, 2 * rank, 2) * static_cast<double>(size)),
           "reduce_scatter");

    // Several under way at once.
    std::vector<Tensor> many;
    std::vector<Pending> pending;
    for (int i = 0; i < 8; ++i) {
      many.push_back(at::full({1000}, rank + i, at::kFloat));
      pending.push_back(ranks->all_reduce(many.back()));
    }
    for (Pending& each : pending) each.wait();
    for (int i = 0; i < 8; ++i) {
      expect(at::equal(many[static_cast<std::size_t>(i)],
                       at::full({1000}, size * (size - 1) / 2 + size * i, at::kFloat)),
             "many");
    }

    const auto texts = ranks->all_texts(std::string(static_cast<std::size_t>(10 * rank), 'x'));
    for (std::int64_t r = 0; r < size; ++r) {
      expect(std::ssize(texts[static_cast<std::size_t>(r)]) == 10 * r, "texts");
    }
    ranks->barrier();
  });
  CHECK(errors == std::vector<std::string>(static_cast<std::size_t>(size)));
}

TEST_CASE("the sum of fractions has the same bits on every rank", "[gloo]") {
  REQUIRE(has_gloo());
  constexpr std::int64_t kSize = 3;
  std::vector<Tensor> sums(kSize);
  const auto errors = test::on_gloo(kSize, [&](const std::shared_ptr<Communicator>& ranks) {
    const Tensor own = (at::arange(10007, at::kFloat) + ranks->rank()).rsqrt();
    ranks->all_reduce(own).wait();
    sums[static_cast<std::size_t>(ranks->rank())] = own;
  });
  CHECK(errors == std::vector<std::string>(kSize));
  for (const Tensor& sum : sums) CHECK(at::equal(sum, sums[0]));
}

TEST_CASE("a rank that ends by an error takes the others with it, with its reason", "[gloo]") {
  REQUIRE(has_gloo());
  std::mutex mutex;
  std::vector<std::string> reasons;
  const auto errors = test::on_gloo(
      3,
      [&](const std::shared_ptr<Communicator>& ranks) {
        if (ranks->rank() == 1) {
          ranks->end_with("out of memory");
          std::this_thread::sleep_for(1500ms);
          return;
        }
        const Tensor number = at::zeros({1}, at::kFloat);
        ranks->all_reduce(number).wait();
      },
      1500ms);
  for (const int rank : {0, 2}) {
    CHECK(errors[static_cast<std::size_t>(rank)] ==
          "all_reduce among the ranks failed: rank 1 ended: out of memory");
  }
}
