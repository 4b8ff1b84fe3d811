// SPDX-License-Identifier: Apache-2.0
// The lines of docs/components.md on text/, with their results.
#include "posttrain/text/chat_folder.hpp"
#include "posttrain/text/chat_renderer.hpp"
#include "posttrain/text/chat_spans.hpp"
#include "posttrain/text/chat_template.hpp"
#include "posttrain/text/chat_tokenizer.hpp"
#include "posttrain/text/stream_decoder.hpp"
#include "posttrain/text/tokenizer.hpp"
#include "support/catch.hpp"
#include "support/temp_folder.hpp"

using namespace posttrain;
using posttrain::test::slurp;

namespace {

const std::string kFolder = POSTTRAIN_SOURCE_ROOT "/examples/pocket/model";

}  // namespace

TEST_CASE("components: a tokenizer", "[components]") {
  const std::string source = slurp(kFolder + "/tokenizer.json");
  // [snippet: tokenizer]
  const text::Tokenizer tokenizer = text::Tokenizer::from_json(source);
  const TokenIds ids = tokenizer.encode("A cow says muh.");
  const std::string back = tokenizer.decode(ids);  // "A cow says muh."
  const text::Encoding places = tokenizer.encode_with_offsets("A cow says muh.");  // in bytes
  // [/snippet]
  CHECK(ids.size() > 3);
  CHECK(back == "A cow says muh.");
  CHECK(places.ids == ids);
  REQUIRE(places.offsets.size() == ids.size());
  CHECK(places.offsets.back().second == 15);
  CHECK(tokenizer.token(ids.front()) == "A");
}

TEST_CASE("components: a streamed text never ends within a character", "[components]") {
  const text::Tokenizer tokenizer = text::Tokenizer::from_json(slurp(kFolder + "/tokenizer.json"));
  const TokenIds ids = tokenizer.encode("Schöne Grüße 你好");
  std::string shown;
  // [snippet: stream]
  text::StreamDecoder stream(tokenizer, /*skip_special_tokens=*/true);
  for (const TokenId id : ids) shown += stream.push(id);  // empty while a character is unfinished
  shown += stream.finish();
  // [/snippet]
  CHECK(shown == "Schöne Grüße 你好");
}

TEST_CASE("components: a chat template", "[components]") {
  // [snippet: template]
  const auto chat = text::ChatTemplate::parse(
      "{% for m in messages %}<{{ m.role }}>{{ m.content }}\n{% endfor %}"
      "{% if add_generation_prompt %}<assistant>{% endif %}");
  const Json messages = {{{"role", "user"}, {"content", "Hi"}}};
  const std::string prompt = chat.render(messages, /*tools=*/nullptr, /*generation prompt=*/true);
  // "<user>Hi\n<assistant>"
  // [/snippet]
  CHECK(prompt == "<user>Hi\n<assistant>");
}

TEST_CASE("components: the rendering of a conversation, and its turns", "[components]") {
  const std::string folder = kFolder;
  // [snippet: renderer]
  const text::ChatRenderer renderer(text::read_chat_files(folder), /*tokenizer_config=*/{});
  const Json messages = {{{"role", "user"}, {"content", "What does a cow say?"}},
                         {{"role", "assistant"}, {"content", "A cow says muh."}}};
  const auto full = renderer.render_marked(messages, /*tools=*/nullptr);
  const auto turn = text::ChatSpans(renderer).find_turn(messages, nullptr, /*message=*/1, full);
  // [/snippet]
  REQUIRE(turn);
  CHECK(full.text == renderer.render(messages, nullptr, false));
  CHECK(full.text.substr(turn->begin, turn->end - turn->begin) ==
        "A cow says muh." + renderer.terminator());
}

TEST_CASE("components: a chat tokenizer", "[components]") {
  const std::string folder = kFolder;
  // [snippet: chat]
  const text::ChatTokenizer chats(text::read_chat_files(folder));
  const Json messages = {{{"role", "user"}, {"content", "What does a cow say?"}},
                         {{"role", "assistant"}, {"content", "A cow says muh."}}};
  const text::EncodedChat chat = chats.encode(messages);  // text, ids, the assistant's spans
  const std::vector<Sequence> train =
      chats.training_sequences(text::Conversation::from({{"messages", messages}}));
  // [/snippet]
  REQUIRE(chat.assistant_spans.size() == 1);
  const text::Span span = chat.assistant_spans[0];
  const std::string said = chats.tokenizer().decode(
      {chat.ids.data() + span.begin, static_cast<std::size_t>(span.end - span.begin)});
  CHECK(said == "A cow says muh." + chats.terminator());
  REQUIRE(train.size() == 1);
  CHECK(train[0].ids == chat.ids);
  CHECK(train[0].counted() == span.end - span.begin);
  CHECK(chats.eos_ids().contains(chat.ids[static_cast<std::size_t>(span.end - 1)]));
}
