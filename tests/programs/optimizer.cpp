// SPDX-License-Identifier: Apache-2.0
// Steps of AdamW8bit on one tensor: optimizer --input FILE --output FILE [options]
// Input: `start` [n] and `gradients` [steps, n]. Output, for step s from 0: `master.s`, and the
// moments' `exp_avg_codes.s`, `exp_avg_absmax.s`, `exp_avg_sq_codes.s`, `exp_avg_sq_absmax.s`.
#include <CLI/CLI.hpp>
#include <cstdio>

#include "posttrain/base/error_text.hpp"
#include "posttrain/io/tensor_io.hpp"
#include "posttrain/optim/adamw_8bit.hpp"

int main(int argc, char** argv) {
  using namespace posttrain;
  CLI::App app("Steps of AdamW8bit on one tensor");
  std::string input, output;
  double learning_rate = 1e-3, grad_factor = 1.0;
  AdamW8bit options{.min_8bit_size = 0};
  app.add_option("--input", input)->required();
  app.add_option("--output", output)->required();
  app.add_option("--lr", learning_rate);
  app.add_option("--grad-factor", grad_factor);
  app.add_option("--weight-decay", options.weight_decay);
  app.add_option("--block-size", options.block_size);
  CLI11_PARSE(app, argc, argv);
  try {
    options.validate();
    Tensor start, gradients;
    for (const auto& [name, tensor] : io::load_tensors(input)) {
      (name == "start" ? start : gradients) = tensor;
    }
    ParameterGroup group;
    group.master = group.value = start;
    std::vector<ParameterGroup> groups{group};
    AdamW8bitState state = options.attach(groups);
    std::vector<std::pair<std::string, Tensor>> results;
    for (std::int64_t step = 0; step < gradients.size(0); ++step) {
      groups[0].grad = gradients.select(0, step).contiguous();
      state.step(groups, learning_rate, grad_factor);
      const std::string suffix = "." + std::to_string(step);
      results.emplace_back("master" + suffix, groups[0].master.clone());
      for (const NamedTensor& tensor : state.tensors()) {
        const std::size_t begin = tensor.name.find('.') + 1, end = tensor.name.rfind('.');
        results.emplace_back(tensor.name.substr(begin, end - begin) + suffix, tensor.value.clone());
      }
    }
    io::save_tensors(output, results);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "error: %s\n", posttrain::error_text(error).c_str());
    return 1;
  }
  return 0;
}
