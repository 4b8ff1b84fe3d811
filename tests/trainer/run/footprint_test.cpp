// SPDX-License-Identifier: Apache-2.0
#include "posttrain/trainer/run/footprint.hpp"

#include "posttrain/params/frozen.hpp"
#include "posttrain/params/full.hpp"
#include "support/catch.hpp"
#include "support/named_tensors.hpp"
#include "support/small_model.hpp"

using namespace posttrain;
using namespace posttrain::test;

TEST_CASE("the parameters of a layout are those of its checkpoint, tied ones once",
          "[trainer][footprint]") {
  for (const bool tied : {true, false}) {
    const SmallModel model{.tied = tied};
    const FrozenState weights = Frozen{}.attach(model);
    CHECK(parameters_of(model.layout()) == flat(weights.weights()).numel());
  }
  CHECK(parameters_of({}) == 0);
}

TEST_CASE("masters are counted where they are copies", "[trainer][footprint]") {
  const auto of = [](at::ScalarType type) {
    const SmallModel model{.type = type};
    const FullState state = Full{}.attach(model);
    return footprint_of(model, state, {{"m", at::zeros({5})}, {"none", {}}});
  };
  const Footprint wide = of(at::kFloat), narrow = of(at::kBFloat16);
  CHECK(wide.trained_parameters >= wide.model_parameters);  // filled up to cache lines
  CHECK(wide.gradients == 4 * wide.trained_parameters);
  CHECK(wide.masters == 0);
  CHECK(wide.optimizer == 20);
  CHECK(narrow.trained_parameters == wide.trained_parameters);
  CHECK(narrow.gradients == wide.gradients);
  CHECK(narrow.masters == 4 * wide.trained_parameters);
  CHECK(2 * narrow.weights == wide.weights);
  CHECK_FALSE(wide.widened);
  CHECK(narrow.widened == (half_products(at::kBFloat16) == std::string("float32")));
}

TEST_CASE("a footprint reads as one line, without what is not known", "[trainer][footprint]") {
  CHECK(Footprint{.trained_parameters = 55296,
                  .model_parameters = 3721984,
                  .weights = 14900000,
                  .gradients = 200000,
                  .masters = 0,
                  .optimizer = 460000}
            .text() ==
        "trains 55,296 parameters, 1.49 % of the model's 3,721,984; weights 14.9 MB, gradients 0.2 "
        "MB, optimizer 0.5 MB");
  CHECK(Footprint{.trained_parameters = 999, .gradients = 4000000}.text() ==
        "trains 999 parameters; gradients 4.0 MB");
  CHECK(Footprint{.trained_parameters = 999, .widened = true}.text() ==
        "trains 999 parameters; products in float32, which this processor multiplies faster");
}
