// SPDX-License-Identifier: Apache-2.0
// What a token is drawn from, one JSON line per line of standard input:
//
//   {"logits": […], "dtype": "float32" | "float64", "prompt"?: [ids], "sampled"?: [ids],
//    and of Sampling's numbers those that are not the default's: "temperature", "top_k", "top_p",
//    "min_p", "repetition_penalty", "presence_penalty", "frequency_penalty"}
//       →  {"ids": what is kept, likeliest first, "logps": [their log-probabilities]}
//
// float32 goes through the CPU's kernel, float64 through plain operations.
#include <cstdio>
#include <string>
#include <vector>

#include "posttrain/generate/token_sampler.hpp"
#include "posttrain/io/json.hpp"
#include "posttrain/tensor/ops.hpp"
#include "support/answer_lines.hpp"

namespace {

using namespace posttrain;

Json answer(const std::string& line) {
  const Json request = io::parse_json(line, "request");
  const auto number = [&](const char* name, double otherwise) {
    return request.value(name, otherwise);
  };
  const Sampling sampling{.temperature = number("temperature", 1.0),
                          .top_k = request.value("top_k", std::int64_t{0}),
                          .top_p = number("top_p", 1.0),
                          .min_p = number("min_p", 0.0),
                          .repetition_penalty = number("repetition_penalty", 1.0),
                          .presence_penalty = number("presence_penalty", 0.0),
                          .frequency_penalty = number("frequency_penalty", 0.0)};
  sampling.validate();
  SeenTokens seen;
  seen.add_prompt(request.value("prompt", TokenIds{}));
  for (const TokenId id : request.value("sampled", TokenIds{})) seen.add_sampled(id);
  DrawRow row = DrawRow::of(sampling, 0.5);
  row.seen = seen.tokens();

  const auto values = request.at("logits").get<std::vector<double>>();
  const auto width = static_cast<std::int64_t>(values.size());
  const Tensor logits = at::tensor(values, at::kDouble)
                            .to(request.at("dtype") == "float64" ? at::kDouble : at::kFloat)
                            .unsqueeze(0);
  const Drawn drawn = draw_tokens(logits, std::vector<DrawRow>{row}, {.top_logps = width});
  const Tensor logps = drawn.top_logps.to(at::kDouble);
  Json ids = Json::array(), numbers = Json::array();
  for (std::int64_t j = 0; j < width; ++j) {
    const std::int64_t id = drawn.top_ids.const_data_ptr<std::int64_t>()[j];
    if (id < 0) break;
    ids.push_back(id);
    numbers.push_back(logps.const_data_ptr<double>()[j]);
  }
  return {{"ids", ids}, {"logps", numbers}};
}

}  // namespace

int main(int argc, char**) {
  if (argc > 1) {
    std::fprintf(stderr, "usage: probe_sampling < lines.jsonl\n");
    return 2;
  }
  test::answer_lines(answer);
  return 0;
}
