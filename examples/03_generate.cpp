// SPDX-License-Identifier: Apache-2.0
// Talks to a Hugging Face folder:
//   03_generate --model examples/pocket/model --ask "How much is 34 + 28?"
// Every --ask is a conversation of its own. Without one, the lines of standard input are the user's
// turns of one conversation.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <iostream>
#include <string>
#include <vector>

#include "posttrain/params/frozen.hpp"
#include "support/ask.hpp"

namespace {

using namespace posttrain;

struct Arguments {
  std::string model, system, dtype = "float32";
  std::vector<std::string> ask;
  models::GenerateOptions options;
};

text::Json opening(const Arguments& arguments) {
  text::Json messages = text::Json::array();
  if (!arguments.system.empty()) {
    messages.push_back({{"role", "system"}, {"content", arguments.system}});
  }
  return messages;
}

void talk(const Arguments& arguments) {
  // [snippet: generate]
  const hub::PretrainedDecoder model(
      arguments.model, {.dtype = arguments.dtype == "bfloat16" ? at::kBFloat16 : at::kFloat});
  const FrozenState gate = Frozen{}.attach(model);
  const auto turn = [&](text::Json& messages, const std::string& question) {
    messages.push_back({{"role", "user"}, {"content", question}});
    const std::string reply = examples::answer(model, gate, messages, arguments.options);
    messages.push_back({{"role", "assistant"}, {"content", reply}});
    return reply;
  };
  // [/snippet]
  for (const std::string& question : arguments.ask) {
    text::Json messages = opening(arguments);
    fmt::print("{} -> {}\n", question, turn(messages, question));
  }
  if (!arguments.ask.empty()) return;
  text::Json messages = opening(arguments);
  for (std::string line; std::getline(std::cin, line);) {
    if (line.empty()) continue;
    fmt::print("{}\n", turn(messages, line));
    std::fflush(stdout);
  }
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Talks to a Hugging Face folder");
  Arguments arguments;
  app.add_option("--model", arguments.model, "checkpoint folder")->required();
  app.add_option("--ask", arguments.ask, "a question; may be repeated")->take_all();
  app.add_option("--system", arguments.system, "system message");
  app.add_option("--temperature", arguments.options.temperature, "0: greedy")
      ->capture_default_str();
  app.add_option("--max-new-tokens", arguments.options.max_new_tokens)->capture_default_str();
  app.add_option("--seed", arguments.options.seed, "of sampling")->capture_default_str();
  app.add_option("--dtype", arguments.dtype, "of computation")
      ->check(CLI::IsMember({"float32", "bfloat16"}))
      ->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  try {
    talk(arguments);
  } catch (const std::exception& error) {
    fmt::print(stderr, "error: {}\n", error.what());
    return 1;
  }
  return 0;
}
