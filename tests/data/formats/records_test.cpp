// SPDX-License-Identifier: Apache-2.0
#include "posttrain/data/formats/records.hpp"

#include "support/catch.hpp"
#include "support/shared_data.hpp"
#include "support/temp_folder.hpp"

using namespace posttrain::data;
using posttrain::Json;
using posttrain::test::contains;
using posttrain::test::error_of;
using posttrain::test::TempFolder;

namespace {

Json parse(const char* text) { return Json::parse(text); }

template <class Record>
std::string from_error(const char* text) {
  return error_of([&] { Record::from(parse(text)); });
}

/// "user: hi | assistant: yo" of messages, or the text.
std::string said(const Passage& passage) {
  if (passage.is_text()) return passage.text;
  std::string text;
  for (const Json& message : passage.messages) {
    text += (text.empty() ? "" : " | ") + message["role"].get<std::string>() + ": " +
            message["content"].get<std::string>();
  }
  return text;
}

}  // namespace

TEST_CASE("one object over several lines under \"Messages\" is a sample as any other") {
  const TempFolder scratch;
  const std::string path = scratch.write("chat.json", R"({
  "Messages": [
    {
      "role": "user",
      "content": "a"
    },
    {"role": "assistant", "content": "b"}
  ]
}
)");
  RecordReader<SupervisedRecord> reader(path);
  const auto read = reader.next();
  REQUIRE(read);
  CHECK(read->error.empty());
  REQUIRE(read->record);
  CHECK(said(read->record->completion) == "user: a | assistant: b");
  CHECK(read->where == path + ":1");
  CHECK_FALSE(reader.next());
  CHECK(reader.description() == path + ": conversations (messages)");
  const auto asked = PromptRecord::from(
      parse(R"({"Messages": [{"role": "user", "content": "a"}], "answer": "b"})"));
  CHECK(said(asked.prompt) == "user: a");
  CHECK(contains(from_error<SupervisedRecord>(R"({"Messages": [{"role": ""}]})"),
                 "message 0 of 'Messages'"));
}

TEST_CASE("ShareGPT conversations become messages, with every name of a role") {
  const auto record = SupervisedRecord::from(parse(
      R"({"conversations": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"},
          {"from": "observation", "value": "c"}, {"from": "chatgpt", "value": "d"}],
          "system": "s"})"));
  CHECK(record.prompt.empty());
  CHECK(said(record.completion) == "system: s | user: a | assistant: b | tool: c | assistant: d");
  const auto calling = SupervisedRecord::from(parse(
      R"({"conversations": [{"from": "user", "value": "a"},
          {"from": "function_call", "value": "{\"name\": \"f\", \"arguments\": {\"z\": 1, \"a\": 2}}"}],
          "tools": "[{\"name\": \"f\", \"about\": \"x\"}]"})"));
  const Json& call = calling.completion.messages[1]["tool_calls"][0]["function"];
  CHECK(call["name"] == "f");
  CHECK(call["arguments"].dump() == R"({"z":1,"a":2})");  // the order of the file
  CHECK(calling.inputs.tools[0].dump() == R"({"name":"f","about":"x"})");
  CHECK(contains(
      from_error<SupervisedRecord>(R"({"conversations": [{"from": "alien", "value": "a"}]})"),
      "message 0 of 'conversations': expected 'from' to be human, gpt"));
  CHECK(contains(from_error<SupervisedRecord>(R"({"conversations": [{"from": "human"}]})"),
                 "got the keys from"));
  CHECK(contains(from_error<SupervisedRecord>(R"({"a\nb": 1})"), "got the keys a<0a>b"));
  CHECK(contains(from_error<SupervisedRecord>(
                     R"({"conversations": [{"from": "function_call", "value": "f of x"}]})"),
                 "to be JSON"));
}

TEST_CASE("roles are read under their usual names, whatever their case") {
  const auto record = SupervisedRecord::from(parse(
      R"({"messages": [{"role": "System", "content": "s"}, {"role": "human", "content": "a"},
          {"role": "GPT", "content": "b"}, {"role": "Observation", "content": "c"},
          {"role": "critic", "content": "d"}]})"));
  CHECK(said(record.completion) ==
        "system: s | user: a | assistant: b | observation: c | critic: d");
  const auto shared = SupervisedRecord::from(parse(
      R"({"conversations": [{"from": "Human", "value": "a"}, {"from": "GPT", "value": "b"}]})"));
  CHECK(said(shared.completion) == "user: a | assistant: b");
  CHECK(from_error<SupervisedRecord>(
            R"({"messages": [{"role": "Asker", "content": "a"}, {"role": "Sage", "content": "b"},
                {"role": "Asker", "content": "c"}]})") ==
        "expected a message of the assistant, got the roles Asker, Sage");
  // Nobody answers, and every role is known: counted by the pipeline.
  CHECK(SupervisedRecord::from(parse(R"({"messages": [{"role": "user", "content": "a"}]})"))
            .says_nothing());
}

TEST_CASE("a system column acts in every format, or is an error") {
  const auto record =
      SupervisedRecord::from(parse(R"({"system": "s", "prompt": [{"role": "user", "content": "a"}],
                "completion": [{"role": "assistant", "content": "b"}]})"));
  CHECK(said(record.prompt) == "system: s | user: a");
  const auto judged =
      AnswerRecord::from(parse(R"({"system": "s", "prompt": [{"role": "user", "content": "a"}],
                "completion": "b", "label": true})"));
  CHECK(said(judged.prompt) == "system: s | user: a");
  const auto mixed = PairRecord::from(
      parse(R"({"system": "s", "prompt": "a", "chosen": [{"role": "assistant", "content": "b"}],
                "rejected": [{"role": "assistant", "content": "c"}]})"));
  CHECK(said(mixed.prompt) == "system: s | user: a");
  CHECK(
      contains(from_error<SupervisedRecord>(R"({"system": "s", "prompt": "a", "completion": "b"})"),
               "the sample has a system message and its other parts are texts"));
  CHECK(contains(
      from_error<PairRecord>(R"({"system": "s", "prompt": "a", "chosen": "b", "rejected": "c"})"),
      "hint: write the prompt as messages"));
  CHECK(PairRecord::from(parse(R"({"system": "", "prompt": "a", "chosen": "b", "rejected": "c"})"))
            .prompt.text == "a");
}

TEST_CASE("a pair's prompt is found under the names in use, or the unread text is named") {
  const auto pair = PairRecord::from(parse(
      R"({"input": "Which planet is largest?", "chosen": "The answer is Jupiter.",
          "rejected": "The answer is Mars."})"));
  CHECK(said(pair.prompt) == "user: Which planet is largest?");
  CHECK(said(pair.chosen) == "assistant: The answer is Jupiter.");
  CHECK(
      from_error<PairRecord>(
          R"({"riddle": "Which?", "source": "x", "chosen": "It is a.", "rejected": "It is b."})") ==
      "expected a prompt beside 'chosen' and 'rejected', and 'riddle' is a text that nothing "
      "reads; hint: rename it to 'prompt', or remove it");
}

TEST_CASE("answers that all repeat a text prompt lose it") {
  const auto pair = PairRecord::from(parse(
      R"({"prompt": "Q: largest planet?\nA:", "chosen": "Q: largest planet?\nA: Jupiter",
          "rejected": "Q: largest planet?\nA: Mars"})"));
  CHECK(pair.chosen.text == " Jupiter");
  CHECK(pair.rejected.text == " Mars");
  const auto one =
      PairRecord::from(parse(R"({"prompt": "I am", "chosen": "I am here", "rejected": "Who?"})"));
  CHECK(one.chosen.text == "I am here");
  const auto word =
      PairRecord::from(parse(R"({"prompt": "I", "chosen": "I am", "rejected": "I was"})"));
  CHECK(word.chosen.text == "I am");
  const auto single =
      SupervisedRecord::from(parse(R"({"prompt": "one two", "completion": "one two three"})"));
  CHECK(single.completion.text == " three");
}

TEST_CASE("messages that a table holds as JSON text are messages") {
  const auto pair = PairRecord::from(parse(
      R"({"prompt": "[{\"role\": \"user\", \"content\": \"a\"}]",
          "chosen": "[{\"role\": \"assistant\", \"content\": \"b\"}]",
          "rejected": "[{\"from\": \"gpt\", \"value\": \"c\"}]"})"));
  CHECK(said(pair.prompt) == "user: a");
  CHECK(said(pair.chosen) == "assistant: b");
  CHECK(said(pair.rejected) == "assistant: c");
  CHECK(SupervisedRecord::from(parse(R"({"prompt": "[1, 2]", "completion": "[{}]"})"))
            .completion.text == "[{}]");
}

TEST_CASE("Alpaca instructions and questions are prompts with one answer") {
  const auto alpaca = SupervisedRecord::from(parse(
      R"({"instruction": "Add.", "input": "1 2", "output": "3", "system": "s",
          "history": [["q", "a"]]})"));
  CHECK(said(alpaca.prompt) == "system: s | user: q | assistant: a | user: Add.\n\n1 2");
  CHECK(said(alpaca.completion) == "assistant: 3");
  CHECK(said(SupervisedRecord::from(parse(R"({"instruction": "x", "input": "", "output": "y"})"))
                 .prompt) == "user: x");
  const auto question = SupervisedRecord::from(parse(R"({"question": "x", "answer": "y"})"));
  CHECK(said(question.prompt) + " | " + said(question.completion) == "user: x | assistant: y");
  CHECK(contains(from_error<SupervisedRecord>(R"({"instruction": "x"})"),
                 "expected 'output' to train on"));
  CHECK(contains(from_error<SupervisedRecord>(R"({"question": "x", "answer": 4})"),
                 "expected 'answer' to be a text, got number"));
}

TEST_CASE("prompts and completions are both texts or both messages") {
  const auto texts = SupervisedRecord::from(parse(R"({"prompt": "a", "completion": " b"})"));
  CHECK(texts.prompt.is_text());
  CHECK(texts.completion.text == " b");
  const auto mixed = SupervisedRecord::from(
      parse(R"({"prompt": [{"role": "user", "content": "a"}], "completion": "b"})"));
  CHECK(said(mixed.completion) == "assistant: b");
  CHECK(contains(from_error<SupervisedRecord>(R"({"prompt": "a", "completion": ""})"),
                 "expected 'completion' to say something"));
  CHECK(contains(from_error<SupervisedRecord>(
                     R"({"prompt": "a", "completion": [{"role": "user", "content": "b"}]})"),
                 "to end with a message of the assistant, got one of 'user'"));
}

TEST_CASE("a pair's prompt is explicit, or what both conversations start with [C17]", "[C17]") {
  const auto given = PairRecord::from(parse(R"({"prompt": [{"role": "user", "content": "q"}],
                "chosen": [{"role": "assistant", "content": "good"}],
                "rejected": [{"role": "assistant", "content": "bad"}], "margin": 0.5})"));
  CHECK(said(given.prompt) == "user: q");
  CHECK(said(given.chosen) == "assistant: good");
  CHECK(said(given.rejected) == "assistant: bad");
  CHECK(given.margin == 0.5);
  const char* whole = R"({"prompt": "q", "chosen": [{"role": "user", "content": "q"},
      {"role": "assistant", "content": "good"}], "rejected": [{"role": "user", "content": "q"},
      {"role": "assistant", "content": "bad"}]})";
  for (const bool named : {true, false}) {
    Json sample = parse(whole);
    if (!named) sample.erase("prompt");
    const auto record = PairRecord::from(sample);
    CHECK(said(record.prompt) == "user: q");
    CHECK(said(record.chosen) == "assistant: good");
    CHECK(said(record.rejected) == "assistant: bad");
  }
  // Whole conversations beside a prompt of messages do not make it appear twice.
  Json repeated = parse(whole);
  repeated["prompt"] = parse(R"([{"role": "user", "content": "q"}])");
  CHECK(said(PairRecord::from(repeated).chosen) == "assistant: good");
  const auto asked =
      PairRecord::from(parse(R"({"instruction": "q", "chosen": "good", "rejected": "bad"})"));
  CHECK(said(asked.prompt) + said(asked.rejected) == "user: qassistant: bad");
  const auto shared = PairRecord::from(parse(R"({"conversations": [{"from": "human", "value": "q"}],
                "chosen": {"from": "gpt", "value": "good"},
                "rejected": {"from": "gpt", "value": "bad"}})"));
  CHECK(said(shared.prompt) + said(shared.chosen) == "user: qassistant: good");
}

TEST_CASE("an implicit text prompt ends before the word in which the completions part") {
  const auto split = [](const char* chosen, const char* rejected) {
    const auto record = PairRecord::from(Json{{"chosen", chosen}, {"rejected", rejected}});
    CHECK(record.prompt.text + record.chosen.text == chosen);
    CHECK(record.prompt.text + record.rejected.text == rejected);
    return record.prompt.text;
  };
  CHECK(split("The sky is blue.", "The sky is green.") == "The sky is");
  CHECK(split("Say yes", "Say yet") == "Say");
  CHECK(split("Q: x\n\nA: good", "Q: x\n\nA: bad") == "Q: x\n\nA:");
  CHECK(split("A:\ngood", "A:\nbad") == "A:\n");
  CHECK(split("one two", "one") == "");
  CHECK(split("grün", "grün.") == "");
  CHECK(split("a ü", "a ö") == "a");  // never half a character
}

TEST_CASE("a pair that says nothing to prefer is malformed") {
  CHECK(contains(from_error<PairRecord>(R"({"chosen": "a", "rejected": "a"})"), "to differ"));
  CHECK(contains(from_error<PairRecord>(R"({"chosen": "a", "rejected": [{"role": "user",
      "content": "x"}]})"),
                 "both texts or both messages"));
  CHECK(contains(from_error<PairRecord>(
                     R"({"chosen": [{"role": "user", "content": "q"}],
                         "rejected": [{"role": "user", "content": "q"},
                                      {"role": "assistant", "content": "bad"}]})"),
                 "expected 'chosen' to say something behind the prompt"));
  CHECK(contains(from_error<PairRecord>(R"({"prompt": "a", "chosen": "b"})"),
                 "got the keys prompt, chosen"));
}

TEST_CASE("unpaired preferences have a verdict, prompts an answer and all columns") {
  const auto unpaired = AnswerRecord::from(parse(R"({"prompt": [{"role": "user", "content": "q"}],
                "completion": [{"role": "assistant", "content": "a"}], "label": false})"));
  CHECK(said(unpaired.completion) == "assistant: a");
  CHECK_FALSE(unpaired.desirable);
  CHECK(contains(from_error<AnswerRecord>(R"({"prompt": "q", "completion": "a", "label": "good"})"),
                 "expected 'label' to be true or false, got \"good\""));
  const auto prompt =
      PromptRecord::from(parse(R"({"prompt": "q", "solution": 4, "level": "hard"})"));
  CHECK(said(prompt.prompt) == "q");
  CHECK(prompt.answer == 4);
  CHECK(prompt.sample["level"] == "hard");
  CHECK(said(PromptRecord::from(parse(R"({"question": "q", "answer": "a", "system_prompt": "s"})"))
                 .prompt) == "system: s | user: q");
  CHECK(
      contains(from_error<PromptRecord>(R"({"messages": [{"role": "assistant", "content": "a"}]})"),
               "expected the prompt to end with a message to answer"));
  CHECK(contains(from_error<PromptRecord>(R"({"prompt": ""})"), "not empty"));
  const TempFolder scratch;
  const auto read = [&](const std::string& line) {
    return RecordReader<PromptRecord>(scratch.write("prompts.jsonl", line)).next().value();
  };
  const auto pair = read(R"({"prompt": "q", "chosen": "a", "rejected": "b"})");
  REQUIRE(pair.record);
  CHECK(said(pair.record->prompt) == "q");
  CHECK(pair.record->sample["chosen"] == "a");
  CHECK(read(R"({"prompt": "r", "completion": "a", "label": true})").record);
  CHECK(contains(read(R"({"chosen": "q a", "rejected": "q b"})").error,
                 "got preference pairs with implicit prompts"));
}

TEST_CASE("a solution has steps with a verdict each, and a prompt of text or messages") {
  const auto text = SteppedRecord::from(
      parse(R"({"prompt": "q", "completions": ["a", "b"], "labels": [true, 0]})"));
  CHECK(said(text.prompt) == "q");
  CHECK(text.steps == std::vector<std::string>{"a", "b"});
  CHECK(text.labels == std::vector<float>{1.0F, 0.0F});
  const auto chat = SteppedRecord::from(
      parse(R"({"question": "q", "system": "s", "completions": ["a"], "labels": [0.25]})"));
  CHECK(said(chat.prompt) == "system: s | user: q");
  CHECK(chat.labels == std::vector<float>{0.25F});
  const auto error = [](const char* sample) { return from_error<SteppedRecord>(sample); };
  CHECK(contains(error(R"({"prompt": "q", "completions": ["a", "b"], "labels": [true]})"),
                 "lists of one length, got 2 and 1 entries"));
  CHECK(contains(error(R"({"prompt": "q", "completions": [], "labels": []})"), "got 0 and 0"));
  CHECK(contains(error(R"({"prompt": "q", "completions": "a", "labels": [1]})"), "to be lists"));
  CHECK(contains(error(R"({"prompt": "q", "completions": ["a"], "labels": [2]})"),
                 "expected labels[0] to be true, false or a number in [0, 1], got 2"));
  CHECK(contains(error(R"({"prompt": "q", "completions": ["a"], "labels": ["+"]})"),
                 "in [0, 1], got \"+\""));
  CHECK(contains(error(R"({"prompt": "q", "completions": ["a", ""], "labels": [1, 1]})"),
                 "expected completions[1] to say something"));
  CHECK(contains(error(R"({"prompt": "q", "completions": [3], "labels": [1]})"),
                 "expected 'completions[0]' to be a text"));
  CHECK(contains(error(R"({"messages": [{"role": "assistant", "content": "a"}],
                           "completions": ["a"], "labels": [1]})"),
                 "expected the prompt to end with a message to answer"));
  CHECK(contains(error(R"({"completions": ["a"], "labels": [1]})"),
                 "got the keys completions, labels"));
}

TEST_CASE("a record of another format than the first is malformed, with its place") {
  const TempFolder scratch;
  const std::string path =
      scratch.write("x.jsonl",
                    "{\"broken\n{\"chosen\": \"a b\", \"rejected\": \"a c\"}\n{\"text\": \"x\"}\n"
                    "{\"prompt\": \"p\", \"chosen\": \"a\", \"rejected\": \"b\"}\n"
                    "{\"chosen\": \"d\", \"rejected\": \"e\"}\n");
  RecordReader<PairRecord> reader(path);
  std::vector<ReadRecord<PairRecord>> reads;
  while (auto read = reader.next()) reads.push_back(*std::move(read));
  REQUIRE(reads.size() == 5);
  CHECK(contains(reads[0].error, "expected JSON"));
  CHECK(reads[1].record->prompt.text == "a");
  CHECK(reads[2].error == "expected preference pairs (prompt, chosen, rejected), got documents");
  CHECK(
      contains(reads[3].error,
               "expected preference pairs with implicit prompts as before, got preference pairs"));
  CHECK(reads[3].where == path + ":4");
  CHECK(reads[4].record.has_value());
  CHECK(reader.description() == path + ": preference pairs with implicit prompts");
}

TEST_CASE("a document is a text, or the text under a key") {
  CHECK(document_text(Json("x")) == "x");
  CHECK(document_text(Json{{"text", "x"}}) == "x");
  CHECK(document_text(Json{{"document", "x"}}) == "x");
  CHECK(document_text(Json{{"body", "x"}}, "body") == "x");
  CHECK(contains(error_of([] {
                   document_text(Json{{"text", "x"}}, "document");
                 }),
                 "expected a text 'document'; hint: document_column"));
  CHECK(contains(error_of([] {
                   document_text(Json{{"document", 3}});
                 }),
                 "expected a text 'text' or 'document'"));
  CHECK(contains(error_of([] { document_text(Json(3)); }), "expected a text"));
}

TEST_CASE("published data files are read in the formats that they have") {
  POSTTRAIN_SHARED_OR_SKIP(path, "data/datasets");
  const auto count = [&](auto reader) {
    int good = 0;
    while (auto read = reader.next()) {
      INFO(read->where << ": " << read->error);
      REQUIRE(read->record.has_value());
      ++good;
    }
    return good;
  };
  CHECK(count(RecordReader<PromptRecord>(path + "/gsm8k/test.jsonl")) == 1319);
  CHECK(count(RecordReader<SupervisedRecord>(path + "/gsm8k/test.jsonl")) == 1319);
  CHECK(count(RecordReader<SupervisedRecord>(path + "/llamafactory/glaive_toolcall_en_demo.json")) >
        0);
}

TEST_CASE("a list of two outputs is a pair, the preferred answer first; another list says so") {
  const auto record = PairRecord::from(parse(
      R"({"instruction": "Greet", "input": "", "system": "s", "output": ["Hello", "Go away"]})"));
  CHECK(said(record.prompt) == "system: s | user: Greet");
  CHECK(said(record.chosen) == "assistant: Hello");
  CHECK(said(record.rejected) == "assistant: Go away");
  const char* three = R"({"instruction": "Greet", "output": ["a", "b", "c"]})";
  CHECK(from_error<PairRecord>(three) ==
        "expected 'output' to be a text, or a list of two: the preferred answer and the other one, "
        "got 3 entries; hint: write pairs as 'chosen' and 'rejected'");
  CHECK(contains(from_error<PairRecord>(R"({"instruction": "Greet", "output": ["a", 1]})"),
                 "got 2 entries that are not all texts"));
  const TempFolder scratch;
  const std::string path = scratch.write("pairs.jsonl", three);
  RecordReader<SupervisedRecord> supervised(path);
  CHECK(contains(supervised.next()->error, "got preference pairs (output: the preferred answer"));
}

TEST_CASE(
    "a reader of one's own that asks for a missing key gives one line without the library's") {
  const std::string missing = sample_error([] { Json::object().at("text"); });
  CHECK(missing ==
        "a value that is read of it is missing, or of another type; hint: io::text_under and its "
        "like (io/json.hpp) say which");
  CHECK(sample_error([] { Json(1).get<std::string>(); }) == missing);
  CHECK(sample_error([] { posttrain::fail("why"); }) == "why");
  CHECK(sample_error([] {}).empty());
}
