// SPDX-License-Identifier: Apache-2.0
#include "posttrain/optim/gradient_scale.hpp"

#include <limits>

#include "posttrain/optim/clip.hpp"
#include "posttrain/tensor/ops.hpp"
#include "support/catch.hpp"
#include "support/device.hpp"

using namespace posttrain;
using test::test_device;

namespace {

double number(const Tensor& tensor) { return tensor.item().toDouble(); }

}  // namespace

TEST_CASE("a factor of the host is what gradients are multiplied by", "[optim][device]") {
  const GradientScale scale(0.7);
  CHECK(number(scale.factor(test_device())) == 0.7);
  CHECK(number(scale.skip(test_device())) == 0.0);
  CHECK(number(scale.divisor(test_device())) == Approx(1.0 / 0.7));
  CHECK_FALSE(GradientScale(1.0).divisor(test_device()).defined());
}

TEST_CASE("the clip coefficient of a norm that nobody read", "[optim][device]") {
  const auto options = at::TensorOptions(test_device()).dtype(at::kDouble);
  const Tensor loss = at::full({}, 2.0, options);
  const auto scale_of = [&](double norm, double max_norm, const Tensor& of_loss) {
    return optim::clip_scale(at::full({}, norm, options), max_norm, of_loss);
  };
  for (const double norm : {0.0, 0.5, 1.0, 4.0}) {
    CHECK(number(scale_of(norm, 1.0, loss).factor(test_device())) ==
          optim::clip_coefficient(norm, 1.0));
  }
  CHECK(number(scale_of(1e9, 0.0, loss).factor(test_device())) == 1.0);
  CHECK(number(scale_of(4.0, 1.0, loss).skip(test_device())) == 0.0);
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const double infinity = std::numeric_limits<double>::infinity();
  CHECK(number(scale_of(nan, 1.0, loss).skip(test_device())) == 1.0);
  CHECK(number(scale_of(infinity, 0.0, loss).skip(test_device())) == 1.0);
  CHECK(number(scale_of(1.0, 1.0, at::full({}, nan, options)).skip(test_device())) == 1.0);
}

TEST_CASE("a scale of a device is read for an update on the host", "[optim][device]") {
  const auto options = at::TensorOptions(test_device());
  const GradientScale scale(at::full({}, 0.5, options),
                            at::full({}, true, options.dtype(at::kBool)));
  const GradientScale here = scale.on_host();
  CHECK(here.factor(at::kCPU).is_cpu());
  CHECK(number(here.factor(at::kCPU)) == 0.5);
  CHECK(number(here.skip(at::kCPU)) == 1.0);
}
