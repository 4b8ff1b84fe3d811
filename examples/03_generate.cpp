// SPDX-License-Identifier: Apache-2.0
// Talks to a Hugging Face folder:
//   03_generate --model examples/pocket/model --ask "How much is 34 + 28?"
// Every --ask is a conversation of its own. Without one, the lines of standard input are the user's
// turns of one conversation.
#include <iostream>
#include <string>
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

void talk(const Arguments& arguments, const GenerateOptions& options) {
  // [snippet: generate]
  const hub::PretrainedDecoder model(
      arguments.model,
      {.dtype = examples::scalar_type(arguments.dtype), .device = arguments.device});
  const FrozenState gate = Frozen{}.attach(model);
  const auto turn = [&](Json& messages, const std::string& question) {
    messages.push_back({{"role", "user"}, {"content", question}});
    const std::string reply = answer(model, gate, messages, options);
    messages.push_back({{"role", "assistant"}, {"content", reply}});
    return reply;
  };
  // [/snippet]
  for (const std::string& question : arguments.ask) {
    Json messages = opening(arguments);
    fmt::print("{} -> {}\n", question, turn(messages, question));
  }
  if (!arguments.ask.empty()) return;
  Json messages = opening(arguments);
  for (std::string line; std::getline(std::cin, line);) {
    if (line.empty()) continue;
    fmt::print("{}\n", turn(messages, line));
    std::fflush(stdout);
  }
}

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments;
  GenerateOptions options;
  examples::CommandLine line("Talks to a Hugging Face folder");
  line.add(arguments, {"model"});
  line.add(options);
  return line.run(argc, argv, [&] { talk(arguments, options); });
}
