// SPDX-License-Identifier: Apache-2.0
#include "posttrain/tensor/content.hpp"

#include "support/catch.hpp"

using namespace posttrain;

namespace {

ContentHash::Value hash_of(const Tensor& tensor) {
  ContentHash hash;
  add_content(hash, tensor);
  return hash.value();
}

}  // namespace

TEST_CASE("a tensor's hash follows its type, shape and values", "[tensor]") {
  const Tensor values = at::arange(1000, at::kFloat);
  CHECK(hash_of(values) == hash_of(values.clone()));
  CHECK(hash_of(values) != hash_of(values.view({10, 100})));
  CHECK(hash_of(values) != hash_of(values.view({100, 10})));
  CHECK(hash_of(values) != hash_of(values.to(at::kDouble)));
  // A view is hashed by its values, wherever they lie.
  const Tensor matrix = values.view({10, 100}).t();
  CHECK(hash_of(matrix) == hash_of(matrix.contiguous()));
  for (const std::int64_t at : {0, 499, 992, 999}) {
    Tensor changed = values.clone();
    changed[at] = 1e-30;
    CHECK(hash_of(changed) != hash_of(values));
  }
  ContentHash named, other;
  add_content(named, NamedTensor{"a", values});
  add_content(other, NamedTensor{"b", values});
  CHECK(named.value() != other.value());
}
