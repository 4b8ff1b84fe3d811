// SPDX-License-Identifier: Apache-2.0
// Samples of a model, one JSON line per line of standard input:
//
//   probe_generate --model DIR|FILE.gguf [--dtype float32|float64|bfloat16] [--device cpu]
//   {"ids": […] | "text": … | "messages": […], "samples"?: n, "epoch"?, "prompt_index"?,
//    "first_sample"?, "sampling"?: {fields of generate/sampling.hpp}, "options"?: {fields of
//    generate/generator_options.hpp}, "ends"?: [ids] instead of the model's own}
//       →  {"samples": [{"ids", "logps", "plain_logps"?, "entropy"?, "top"?, "text"?, "finish"}]}
//
// Or {"requests": [such lines without options]}, which are worked on together: {"replies": […]}. An
// error is {"error": "one line"}; a key that there is not is one.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "posttrain/generate/generator.hpp"
#include "posttrain/hub/pretrained_decoder.hpp"
#include "posttrain/params/frozen.hpp"
#include "support/answer_lines.hpp"
#include "support/request_options.hpp"

namespace {

using namespace posttrain;

template <class Options>
Options options_under(const Json& request, const char* key) {
  Options options{};
  const Json* given = io::value_under(request, key);
  if (given == nullptr) return options;
  std::vector<std::string> used, known;
  test::read_options(io::object_from(*given, "request", key), options, used, known);
  test::refuse_unknown_keys(*given, {}, used, known, key);
  return options;
}

class Answerer {
 public:
  Answerer(const std::string& folder, const models::ModelOptions& options)
      : model_(folder, options), gate_(Frozen{}.attach(model_)) {}

  Json operator()(const std::string& line) const {
    const Json given = io::parse_json_without_duplicates(line, "request");
    const Json* together = io::value_under(given, "requests");
    std::vector<Request> requests;
    for (const Json& each : together ? *together : Json::array({given})) {
      requests.push_back(request_of(each));
    }
    std::set<TokenId> ends;
    if (text() != nullptr) ends = text()->eos_ids();
    if (const Json* own = io::value_under(given, "ends")) {
      ends = own->get<std::set<TokenId>>();
    }
    Generator generator(model_, gate_, ends, options_under<GeneratorOptions>(given, "options"),
                        text() == nullptr ? nullptr : &text()->tokenizer());
    Json replies = Json::array();
    for (const auto& group : generator.run(std::move(requests))) {
      Json samples = Json::array();
      for (const Completion& sample : group) samples.push_back(reply_of(sample));
      replies.push_back({{"samples", std::move(samples)}});
    }
    return together != nullptr ? Json{{"replies", std::move(replies)}} : replies[0];
  }

 private:
  const text::ChatTokenizer* text() const { return model_.text(); }

  const text::ChatTokenizer& tokenizer() const {
    if (text() == nullptr) fail("the model has no tokenizer; hint: give \"ids\"");
    return *text();
  }

  Request request_of(const Json& given) const {
    Request request;
    std::vector<std::string> used, known;
    const std::vector<std::string> own{"ids",      "text",     "messages",    "samples",
                                       "epoch",    "sampling", "options",     "prompt_index",
                                       "requests", "ends",     "first_sample"};
    test::refuse_unknown_keys(given, own, {}, {}, "the request");
    if (const Json* ids = io::value_under(given, "ids")) {
      test::read_option(*ids, "ids", request.prompt);
    } else if (const Json* plain = io::value_under(given, "text")) {
      request.prompt = tokenizer().tokenizer().encode(io::text_from(*plain, "request", "text"),
                                                      /*add_special_tokens=*/true);
    } else {
      request.prompt = tokenizer().prompt_ids(text::Conversation::from(given));
    }
    const auto number = [&](const char* key, auto& field) {
      if (const Json* value = io::value_under(given, key)) test::read_option(*value, key, field);
    };
    number("samples", request.samples);
    number("epoch", request.epoch);
    number("prompt_index", request.prompt_index);
    number("first_sample", request.first_sample);
    request.sampling = options_under<Sampling>(given, "sampling");
    return request;
  }

  static Json reply_of(const Completion& sample) {
    Json reply{{"ids", sample.ids}, {"logps", sample.logps}};
    if (!sample.plain_logps.empty()) reply["plain_logps"] = sample.plain_logps;
    if (!sample.entropy.empty()) reply["entropy"] = sample.entropy;
    for (const std::vector<LikelyToken>& position : sample.top) {
      Json likely = Json::array();
      for (const LikelyToken& token : position) likely.push_back({token.id, token.logp});
      reply["top"].push_back(std::move(likely));
    }
    reply["text"] = sample.text;
    reply["finish"] = std::string(enum_name(sample.finish));
    return reply;
  }

  hub::PretrainedDecoder model_;
  FrozenState gate_;
};

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Samples of a model, one JSON line per line of standard input");
  std::string model, dtype = "float32", device = "cpu";
  app.add_option("--model", model, "checkpoint folder or GGUF file")->required();
  app.add_option("--dtype", dtype, "of computation")
      ->check(CLI::IsMember({"float32", "float64", "bfloat16"}));
  app.add_option("--device", device, "cpu, cuda, cuda:1");
  CLI11_PARSE(app, argc, argv);
  std::optional<Answerer> answerer;
  try {
    answerer.emplace(model, models::ModelOptions{.dtype = dtype == "float64"    ? at::kDouble
                                                          : dtype == "bfloat16" ? at::kBFloat16
                                                                                : at::kFloat,
                                                 .device = device});
  } catch (const std::exception& error) {
    std::fprintf(stderr, "error: %s\n", error_text(error).c_str());
    return 1;
  }
  test::answer_lines([&](const std::string& line) { return (*answerer)(line); });
  return 0;
}
