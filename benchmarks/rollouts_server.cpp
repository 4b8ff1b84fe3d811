// SPDX-License-Identifier: Apache-2.0
// Our side of benchmarks/rollouts.py: samples of a model, a JSON line for each of standard input.
//
//   rollouts_server --model DIR [--dtype bfloat16]
//   {"requests": [{"ids": […], "samples": n, "new": m}], "max_live": 16, "batches"?: true,
//    "temperature", "exact"?: true, "ids"?: true, "verify"?: "cases.jsonl"}
//       →  {"seconds", "decode_seconds", "decode_steps", "tokens", "peak_rows", "ids"?, "logps"?}
//   {"limits": [rows, …]}  →  {"read_bytes_per_second", "product_flops_per_second": [per rows],
//                              "weight_bytes", "row_bytes"}
//   {"draw": rows, "top_p": p}  →  {"seconds"}: drawing so many tokens from this vocabulary
#include <ATen/ops/mm.h>
#include <ATen/ops/randn.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <functional>
#include <iostream>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "posttrain/generate/generator.hpp"
#include "posttrain/hub/pretrained_decoder.hpp"
#include "posttrain/nn/gemm.hpp"
#include "posttrain/nn/packed_matrix.hpp"
#include "posttrain/params/frozen.hpp"
#include "posttrain/rewards/math_answer.hpp"
#include "posttrain/rewards/pool.hpp"
#include "posttrain/tensor/allocator.hpp"

namespace {

using namespace posttrain;

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

double shortest(int repeats, const std::function<void()>& work) {
  double best = std::numeric_limits<double>::infinity();
  work();
  for (int i = 0; i < repeats; ++i) {
    const auto start = std::chrono::steady_clock::now();
    work();
    best = std::min(best, seconds_since(start));
  }
  return best;
}

class Server {
 public:
  Server(const std::string& folder, const models::ModelOptions& options)
      : model_(folder, options), gate_(Frozen{}.attach(model_)) {}

  Json answer(const Json& asked) {
    if (asked.contains("limits"))
      return limits(asked.at("limits").get<std::vector<std::int64_t>>());
    if (asked.contains("draw"))
      return draw(asked.at("draw").get<std::int64_t>(), asked.at("top_p"));
    return rollout(asked);
  }

 private:
  Json rollout(const Json& asked) {
    std::vector<Request> requests;
    for (const Json& each : asked.at("requests")) {
      requests.push_back(
          {.prompt = each.at("ids").get<TokenIds>(),
           .sampling = {.max_new_tokens = each.at("new"), .temperature = asked.at("temperature")},
           .samples = each.at("samples"),
           .prompt_index = requests.size()});
    }
    const std::int64_t max_live = asked.at("max_live");
    const bool batches = asked.value("batches", false);
    Generator generator(model_, gate_, {},
                        {.max_live = max_live, .exact = asked.value("exact", false)});
    Json reply{{"seconds", 0.0}, {"decode_seconds", 0.0}, {"decode_steps", 0}};
    Json ids = Json::array(), logps = Json::array();
    std::vector<Completion> done;
    // Verifiers take a sample as it ends; texts are those of the cases, since random ids say
    // nothing.
    const std::vector<Sample> cases = cases_of(asked.value("verify", std::string()));
    VerifierPool pool{RewardSum{MathAnswer{}}, {.threads = 1}};
    std::size_t total = 0, judged = 0;
    for (const Request& request : requests) total += static_cast<std::size_t>(request.samples);
    if (!cases.empty()) pool.begin(total, 1);
    const auto start = std::chrono::steady_clock::now();
    double decode_seconds = 0.0;
    std::int64_t decode_steps = 0;
    for (std::size_t next = 0; next < requests.size();) {
      // Static batches: the next samples begin when all of the batch have ended.
      const std::size_t end =
          batches ? std::min(requests.size(), next + static_cast<std::size_t>(max_live))
                  : requests.size();
      for (; next < end; ++next) generator.add(requests[next]);
      bool more = true;
      while (more) {
        const std::int64_t read = generator.counts().prompt_tokens;
        const auto begin = std::chrono::steady_clock::now();
        more = generator.step();
        const bool only_samples = generator.counts().prompt_tokens == read;
        decode_seconds += only_samples ? seconds_since(begin) : 0.0;
        decode_steps += only_samples;
        for (Completion& sample : generator.take()) {
          if (!cases.empty()) {
            pool.add(judged, cases[judged % cases.size()]);
            judged += 1;
          }
          done.push_back(std::move(sample));
        }
      }
    }
    if (!cases.empty()) pool.finish();
    reply["seconds"] = seconds_since(start);
    reply["decode_seconds"] = decode_seconds;
    reply["decode_steps"] = decode_steps;
    reply["tokens"] = generator.counts().sampled_tokens;
    if (asked.value("ids", false)) {
      std::ranges::sort(done, {}, [](const Completion& sample) {
        return std::pair(sample.request, sample.sample);
      });
      for (const Completion& sample : done) {
        reply["ids"].push_back(sample.ids);
        reply["logps"].push_back(sample.logps);
      }
    }
    return reply;
  }

  static std::vector<Sample> cases_of(const std::string& path) {
    std::vector<Sample> cases;
    std::ifstream file(path);
    for (std::string line; !path.empty() && std::getline(file, line);) {
      const Json row = Json::parse(line);
      Sample& sample = cases.emplace_back();
      row.at("completion").get_to(sample.completion);
      row.at("answer").get_to(sample.answer);
    }
    return cases;
  }

  Json limits(const std::vector<std::int64_t>& rows) {
    const auto options = at::TensorOptions(at::kFloat);
    const Tensor memory = at::ones({std::int64_t{64} << 20}, options);  // 256 MB
    const double read = shortest(7, [&] { memory.sum(); });
    Json reply{{"read_bytes_per_second", static_cast<double>(memory.nbytes()) / read}};
    const models::DecoderConfig& config = model_.config();
    const std::int64_t width = config.hidden_size;
    for (const std::int64_t m : rows) {
      double best = 0.0;
      const std::vector<std::pair<std::int64_t, std::int64_t>> shapes{
          {3 * width, width},
          {2 * config.intermediate_size, width},
          {width, config.intermediate_size}};
      for (const auto& [out, in] : shapes) {
        const Tensor w = at::randn({out, in}, options).to(model_.dtype());
        const Tensor x = at::randn({m, in}, options).to(model_.dtype());
        std::vector<std::function<void()>> ways{[&] { at::mm(x, w.t()); },
                                                [&] { matmul_nt(x, w); }};
        std::optional<PackedMatrix> packed;
        if (PackedMatrix::packs(w)) {
          packed.emplace(w);
          ways.emplace_back([&] { packed->times(x); });
        }
        for (const auto& way : ways) {
          const double flops = 2.0 * static_cast<double>(m * out) * static_cast<double>(in);
          best = std::max(best, flops / shortest(30, way));
        }
      }
      reply["product_flops_per_second"].push_back(best);
    }
    std::int64_t weights = 0, head = 0;
    for (const NamedTensor& each : gate_.weights()) {
      if (each.name.find("embed_tokens") == std::string::npos) weights += each.value.nbytes();
      if (each.name.find("lm_head") != std::string::npos) head = each.value.numel();
    }
    reply["weight_bytes"] = weights;
    reply["head_weights"] = head;
    reply["row_bytes"] = 2 * config.num_layers() * config.num_kv_heads * config.head_dim *
                         static_cast<std::int64_t>(c10::elementSize(model_.dtype()));
    return reply;
  }

  Json draw(std::int64_t rows, double top_p) {
    const Tensor logits = at::randn({rows, model_.vocab_size()}, at::kFloat).mul_(2.0);
    std::vector<DrawRow> each;
    for (std::int64_t i = 0; i < rows; ++i) {
      each.push_back(
          {.uniform = (static_cast<double>(i) + 0.5) / static_cast<double>(rows), .top_p = top_p});
    }
    const Tensor z = logits.to(model_.dtype());
    return {{"seconds", shortest(50, [&] { draw_tokens(z, each); })}};
  }

  hub::PretrainedDecoder model_;
  FrozenState gate_;
};

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Our side of benchmarks/rollouts.py");
  std::string folder, dtype = "float32";
  app.add_option("--model", folder)->required();
  app.add_option("--dtype", dtype)->check(CLI::IsMember({"float32", "bfloat16"}));
  CLI11_PARSE(app, argc, argv);
  tune_allocator();
  Server server(folder, {.dtype = dtype == "bfloat16" ? at::kBFloat16 : at::kFloat});
  fmt::print("READY\n");
  std::fflush(stdout);
  for (std::string line; std::getline(std::cin, line) && line != "quit";) {
    fmt::print("{}\n", server.answer(Json::parse(line)).dump());
    std::fflush(stdout);
  }
  fmt::print("{{}}\n");
  return 0;
}
