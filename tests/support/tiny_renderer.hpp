// SPDX-License-Identifier: Apache-2.0
// A chat template on a small tokenizer that knows <|im_end|>.
#pragma once

#include <string>

#include "posttrain/text/chat_renderer.hpp"
#include "support/tiny_tokenizer.hpp"

namespace posttrain::test {

inline text::ChatRenderer tiny_renderer(const std::string& chat_template) {
  text::ChatFiles files;
  files.tokenizer = byte_level({}, {"<|im_end|>"}).dump();
  files.chat_template = chat_template;
  return text::ChatRenderer(files, Json::object());
}

}  // namespace posttrain::test
