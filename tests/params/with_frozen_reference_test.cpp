// SPDX-License-Identifier: Apache-2.0
#include "posttrain/params/with_frozen_reference.hpp"

#include "posttrain/params/full.hpp"
#include "support/catch.hpp"
#include "support/kernels.hpp"
#include "support/named_tensors.hpp"
#include "support/small_model.hpp"

using namespace posttrain;
using namespace posttrain::test;
using kernel_test::normal;

static_assert(has_reference<WithFrozenReference<Full>>() && !has_reference<Full>());

TEST_CASE("the copy is the model as it was loaded, bit for bit, whatever trains [C16]",
          "[params][C16]") {
  for (const auto type : {at::kDouble, at::kFloat, at::kBFloat16}) {
    const SmallModel model{.type = type};
    auto state = WithFrozenReference{Full{}}.attach(model);
    const Tensor x = normal({3, 4}, 1, type), ids = at::tensor({1, 5, 2}, at::kLong);
    const auto all = [&](const auto& gate) {
      Tensors values{gate.embed(0, ids), gate.vector(0)};
      for (const int site : {0, 1, 2}) values.push_back(gate.linear(site, x));
      for (Tensor& value : values) value = value.detach().reshape({-1});
      return at::cat(values);
    };
    const Tensor start = all(state);
    CHECK(at::equal(all(state.reference()), start));
    for (ParameterGroup& group : state.trainable()) group.master.add_(0.5);
    state.publish();
    CHECK(at::equal(all(state.reference()), start));
    CHECK_FALSE(at::equal(all(state), start));
    CHECK(state.reference().trainable().empty());
    // The copy is no part of what is saved.
    CHECK(flat(state.weights()).sizes() == flat(Full{}.attach(model).weights()).sizes());
  }
}

TEST_CASE("the inner parameters are checked, too", "[params]") {
  static_assert((WithFrozenReference{Full{}}.validate(), true));
  CHECK_THROWS_WITH((WithFrozenReference{Full{.train = ""}}.validate()),
                    Catch::Contains("Full.train"));
}
