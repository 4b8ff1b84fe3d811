// SPDX-License-Identifier: Apache-2.0
// Our side of benchmarks/params.py, one step at a time (step_server.hpp).
//
//   params_server --params full|lora|qlora|osft|prompt --model DIR --data steps.jsonl [--dtype
//   bfloat16] params_server --time-osft-init --model DIR
//
// qlora adds "stored_bytes_per_parameter" of its matrices in 4 bits to the last line. The second
// form prints {"ours", "svd"}: seconds for the complements of all matrices of the layers, as Osft
// finds them, and for their singular value decompositions (torch.linalg.svd is the same function),
// one after the other, with the same number of threads.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <string>
#include <vector>

#include "posttrain/params/frozen.hpp"
#include "posttrain/params/full.hpp"
#include "posttrain/params/lora.hpp"
#include "posttrain/params/osft.hpp"
#include "posttrain/params/prompt_tuning.hpp"
#include "posttrain/storage/nf4.hpp"
#include "posttrain/tensor/parallel_tasks.hpp"
#include "step_server.hpp"

namespace {

using namespace posttrain;

constexpr double kRatio = 0.5;  // of the directions, under Osft

double stored_bytes_per_parameter(const ModelWeights<Nf4>& weights) {
  double bytes = 0.0, parameters = 0.0;
  for (std::size_t i = 0; i < weights.layout().sites.size(); ++i) {
    const auto& site = weights.site(static_cast<int>(i));
    for (const auto& block : site.blocks) {
      for (const auto& stored : block.stored) {
        bytes += static_cast<double>(stored.bytes());
        parameters += static_cast<double>(stored.rows() * site.in());
      }
    }
  }
  return bytes / parameters;
}

template <class Function>
double seconds(const Function& f) {
  const auto start = std::chrono::steady_clock::now();
  f();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

void time_osft_init(const benchmarks::ServerOptions& options) {
  tune_allocator();
  const hub::PretrainedDecoder model = options.decoder();
  const auto frozen = Frozen{}.attach(model);
  std::vector<Tensor> matrices;
  for (const NamedTensor& weight : frozen.weights()) {
    if (weight.name.find("_proj.weight") == std::string::npos) continue;
    matrices.push_back(weight.value.to(at::kFloat));
  }
  const double ours = seconds([&] {
    parallel_tasks(static_cast<std::int64_t>(matrices.size()), [&](std::int64_t i) {
      const Tensor& w = matrices[static_cast<std::size_t>(i)];
      const std::int64_t shorter = std::min(w.size(0), w.size(1));
      osft_complements(w, shorter - std::llround(kRatio * static_cast<double>(shorter)),
                       at::kFloat);
    });
  });
  const double svd = seconds([&] {
    for (const Tensor& w : matrices) at::linalg_svd(w, /*full_matrices=*/false);
  });
  fmt::print("{{\"ours\": {:.6f}, \"svd\": {:.6f}}}\n", ours, svd);
}

void serve(const benchmarks::ServerOptions& options, const std::string& params) {
  const auto nothing = [](const auto&) { return std::string(); };
  if (params == "full") benchmarks::serve(options, Full{}, nothing);
  if (params == "lora") benchmarks::serve(options, Lora{.rank = 16, .alpha = 16.0}, nothing);
  if (params == "qlora") {
    benchmarks::serve(options, BasicLora<Nf4>{.rank = 16, .alpha = 16.0}, [](const auto& state) {
      return fmt::format("\"stored_bytes_per_parameter\": {:.4f}",
                         stored_bytes_per_parameter(state.base()));
    });
  }
  if (params == "osft") benchmarks::serve(options, Osft{.unfreeze_rank_ratio = kRatio}, nothing);
  if (params == "prompt") benchmarks::serve(options, PromptTuning{}, nothing);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Our side of benchmarks/params.py");
  benchmarks::ServerOptions options;
  options.add_to(app);
  std::string params = "full";
  bool init = false;
  app.add_option("--params", params)
      ->check(CLI::IsMember({"full", "lora", "qlora", "osft", "prompt"}));
  app.add_flag("--time-osft-init", init);
  return benchmarks::run_server(app, argc, argv,
                                [&] { init ? time_osft_init(options) : serve(options, params); });
}
