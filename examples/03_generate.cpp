// SPDX-License-Identifier: Apache-2.0
// Talks to a Hugging Face folder or a GGUF file:
//   03_generate --model examples/pocket/model --ask "How much is 34 + 28?"
// Every --ask is a conversation of its own. Without one, the lines of standard input are the user's
// turns of one conversation, and answers are shown as they are written. Greedy unless a
// --temperature is given; the other options are those of generate/sampling.hpp.
#include <cstdio>
#include <iostream>
#include <string>
#include <string_view>
#include <vector>

#include "posttrain/generate/chat.hpp"
#include "posttrain/hub/pretrained_decoder.hpp"
#include "posttrain/params/frozen.hpp"
#include "support/dtype.hpp"
#include "support/options.hpp"

namespace {

using namespace posttrain;

struct Arguments {
  std::string model, system;
  std::vector<std::string> ask;
  examples::Dtype dtype = examples::Dtype::float32;
  std::string device = "cpu";  // or cuda, cuda:1
};

Json opening(const Arguments& arguments) {
  Json messages = Json::array();
  if (!arguments.system.empty()) {
    messages.push_back({{"role", "system"}, {"content", arguments.system}});
  }
  return messages;
}

void talk(const Arguments& arguments, const Sampling& sampling) {
  // [snippet: generate]
  const hub::PretrainedDecoder model(
      arguments.model,
      {.dtype = examples::scalar_type(arguments.dtype), .device = arguments.device});
  const FrozenState gate = Frozen{}.attach(model);
  const auto begin = [&] { return Chat(model, gate, tokenizer_of(model), opening(arguments)); };
  for (const std::string& question : arguments.ask) {
    fmt::print("{} -> {}\n", question, begin().say(question, sampling));
  }
  if (!arguments.ask.empty()) return;
  Chat chat = begin();
  for (std::string line; std::getline(std::cin, line);) {
    if (line.empty()) continue;
    chat.say(line, sampling, [](std::string_view text) {
      fmt::print("{}", text);
      std::fflush(stdout);
    });
    fmt::print("\n");
  }
  // [/snippet]
}

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments;
  Sampling sampling{.temperature = 0.0};
  examples::CommandLine line("Talks to a Hugging Face folder");
  line.add(arguments, {"model"});
  line.add(sampling);
  return line.run(argc, argv, [&] { talk(arguments, sampling); });
}
