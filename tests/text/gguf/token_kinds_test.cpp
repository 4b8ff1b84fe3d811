// SPDX-License-Identifier: Apache-2.0
#include "posttrain/text/gguf/token_kinds.hpp"

#include <set>

#include "posttrain/io/gguf_writer.hpp"
#include "posttrain/text/gguf/chat_files.hpp"
#include "posttrain/text/tokenizer.hpp"
#include "support/catch.hpp"
#include "support/temp_folder.hpp"

using namespace posttrain;
using posttrain::test::TempFolder;

TEST_CASE("every way to split text is one that our tokenizer reads", "[text]") {
  std::set<std::string_view> names;
  for (const text::GgufSplit& split : text::kGgufSplits) {
    INFO(split.name);
    CHECK(names.insert(split.name).second);
    io::GgufMetadata metadata;
    metadata.text("tokenizer.ggml.model", "gpt2");
    metadata.text("tokenizer.ggml.pre", split.name);
    metadata.texts("tokenizer.ggml.tokens", {"1", "11", "a"});
    metadata.texts("tokenizer.ggml.merges", {"1 1"});
    const TempFolder scratch;
    io::GgufWriter(scratch / "x.gguf", metadata, {}).finish();
    const auto files = text::gguf_chat_files(io::GgufModel(scratch / "x.gguf"));
    const TokenIds digits = text::Tokenizer::from_json(files.tokenizer).encode("11a");
    const bool alone =
        split.digits || split.pattern == text::kQwen2Words || split.pattern == text::kTekkenWords;
    CHECK(digits == (alone ? TokenIds{0, 0, 2} : TokenIds{1, 2}));
  }
}
