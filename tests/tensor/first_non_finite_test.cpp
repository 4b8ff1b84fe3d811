// SPDX-License-Identifier: Apache-2.0
#include "posttrain/tensor/first_non_finite.hpp"

#include <cmath>
#include <limits>

#include "posttrain/params/full.hpp"
#include "posttrain/params/lora.hpp"
#include "posttrain/params/qlora.hpp"
#include "posttrain/tensor/ops.hpp"
#include "support/catch.hpp"
#include "support/tiny_model.hpp"

using namespace posttrain;
using namespace posttrain::test;

TEST_CASE("the first value that is not finite is found with its place", "[tensor]") {
  for (const auto type : {at::kDouble, at::kFloat, at::kBFloat16, at::kHalf}) {
    INFO(c10::toString(type));
    Tensor t = at::zeros({3, 4, 5}, type);
    CHECK(first_non_finite({"w", t}) == std::nullopt);
    t[2][3][1].fill_(std::nan(""));
    t[1][0][4].fill_(-std::numeric_limits<double>::infinity());
    const auto found = first_non_finite({"w", t});
    REQUIRE(found.has_value());
    CHECK(found->index == std::vector<std::int64_t>{1, 0, 4});
    CHECK(found->text() == "tensor 'w' has -inf at [1, 0, 4]");
    // In the shape that it is shown in, whatever lies in memory.
    CHECK(first_non_finite({"w", t.permute({2, 0, 1})})->index ==
          std::vector<std::int64_t>{1, 2, 3});
  }
  Tensor scalar = at::full(at::IntArrayRef(), std::nan(""));
  CHECK(first_non_finite({"s", scalar})->text("a.safetensors") ==
        "a.safetensors: tensor 's' has nan at []");
  CHECK(first_non_finite({"i", at::zeros({3}, at::kLong)}) == std::nullopt);
  CHECK(first_non_finite({"e", at::zeros({0, 3})}) == std::nullopt);
  CHECK(first_non_finite({"u", Tensor()}) == std::nullopt);
  // Finite values whose sum is not.
  CHECK(first_non_finite({"l", at::full({4}, 3e38F, at::kFloat)}) == std::nullopt);
  Tensor eight = at::ones({2, 3}).to(at::kFloat8_e5m2);
  CHECK(first_non_finite({"8", eight}) == std::nullopt);
  eight = at::full({2, 3}, std::nan("")).to(at::kFloat8_e5m2);
  CHECK(first_non_finite({"8", eight})->text() == "tensor '8' has nan at [0, 0]");
}

TEST_CASE("a state is searched from its base to what trains beside it", "[tensor]") {
  const std::string name = "model.layers.1.mlp.up_proj.weight";
  // One damaged value of the checkpoint.
  const models::Decoder sound = tiny_model();
  const models::Decoder damaged(
      tiny_config(), {.dtype = at::kFloat},
      [&](const std::string& tensor, const std::vector<std::int64_t>& shape) {
        Tensor w = sound.load(tensor, shape, 1.0, shape.size() > 1).clone();
        if (tensor == name) w[3][2].fill_(std::nan(""));
        return w;
      });
  const std::string expected = "tensor '" + name + "' has nan at [3, 2]";
  CHECK(first_non_finite_of(Full{}.attach(damaged))->text() == expected);
  CHECK(first_non_finite_of(Lora{.rank = 2}.attach(damaged))->text() == expected);
  CHECK(first_non_finite_of(Full{}.attach(sound)) == std::nullopt);
  CHECK(first_non_finite_of(QLora{.rank = 2}.attach(sound)) == std::nullopt);
  auto state = Lora{.rank = 2, .target_modules = "q_proj"}.attach(sound);
  CHECK(first_non_finite_of(state) == std::nullopt);
  state.tensors().at(1).value[5][1].fill_(std::numeric_limits<double>::infinity());
  CHECK(first_non_finite_of(state)->text() ==
        "tensor 'model.layers.0.self_attn.q_proj.lora_B.weight' has inf at [5, 1]");
}
