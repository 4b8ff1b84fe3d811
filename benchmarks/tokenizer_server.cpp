// SPDX-License-Identifier: Apache-2.0
// Our side of benchmarks/tokenizer.py: `tokenizer_server TOKENIZER_JSON DOCUMENTS_JSON`.
//
// Says READY; each line "one" encodes all documents one by one, "batch" with all cores. The answer
// is
// {"cpu": seconds of processor time, "seconds": of the clock, "tokens": n, "peak_memory": bytes}.
#include <chrono>
#include <cstdio>
#include <ctime>
#include <exception>
#include <fstream>
#include <iostream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "posttrain/text/tokenizer.hpp"

namespace {

std::string contents(const char* path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) posttrain::raise("cannot read {}", path);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

/// Of this program alone: getrusage() still counts what ran before exec().
long peak_memory() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmHWM:")) return std::stol(line.substr(6)) * 1024;
  }
  return 0;
}

double cpu_seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

void serve(const char* tokenizer_path, const char* documents_path) {
  const auto tokenizer = posttrain::text::Tokenizer::from_json(contents(tokenizer_path));
  const auto documents =
      nlohmann::json::parse(contents(documents_path)).get<std::vector<std::string>>();
  std::printf("READY\n");
  std::fflush(stdout);
  for (std::string line; std::getline(std::cin, line) && line != "quit";) {
    const double cpu = cpu_seconds();
    const auto start = std::chrono::steady_clock::now();
    std::size_t tokens = 0;
    if (line == "batch") {
      for (const auto& ids : tokenizer.encode_batch(documents)) tokens += ids.size();
    } else {
      for (const auto& document : documents) tokens += tokenizer.encode(document).size();
    }
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    const double used = cpu_seconds() - cpu;
    std::printf("{\"cpu\": %.6f, \"seconds\": %.6f, \"tokens\": %zu, \"peak_memory\": %ld}\n", used,
                seconds.count(), tokens, peak_memory());
    std::fflush(stdout);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: tokenizer_server TOKENIZER_JSON DOCUMENTS_JSON\n");
    return 2;
  }
  try {
    serve(argv[1], argv[2]);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return 1;
  }
  return 0;
}
