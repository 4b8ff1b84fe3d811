// SPDX-License-Identifier: Apache-2.0
#include "posttrain/data/rollouts/turns.hpp"

#include <filesystem>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "posttrain/io/file.hpp"
#include "support/catch.hpp"
#include "support/messages.hpp"
#include "support/shared_data.hpp"
#include "support/tiny_tokenizer.hpp"

using namespace posttrain;
using namespace posttrain::test;

namespace {

constexpr const char* kChatMl =
    "{%- for m in messages -%}{{ '<|im_start|>' + m['role'] + '\\n' + m['content'] + "
    "'<|im_end|>\\n' }}{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{ '<|im_start|>assistant\\n' }}{%- endif -%}";

text::ChatTokenizer tokenizer_with(const std::string& chat_template) {
  text::ChatFiles files;
  files.tokenizer =
      byte_level({"1 2"}, {"<|im_start|>", "<|im_end|>", "<|endoftext|>", "<bos>"}).dump();
  files.tokenizer_config = R"({"eos_token": "<|im_end|>", "bos_token": "<bos>"})";
  files.chat_template = chat_template;
  return text::ChatTokenizer(files);
}

data::PromptItem item_of(const text::ChatTokenizer& text, const Json& messages,
                         const Json& tools = nullptr) {
  data::PromptItem item;
  item.record = "{}";
  item.messages = messages.dump();
  item.inputs =
      Json{{"tools", tools}, {"documents", nullptr}, {"chat_template_kwargs", nullptr}}.dump();
  item.ids = text.prompt_ids(text::Conversation(messages, {tools, nullptr, nullptr}));
  item.sample = 3;
  return item;
}

const Json kQuestion = Json::array({{{"role", "user"}, {"content", "12 + 12?"}}});

Reply tool(const std::string& text) { return Reply::of("tool", text); }

/// A round of one sample: the policy says what it is told to, byte by byte.
struct Round {
  explicit Round(const text::ChatTokenizer& its_text, data::TurnOptions its_options,
                 std::int64_t max_new_tokens = 1000, const Json& messages = kQuestion)
      : text(&its_text),
        options(std::move(its_options)),
        item(item_of(its_text, messages)),
        turns(its_text, options, max_new_tokens) {
    turns.add(item, 1);
  }

  std::int64_t says(const std::string& words, const std::string& end = "<|im_end|>") {
    Completion turn;
    for (const char c : words) turn.ids.push_back(static_cast<unsigned char>(c));
    turn.text = words;
    turn.finish = FinishReason::length;
    if (!end.empty()) {
      turn.ids.push_back(text->tokenizer().id(end).value());
      turn.finish = FinishReason::stop_id;
    }
    return goes_on(std::move(turn));
  }

  std::int64_t goes_on(Completion turn) {
    sample.ids.insert(sample.ids.end(), turn.ids.begin(), turn.ids.end());
    sample.sampled.resize(sample.ids.size(), 1);
    sample.sampled_logps.resize(sample.ids.size(), -1.0F);
    sample.finish = turn.finish;
    return turns.after(0, item.ids.size(), turn, sample, work);
  }

  /// What is read but not trained, as a text.
  std::string read() const {
    TokenIds ids;
    for (std::size_t i = 0; i < sample.ids.size(); ++i) {
      if (sample.sampled[i] == 0) ids.push_back(sample.ids[i]);
    }
    return text->tokenizer().decode(ids);
  }

  const text::ChatTokenizer* text;
  data::TurnOptions options;
  data::PromptItem item;
  data::Turns turns;
  RolloutSample sample;
  data::RolloutWork work;
};

data::TurnOptions says_once(Reply reply) {
  return {.environment = [reply](const text::Conversation& so_far) -> std::optional<Reply> {
    const bool replied = text::role(so_far.messages[so_far.messages.size() - 2]) != "user";
    return replied ? std::nullopt : std::optional(reply);
  }};
}

data::TurnOptions always(Reply reply) {
  return {.environment = [reply](const text::Conversation&) { return std::optional(reply); }};
}

}  // namespace

TEST_CASE("Ids in, ids out: what was drawn stays, and only what the template adds is tokenized",
          "[data][rollouts][C19]") {
  const text::ChatTokenizer text = tokenizer_with(kChatMl);
  Round round(text, says_once(tool("24")));
  CHECK(round.says("calc(12+12)") == 1000 - 12);
  // The digits were drawn one by one, where the tokenizer would have merged them.
  TokenIds expected;
  for (const char c : std::string("calc(12+12)")) {
    expected.push_back(static_cast<unsigned char>(c));
  }
  expected.push_back(*text.tokenizer().id("<|im_end|>"));
  CHECK(text.tokenizer().encode("calc(12+12)").size() < 11);
  const TokenIds reply =
      text.tokenizer().encode("\n<|im_start|>tool\n24<|im_end|>\n<|im_start|>assistant\n");
  expected.insert(expected.end(), reply.begin(), reply.end());
  CHECK(round.sample.ids == expected);
  std::vector<std::uint8_t> marks(12, 1);
  marks.resize(expected.size(), 0);
  CHECK(round.sample.sampled == marks);
  CHECK(round.sample.sampled_logps.size() == expected.size());

  CHECK(round.says("24") == 0);
  CHECK(round.sample.finish == FinishReason::stop_id);
  CHECK(round.sample.trained_tokens() == 12 + 3);
  CHECK(round.work.replies == 1);
  // The same conversation as inference renders it.
  TokenIds all = round.item.ids;
  all.insert(all.end(), round.sample.ids.begin(), round.sample.ids.end());
  const Json messages = *round.turns.messages(0);
  CHECK(messages.size() == 4);
  CHECK(messages[3] == Json({{"role", "assistant"}, {"content", "24"}}));
  CHECK(text.tokenizer().decode(all) + "\n" == text.render(messages, nullptr, false));
}

TEST_CASE("The end of a turn is written where the policy did not write it", "[data][rollouts]") {
  const text::ChatTokenizer text = tokenizer_with(kChatMl);
  const std::string reply = "<|im_start|>tool\n24<|im_end|>\n<|im_start|>assistant\n";
  const auto read_behind = [&](auto says) {
    Round round(text, says_once(tool("24")));
    says(round);
    return round.read();
  };
  CHECK(read_behind([](Round& round) { round.says("x"); }) == "\n" + reply);
  CHECK(read_behind([](Round& round) { round.says("x", "<|endoftext|>"); }) ==
        "<|im_end|>\n" + reply);
  const auto stopped = [](const std::string& text_of_turn, const std::string& drawn) {
    return [=](Round& round) {
      Completion turn;
      for (const char c : drawn) turn.ids.push_back(static_cast<unsigned char>(c));
      turn.text = text_of_turn;
      turn.finish = FinishReason::stop_string;
      round.goes_on(std::move(turn));
    };
  };
  CHECK(read_behind(stopped("calc(1)", "calc(1);")) == "<|im_end|>\n" + reply);
  CHECK(read_behind(stopped("calc(1);", "calc(1);")) == "<|im_end|>\n" + reply);

  // A template without tokens of its own, whose separator the policy writes as a stop string.
  const text::ChatTokenizer plain = tokenizer_with(
      "{%- for m in messages -%}{{ m['role'] + ': ' + m['content'] + '\\n' }}{%- endfor -%}"
      "{%- if add_generation_prompt -%}{{ 'assistant: ' }}{%- endif -%}");
  Round round(plain, says_once(tool("24")));
  stopped("calc(1)", "calc(1)\n")(round);
  CHECK(round.read() == "tool: 24\nassistant: ");
}

TEST_CASE("Several messages may come, and the last words may be the environment's",
          "[data][rollouts]") {
  const text::ChatTokenizer text = tokenizer_with(kChatMl);
  Reply won = tool("won");
  won.messages.push_back({{"role", "user"}, {"content", "Thanks"}});
  won.ends = true;
  Round round(text, always(won));
  CHECK(round.says("e4") == 0);
  CHECK(round.sample.finish == FinishReason::environment);
  CHECK(round.read() == "\n<|im_start|>tool\nwon<|im_end|>\n<|im_start|>user\nThanks<|im_end|>\n");
  CHECK(round.turns.messages(0)->back().at("content") == "Thanks");
}

TEST_CASE("White space at the ends of a turn is the template's to choose", "[data][rollouts]") {
  std::string trims = kChatMl;
  trims.replace(trims.find("m['content']"), 12, "m['content'] | trim");
  for (const std::string& chat_template : {std::string(kChatMl), trims}) {
    const text::ChatTokenizer text = tokenizer_with(chat_template);
    Round round(text, always(tool("24")));
    CHECK(round.says(" calc(1) \n") > 0);
    CHECK(round.says("") > 0);  // a turn without a word
    CHECK(round.says("\xEE\x80\x80 calc(2)") > 0);
    const std::string reply = "\n<|im_start|>tool\n24<|im_end|>\n<|im_start|>assistant\n";
    CHECK(round.read() == reply + reply + reply);
  }
}

TEST_CASE("An environment may read the other columns of its sample's record", "[data][rollouts]") {
  const text::ChatTokenizer text = tokenizer_with(kChatMl);
  data::TurnOptions options{.environment = [](const text::Conversation& so_far,
                                              const Json& record) {
    return so_far.messages.size() > 2 ? std::nullopt
                                      : std::optional(tool(record.at("hidden").get<std::string>()));
  }};
  Round round(text, options);
  round.item.record = R"({"question": "12 + 12?", "hidden": "two dozen"})";
  data::Turns turns(text, round.options, 1000);
  turns.add(round.item, 1);
  round.turns = turns;
  CHECK(round.says("what?") > 0);
  CHECK(round.turns.messages(0)->back().at("content") == "two dozen");
  CHECK(round.says("24") == 0);
}

TEST_CASE("A conversation that leaves its room is cut off", "[data][rollouts]") {
  const text::ChatTokenizer text = tokenizer_with(kChatMl);
  const auto prompt = std::ssize(item_of(text, kQuestion).ids);
  const std::int64_t reply = std::ssize(
      text.tokenizer().encode("\n<|im_start|>tool\n24<|im_end|>\n<|im_start|>assistant\n"));
  const auto after_one = [&](data::TurnOptions options, std::int64_t max_new = 1000,
                             std::int64_t positions = 0, std::int64_t room = 0) {
    Round round(text, options, max_new);
    data::Turns turns(text, round.options, max_new, positions, room);
    turns.add(round.item, 1);
    round.turns = turns;
    const std::int64_t left = round.says("1234");  // five ids
    CHECK((left > 0) == (round.sample.finish == FinishReason::stop_id));
    CHECK((left > 0) != (round.sample.finish == FinishReason::length));
    CHECK(std::ssize(round.sample.ids) == (left > 0 ? 5 + reply : 5));
    CHECK(round.turns.messages(0)->size() == (left > 0 ? 3 : 2));
    return left;
  };
  data::TurnOptions options = always(tool("24"));
  CHECK(after_one(options) == 995);
  CHECK(after_one(options, 6) == 1);  // of all turns together
  CHECK(after_one(options, 5) == 0);
  options.max_tokens = prompt + 5 + reply + 2;
  CHECK(after_one(options) == 2);
  options.max_tokens -= 2;
  CHECK(after_one(options) == 0);
  options = always(tool("24"));
  options.max_read = prompt + 5 + reply;
  CHECK(after_one(options) == 995);
  options.max_read -= 1;
  CHECK(after_one(options) == 0);
  options = always(tool("24"));
  CHECK(after_one(options, 1000, prompt + 5 + reply) == 995);
  CHECK(after_one(options, 1000, prompt + 4 + reply) == 0);
  CHECK(after_one(options, 1000, 0, prompt + 5 + reply + 7) == 8);  // the last id is not read
  CHECK(after_one(options, 1000, 0, prompt + 5 + reply) == 1);
  CHECK(after_one(options, 1000, 0, prompt + 5 + reply - 1) == 0);
  options.max_turns = 1;
  CHECK(after_one(options) == 0);

  // An answer of its own is none that was cut off, however many turns there were.
  Round last(text, says_once(tool("24")));
  last.options.max_turns = 2;
  CHECK(last.says("calc(1)") > 0);
  CHECK(last.says("1") == 0);
  CHECK(last.sample.finish == FinishReason::stop_id);
  // One that ended for want of tokens is not asked about.
  int asked = 0;
  Round cut(text, {.environment = [&](const text::Conversation&) {
              asked += 1;
              return std::optional<Reply>();
            }});
  CHECK(cut.says("calc(", "") == 0);
  CHECK(asked == 0);
  CHECK(cut.sample.finish == FinishReason::length);
}

TEST_CASE("A template that rewrites earlier turns is refused with the place", "[data][rollouts]") {
  POSTTRAIN_SHARED_OR_SKIP(folder, "data/chat_templates/trl");
  const text::ChatTokenizer text = tokenizer_with(io::read_text_file(folder + "/qwen3.jinja"));
  const std::string thought = "<think>\nadd\n</think>\n\ncalc(1+2)";
  Round by_tool(text, always(tool("3")));
  CHECK(by_tool.says(thought) > 0);
  CHECK(by_tool.says("<think>hm</think>calc(2+2)") > 0);  // in other lines than the template's
  CHECK(by_tool.read().find("<tool_response>\n3\n</tool_response>") != std::string::npos);

  Round by_user(text, always(Reply::of("user", "Go on.")));
  const std::string error = error_of([&] { by_user.says(thought); });
  CAPTURE(error);
  CHECK_THAT(error, Catch::StartsWith("sample 3, turn 1: the chat template does not keep"));
  CHECK(contains(error, "found \"calc(1+2)\""));
  // A thought that was kept before a tool's answer goes once a user follows.
  Round later(
      text, {.environment = [](const text::Conversation& so_far) {
        return std::optional(so_far.messages.size() == 2 ? tool("3") : Reply::of("user", "And?"));
      }});
  CHECK(later.says(thought) > 0);
  const std::string place = error_of([&] { later.says("3"); });
  CHECK_THAT(place, Catch::StartsWith("sample 3, turn 2: the chat template rewrites what stands"));
  CHECK(contains(place, "expected \"<think>"));
}

TEST_CASE("Published templates: a conversation in turns is the one that inference renders",
          "[data][rollouts]") {
  POSTTRAIN_SHARED_OR_SKIP(folder, "data/chat_templates/trl");
  std::map<std::string, int> kept;
  for (const auto& file : std::filesystem::directory_iterator(folder)) {
    if (file.path().extension() != ".jinja") continue;
    for (const std::string role : {"tool", "user"}) {
      for (const std::string said : {"calc(12+12)", "add\n</think>\n\ncalc(12+12)"}) {
        CAPTURE(file.path().filename().string(), role, said);
        std::string got, wanted;
        const std::string refused = error_of([&] {
          const text::ChatTokenizer text = tokenizer_with(io::read_text_file(file.path().string()));
          Round round(text, always(Reply::of(role, "24")));
          const bool ends = text.tokenizer().id(text.terminator()).has_value();
          for (int turn = 0; turn < 3; ++turn) {
            if (ends) {
              round.says(said, text.terminator());
            } else {
              Completion spoken;
              for (const char c : said) spoken.ids.push_back(static_cast<unsigned char>(c));
              spoken.text = said;
              spoken.finish = FinishReason::stop_string;
              round.goes_on(std::move(spoken));
            }
          }
          TokenIds all = round.item.ids;
          all.insert(all.end(), round.sample.ids.begin(), round.sample.ids.end());
          got = text.tokenizer().decode(all);
          wanted = text.prompt_text(text::Conversation(*round.turns.messages(0)));
        });
        if (!refused.empty()) continue;  // with the place: a role, or a text, that it does not keep
        CHECK(got == wanted);
        kept[role] += 1;
      }
    }
  }
  CAPTURE(kept);
  CHECK(kept["tool"] >= 30);
  CHECK(kept["user"] >= 50);
}

TEST_CASE("Whether a failure ends the run is said by on_error", "[data][rollouts]") {
  const text::ChatTokenizer text = tokenizer_with(kChatMl);
  const auto throws = [](OnError on_error) {
    return data::TurnOptions{.environment = [](const text::Conversation&) -> std::optional<Reply> {
                               throw std::runtime_error("no connection");
                             },
                             .on_error = on_error};
  };
  Round stops(text, throws(OnError::stop));
  CHECK_THAT(error_of([&] { stops.says("x"); }),
             Catch::StartsWith("sample 3, turn 1: the environment failed: no connection"));
  for (const OnError on_error : {OnError::zero, OnError::not_applicable}) {
    Round round(text, throws(on_error));
    CHECK(round.says("x") == 0);
    CHECK(round.sample.finish == FinishReason::error);
    CHECK(round.work.replies == 1);
    CHECK(round.work.failed_replies == 1);
    round.sample.reward = 1.0;
    round.sample.scores = {1.0, 0.5};
    round.turns.give_up(0, round.sample);
    const auto value = on_error == OnError::zero ? std::optional(0.0) : std::nullopt;
    CHECK(round.sample.reward == value);
    const std::vector<std::optional<double>> both{value, value};
    CHECK((round.sample.scores == both));
    CHECK(contains(round.sample.reason, "no connection"));
  }
  Reply failed = tool("error: no such function");
  failed.failed = true;
  Round counted(text, always(failed));
  CHECK(counted.says("x") > 0);
  CHECK(counted.work.failed_replies == 1);

  for (const auto& [reply, part] : std::vector<std::pair<Reply, std::string>>{
           {Reply{}, "at least one message"},
           {Reply::of("assistant", "me"), "others than the assistant"},
           {Reply{.messages = Json::array({"text"})}, "message 0: expected an object"}}) {
    Round round(text, always(reply));
    CHECK(contains(error_of([&] { round.says("x"); }), part));
  }
}

TEST_CASE("A template that does not know a reply's role is refused with the place",
          "[data][rollouts]") {
  const std::string begin = "{%- for m in messages -%}{%- if m['role'] == 'tool' -%}";
  const std::string end = "{%- else -%}{{ m['role'] + m['content'] }}{%- endif -%}{%- endfor -%}";
  const text::ChatTokenizer drops = tokenizer_with(begin + end);
  Round round(drops, always(tool("24")));
  const std::string error = error_of([&] { round.says("x"); });
  CHECK_THAT(error, Catch::StartsWith("sample 3, turn 1: message 2:"));
  CHECK(contains(error, "role 'tool'"));
  const text::ChatTokenizer raises =
      tokenizer_with(begin + "{{ raise_exception('no tools here') }}" + end);
  Round refused(raises, always(tool("24")));
  CHECK(contains(error_of([&] { refused.says("x"); }), "sample 3, turn 1: "));
}
