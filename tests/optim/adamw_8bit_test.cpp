// SPDX-License-Identifier: Apache-2.0
#include "posttrain/optim/adamw_8bit.hpp"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "posttrain/optim/impl/adamw_8bit.ipp"
#include "support/catch.hpp"
#include "support/kernels.hpp"

using namespace posttrain;
using kernel_test::normal;
using kernel_test::relative_error;

namespace {

ParameterGroup group_of(const Tensor& start, bool decay = true) {
  ParameterGroup group;
  group.name = "g";
  group.master = start.clone();
  group.value = group.master;
  group.grad = at::zeros_like(start);
  group.decay = decay;
  return group;
}

/// Gradients of different magnitudes: by a factor of e per `width` standard deviations.
Tensor spread(std::int64_t n, std::uint64_t seed, at::ScalarType type = at::kFloat,
              double width = 4.0) {
  const Tensor sizes = (normal({n}, seed) * width).exp();
  return (normal({n}, seed + 1000) * sizes * 1e-4).to(type);
}

std::map<std::string, Tensor> named(const AdamW8bitState& state) {
  std::map<std::string, Tensor> all;
  for (const NamedTensor& tensor : state.tensors()) all[tensor.name] = tensor.value;
  return all;
}

/// By exhaustive search.
int nearest(const Tensor& map, float x) {
  const float* entries = map.const_data_ptr<float>();
  int code = 0;
  while (code < 255 && x > (entries[code] + entries[code + 1]) / 2) ++code;
  return code;
}

}  // namespace

TEST_CASE("one look-up and one comparison find the nearest entry of a map", "[optim]") {
  for (const bool is_signed : {false, true}) {
    const Tensor& map = dynamic_map(is_signed);
    const posttrain::detail::NearestCode code(map.const_data_ptr<float>());
    const auto check = [&](float x) {
      if (code(x) != nearest(map, x)) FAIL("differs at " << x);
    };
    for (int i = 0; i < 255; ++i) {
      const float between = (map[i].item<float>() + map[i + 1].item<float>()) / 2;
      check(between);
      check(std::nextafter(between, 2.0F));
      check(std::nextafter(between, -2.0F));
      check(map[i].item<float>());
    }
    Philox4x32 random(3, 0);
    for (int i = 0; i < 200000; ++i) {
      const auto x = static_cast<float>(std::exp(-18.0 * random.uniform()));
      check(is_signed && i % 2 == 0 ? -x : x);
    }
    for (const float x : {0.0F, -0.0F, 1.0F, -1.0F, 1e-45F, 1e-38F}) check(x);
  }
}

TEST_CASE("the first step of AdamW8bit is AdamW's, bit for bit up to rounding", "[optim]") {
  for (const auto type : {at::kDouble, at::kFloat}) {
    const std::int64_t n = 4096 + 77;  // the last block is partial
    std::vector<ParameterGroup> narrow{group_of(normal({n}, 1, type))};
    std::vector<ParameterGroup> wide{group_of(normal({n}, 1, type))};
    narrow[0].grad.copy_(spread(n, 2, type));
    wide[0].grad.copy_(narrow[0].grad);
    narrow[0].lr_scale = wide[0].lr_scale = 2.0;
    AdamW8bit{.weight_decay = 0.1}.attach(narrow).step(narrow, 0.01, 0.5);
    AdamW{.weight_decay = 0.1}.attach(wide).step(wide, 0.01, 0.5);
    CHECK(relative_error(narrow[0].master, wide[0].master) < (type == at::kDouble ? 1e-12 : 1e-6));
    CHECK_FALSE(at::equal(narrow[0].master, normal({n}, 1, type)));
  }
}

TEST_CASE("the kernel of AdamW8bit does what its formula in double does", "[optim]") {
  const std::int64_t n = 3 * 4096 + 50;
  const AdamW8bit options{.weight_decay = 0.05, .block_size = 128};
  std::vector<ParameterGroup> fast{group_of(normal({n}, 1, at::kFloat))};
  std::vector<ParameterGroup> exact{group_of(fast[0].master.to(at::kDouble))};
  AdamW8bitState a = options.attach(fast), b = options.attach(exact);
  for (int step = 0; step < 6; ++step) {
    fast[0].grad.copy_(spread(n, 10 + static_cast<std::uint64_t>(step)));
    exact[0].grad.copy_(fast[0].grad);
    a.step(fast, 1e-2, 0.7);
    b.step(exact, 1e-2, 0.7);
    // Rounding may move a value across the middle between two entries; from there on codes differ.
    const auto first = named(a), second = named(b);
    for (const char* name : {"adamw_8bit.exp_avg_codes.0", "adamw_8bit.exp_avg_sq_codes.0"}) {
      INFO(name << " of step " << step);
      const Tensor apart = (first.at(name).to(at::kInt) - second.at(name).to(at::kInt)).abs();
      CHECK((apart > 0).sum().item<std::int64_t>() <= 3);
      CHECK(apart.max().item<int>() <= 1);
    }
    CHECK((fast[0].master - exact[0].master).abs().mean().item<double>() < 1e-6);
    fast[0].master.copy_(exact[0].master);
    for (const auto& [name, tensor] : second) {
      Tensor target = first.at(name);
      target.copy_(tensor);
    }
  }
}

TEST_CASE("AdamW8bit keeps two bytes and two scales per block", "[optim]") {
  const std::int64_t n = 1 << 16;
  std::vector<ParameterGroup> groups{group_of(at::ones({n}))};
  std::int64_t bytes = 0;
  const AdamW8bitState state = AdamW8bit{}.attach(groups);
  for (const NamedTensor& tensor : state.tensors()) {
    bytes += static_cast<std::int64_t>(tensor.value.nbytes());
  }
  CHECK(bytes == 2 * n + 2 * 4 * (n / 256) + 4);
}

TEST_CASE("small groups and vectors keep fp32 moments and are AdamW's, bit for bit", "[optim]") {
  const auto groups = [] {
    return std::vector<ParameterGroup>{group_of(normal({4095}, 1, at::kFloat)),
                                       group_of(normal({9000}, 2, at::kFloat), false),
                                       group_of(normal({4096}, 3, at::kFloat))};
  };
  std::vector<ParameterGroup> narrow = groups(), wide = groups();
  AdamW8bitState a = AdamW8bit{.weight_decay = 0.1}.attach(narrow);
  AdamWState b = AdamW{.weight_decay = 0.1}.attach(wide);
  for (int step = 0; step < 5; ++step) {
    for (std::size_t i = 0; i < 3; ++i) {
      narrow[i].grad.copy_(normal({narrow[i].grad.numel()}, 50 + i, at::kFloat));
      wide[i].grad.copy_(narrow[i].grad);
    }
    a.step(narrow, 1e-2, 0.3);
    b.step(wide, 1e-2, 0.3);
  }
  CHECK(at::equal(narrow[0].master, wide[0].master));
  CHECK(at::equal(narrow[1].master, wide[1].master));
  CHECK_FALSE(at::equal(narrow[2].master, wide[2].master));
  CHECK(named(a).count("adamw_8bit.exp_avg.1") == 1);
  CHECK(named(a).count("adamw_8bit.exp_avg_codes.2") == 1);
}

TEST_CASE("many steps of AdamW8bit stay near AdamW's", "[optim]") {
  const std::int64_t n = 1 << 14;
  const Tensor start = normal({n}, 1, at::kFloat), slope = spread(n, 9, at::kFloat, 0.5);
  std::vector<ParameterGroup> narrow{group_of(start)}, wide{group_of(start)};
  AdamW8bitState a = AdamW8bit{}.attach(narrow);
  AdamWState b = AdamW{}.attach(wide);
  for (int step = 0; step < 60; ++step) {
    narrow[0].grad.copy_(slope +
                         slope * normal({n}, 100 + static_cast<std::uint64_t>(step), at::kFloat));
    wide[0].grad.copy_(narrow[0].grad);
    a.step(narrow, 1e-3, 1.0);
    b.step(wide, 1e-3, 1.0);
  }
  const Tensor change = wide[0].master - start;
  const double error = ((narrow[0].master - wide[0].master).norm() / change.norm()).item<double>();
  INFO("relative difference of the change: " << error);
  CHECK(error < 0.1);
}

TEST_CASE("a gradient that pauses makes no jump", "[optim]") {
  // Rounded to the nearest entry, the second moment of the small ones would be 0, and the step
  // m / (0 + eps) a thousand times the learning rate.
  const Tensor gradient = at::full({4096}, 1e-4, at::kFloat);
  gradient.narrow(0, 0, 16).fill_(1.0F);
  std::vector<ParameterGroup> groups{group_of(at::zeros({4096}))};
  AdamW8bitState state = AdamW8bit{.block_size = 4096}.attach(groups);
  groups[0].grad.copy_(gradient);
  state.step(groups, 1e-3, 1.0);
  groups[0].grad.zero_();
  for (int step = 0; step < 20; ++step) state.step(groups, 1e-3, 1.0);
  CHECK(groups[0].master.abs().max().item<double>() < 20e-3);
}

TEST_CASE("tiny updates are not lost under AdamW8bit", "[optim][C24]") {
  const std::int64_t n = 8192;
  ParameterGroup group = group_of(at::ones({n}));
  group.value = at::ones({n}, at::kBFloat16);
  std::vector<ParameterGroup> groups{group}, wide{group_of(at::ones({n}))};
  AdamW8bitState state = AdamW8bit{}.attach(groups);
  AdamWState full = AdamW{}.attach(wide);
  for (int step = 0; step < 100; ++step) {
    groups[0].grad.copy_(normal({n}, static_cast<std::uint64_t>(step), at::kFloat) + 1.0);
    wide[0].grad.copy_(groups[0].grad);
    state.step(groups, 1e-6, 1.0);
    full.step(wide, 1e-6, 1.0);
  }
  const double moved = (wide[0].master - 1.0).norm().item<double>();
  CHECK(moved > 0.0);
  CHECK((groups[0].master - 1.0).norm().item<double>() == Approx(moved).epsilon(0.02));
}

TEST_CASE("the tensors of AdamW8bit carry on a run exactly", "[optim][C25]") {
  const AdamW8bit options{.weight_decay = 0.1};
  const std::int64_t n = 5000;
  const auto run = [&](std::vector<ParameterGroup>& groups, AdamW8bitState& state, int from,
                       int to) {
    for (int step = from; step < to; ++step) {
      groups[0].grad.copy_(spread(n, static_cast<std::uint64_t>(step)));
      state.step(groups, 1e-2, 0.7);
    }
  };
  std::vector<ParameterGroup> whole{group_of(normal({n}, 5, at::kFloat))};
  AdamW8bitState state = options.attach(whole);
  run(whole, state, 0, 4);
  std::vector<ParameterGroup> resumed{group_of(whole[0].master)};
  AdamW8bitState again = options.attach(resumed);
  for (const auto& [name, value] : named(again)) {
    Tensor target = value;
    target.copy_(named(state).at(name));
  }
  run(whole, state, 4, 9);
  run(resumed, again, 4, 9);
  CHECK(at::equal(whole[0].master, resumed[0].master));
}

TEST_CASE("the number of threads changes nothing in AdamW8bit", "[optim]") {
  const int threads = at::get_num_threads();
  const std::int64_t n = (1 << 18) + 3;
  std::vector<Tensor> results;
  for (const int count : {1, 2}) {
    at::set_num_threads(count);
    std::vector<ParameterGroup> groups{group_of(normal({n}, 1, at::kFloat))};
    AdamW8bitState state = AdamW8bit{}.attach(groups);
    for (int step = 0; step < 3; ++step) {
      groups[0].grad.copy_(spread(n, static_cast<std::uint64_t>(step)));
      state.step(groups, 1e-2, 1.0);
    }
    results.push_back(groups[0].master);
  }
  at::set_num_threads(threads);
  CHECK(at::equal(results[0], results[1]));
}

TEST_CASE("bad hyperparameters of AdamW8bit are refused", "[optim]") {
  CHECK_NOTHROW(AdamW8bit{}.validate());
  CHECK_THROWS_WITH(AdamW8bit{.beta1 = 1.0}.validate(),
                    "posttrain: AdamW8bit.beta1 must be in [0, 1)");
  CHECK_THROWS_WITH(AdamW8bit{.block_size = 100}.validate(),
                    "posttrain: AdamW8bit.block_size must be a power of two from 64 to 4096");
  CHECK_THROWS_WITH(AdamW8bit{.min_8bit_size = -1}.validate(),
                    "posttrain: AdamW8bit.min_8bit_size must not be negative");
}
