// SPDX-License-Identifier: Apache-2.0
// A decoder of random weights with a tokenizer of letters, prompts for it, and what its answers are
// judged by.
#pragma once

#include <algorithm>
#include <memory>
#include <optional>
#include <string>

#include "posttrain/data/rollouts.hpp"
#include "posttrain/models/decoder.hpp"
#include "posttrain/rewards/sample.hpp"
#include "support/letter_tokenizer.hpp"
#include "support/tiny_model.hpp"

namespace posttrain::test {

/// What hub::PretrainedDecoder is to a folder.
class TalkingModel : public models::Decoder {
 public:
  explicit TalkingModel(at::ScalarType dtype = at::kFloat)
      : models::Decoder(small_config(), {.dtype = dtype, .device = test_device(), .seed = 3}),
        text_(std::make_shared<text::ChatTokenizer>(tiny_tokenizer_files())) {}

  const text::ChatTokenizer* text() const { return text_.get(); }

 private:
  static models::DecoderConfig small_config() {
    models::DecoderConfig config = tiny_config();
    config.vocab_size = 100;
    return config;
  }

  std::shared_ptr<const text::ChatTokenizer> text_;
};

/// The share of an answer's characters that are lower-case letters.
struct LowerCase {
  double operator()(const Sample& sample) const {
    const auto lower = std::count_if(sample.completion.begin(), sample.completion.end(),
                                     [](char c) { return c >= 'a' && c <= 'z'; });
    return static_cast<double>(lower) /
           std::max(1.0, static_cast<double>(sample.completion.size()));
  }
};

/// Lines of prompts "0", "1", … with themselves as answers.
inline std::string counting_prompts(int count) {
  std::string lines;
  for (int i = 0; i < count; ++i) {
    const std::string number = std::to_string(i);
    lines += R"({"prompt": "n)" + number + R"(=", "answer": ")" + number + "\"}\n";
  }
  return lines;
}

/// The same as conversations, which an environment can go on with.
inline std::string counting_conversations(int count) {
  std::string lines;
  for (int i = 0; i < count; ++i) {
    const std::string number = std::to_string(i);
    lines += R"({"messages": [{"role": "user", "content": "n)" + number + R"(="}], "answer": ")" +
             number + "\"}\n";
  }
  return lines;
}

/// Repeats the number of turns until there were so many of them.
struct TurnCounter {
  std::int64_t replies = 2;
  bool breaks = false;

  std::optional<Reply> operator()(const text::Conversation& so_far) const {
    if (breaks) fail("the counter is broken");
    const auto turns = static_cast<std::int64_t>(so_far.messages.size() / 2);
    if (turns > replies) return std::nullopt;
    Reply reply = Reply::of("tool", std::to_string(turns));
    reply.failed = turns == 2;
    return reply;
  }
};

/// Four answers of at most six tokens to each prompt of a file, by their lower-case letters.
template <class V = LowerCase, class... More>
Rollouts<V, More...> short_rollouts(const std::string& path) {
  Rollouts<V, More...> data{.path = path};
  data.sampling.max_new_tokens = 6;
  data.group_size = 4;
  return data;
}

}  // namespace posttrain::test
