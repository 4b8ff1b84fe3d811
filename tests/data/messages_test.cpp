// SPDX-License-Identifier: Apache-2.0
#include "posttrain/data/messages.hpp"

#include "support/catch.hpp"
#include "support/letter_tokenizer.hpp"
#include "support/temp_folder.hpp"

using posttrain::Messages;
using posttrain::Sequence;
using posttrain::TokenId;
using posttrain::TokenIds;
using posttrain::data::LoadContext;
using posttrain::data::LoadedData;
using posttrain::test::contains;
using posttrain::test::error_of;
using posttrain::test::TempFolder;
using posttrain::test::tiny_tokenizer;
using posttrain::text::ChatTokenizer;

namespace {

std::string scored_text(const ChatTokenizer& chat, const Sequence& sequence) {
  TokenIds ids;
  for (std::size_t i = 1; i < sequence.ids.size(); ++i) {
    if (sequence.weights[i] != 0.0F) ids.push_back(sequence.ids[i]);
  }
  return chat.tokenizer().decode(ids);
}

}  // namespace

TEST_CASE("conversations train what the assistant wrote, its terminator included [C7]", "[C7]") {
  const TempFolder scratch;
  const ChatTokenizer chat = tiny_tokenizer();
  LoadContext context;
  context.text = &chat;
  const std::string path = scratch.write(
      "chats.jsonl",
      R"({"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "yo"}]})"
      "\n"
      R"({"messages": [{"role": "user", "content": "nobody answers"}]})"
      "\n");
  const LoadedData data = Messages{.path = path}.load(context);
  REQUIRE(data.train.size() == 1);
  CHECK(chat.tokenizer().decode(data.train[0].ids) == "u:hi<eos>a:yo<eos>");
  CHECK(scored_text(chat, data.train[0]) == "yo<eos>");
  CHECK(data.report.all_masked == 1);
  CHECK(contains(data.report.reasons[0], "chats.jsonl:2: no token to score"));
}

TEST_CASE("a malformed conversation is an error with its line, or counted") {
  const TempFolder scratch;
  const ChatTokenizer chat = tiny_tokenizer();
  LoadContext context;
  context.text = &chat;
  LoadContext lenient = context;
  lenient.skip_bad_samples = true;
  const std::string path = scratch.write(
      "chats.jsonl",
      R"({"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]})"
      "\n{\"messages\": 3}\n{\"messages\": [{\"content\": \"x\"}]}\n[]\n");
  CHECK(contains(error_of([&] { Messages{.path = path}.load(context); }),
                 "chats.jsonl:2: expected \"messages\" to be an array"));
  CHECK(Messages{.path = path}.load(lenient).report.bad == 3);
  CHECK(contains(error_of([&] { Messages{.path = path}.load({}); }), "need a tokenizer"));
}

TEST_CASE("every format of conversations trains the same tokens [C11]", "[C11]") {
  const TempFolder scratch;
  const ChatTokenizer chat = tiny_tokenizer();
  LoadContext context;
  context.text = &chat;
  LoadContext lenient = context;
  lenient.skip_bad_samples = true;
  const std::vector<std::string> samples = {
      R"({"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "yo"}]})",
      R"({"conversations": [{"from": "human", "value": "hi"}, {"from": "gpt", "value": "yo"}]})",
      R"({"instruction": "hi", "input": "", "output": "yo"})",
      R"({"question": "hi", "answer": "yo"})",
      R"({"prompt": [{"role": "user", "content": "hi"}],
          "completion": [{"role": "assistant", "content": "yo"}]})"};
  for (std::size_t i = 0; i < samples.size(); ++i) {
    const std::string path = scratch.write(fmt::format("{}.json", i), "[" + samples[i] + "]");
    const LoadedData data = Messages{.path = path}.load(context);
    REQUIRE(data.train.size() == 1);
    CHECK(chat.tokenizer().decode(data.train[0].ids) == "u:hi<eos>a:yo<eos>");
    CHECK(scored_text(chat, data.train[0]) == "yo<eos>");
    REQUIRE(data.report.sources.size() == 1);
    CHECK(contains(data.report.summary(), "\n  reads " + path + ": "));
  }
  const std::string mixed = scratch.write("mixed.jsonl", samples[0] + "\n" + samples[1]);
  CHECK(contains(error_of([&] { Messages{.path = mixed}.load(context); }),
                 "mixed.jsonl:2: expected conversations (messages) as before, got ShareGPT "
                 "conversations (the keys conversations)"));
  CHECK(Messages{.path = mixed}.load(lenient).report.bad == 1);
  const std::string documents = scratch.write("d.jsonl", R"({"text": "abc"})");
  CHECK(contains(error_of([&] { Messages{.path = documents}.load(context); }), "got documents"));
}

TEST_CASE("of a prompt with a completion only the completion is scored [C11]", "[C11]") {
  const TempFolder scratch;
  const ChatTokenizer chat = tiny_tokenizer();
  LoadContext context;
  context.text = &chat;
  const std::string turns = scratch.write(
      "a.jsonl",
      R"({"prompt": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}, )"
      R"({"role": "user", "content": "r"}], "completion": [{"role": "assistant", "content": "b"}, )"
      R"({"role": "user", "content": "s"}, {"role": "assistant", "content": "c"}]})");
  LoadedData data = Messages{.path = turns}.load(context);
  REQUIRE(data.train.size() == 1);
  CHECK(scored_text(chat, data.train[0]) == "b<eos>c<eos>");
  data = Messages{.path = turns, .turns = posttrain::text::Turns::each}.load(context);
  REQUIRE(data.train.size() == 2);
  CHECK(scored_text(chat, data.train[0]) == "b<eos>");
  CHECK(scored_text(chat, data.train[1]) == "c<eos>");
  data = Messages{.path = turns, .unmask = true}.load(context);
  CHECK(scored_text(chat, data.train[0]) == "b<eos>sc<eos>");
  const std::string texts = scratch.write("b.jsonl", R"({"prompt": "1+1=", "completion": "2"})");
  data = Messages{.path = texts}.load(context);
  CHECK(chat.tokenizer().decode(data.train[0].ids) == "1+1=2<eos>");
  CHECK(scored_text(chat, data.train[0]) == "2<eos>");
}

TEST_CASE("a message's own weight decides whether it is scored") {
  const TempFolder scratch;
  const ChatTokenizer chat = tiny_tokenizer();
  LoadContext context;
  context.text = &chat;
  const auto scored = [&](const char* first, const char* user, bool unmask) {
    const std::string path = scratch.write(
        "w.jsonl", fmt::format(R"({{"messages": [{{"role": "assistant", "content": "a"{}}}, )"
                               R"({{"role": "user", "content": "u"{}}}, )"
                               R"({{"role": "assistant", "content": "b"}}]}})",
                               first, user));
    return scored_text(chat, Messages{.path = path, .unmask = unmask}.load(context).train[0]);
  };
  CHECK(scored("", "", false) == "a<eos>b<eos>");
  CHECK(scored(R"(, "weight": 0)", "", false) == "b<eos>");
  CHECK(scored(R"(, "loss_weight": 0.0)", R"(, "loss_weight": 1.0)", false) == "ub<eos>");
  CHECK(scored("", R"(, "weight": 0)", true) == "a<eos>b<eos>");
  CHECK(contains(error_of([&] { scored(R"(, "weight": 0.5)", "", false); }),
                 "w.jsonl:1: expected a message's 'weight' to be 0 or 1, got 0.5"));
}

TEST_CASE("a policy of conversations is a constexpr object") {
  constexpr Messages kMessages{.path = "a.jsonl", .turns = posttrain::text::Turns::each};
  static_assert((kMessages.validate(), true));
  CHECK(kMessages.source().path == "a.jsonl");
}

TEST_CASE("nulls inside calls are counted in the report, or left out on request") {
  const TempFolder scratch, cache;
  auto files = posttrain::test::tiny_tokenizer_files();
  files.chat_template =
      "{% for m in messages %}{{ m['role'][0] + ':' + m['content'] }}{% for c in m.tool_calls %}"
      "{{ c.function.name }}{{ c.function.arguments | tojson }}{% endfor %}<eos>{% endfor %}"
      "{% if add_generation_prompt %}a:{% endif %}";
  const ChatTokenizer chat(files);
  LoadContext context;
  context.text = &chat;
  const std::string folder = cache.path().string();
  const auto with_arguments = [&](const char* name, const char* arguments) {
    return scratch.write(name, std::string(R"({"messages": [{"role": "user", "content": "x"},
            {"role": "assistant", "content": "", "tool_calls":
              [{"type": "function", "function": {"name": "f", "arguments": )") +
                                   arguments + "}}]}]}");
  };
  const std::string path = with_arguments("calls.jsonl", R"({"hour": 12, "city": null})");
  const std::string line =
      "  keeps the null fields inside calls and schemas of tools (1); hint: drop_nulls = true";
  for (const char* cached : {"", "written", "from"}) {
    context.cache_dir = *cached == '\0' ? std::string_view() : folder;
    const LoadedData kept = Messages{.path = path}.load(context);
    CHECK(scored_text(chat, kept.train[0]) == "f{\"hour\": 12, \"city\": null}<eos>");
    CHECK(contains(kept.report.cache, cached));
    CHECK(contains(kept.report.summary(), line));
  }
  const LoadedData dropped = Messages{.path = path, .drop_nulls = true}.load(context);
  CHECK(scored_text(chat, dropped.train[0]) == "f{\"hour\": 12}<eos>");
  CHECK_FALSE(contains(dropped.report.summary(), "nulls"));
  const std::string text = with_arguments("text.jsonl", R"("{\"hour\": 12}")");
  CHECK(scored_text(chat, Messages{.path = text}.load(context).train[0]) == "f{\"hour\": 12}<eos>");
  CHECK(
      scored_text(chat, Messages{.path = text, .parse_arguments = false}.load(context).train[0]) ==
      "f\"{\\\"hour\\\": 12}\"<eos>");
}
