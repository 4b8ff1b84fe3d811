// SPDX-License-Identifier: Apache-2.0
// The kernels against float64, at odd shapes and at one of usual width; then their speed. Whatever
// a kernel leaves unwritten is NaN: LibTorch fills new memory so while it is compared.
#pragma once

#include <ATen/Context.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <tuple>
#include <vector>

#include "gpu/kernel_cases.hpp"
#include "gpu/program.hpp"
#include "support/kernels.hpp"

namespace posttrain::gpu {

struct KernelCheck {
  Common common;

  void add_to(CLI::App& /*app*/) {}

  void run() const {
    const Device device(common.device);
    using Shape = std::tuple<std::int64_t, std::int64_t>;
    std::vector<Shape> shapes{{1, 8}, {3, 64}, {70, 40}};
    if (!common.tiny) shapes.insert(shapes.end(), {{5, 2056}, {257, 4096}});
    at::globalContext().setDeterministicAlgorithms(true, /*warn_only=*/false);
    at::globalContext().setDeterministicFillUninitializedMemory(true);
    const auto drawn = [](at::IntArrayRef shape, int seed) {
      return kernel_test::normal(shape, static_cast<std::uint64_t>(seed));
    };
    for (const auto type : {at::kFloat, at::kBFloat16}) {
      std::vector<std::pair<std::string, double>> worst;
      for (const auto& [rows, width] : shapes) {
        for (const KernelCase& each : kernel_cases(rows, width, at::kCPU, drawn)) {
          if (each.only_float && type != at::kFloat) continue;
          const double error = error_of(each, type, device);
          auto at = std::find_if(worst.begin(), worst.end(),
                                 [&](const auto& known) { return known.first == each.name; });
          if (at == worst.end()) at = worst.insert(worst.end(), {each.name, 0.0});
          if (!(error <= at->second)) at->second = error;  // NaN as well
        }
      }
      for (const auto& [name, error] : worst) {
        say_check(name + (type == at::kFloat ? ", float32" : ", bfloat16"), error,
                  type == at::kFloat ? 1e-5 : 1.2e-2);
      }
    }
    at::globalContext().setDeterministicFillUninitializedMemory(false);
    measure(device);
  }

 private:
  /// Outputs and, where there are any, gradients of Σ outputs · (fixed random numbers).
  static Tensors results(const KernelCase& each, at::ScalarType rounded, at::ScalarType type,
                         at::Device device) {
    Tensors leaves, all;
    for (const Tensor& input : each.inputs) {
      leaves.push_back(input.to(rounded).to(type).to(device).requires_grad_(each.with_gradients));
    }
    Tensor sum;
    for (const Tensor& output : each.function(leaves)) {
      all.push_back(output.detach());
      if (!each.with_gradients) continue;
      const Tensor weight = kernel_test::normal(output.sizes(), 99).to(rounded).to(type).to(device);
      const Tensor part = (output * weight).sum();
      sum = sum.defined() ? sum + part : part;
    }
    if (!each.with_gradients) return all;
    sum.backward();
    for (const Tensor& leaf : leaves) all.push_back(leaf.grad());
    return all;
  }

  static double error_of(const KernelCase& each, at::ScalarType type, at::Device device) {
    const Tensors expected =
        results(each, type, each.in_double ? at::kDouble : type, at::Device(at::kCPU));
    const Tensors actual = results(each, type, type, device);
    double worst = 0.0;
    for (std::size_t i = 0; i < expected.size(); ++i) {
      const double error = kernel_test::relative_error(actual[i].to(at::kCPU), expected[i]);
      if (!(error <= worst)) worst = error;
    }
    return worst;
  }

  /// Over tensors that no cache of a GPU holds.
  void measure(const Device& device) const {
    const std::int64_t rows = common.tiny ? 4 : 16384, width = common.tiny ? 64 : 4096;
    const int repeats = common.tiny ? 1 : 10;
    const auto draw = [&](at::IntArrayRef shape, int seed) {
      const Tensor numbers =
          at::arange(c10::multiply_integers(shape), at::TensorOptions(device).dtype(at::kFloat));
      return numbers.mul(1.7 + seed).sin().mul(1.5).view(shape);
    };
    for (const KernelCase& each : kernel_cases(rows, width, device, draw)) {
      const auto type = each.only_float ? at::kFloat : at::kBFloat16;
      Tensors inputs;
      for (const Tensor& input : each.inputs) inputs.push_back(input.to(type));
      const double bytes = static_cast<double>(inputs[0].nbytes());
      Json line{{"kernel", each.name}, {"dtype", c10::toString(type)}};
      {
        const at::NoGradGuard no_grad;
        const double seconds = seconds_of(device, repeats, [&] { each.function(inputs); });
        line["forward_gb_per_s"] = each.forward * bytes / seconds / 1e9;
      }
      if (each.with_gradients) {
        for (Tensor& input : inputs) input = input.detach().requires_grad_();
        const Tensor grad = at::ones_like(each.function(inputs).back());
        const double seconds = seconds_of(device, repeats, [&] {
          each.function(inputs).back().backward(grad);
          for (const Tensor& input : inputs) input.mutable_grad() = Tensor();
        });
        line["both_gb_per_s"] = each.whole * bytes / seconds / 1e9;
      }
      say(line);
    }
  }
};

}  // namespace posttrain::gpu
