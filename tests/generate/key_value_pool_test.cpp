// SPDX-License-Identifier: Apache-2.0
#include "posttrain/generate/key_value_pool.hpp"

#include "support/catch.hpp"
#include "support/tiny_model.hpp"

using namespace posttrain;
using namespace posttrain::test;
using posttrain::detail::KeyValuePool;
using posttrain::detail::PoolRange;

namespace {

Tensor some_rows(std::int64_t rows, double first) {
  return (at::arange(rows * 2 * 4, at::kDouble).view({rows, 2, 4}) + first).to(test_device());
}

void write(KeyValuePool& pool, int layer, const PoolRange& range, double first) {
  const Tensor rows = some_rows(range.size, first);
  const Tensor to = at::arange(range.begin, range.end(), at::kLong).to(test_device());
  posttrain::detail::write_rows(rows, rows + 0.5, {}, to, pool.keys(layer), pool.values(layer));
}

bool holds(const KeyValuePool& pool, int layer, const PoolRange& range, double first) {
  const Tensor rows = some_rows(range.size, first);
  return at::equal(pool.keys(layer).narrow(0, range.begin, range.size), rows) &&
         at::equal(pool.values(layer).narrow(0, range.begin, range.size), rows + 0.5);
}

}  // namespace

TEST_CASE("rows stay what they are while the pool grows and is compacted", "[generate]") {
  const models::Decoder model = tiny_model();
  KeyValuePool pool(model, 0);
  CHECK(pool.bytes_per_row() == 2 * 2 * 2 * 4 * 8);
  PoolRange a = *pool.take(3), b = *pool.take(5);
  write(pool, 0, a, 100);
  write(pool, 1, b, 200);
  CHECK(pool.taken_rows() == 8);
  PoolRange c = *pool.take(5000);  // more than there was
  CHECK(pool.bytes() >= 5008 * pool.bytes_per_row());
  write(pool, 0, c, 300);
  CHECK(holds(pool, 0, a, 100));
  CHECK(holds(pool, 1, b, 200));
  pool.give_back(a);
  PoolRange* const taken[] = {&c, &b};
  pool.compact(taken);
  CHECK(b.begin == 0);
  CHECK(c.begin == 5);
  CHECK(holds(pool, 1, b, 200));
  CHECK(holds(pool, 0, c, 300));
  CHECK(pool.taken_rows() == 5005);
  CHECK(pool.take(10)->begin == 5005);
}

TEST_CASE("a pool keeps to its limit", "[generate]") {
  const models::Decoder model = tiny_model();
  KeyValuePool pool(model, 100 * 256 + 255);
  CHECK(pool.max_rows() == 100);
  const PoolRange a = *pool.take(60);
  CHECK_FALSE(pool.take(41));
  CHECK(pool.take(40));
  CHECK_FALSE(pool.take(1));
  pool.give_back(a);
  CHECK(pool.take(60)->begin == 0);
  CHECK(pool.bytes() == 100 * 256);
}

TEST_CASE("rows are written from views and from some of the rows", "[generate]") {
  const Tensor fused = at::arange(5 * 3 * 8, at::kDouble).view({5, 24}).to(test_device());
  const Tensor k = fused.narrow(1, 8, 8).view({5, 2, 4}),
               v = fused.narrow(1, 16, 8).view({5, 2, 4});
  const Tensor keys = at::zeros({9, 2, 4}, k.options()), values = at::zeros_like(keys);
  const auto index = [](const std::vector<std::int64_t>& rows) {
    return at::tensor(rows, at::kLong).to(test_device());
  };
  posttrain::detail::write_rows(k, v, index({1, 4}), index({7, 2}), keys, values);
  CHECK(at::equal(keys.select(0, 7), k.select(0, 1)));
  CHECK(at::equal(values.select(0, 2), v.select(0, 4)));
  CHECK(keys.abs().sum().item<double>() ==
        (k.select(0, 1).abs().sum() + k.select(0, 4).abs().sum()).item<double>());
  const Tensor odd = k.transpose(1, 2).contiguous().transpose(1, 2);  // heads apart
  posttrain::detail::write_rows(odd, v, {}, index({0, 1, 2, 3, 4}), keys, values);
  CHECK(at::equal(keys.narrow(0, 0, 5), k));
}
