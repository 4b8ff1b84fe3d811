// SPDX-License-Identifier: Apache-2.0
// Our side of benchmarks/data.py: `data_server MODEL_FOLDER DATA MAX_LENGTH`.
//
// Says READY; "ids N" answers with the ids of the first N conversations, "run" prepares the whole
// file (template, tokens, spans, packs of MAX_LENGTH tokens) and answers
// {"seconds": of processor time, "sequences": n, "tokens": n, "packs": n, "peak_memory": bytes}.
#include <cstdio>
#include <ctime>
#include <exception>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>

#include "posttrain/data/messages.hpp"
#include "posttrain/data/pipeline/packing.hpp"
#include "posttrain/text/chat_folder.hpp"

namespace {

using namespace posttrain;

/// Of this program alone: getrusage() still counts what ran before exec().
long peak_memory() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmHWM:")) return std::stol(line.substr(6)) * 1024;
  }
  return 0;
}

void serve(const char* model, const std::string& path, std::int64_t max_length) {
  const text::ChatTokenizer text(text::read_chat_files(model));
  data::LoadContext context;
  context.text = &text;
  context.max_seq_len = max_length;
  const Messages messages{.path = path};
  std::puts("READY");
  std::fflush(stdout);
  for (std::string line; std::getline(std::cin, line) && line != "quit";) {
    const std::clock_t start = std::clock();
    const data::LoadedData loaded = messages.load(context);
    nlohmann::json answer;
    if (line.starts_with("ids ")) {
      answer = nlohmann::json::array();
      const auto count = std::min(std::stoul(line.substr(4)), loaded.train.size());
      for (std::size_t i = 0; i < count; ++i) answer.push_back(loaded.train[i].ids);
    } else {
      std::vector<std::int64_t> lengths(loaded.train.size());
      for (std::size_t i = 0; i < lengths.size(); ++i) lengths[i] = loaded.train.length(i);
      const data::Packs packs = data::FirstFitDecreasing{}.pack(lengths, max_length);
      const double seconds = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
      answer = {{"seconds", seconds},
                {"sequences", loaded.train.size()},
                {"tokens", loaded.report.tokens},
                {"packs", packs.size()},
                {"peak_memory", peak_memory()}};
    }
    std::puts(answer.dump().c_str());
    std::fflush(stdout);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "usage: data_server MODEL_FOLDER DATA MAX_LENGTH\n");
    return 2;
  }
  try {
    serve(argv[1], argv[2], std::stol(argv[3]));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return 1;
  }
  return 0;
}
