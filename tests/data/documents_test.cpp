// SPDX-License-Identifier: Apache-2.0
#include "posttrain/data/documents.hpp"

#include "support/catch.hpp"
#include "support/letter_tokenizer.hpp"
#include "support/temp_folder.hpp"

using posttrain::Documents;
using posttrain::Sequence;
using posttrain::data::LoadContext;
using posttrain::data::LoadedData;
using posttrain::test::contains;
using posttrain::test::error_of;
using posttrain::test::TempFolder;
using posttrain::test::tiny_tokenizer;
using posttrain::text::ChatTokenizer;

TEST_CASE("duplicates are dropped and counted, also from what is held out") {
  const TempFolder scratch;
  const ChatTokenizer chat = tiny_tokenizer();
  LoadContext context;
  context.text = &chat;
  const std::string path = scratch.write("d.txt", "ab|cd|ab|ab |ef");
  const std::string held_out = scratch.write("v.txt", "gh|cd|gh");
  const Documents documents{.path = path, .delimiter = "|", .validation_path = held_out};
  CHECK(documents.load(context).train.size() == 5);
  context.deduplicate = true;
  const LoadedData data = documents.load(context);
  CHECK(data.train.size() == 4);
  CHECK(data.validation.size() == 1);
  CHECK(data.report.duplicates == 3);
  CHECK(contains(data.report.counts(), "; 3 duplicates dropped"));
}

TEST_CASE("documents end in EOS, in blocks, and never share a sequence [C14]", "[C14]") {
  const TempFolder scratch;
  const ChatTokenizer chat = tiny_tokenizer();
  LoadContext context;
  context.text = &chat;
  const std::string path =
      scratch.write("d.jsonl", "{\"document\": \"abc\"}\n{\"document\": \"defghijkl\"}\n");
  const auto texts = [&](const LoadedData& data) {
    std::vector<std::string> result;
    for (const Sequence& sequence : data.train) {
      result.push_back(chat.tokenizer().decode(sequence.ids));
    }
    return result;
  };
  CHECK(texts(Documents{.path = path}.load(context)) ==
        std::vector<std::string>{"abc<eos>", "defghijkl<eos>"});
  const LoadedData blocks = Documents{.path = path, .block_size = 4}.load(context);
  CHECK(texts(blocks) == std::vector<std::string>{"abc<eos>", "defg", "hijk", "l<eos>"});
  CHECK(blocks.report.scored == 3 + 3 + 3 + 1);
  CHECK(texts(Documents{.path = path, .append_eos = false, .prepend_bos = true}.load(context)) ==
        std::vector<std::string>{"<bos>abc", "<bos>defghijkl"});
  context.max_seq_len = 3;
  CHECK(contains(error_of([&] { Documents{.path = path, .block_size = 4}.load(context); }),
                 "block_size = 4 is more than max_seq_len = 3"));
  CHECK(contains(error_of([] { Documents{.path = "x", .block_size = 2}.validate(); }),
                 "block_size must be 0"));
}

TEST_CASE("a policy of documents is a constexpr object") {
  constexpr Documents kDocuments{.path = "a.txt", .block_size = 512, .delimiter = "\n\n"};
  static_assert((kDocuments.validate(), true));
  CHECK(kDocuments.source().path == "a.txt");
  CHECK(contains(error_of([] { Documents{}.validate(); }), "path must not be empty"));
}
