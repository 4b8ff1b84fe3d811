// SPDX-License-Identifier: Apache-2.0
#include "posttrain/params/osft/factored_state.hpp"

#include <map>

#include "posttrain/params/osft_factored.hpp"
#include "support/catch.hpp"
#include "support/kernels.hpp"
#include "support/pair_of_sites.hpp"

using namespace posttrain;
using kernel_test::normal;
using kernel_test::relative_error;

namespace {

Tensor forward(const auto& state, const Tensor& x) {
  return state.linear(1, state.linear(0, x).narrow(1, 0, 8));
}

}  // namespace

TEST_CASE("factored gradients are autograd's, projected", "[params][osft]") {
  const test::PairOfSites model;
  for (const char* targets : {"all-linear", "q, conv"}) {
    OsftFactoredState state =
        OsftFactored{.unfreeze_rank_ratio = 0.5, .target_patterns = targets}.attach(model);
    const Tensor x = normal({6, 8}, 1), weight = normal({6, 20}, 2);
    const Tensor input = x.clone().requires_grad_();
    (forward(state, input) * weight).sum().backward();

    // The same by autograd.
    std::map<std::string, Tensor> leaf;
    const auto matrix = [&](const OsftFactors& f) {
      for (const auto& [name, view] : {std::pair(".u", f.u), {".s", f.s}, {".v", f.v}}) {
        leaf[f.name + name] = view.master.detach().clone().requires_grad_();
      }
      return (f.u_high * f.s_high).matmul(f.v_high) +
             (leaf[f.name + ".u"] * leaf[f.name + ".s"]).matmul(leaf[f.name + ".v"]);
    };
    std::map<std::string, Tensor> w;
    for (const OsftFactors* target : state.targets()) w[target->name] = matrix(*target);
    const Tensor again = x.clone().requires_grad_();
    const Tensor y = (again.matmul(w["q"].t()) + 0.1).matmul(w["conv"].t());
    (y * weight).sum().backward();
    CHECK(relative_error(forward(state, x).detach(), y.detach()) < 1e-13);
    CHECK(relative_error(input.grad(), again.grad()) < 1e-13);
    for (const OsftFactors* target : state.targets()) {
      if (target->name == "k") continue;
      const Tensor du = leaf[target->name + ".u"].grad(), dv = leaf[target->name + ".v"].grad();
      const Tensor& uh = target->u_high;
      const Tensor& vh = target->v_high;
      CHECK(relative_error(target->u.grad, du - uh.matmul(uh.t().matmul(du))) < 1e-12);
      CHECK(relative_error(target->v.grad, dv - dv.matmul(vh.t()).matmul(vh)) < 1e-12);
      CHECK(relative_error(target->s.grad, leaf[target->name + ".s"].grad()) < 1e-12);
    }
  }
}

TEST_CASE("ranks follow the rule of the reference", "[params][osft]") {
  const auto low = [](std::int64_t width, double ratio) {
    return OsftFactored{.unfreeze_rank_ratio = ratio, .target_patterns = "q"}
        .attach(test::PairOfSites{.width = width})
        .targets()[0]
        ->s.master.size(0);
  };
  CHECK(low(8, 0.0) == 1);  // never nothing
  CHECK(low(8, 1.0) == 8);
  CHECK(low(8, 0.25) == 2);
  CHECK(low(7, 0.5) == 4);
  CHECK(osft_reference_rank(5120, 0.8) == 1023);
  CHECK(low(10, 0.8) == 9);  // 10 · (1 − 0.8) is below 2 in floating point
}
