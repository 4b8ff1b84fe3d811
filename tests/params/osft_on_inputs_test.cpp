// SPDX-License-Identifier: Apache-2.0
#include "posttrain/params/osft_on_inputs.hpp"

#include "posttrain/base/describe.hpp"
#include "posttrain/params/frozen.hpp"
#include "support/catch.hpp"
#include "support/kernels.hpp"
#include "support/tiny_model.hpp"

using namespace posttrain;
using kernel_test::normal;

namespace {

std::vector<TokenBatch> calibration() {
  return {test::batch_of({test::some_sequence(17, 1), test::some_sequence(9, 2)}),
          test::batch_of({test::some_sequence(30, 3)})};
}

}  // namespace

TEST_CASE("a policy with inputs protects what its matrices do to them", "[params][osft]") {
  const models::Decoder model = test::tiny_model();
  const InputStatistics inputs = input_statistics(model, Frozen{}.attach(model), calibration());
  const Osft osft{.unfreeze_rank_ratio = 0.5};
  OsftState<Dense> weighted = OsftOnInputs{osft, inputs}.attach(model);
  const OsftState<Dense> plain = osft.attach(model);
  REQUIRE(weighted.targets().size() == plain.targets().size());
  // A random allowed change disturbs the outputs on these inputs less, E‖ΔW x‖² = tr(ΔW G ΔWᵀ).
  double ours = 0.0, theirs = 0.0;
  for (std::size_t i = 0; i < plain.targets().size(); ++i) {
    const OsftTarget &a = *weighted.targets()[i], &b = *plain.targets()[i];
    CHECK(a.rank() == b.rank());
    const Tensor core = normal(a.cores[0].values.master.sizes(), i + 1).to(test::test_device());
    const Tensor gram = inputs.gram(a.site).to(at::kDouble);
    const auto energy = [&](const OsftTarget& target) {
      const Tensor change = target.cores[0].product(core);
      return (change.matmul(gram) * change).sum().item<double>() /
             (target.base.matmul(gram) * target.base).sum().item<double>();
    };
    ours += energy(a);
    theirs += energy(b);
  }
  INFO("relative disturbance " << ours << " against " << theirs);
  CHECK(ours < 0.5 * theirs);
  CHECK_THROWS_WITH(weighted.begin_task("next", {.keep_protected = true}),
                    Catch::Contains("keep_protected goes by W alone"));
  weighted.begin_task("next");
  CHECK_THROWS_WITH((OsftOnInputs{Osft{.cache_dir = "somewhere"}, inputs}.attach(model)),
                    Catch::Contains("takes no Osft.cache_dir"));
}

TEST_CASE("inputs are described as what they are, and shared by copies", "[params][osft]") {
  const models::Decoder model = test::tiny_model();
  const OsftOnInputs policy{Osft{}, input_statistics(model, Frozen{}.attach(model), calibration())};
  CHECK(describe(policy) ==
        "BasicOsftOnInputs{.osft = " + describe(Osft{}) + ", .inputs = \"InputStatistics\"}");
  const OsftOnInputs copy = policy;
  CHECK(&copy.inputs.get() == &policy.inputs.get());
  CHECK_THROWS_WITH((OsftOnInputs{Osft{.unfreeze_rank_ratio = 2}, copy.inputs.get()}.validate()),
                    Catch::Contains("Osft.unfreeze_rank_ratio"));
}
