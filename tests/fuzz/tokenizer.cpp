// SPDX-License-Identifier: Apache-2.0
// Any bytes as a tokenizer.json and a text (behind a NUL byte, or a fixed one): an error or ids.
#include "posttrain/text/tokenizer.hpp"

#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "posttrain/base/error.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::size_t end = input.find('\0');
  const std::string_view text = end == std::string_view::npos
                                    ? std::string_view("Hello world  a1\n\xc3\xa9 <s>")
                                    : input.substr(end + 1);
  try {
    const auto tokenizer = posttrain::text::Tokenizer::from_json(input.substr(0, end));
    const posttrain::TokenIds ids = tokenizer.encode(text);
    const posttrain::text::Encoding encoding = tokenizer.encode_with_offsets(text);
    if (encoding.ids != ids || encoding.offsets.size() != ids.size()) std::abort();
    tokenizer.decode(ids);
    tokenizer.encode_continuation(text);
    tokenizer.last_added_token(text);
  } catch (const posttrain::Error&) {
  }
  return 0;
}
