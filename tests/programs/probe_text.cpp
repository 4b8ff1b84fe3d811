// SPDX-License-Identifier: Apache-2.0
// Answers for the text files of a model folder, one JSON line per line of standard input:
//
//   {"text": …, "add_special_tokens"?: bool}  →  {"ids": […], "decoded": …}
//   {"ids": […], "skip_special_tokens"?: bool}  →  {"decoded": …}
//   {"messages": […], "tools"?: […], "add_generation_prompt"?: bool, "variables"?: {…}}
//       →  {"text": …, "ids": […], "assistant_spans": [[begin, end], …]}
//   {"chat_template": …, "context": {…} or the above}
//       →  {"text": …, "generations": [[begin, end], …]} (bytes)
//   {"sample": {"messages": …}, "turns"?: "all" | "each" | "last", "unmask"?: bool}
//       →  {"sequences": [{"ids": […], "weights": […]}, …]}
//   {"info": true}  →  {"vocab_size", "bos_token", "eos_token", "terminator", "eos_ids"}
//
// An error is {"error": "one line"}.
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>

#include "posttrain/jinja/extra.hpp"
#include "posttrain/text/chat_folder.hpp"
#include "posttrain/text/chat_tokenizer.hpp"
#include "support/answer_lines.hpp"

namespace {

using posttrain::Json;

/// The folder's tokenizer, made when the first request needs it, so that a bad folder is an answer.
class Folder {
 public:
  explicit Folder(std::string path) : path_(std::move(path)) {}

  posttrain::text::ChatTokenizer& get() {
    if (!chat_) {
      const posttrain::text::ChatFiles files = posttrain::text::read_chat_files(path_);
      if (files.tokenizer.empty()) {
        posttrain::raise("expected a readable {}/tokenizer.json", path_);
      }
      chat_.emplace(files);
    }
    return *chat_;
  }

 private:
  std::string path_;
  std::optional<posttrain::text::ChatTokenizer> chat_;
};

Json answer(const Json& request, Folder& folder) {
  using posttrain::text::ChatTemplate;
  if (!request.is_object()) posttrain::fail("expected an object per line");
  if (request.contains("chat_template")) {
    const auto parsed = ChatTemplate::parse(request.at("chat_template").get<std::string>());
    const Json context =
        request.contains("messages")
            ? ChatTemplate::context(request.at("messages"), request.value("tools", Json(nullptr)),
                                    request.value("add_generation_prompt", false),
                                    request.value("variables", Json(nullptr)))
            : request.value("context", Json::object());
    const auto rendered = parsed.render_marked(context);
    Json spans = Json::array();
    for (const auto& [begin, end] : rendered.generations) spans.push_back({begin, end});
    return {{"text", rendered.text}, {"generations", spans}};
  }
  auto& chat = folder.get();
  if (request.contains("messages")) {
    if (request.contains("variables")) {
      for (const auto& [name, value] : request.at("variables").items()) {
        chat.set_variable(name, value);
      }
    }
    const auto encoded = chat.encode(request.at("messages"), request.value("tools", Json(nullptr)),
                                     request.value("add_generation_prompt", false));
    Json spans = Json::array();
    for (const auto& span : encoded.assistant_spans) spans.push_back({span.begin, span.end});
    return {{"text", encoded.text}, {"ids", encoded.ids}, {"assistant_spans", spans}};
  }
  if (request.contains("sample")) {
    using posttrain::text::Turns;
    const std::string turns = request.value("turns", std::string("all"));
    Json sequences = Json::array();
    for (const auto& sequence :
         chat.training_sequences(posttrain::text::Conversation::from(request.at("sample")),
                                 turns == "each"   ? Turns::each
                                 : turns == "last" ? Turns::last
                                                   : Turns::all,
                                 request.value("unmask", false))) {
      sequences.push_back({{"ids", sequence.ids}, {"weights", sequence.weights}});
    }
    return {{"sequences", sequences}};
  }
  if (request.contains("text")) {
    const auto ids = chat.tokenizer().encode(request.at("text").get<std::string>(),
                                             request.value("add_special_tokens", false));
    return {{"ids", ids}, {"decoded", chat.tokenizer().decode(ids)}};
  }
  if (request.contains("ids")) {
    const auto ids = request.at("ids").get<posttrain::TokenIds>();
    return {{"decoded", chat.tokenizer().decode(ids, request.value("skip_special_tokens", false))}};
  }
  if (request.contains("info")) {
    return {{"vocab_size", chat.tokenizer().vocab_size()},
            {"bos_token", chat.bos_token()},
            {"eos_token", chat.eos_token()},
            {"terminator", chat.terminator()},
            {"eos_ids", chat.eos_ids()}};
  }
  posttrain::fail("expected \"text\", \"messages\", \"ids\", \"sample\" or \"chat_template\"");
}

}  // namespace

int main(int argc, char** argv) {
  std::string model;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument == "--model" && i + 1 < argc) {
      model = argv[++i];
    } else if (argument.starts_with("--model=")) {
      model = argument.substr(8);
    } else {
      std::fprintf(stderr, "usage: probe_text --model DIR < lines.jsonl\n");
      return argument == "--help" || argument == "-h" ? 0 : 2;
    }
  }
  Folder folder(model.empty() ? "." : model);
  posttrain::test::answer_lines(
      [&](const std::string& line) { return answer(Json::parse(line), folder); });
  return 0;
}
