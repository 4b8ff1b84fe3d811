// SPDX-License-Identifier: Apache-2.0
// A decoder that brings a tokenizer of letters, and a gate under which it says what a test wants.
#pragma once

#include <string>
#include <utility>

#include "posttrain/params/forwarding.hpp"
#include "posttrain/params/frozen.hpp"
#include "support/letter_tokenizer.hpp"
#include "support/tiny_model.hpp"

namespace posttrain::test {

/// The tiny model with the vocabulary of the letters' tokenizer; without `letters` it has no text.
class ChattyModel : public models::Decoder {
 public:
  explicit ChattyModel(const text::ChatTokenizer* letters) : Decoder(config()), text_(letters) {}
  const text::ChatTokenizer* text() const { return text_; }

 private:
  static models::DecoderConfig config() {
    models::DecoderConfig config = tiny_config();
    config.vocab_size = tiny_tokenizer().tokenizer().vocab_size();
    return config;
  }
  const text::ChatTokenizer* text_;
};

/// Every answer is the same text, then <eos>: logits are replaced by those of the next token.
class Says : public Forwarding<const FrozenState&> {
 public:
  Says(const FrozenState& gate, const text::ChatTokenizer& letters, const std::string& text)
      : Forwarding(gate),
        ids_(letters.tokenizer().encode(text + "<eos>")),
        vocab_size_(letters.tokenizer().vocab_size()) {}

  Tensor linear(int site, const Tensor& x) const {
    const Tensor y = gate().linear(site, x);
    if (y.size(1) != vocab_size_) return y;
    const TokenId next = ids_[said_++ % ids_.size()];
    Tensor logits = at::zeros_like(y);
    logits.select(1, next).fill_(10.0);
    return logits;
  }

 private:
  TokenIds ids_;
  std::int64_t vocab_size_;
  mutable std::size_t said_ = 0;
};

/// A conversation of one question.
inline Json asked(const std::string& question) {
  return Json::array({{{"role", "user"}, {"content", question}}});
}

}  // namespace posttrain::test
