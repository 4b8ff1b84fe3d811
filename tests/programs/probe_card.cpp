// SPDX-License-Identifier: Apache-2.0
// Writes and reads model cards, for comparison with huggingface_hub.
//
// Reads one JSON object per line and answers each with one:
//   {"name": "tuned", "card": {"license": …, "tags": […], "body": …, …}}  →  {"text": README.md}
//   {"readme": README.md}  →  {"language": […], "license": …, "license_name": …, "license_link": …}
#include <cstdio>
#include <iostream>
#include <string>
#include <vector>

#include "posttrain/io/json.hpp"
#include "posttrain/io/model_card.hpp"

namespace {

using namespace posttrain;

Json written(const Json& request) {
  io::ModelCard card;
  const Json& fields = request.at("card");
  const auto take = [&](const char* key, auto& value) {
    if (fields.contains(key)) fields.at(key).get_to(value);
  };
  take("library_name", card.library_name);
  take("pipeline_tag", card.pipeline_tag);
  take("base_model", card.base_model);
  take("base_model_relation", card.base_model_relation);
  take("language", card.language);
  take("license", card.license);
  take("license_name", card.license_name);
  take("license_link", card.license_link);
  take("tags", card.tags);
  take("body", card.body);
  return {{"text", card.text(request.at("name").get<std::string>())}};
}

Json read(const std::string& readme) {
  const io::ModelCard card = io::read_model_card(readme);
  return {{"language", card.language},
          {"license", card.license},
          {"license_name", card.license_name},
          {"license_link", card.license_link}};
}

}  // namespace

int main() {
  for (std::string line; std::getline(std::cin, line);) {
    const Json request = io::parse_json(line, "request");
    const Json answer = request.contains("readme") ? read(request.at("readme").get<std::string>())
                                                   : written(request);
    std::puts(answer.dump().c_str());
  }
}
