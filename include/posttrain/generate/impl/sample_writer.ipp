// SPDX-License-Identifier: Apache-2.0
// Definitions of sample_writer.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <algorithm>
#include <string>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/generate/sample_writer.hpp"
#include "posttrain/nn/cpu/softmax_rows.hpp"
#include "posttrain/tensor/ops.hpp"
#include "posttrain/tensor/transfer.hpp"

namespace posttrain::detail {

/// Whether tokens are drawn from another distribution than softmax(logits / T).
inline bool filters(const Sampling& s) {
  return s.top_k > 0 || s.top_p < 1.0 || s.min_p > 0.0 || s.min_new_tokens > 0 || penalizes(s);
}

POSTTRAIN_INLINE WaitingRequest SampleWriter::accept(Request request, std::int64_t vocab_size) {
  request.sampling.validate();
  const std::uint64_t index = request.prompt_index;
  if (request.prompt.empty()) raise("prompt {}: expected at least one token, got none", index);
  if (request.samples < 1) {
    raise("prompt {}: expected at least one sample, got {}", index, request.samples);
  }
  if (request.first_position < 0) {
    raise("prompt {}: expected first_position to be 0 or more, got {}", index,
          request.first_position);
  }
  for (const TokenId id : request.prompt) {
    if (id >= 0 && id < vocab_size) continue;
    raise("prompt {}: expected ids from 0 to {}, got {}", index, vocab_size - 1, id);
  }
  if (!request.sampling.stop_strings.empty() && tokenizer_ == nullptr) {
    raise("Sampling.stop_strings need a tokenizer, and the generator has none; hint: pass it one");
  }
  WaitingRequest waiting;
  waiting.id = next_id_++;
  waiting.max_new = request.sampling.max_new_tokens;
  waiting.ends.assign(ends_.begin(), ends_.end());
  waiting.ends.insert(waiting.ends.end(), request.sampling.stop_ids.begin(),
                      request.sampling.stop_ids.end());
  waiting.request = std::move(request);
  return waiting;
}

POSTTRAIN_INLINE void SampleWriter::begin(SampleInWork& sample,
                                          const std::shared_ptr<WaitingRequest>& asked) const {
  const Request& request = asked->request;
  const std::int64_t number = request.first_sample + asked->started++;
  sample.asked = asked;
  sample.key = {request.sampling.seed, request.epoch, request.prompt_index,
                static_cast<std::uint64_t>(number)};
  sample.result.request = asked->id;
  sample.result.sample = number;
  if (penalizes(request.sampling)) sample.seen.add_prompt(request.prompt);
  if (tokenizer_ != nullptr && (on_token || !request.sampling.stop_strings.empty())) {
    sample.decoder.emplace(*tokenizer_, /*skip_special_tokens=*/true);
    sample.stops = StopStrings(request.sampling.stop_strings);
  }
}

POSTTRAIN_INLINE Drawn SampleWriter::drawn_from(const Tensor& logits,
                                                const std::vector<SampleDraw>& draws) const {
  std::vector<DrawRow> rows;
  std::vector<SeenTokens> guessed;  // what is seen behind guesses
  guessed.reserve(draws.size());
  DrawRecord record;
  Tensor z = logits;
  if (process_) {
    const bool wide = logits.scalar_type() == at::kDouble;
    z = logits.to(wide ? at::kDouble : at::kFloat).clone();
  }
  for (std::size_t i = 0; i < draws.size(); ++i) {
    const SampleInWork& sample = *draws[i].sample;
    const Sampling& sampling = sample.sampling();
    const std::int64_t position = sample.sampled() + draws[i].guesses;
    const auto guesses =
        std::span<const TokenId>(sample.draft).first(static_cast<std::size_t>(draws[i].guesses));
    const std::int64_t first = sample.asked->request.first_position;
    DrawRow row = DrawRow::of(sampling, uniform_at(sample.key, first + position));
    if (position < sampling.min_new_tokens) row.suppressed = sample.asked->ends;
    if (penalizes(sampling)) {
      row.seen = sample.seen.tokens();
      if (!guesses.empty()) {
        guessed.push_back(sample.seen);
        for (const TokenId id : guesses) guessed.back().add_sampled(id);
        row.seen = guessed.back().tokens();
      }
    }
    if (process_) {
      TokenIds sampled = sample.result.ids;
      sampled.insert(sampled.end(), guesses.begin(), guesses.end());
      process_(z.select(0, static_cast<std::int64_t>(i)),
               {sample.asked->id, sample.result.sample, sample.asked->request.prompt, sampled});
    }
    record.entropy |= sampling.entropy;
    record.top_logps = std::max(record.top_logps, sampling.top_logps);
    record.support |= sampling.support;
    rows.push_back(row);
  }
  Drawn drawn = draw_tokens(z, rows, record);
  if (process_ || exact_) {
    // The temperature alone: of the logits as they came, by the function that scores in training.
    Tensor scaled = logits.clone();
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const double t = rows[i].temperature;
      if (t > 0.0 && t != 1.0) scaled.select(0, static_cast<std::int64_t>(i)).div_(t);
    }
    const bool same = drawn.plain_logps.is_same(drawn.logps) && !process_;
    drawn.plain_logps = row_stats(scaled, drawn.ids.clamp_min(0)).logp;
    if (same) drawn.logps = drawn.plain_logps;
  }
  return drawn;
}

/// What the rows of one call after another were drawn among, on the host.
inline std::vector<TokenIds> supports_of(const std::vector<Drawn>& drawn) {
  std::vector<TokenIds> all;
  for (const Drawn& each : drawn) {
    if (!each.support.defined()) continue;
    Tensor ids = each.support, sizes = each.support_sizes;
    for (Tensor* tensor : {&ids, &sizes}) {
      if (tensor->is_cpu()) continue;
      const Tensor host = at::empty(tensor->sizes(), at::kLong);
      copy_down(host, *tensor);
      *tensor = host;
    }
    const Tensor in_line = ids.contiguous();
    const auto* next = in_line.const_data_ptr<std::int64_t>();
    for (std::int64_t row = 0; row < sizes.size(0); ++row) {
      const std::int64_t size = sizes.const_data_ptr<std::int64_t>()[row];
      all.emplace_back(next, next + size);
      next += size;
    }
  }
  return all;
}

/// Everything that was drawn as double, column by column: ids, log-probabilities, those under the
/// temperature alone, entropy if there is one, likeliest ids, their log-probabilities.
inline Tensor drawn_table(const Drawn& drawn) {
  Tensors columns;
  for (const Tensor* column : {&drawn.ids, &drawn.logps, &drawn.plain_logps, &drawn.entropy}) {
    if (column->defined()) columns.push_back(column->to(at::kDouble).unsqueeze(1));
  }
  for (const Tensor* likely : {&drawn.top_ids, &drawn.top_logps}) {
    if (likely->defined()) columns.push_back(likely->to(at::kDouble));
  }
  return at::cat(columns, 1);
}

POSTTRAIN_INLINE std::vector<SampleInWork*> SampleWriter::take_drawn(
    const std::vector<Drawn>& drawn, const std::vector<SampleDraw>& draws) {
  std::vector<SampleInWork*> ended;
  const std::int64_t top_at = drawn[0].entropy.defined() ? 4 : 3;
  const std::int64_t top = drawn[0].top_ids.defined() ? drawn[0].top_ids.size(1) : 0;
  Tensors tables;
  for (const Drawn& each : drawn) tables.push_back(drawn_table(each));
  const Tensor there = tables.size() == 1 ? tables[0] : at::cat(tables);
  Tensor table = there;
  if (!there.is_cpu()) {
    table = at::empty(there.sizes(), at::kDouble);
    copy_down(table, there);
  }
  const auto* numbers = table.const_data_ptr<double>();
  const std::vector<TokenIds> supports = supports_of(drawn);
  for (std::size_t i = 0; i < draws.size(); ++i) {
    SampleInWork& sample = *draws[i].sample;
    if (sample.done) continue;
    // A guess that was not drawn: what was read behind it is nothing.
    const auto guesses = static_cast<std::size_t>(draws[i].guesses);
    if (guesses > 0 && sample.result.ids.back() != sample.draft[guesses - 1]) {
      sample.missed = true;
    }
    if (guesses == 0) sample.missed = false;
    if (sample.missed) continue;
    accepted_drafts_ += guesses > 0;
    const double* row = numbers + static_cast<std::int64_t>(i) * table.size(1);
    const auto id = static_cast<TokenId>(row[0]);
    if (id < 0) {
      raise(
          "the logits of sample {} of prompt {} at position {} are not finite, or nothing is left "
          "to draw",
          sample.result.sample, sample.asked->request.prompt_index,
          sample.sampled() + std::ssize(sample.asked->request.prompt));
    }
    const Sampling& sampling = sample.sampling();
    sample.result.logps.push_back(static_cast<float>(row[1]));
    if (filters(sampling) || process_) {
      sample.result.plain_logps.push_back(static_cast<float>(row[2]));
    }
    if (sampling.entropy) sample.result.entropy.push_back(static_cast<float>(row[3]));
    if (sampling.top_logps > 0) {
      std::vector<LikelyToken>& likely = sample.result.top.emplace_back();
      for (std::int64_t k = 0; k < std::min(top, sampling.top_logps); ++k) {
        const double likely_id = row[top_at + k];
        if (likely_id < 0) break;
        likely.push_back(
            {static_cast<TokenId>(likely_id), static_cast<float>(row[top_at + top + k])});
      }
    }
    if (sampling.support) sample.result.support.add(supports[i]);
    take_token(sample, id);
    if (sample.done) ended.push_back(&sample);
  }
  return ended;
}

POSTTRAIN_INLINE void SampleWriter::take_token(SampleInWork& sample, TokenId id) {
  Completion& result = sample.result;
  const Sampling& sampling = sample.sampling();
  result.ids.push_back(id);
  sampled_tokens_ += 1;
  if (penalizes(sampling)) sample.seen.add_sampled(id);
  std::optional<FinishReason> reason;
  if (std::ranges::find(sample.asked->ends, id) != sample.asked->ends.end()) {
    reason = FinishReason::stop_id;
  }
  std::size_t upto = 0;
  if (sample.decoder) {
    const bool may_stop = !reason && sample.sampled() >= sampling.min_new_tokens;
    const auto match = sample.stops.push(sample.decoder->push(id), may_stop);
    if (match) {
      reason = FinishReason::stop_string;
      result.stop_string = match->stop;
      upto = match->begin + (sampling.keep_stop_string ? match->stop.size() : 0);
      result.text = sample.stops.text().substr(0, upto);
    }
  }
  if (!reason && sample.sampled() >= sample.asked->max_new) reason = FinishReason::length;
  if (on_token) {
    std::string_view shown;
    if (sample.decoder) {
      if (reason && *reason != FinishReason::stop_string) {
        sample.stops.push(sample.decoder->finish(), false);
        upto = sample.stops.text().size();
      } else if (!reason) {
        upto = sample.stops.settled();
      }
      upto = std::max(upto, sample.shown);
      shown = std::string_view(sample.stops.text()).substr(sample.shown, upto - sample.shown);
      sample.shown = upto;
    }
    on_token({result.request, result.sample, id, shown});
  }
  if (!reason) return;
  result.finish = *reason;
  sample.done = true;
  if (tokenizer_ != nullptr && *reason != FinishReason::stop_string) {
    result.text = tokenizer_->decode(result.ids, /*skip_special_tokens=*/true);
  }
}

}  // namespace posttrain::detail
