// SPDX-License-Identifier: Apache-2.0
#include "posttrain/evaluate/questions.hpp"

#include "generate/chatty_model.hpp"
#include "posttrain/evaluate/retention.hpp"
#include "support/catch.hpp"
#include "support/temp_folder.hpp"

using namespace posttrain;
using namespace posttrain::test;

TEST_CASE("a file of questions is read in order, and what else stands there is kept",
          "[evaluate]") {
  const TempFolder folder;
  const std::string path = folder.write(
      "questions.jsonl",
      "{\"messages\": [{\"role\": \"user\", \"content\": \"2+2?\"}], \"answer\": \"4\"}\n\n"
      "{\"messages\": [{\"role\": \"user\", \"content\": \"Hi\"}], \"answer\": \"Ho\", \"tools\": "
      "[1]}\n");
  const std::vector<Question> questions = read_questions(path);
  REQUIRE(questions.size() == 2);
  CHECK(questions[0].answer == "4");
  CHECK(questions[0].sample.at("messages") == asked("2+2?"));
  CHECK(questions[1].answer == "Ho");
  CHECK(questions[1].sample.at("tools").size() == 1);
}

TEST_CASE("a line that is no question is named", "[evaluate]") {
  const TempFolder folder;
  const std::string good = "{\"messages\": [], \"answer\": \"4\"}\n";
  for (const char* bad :
       {"{\"messages\": []}", "{\"answer\": \"4\"}", "[1]", "{\"messages\": [",
        "{\"messages\": \"2+2?\", \"answer\": \"4\"}", "{\"messages\": [], \"answer\": 4}"}) {
    const std::string path = folder.write("bad.jsonl", good + bad + "\n");
    CHECK(contains(error_of([&] { read_questions(path); }), "bad.jsonl:2: expected"));
  }
}

TEST_CASE("question batches score the answer and its terminator only", "[evaluate]") {
  const text::ChatTokenizer letters = tiny_tokenizer();
  const Json chat = Json::array({{{"role", "user"}, {"content", "a"}},
                                 {{"role", "assistant"}, {"content", "earlier"}},
                                 {{"role", "user"}, {"content", "b"}}});
  const std::vector<TokenBatch> batches = question_batches(
      letters, {{{{"messages", asked("2+2?")}}, "four"}, {{{"messages", chat}}, "2"}});
  REQUIRE(batches.size() == 1);
  const TokenIds four = letters.tokenizer().encode("four<eos>"),
                 two = letters.tokenizer().encode("2<eos>");
  std::vector<std::vector<std::int64_t>> scored;
  const TokenBatch& batch = batches.front();
  for (std::size_t i = 0; i + 1 < batch.offsets.size(); ++i) {
    const Tensor part = batch.target.slice(0, batch.offsets[i], batch.offsets[i + 1]);
    scored.emplace_back(part.data_ptr<std::int64_t>(),
                        part.data_ptr<std::int64_t>() + part.numel());
  }
  std::sort(scored.begin(), scored.end(),
            [](const auto& a, const auto& b) { return a.size() > b.size(); });
  REQUIRE(scored.size() == 2);
  CHECK(scored[0] == std::vector<std::int64_t>(four.begin(), four.end()));
  CHECK(scored[1] == std::vector<std::int64_t>(two.begin(), two.end()));
}

TEST_CASE("batches hold no more tokens than allowed", "[evaluate]") {
  const text::ChatTokenizer letters = tiny_tokenizer();
  const std::vector<Question> questions(5, {{{"messages", asked("2+2?")}}, "four"});
  const std::int64_t length = question_batches(letters, {questions[0]}).front().tokens();
  CHECK(question_batches(letters, questions, 2 * length).size() == 3);
  CHECK(question_batches(letters, questions, 5 * length).size() == 1);
}
