// SPDX-License-Identifier: Apache-2.0
#include "posttrain/io/gguf_type.hpp"

#include "support/catch.hpp"

using namespace posttrain::io;

TEST_CASE("types of GGUF are found by their number", "[io]") {
  for (const GgufTypeInfo& info : kGgufTypes) {
    CHECK(find_gguf_type(static_cast<std::uint32_t>(info.type)) == &info);
    CHECK(gguf_type_info(info.type).name == info.name);
  }
  CHECK(gguf_type_info(GgufType::kQ4_K).block == 256);
  CHECK(gguf_type_info(GgufType::kQ4_K).bytes == 144);
  for (const std::uint32_t number : {4U, 5U, 9U, 15U, 16U, 31U, 0xFFFFFFFFU}) {
    CHECK(find_gguf_type(number) == nullptr);
  }
}
