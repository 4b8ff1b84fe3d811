// SPDX-License-Identifier: Apache-2.0
// Answers for tokenizers, one JSON line per line of standard input:
//
//   {"tokenizer": "path of a tokenizer.json, or of a GGUF file"}  →  {"vocab_size": n}; the lines
//   below ask this one
//   {"text": … or "hex": …, "add_special_tokens"?: bool}
//       →  {"ids": […], "offsets": [[begin, end], …] (bytes), "batch": bool}
//          "batch": whether encode_batch gives the same
//   {"ids": […], "skip_special_tokens"?: bool}  →  {"decoded": …, "streamed": …}
//
// An error is {"error": "one line"}.
#include <cstdio>
#include <exception>
#include <fstream>
#include <iostream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "posttrain/text/gguf/chat_files.hpp"
#include "posttrain/text/stream_decoder.hpp"
#include "posttrain/text/tokenizer.hpp"

namespace {

using Json = nlohmann::json;
using posttrain::text::Tokenizer;

std::string contents(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) posttrain::raise("cannot read {}", path);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

std::string text_of(const Json& request) {
  if (request.contains("text")) return request.at("text").get<std::string>();
  const auto hex = request.at("hex").get<std::string>();
  std::string bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  }
  return bytes;
}

std::string streamed(const Tokenizer& tokenizer, const posttrain::TokenIds& ids, bool skip) {
  posttrain::text::StreamDecoder decoder(tokenizer, skip);
  std::string all;
  for (const auto id : ids) all += decoder.push(id);
  return all + decoder.finish();
}

Json answer(const Json& request, std::optional<Tokenizer>& tokenizer) {
  if (request.contains("tokenizer")) {
    tokenizer.reset();
    const auto path = request.at("tokenizer").get<std::string>();
    tokenizer = Tokenizer::from_json(
        path.ends_with(".gguf")
            ? posttrain::text::gguf_chat_files(posttrain::io::GgufModel(path)).tokenizer
            : contents(path));
    return {{"vocab_size", tokenizer->vocab_size()}};
  }
  if (!tokenizer) posttrain::fail("expected {\"tokenizer\": path} first");
  if (request.contains("ids")) {
    const auto ids = request.at("ids").get<posttrain::TokenIds>();
    const bool skip = request.value("skip_special_tokens", false);
    return {{"decoded", tokenizer->decode(ids, skip)},
            {"streamed", streamed(*tokenizer, ids, skip)}};
  }
  const std::string text = text_of(request);
  const bool special = request.value("add_special_tokens", false);
  const auto ids = tokenizer->encode(text, special);
  const auto encoding = tokenizer->encode_with_offsets(text, special);
  if (encoding.ids != ids) posttrain::fail("encode_with_offsets gives other ids than encode");
  const std::vector<std::string> texts(3, text);
  bool same = true;
  for (const auto& each : tokenizer->encode_batch(texts, special, 2)) same &= each == ids;
  return {{"ids", ids}, {"offsets", encoding.offsets}, {"batch", same}};
}

}  // namespace

int main() {
  std::optional<Tokenizer> tokenizer;
  for (std::string line; std::getline(std::cin, line);) {
    Json reply;
    try {
      reply = answer(Json::parse(line), tokenizer);
    } catch (const std::exception& error) {
      reply = {{"error", error.what()}};
    }
    const std::string text = reply.dump(-1, ' ', false, Json::error_handler_t::replace);
    std::fwrite(text.data(), 1, text.size(), stdout);
    std::fputc('\n', stdout);
  }
  return 0;
}
