// SPDX-License-Identifier: Apache-2.0
#include "posttrain/params/osft/base.hpp"

#include "posttrain/params/full.hpp"
#include "support/catch.hpp"
#include "support/kernels.hpp"
#include "support/osft.hpp"

using namespace posttrain;
using namespace osft_test;
using kernel_test::normal;
using kernel_test::relative_error;

TEST_CASE("a base stays what it was, and shares what does not change", "[params][osft]") {
  for (const bool tied : {true, false}) {
    const OsftModel model{.tied = tied};
    const FullState before = Full{}.attach(model);
    FullState state = Full{.train = "embed, norm, down, k.bias"}.attach(model);
    const OsftBase<Dense> base(state, {false, true, false, false});
    CHECK(&base.site(1) != &state.site(1));
    CHECK((&base.site(3) == &state.site(3)) == !tied);  // the table of a tied head trains
    // Training changes what trains; orthogonal subspaces change the dense matrix of a site.
    for (ParameterGroup& group : state.trainable()) group.master.add_(0.5);
    state.publish();
    Tensor conv = state.site(1).blocks[0].dense.value;
    conv.add_(1.0);

    const Tensor x = normal({3, 8}, 1), wide = normal({3, 20}, 2);
    const Tensor ids = at::tensor({1, 5, 2}, at::kLong);
    for (const int site : {0, 1, 2, 3}) {
      INFO("site " << site << ", tied " << tied);
      const Tensor& input = site == 2 ? wide : x;
      const Tensor expected = before.linear(site, input).detach();
      CHECK(relative_error(base.linear(site, input), expected) < 1e-14);
      const bool changed = site != 3 || tied;
      CHECK((relative_error(state.linear(site, input), expected) > 1e-3) == changed);
    }
    CHECK(at::equal(base.embed(0, ids), before.embed(0, ids).detach()));
    CHECK(at::equal(base.vector(0), before.vector(0).detach()));
    CHECK_FALSE(base.vector(0).requires_grad());
    CHECK(base.anchor().is_same(state.anchor()));
  }
}
