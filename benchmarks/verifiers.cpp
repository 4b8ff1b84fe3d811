// SPDX-License-Identifier: Apache-2.0
// Our side of benchmarks/verifiers.py: `verifiers CASES_JSONL`, lines with "completion" and
// "answer".
//
// Says READY; each line "round" judges all cases one by one. The answer is
// {"cpu": seconds of processor time, "slowest": of the slowest case, "right": n, "peak_memory":
// bytes}.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <exception>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "posttrain/base/error.hpp"
#include "posttrain/rewards/math_answer.hpp"

namespace {

/// Of this program alone: getrusage() still counts what ran before exec().
long peak_memory() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmHWM:")) return std::stol(line.substr(6)) * 1024;
  }
  return 0;
}

double cpu_seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

void serve(const char* path) {
  std::ifstream file(path);
  if (!file) posttrain::raise("cannot read {}", path);
  std::vector<posttrain::Sample> samples;
  for (std::string line; std::getline(file, line);) {
    const auto row = nlohmann::json::parse(line);
    posttrain::Sample sample;
    row.at("completion").get_to(sample.completion);
    row.at("answer").get_to(sample.answer);
    samples.push_back(std::move(sample));
  }
  const posttrain::MathAnswer verifier{.anywhere = true};
  std::printf("READY\n");
  std::fflush(stdout);
  for (std::string line; std::getline(std::cin, line) && line != "quit";) {
    const double cpu = cpu_seconds();
    double slowest = 0.0;
    std::size_t right = 0;
    for (const posttrain::Sample& sample : samples) {
      const auto start = std::chrono::steady_clock::now();
      const posttrain::Verdict verdict = verifier(sample);
      const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
      slowest = std::max(slowest, seconds.count());
      if (verdict.value == 1.0) ++right;
    }
    std::printf("{\"cpu\": %.9f, \"slowest\": %.9f, \"right\": %zu, \"peak_memory\": %ld}\n",
                cpu_seconds() - cpu, slowest, right, peak_memory());
    std::fflush(stdout);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: verifiers CASES_JSONL\n");
    return 2;
  }
  try {
    serve(argv[1]);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return 1;
  }
  return 0;
}
