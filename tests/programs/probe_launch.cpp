// SPDX-License-Identifier: Apache-2.0
// Resolves launch parameters, for comparison with Training Hub.
//
// Reads one JSON object per line and answers each with one:
//   {"given": {"nproc_per_node": 8, …}, "variables": {"PET_NNODES": …}, "gpus": 0}
//   →  {"processes", "nodes", "rank", "id", "host", "port", "notes"}  or  {"error": …}
// `variables` are the whole environment; what is not given is left out.
#include <cstdio>
#include <iostream>
#include <string>

#include "posttrain/distributed/launch.hpp"
#include "posttrain/io/json.hpp"

namespace {

using namespace posttrain;

LaunchValue value_of(const Json& given, const char* name) {
  const Json* value = io::value_under(given, name);
  if (value == nullptr) return {};
  if (value->is_number_integer()) return value->get<std::int64_t>();
  return value->get<std::string>();
}

Json answer_to(const Json& request) {
  const Json& given = request.at("given");
  const LaunchOptions options{.nproc_per_node = value_of(given, "nproc_per_node"),
                              .nnodes = value_of(given, "nnodes"),
                              .node_rank = value_of(given, "node_rank"),
                              .rdzv_id = value_of(given, "rdzv_id"),
                              .rdzv_endpoint = value_of(given, "rdzv_endpoint").text(),
                              .master_addr = value_of(given, "master_addr").text(),
                              .master_port = value_of(given, "master_port")};
  EnvironmentVariables::Variables variables;
  for (const auto& [name, value] : request.at("variables").items()) {
    variables[name] = value.get<std::string>();
  }
  const Launch launch =
      resolve_launch(options, EnvironmentVariables(variables), request.at("gpus"));
  return {{"processes", launch.processes},
          {"nodes", launch.nodes},
          {"rank", launch.rank},
          {"id", launch.rendezvous.id},
          {"host", launch.rendezvous.host},
          {"port", launch.rendezvous.port},
          {"notes", launch.notes}};
}

}  // namespace

int main() {
  for (std::string line; std::getline(std::cin, line);) {
    Json answer;
    try {
      answer = answer_to(io::parse_json(line, "request"));
    } catch (const Error& error) {
      answer["error"] = error.what();
    }
    std::puts(answer.dump().c_str());
  }
}
