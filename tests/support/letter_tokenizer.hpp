// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "posttrain/text/chat_tokenizer.hpp"

namespace posttrain::test {

/// Every printable ASCII character is a token of its own; <eos> ends turns and documents.
inline text::ChatFiles tiny_tokenizer_files() {
  nlohmann::json vocab;
  int next = 0;
  for (char c = 33; c < 127; ++c) vocab[std::string(1, c)] = next++;
  vocab["Ġ"] = next++;
  vocab["Ċ"] = next++;
  const nlohmann::json tokenizer{
      {"model", {{"type", "BPE"}, {"vocab", vocab}, {"merges", nlohmann::json::array()}}},
      {"pre_tokenizer", {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", false}}},
      {"decoder", {{"type", "ByteLevel"}}},
      {"added_tokens",
       {{{"id", next}, {"content", "<eos>"}, {"special", true}},
        {{"id", next + 1}, {"content", "<bos>"}, {"special", true}}}}};
  text::ChatFiles files;
  files.tokenizer = tokenizer.dump();
  files.tokenizer_config = R"({"eos_token": "<eos>", "bos_token": "<bos>"})";
  files.chat_template =
      "{% for m in messages %}{{ m['role'][0] + ':' + m['content'] + '<eos>' }}{% endfor %}"
      "{% if add_generation_prompt %}{{ 'a:' }}{% endif %}";
  return files;
}

inline text::ChatTokenizer tiny_tokenizer() { return text::ChatTokenizer(tiny_tokenizer_files()); }

}  // namespace posttrain::test
