// SPDX-License-Identifier: Apache-2.0
// Says where models lie in the Hugging Face cache, for comparison with its client.
//
// Reads one JSON object per line and answers each with one:
//   {"model": "org/name", "variables": {"HF_HOME": …}}  →  {"path": …}  or  {"error": …}
// `variables` are the whole environment.
#include <cstdio>
#include <iostream>
#include <string>

#include "posttrain/io/hub_cache.hpp"
#include "posttrain/io/json.hpp"

int main() {
  using namespace posttrain;
  for (std::string line; std::getline(std::cin, line);) {
    Json answer;
    try {
      const Json request = io::parse_json(line, "request");
      Environment::Variables variables;
      for (const auto& [name, value] : request.at("variables").items()) {
        variables[name] = value.get<std::string>();
      }
      answer["path"] =
          io::find_model(request.at("model").get<std::string>(), Environment(variables)).string();
    } catch (const Error& error) {
      answer["error"] = error.what();
    }
    std::puts(answer.dump().c_str());
  }
}
