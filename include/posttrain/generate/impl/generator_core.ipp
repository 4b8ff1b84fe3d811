// SPDX-License-Identifier: Apache-2.0
// Definitions of generator_core.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <algorithm>
#include <string>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/generate/drafts.hpp"
#include "posttrain/generate/generator_core.hpp"
#include "posttrain/nn/attention.hpp"
#include "posttrain/nn/cpu/softmax_rows.hpp"
#include "posttrain/nn/cuda/flash_attention.hpp"
#include "posttrain/nn/packed_matrix.hpp"
#include "posttrain/tensor/ops.hpp"
#include "posttrain/tensor/transfer.hpp"

namespace posttrain::detail {

inline bool penalizes(const Sampling& s) {
  return s.repetition_penalty != 1.0 || s.presence_penalty != 0.0 || s.frequency_penalty != 0.0;
}

/// Whether tokens are drawn from another distribution than softmax(logits / T).
inline bool filters(const Sampling& s) {
  return s.top_k > 0 || s.top_p < 1.0 || s.min_p > 0.0 || s.min_new_tokens > 0 || penalizes(s);
}

POSTTRAIN_INLINE GeneratorCore::GeneratorCore(const models::Decoder& model, GeneratorCalls calls,
                                              std::set<TokenId> ends,
                                              const GeneratorOptions& options,
                                              const text::Tokenizer* tokenizer)
    : model_(&model),
      calls_(std::move(calls)),
      ends_(std::move(ends)),
      options_(options),
      tokenizer_(tokenizer),
      pool_(model, options.max_cache_bytes),
      tree_(pool_) {
  options.validate();
  if (model.config().head == models::HeadKind::kReward) {
    fail("expected a model that predicts tokens, got a reward model");
  }
  const auto numbers = at::TensorOptions(model.device()).dtype(model.dtype());
  if (options.exact && !PackedMatrix::packs(at::empty({1, 1}, numbers))) {
    fail(
        "GeneratorOptions.exact is for float32 and bfloat16 on the CPU, by its kernels "
        "(nn/packed_matrix.hpp)");
  }
  version_ = calls_.version();
}

POSTTRAIN_INLINE std::int64_t GeneratorCore::add(Request request) {
  request.sampling.validate();
  const auto length = static_cast<std::int64_t>(request.prompt.size());
  const std::uint64_t index = request.prompt_index;
  if (length == 0) raise("prompt {}: expected at least one token, got none", index);
  if (request.samples < 1) {
    raise("prompt {}: expected at least one sample, got {}", index, request.samples);
  }
  if (request.first_position < 0) {
    raise("prompt {}: expected first_position to be 0 or more, got {}", index,
          request.first_position);
  }
  for (const TokenId id : request.prompt) {
    if (id >= 0 && id < model_->vocab_size()) continue;
    raise("prompt {}: expected ids from 0 to {}, got {}", index, model_->vocab_size() - 1, id);
  }
  if (!request.sampling.stop_strings.empty() && tokenizer_ == nullptr) {
    raise("Sampling.stop_strings need a tokenizer, and the generator has none; hint: pass it one");
  }
  auto active = std::make_shared<Active>();
  active->id = next_id_++;
  active->max_new = request.sampling.max_new_tokens;
  const models::DecoderConfig& config = model_->config();
  const std::int64_t read = calls_.virtual_tokens + length;
  if (config.learned_positions) {
    if (read > config.max_positions) {
      raise(
          "prompt {}: expected a prompt of at most {} tokens (the model's learned positions), got "
          "{}",
          index, config.max_positions - calls_.virtual_tokens, length);
    }
    active->max_new = std::min(active->max_new, config.max_positions - read + 1);
  }
  const std::int64_t rows = read + active->tail_rows();
  if (rows > pool_.max_rows()) {
    raise(
        "prompt {}: expected keys and values of {} + {} tokens to fit into max_cache_bytes = {}, "
        "they take {} bytes",
        index, read, active->tail_rows(), options_.max_cache_bytes, rows * pool_.bytes_per_row());
  }
  if (calls_.prompt_ids) {
    active->read = calls_.prompt_ids();
    active->runs.push_back(active->read);
  }
  active->runs.push_back(request.prompt);
  active->read.insert(active->read.end(), request.prompt.begin(), request.prompt.end());
  active->ends.assign(ends_.begin(), ends_.end());
  active->ends.insert(active->ends.end(), request.sampling.stop_ids.begin(),
                      request.sampling.stop_ids.end());
  active->request = std::move(request);
  queue_.push_back(active);
  return active->id;
}

POSTTRAIN_INLINE bool GeneratorCore::step() {
  if (idle()) return false;
  at::NoGradGuard no_grad;
  try {
    check_version();
    begin_prefix();
    if (have_keys()) admit();
    StepRows rows = composed();
    std::vector<Draw> draws;
    std::vector<Drawn> drawn{draw(rows.rows() > 0 ? read(rows) : Tensor(), draws)};
    for (std::int64_t more = tokens_ahead(rows); more > 0; --more) {
      for (const auto& live : live_) live->ahead += 1;
      rows = composed();
      drawn.push_back(draw(read(rows, drawn.back().ids.clamp_min(0)), draws));
    }
    for (const auto& live : live_) live->ahead = 0;
    if (!draws.empty()) take_drawn(drawn, draws);
  } catch (...) {
    clear();  // what is half done is not to be read again
    throw;
  }
  return !idle();
}

POSTTRAIN_INLINE std::vector<Completion> GeneratorCore::take() {
  return std::exchange(finished_, {});
}

POSTTRAIN_INLINE void GeneratorCore::clear() {
  queue_.clear();
  live_.clear();
  pool_ = KeyValuePool(*model_, options_.max_cache_bytes);
  tree_ = PrefixTree(pool_);
  begun_ = false;
  calls_.drop_weights();
}

POSTTRAIN_INLINE void GeneratorCore::cancel(std::int64_t request) {
  const auto is_it = [&](const std::shared_ptr<Active>& active) { return active->id == request; };
  for (const auto& active : queue_) {
    if (is_it(active) && active->prompt != nullptr) tree_.release(*active->prompt, idle_rows());
  }
  std::erase_if(queue_, is_it);
  std::erase_if(live_, [&](const std::unique_ptr<Live>& live) {
    if (!is_it(live->active)) return false;
    pool_.give_back(live->tail);
    if (live->prompt != nullptr) tree_.release(*live->prompt, idle_rows());
    return true;
  });
}

// --- coming and going ----------------------------------------------------------------------------

POSTTRAIN_INLINE void GeneratorCore::check_version() {
  const std::uint64_t now = calls_.version();
  if (now == version_) return;
  if (!live_.empty() || (!queue_.empty() && queue_.front()->prompt != nullptr)) {
    raise(
        "expected the weights' version {}, from which the keys of samples in work were computed, "
        "got {}; hint: let them finish, or clear(), before weights are published",
        version_, now);
  }
  tree_.drop_idle();
  pool_.give_back(std::exchange(tree_.root().rows, {}));
  begun_ = false;
  calls_.drop_weights();
  version_ = now;
}

POSTTRAIN_INLINE void GeneratorCore::begin_prefix() {
  if (begun_) return;
  begun_ = true;
  if (!calls_.prefix) return;
  PrefixNode& root = tree_.root();
  root.rows = *pool_.take(calls_.virtual_tokens);
  root.read = root.rows.size;
  for (int layer = 0; layer < static_cast<int>(model_->config().num_layers()); ++layer) {
    const auto [k, v] = calls_.prefix(layer);
    pool_.keys(layer).narrow(0, root.rows.begin, root.rows.size).copy_(k);
    pool_.values(layer).narrow(0, root.rows.begin, root.rows.size).copy_(v);
  }
}

// In the order of the queue, and never one before all samples of an earlier one are in work: what
// was admitted has room to end.
POSTTRAIN_INLINE void GeneratorCore::admit() {
  while (!queue_.empty() && static_cast<std::int64_t>(live_.size()) < options_.max_live) {
    const std::shared_ptr<Active> active = queue_.front();
    if (!admit_next(*active) || !start_sample(active)) {
      // What is in work gives room back when it ends. If nothing is, there is room by the check of
      // `add`, but in pieces.
      if (!live_.empty()) return;
      compact();
      if (!admit_next(*active) || !start_sample(active)) fail("a request found no room");
    }
    if (active->started < active->request.samples) continue;
    queue_.pop_front();
    tree_.release(*active->prompt, idle_rows());
  }
}

POSTTRAIN_INLINE bool GeneratorCore::admit_next(Active& active) {
  if (active.prompt == nullptr) {
    const std::int64_t length = tree_.root().rows.size + std::ssize(active.read);
    active.prompt = insert(active, {}, active.tail_rows(), length);
  }
  return active.prompt != nullptr;
}

// A request's prompt, with ids behind it that are to be read again.
POSTTRAIN_INLINE PrefixNode* GeneratorCore::insert(const Active& active,
                                                   std::span<const TokenId> own, std::int64_t also,
                                                   std::int64_t length) {
  if (options_.exact) {
    std::vector<TokenIds> runs = active.runs;
    if (!own.empty()) runs.emplace_back(own.begin(), own.end());
    return tree_.insert_runs(runs, also, regime(length));
  }
  TokenIds whole = active.read;
  whole.insert(whole.end(), own.begin(), own.end());
  return tree_.insert(whole, also, regime(length));
}

POSTTRAIN_INLINE bool GeneratorCore::start_sample(const std::shared_ptr<Active>& active) {
  const auto tail = tree_.take(active->tail_rows());
  if (!tail) return false;
  tree_.use(*active->prompt);
  const Request& request = active->request;
  const std::int64_t sample = request.first_sample + active->started++;
  auto live = std::make_unique<Live>();
  live->active = active;
  live->prompt = active->prompt;
  live->key = {request.sampling.seed, request.epoch, request.prompt_index,
               static_cast<std::uint64_t>(sample)};
  live->tail = *tail;
  live->result.request = active->id;
  live->result.sample = sample;
  if (penalizes(request.sampling)) live->seen.add_prompt(request.prompt);
  if (tokenizer_ != nullptr && (on_token || !request.sampling.stop_strings.empty())) {
    live->decoder.emplace(*tokenizer_, /*skip_special_tokens=*/true);
    live->stops = StopStrings(request.sampling.stop_strings);
  }
  live_.push_back(std::move(live));
  return true;
}

// Frequencies of `longrope` are others beyond a length: there a sample's keys are computed anew, as
// transformers does for Phi-3. (With `dynamic` ones keys stay as they were computed, as there.)
// Whether the sample has room for that.
POSTTRAIN_INLINE bool GeneratorCore::read_again(Live& live) {
  if (live.result.ids.empty()) return true;
  const std::int64_t own = live.sampled() - 1;
  const std::int64_t length =
      tree_.root().rows.size + std::ssize(live.active->read) + live.sampled();
  const std::int64_t wanted = regime(length);
  const bool lasts = wanted == regime(length + 1);
  if (live.prompt != nullptr) {
    if (live.prompt->regime == wanted || !lasts) return true;
    pool_.give_back(std::exchange(live.tail, {}));
    tree_.release(*std::exchange(live.prompt, nullptr), idle_rows());
  }
  const std::int64_t rest = live.active->tail_rows() - own;
  live.prompt = insert(*live.active, std::span(live.result.ids).first(live.result.ids.size() - 1),
                       rest, length);
  if (live.prompt == nullptr) return false;
  live.tail = *tree_.take(rest);
  live.in_prompt = own;
  return true;
}

// Samples that are to be read again go before new ones. If all wait for room, there is room for one
// of them by the check of `add`, once nothing else has any.
POSTTRAIN_INLINE bool GeneratorCore::have_keys() {
  bool all = true, any = live_.empty();
  for (const auto& live : live_) {
    const bool has = read_again(*live);
    all = all && has;
    any = any || has;
  }
  if (any) return all;
  for (const auto& active : queue_) {
    if (active->prompt != nullptr) {
      tree_.release(*std::exchange(active->prompt, nullptr), idle_rows());
    }
  }
  compact();
  if (!read_again(*live_.front())) fail("a sample found no room to be read again");
  return false;
}

POSTTRAIN_INLINE void GeneratorCore::compact() {
  tree_.drop_idle();
  std::vector<PoolRange*> taken;
  tree_.each([&](PrefixNode& node) { taken.push_back(&node.rows); });
  for (const auto& live : live_) taken.push_back(&live->tail);
  pool_.compact(taken);
}

POSTTRAIN_INLINE void GeneratorCore::finish(Live& live, FinishReason reason) {
  Completion& result = live.result;
  result.finish = reason;
  if (tokenizer_ != nullptr && reason != FinishReason::stop_string) {
    result.text = tokenizer_->decode(result.ids, /*skip_special_tokens=*/true);
  }
  if (options_.draft_ngrams > 0) live.active->siblings.push_back(result.ids);
  const auto behind = std::span<const TokenId>(result.ids)
                          .subspan(static_cast<std::size_t>(live.in_prompt))
                          .first(static_cast<std::size_t>(live.in_tail()));
  const std::int64_t length = live.prompt->end_position() + live.in_tail();
  // Keys of other frequencies than the prompt's are of no use to others.
  const bool one_regime = regime(length) == live.prompt->regime;
  tree_.adopt(*live.prompt, behind, live.tail, one_regime ? idle_rows() : 0);
  tree_.release(*live.prompt, idle_rows());
  finished_.push_back(std::move(result));
  live.done = true;
}

// --- one step ------------------------------------------------------------------------------------

POSTTRAIN_INLINE StepRows GeneratorCore::composed() {
  LiveOf behind;
  for (const auto& live : live_) {
    live->first_row = -1;
    if (live->prompt != nullptr) behind[live->prompt].push_back(live.get());
  }
  StepRows rows;
  std::int64_t budget = options_.prompt_chunk;
  completed_.clear();
  compose(tree_.root(), behind, rows, budget);
  return rows;
}

// How many tokens more can be drawn before the host looks: each row of this step is a sample's last
// id, and nothing but the drawn id decides the next step.
POSTTRAIN_INLINE std::int64_t GeneratorCore::tokens_ahead(const StepRows& rows) const {
  if (options_.sync_every == 1 || calls_.process || options_.draft_ngrams > 0) return 0;
  if (rows.rows() != std::ssize(live_)) return 0;
  const bool slots = std::ssize(live_) < options_.max_live;
  if (slots && !queue_.empty()) return 0;
  std::int64_t most = options_.sync_every - 1;
  for (const auto& live : live_) {
    if (live->first_row < 0 || penalizes(live->sampling())) return 0;
    most = std::min(most, live->active->max_new - live->sampled() - 1);
    const std::int64_t length = live->prompt->end_position() + live->in_tail() + 1;
    while (most > 0 && regime(length + most) != regime(length)) most -= 1;
  }
  return most;
}

POSTTRAIN_INLINE void GeneratorCore::compose(PrefixNode& node, const LiveOf& live, StepRows& rows,
                                             std::int64_t& budget) {
  const auto here = live.find(&node);
  const bool wants_end =
      here != live.end() && !node.end.defined() &&
      std::ranges::any_of(here->second, [](const Live* each) { return each->result.ids.empty(); });
  std::int64_t first = node.read;
  bool write = true;
  if (node.read == node.rows.size && wants_end) {
    // A longer prompt had been read, in which this one ends: its last token once more.
    first -= 1;
    write = false;
  }
  if (first < node.rows.size && (!write || budget > 0)) {
    const std::int64_t count = std::min(node.rows.size - first, std::max<std::int64_t>(1, budget));
    const auto ids = std::span<const TokenId>(node.ids).subspan(static_cast<std::size_t>(first),
                                                                static_cast<std::size_t>(count));
    const std::int64_t row =
        rows.add({node.parent, node.rows, first, ids, node.position, node.regime, write});
    if (write) {
      node.read += count;
      budget -= count;
      counts_.prompt_tokens += count;
    }
    if (wants_end && node.read == node.rows.size) completed_.emplace_back(&node, row + count - 1);
  }
  if (node.read < node.rows.size) return;
  const std::int64_t begin = rows.rows();
  if (here != live.end()) {
    for (Live* each : here->second) {
      if (!each->result.ids.empty()) add_sample(*each, rows);
    }
  }
  for (const auto& child : node.children) compose(*child, live, rows, budget);
  rows.see(node, begin);
}

POSTTRAIN_INLINE void GeneratorCore::add_sample(Live& live, StepRows& rows) {
  TokenIds& ids = live.result.ids;
  live.draft.clear();
  if (options_.draft_ngrams > 0) {
    TokenIds own = live.active->request.prompt;
    own.insert(own.end(), ids.begin(), ids.end());
    std::int64_t most = std::min(options_.draft_tokens, live.active->max_new - 1 - live.sampled());
    // Where rotary frequencies change, keys are computed anew: not behind a guess.
    const std::int64_t length = live.prompt->end_position() + live.in_tail() + 1;
    while (most > 0 && regime(length + most) != regime(length)) most -= 1;
    live.draft = draft(own, live.active->siblings, options_.draft_ngrams, most);
  }
  // The last id and the guesses lie together while they are read.
  live.pending.assign(1, ids.back());
  live.pending.insert(live.pending.end(), live.draft.begin(), live.draft.end());
  const PrefixNode& prompt = *live.prompt;
  live.first_row =
      rows.add({&prompt, live.tail, live.in_tail(), live.pending, prompt.end_position(), -1, true});
  counts_.sample_rows += static_cast<std::int64_t>(live.pending.size());
}

POSTTRAIN_INLINE Tensor GeneratorCore::read(const StepRows& rows, const Tensor& known_ids) {
  std::vector<std::int64_t> ids, from, to;
  models::TokenPositions positions;
  for (const StepItem& item : rows.items()) {
    const auto count = static_cast<std::int64_t>(item.ids.size());
    for (std::int64_t i = 0; i < count; ++i) {
      if (item.write) {
        from.push_back(static_cast<std::int64_t>(ids.size()));
        to.push_back(item.rows.begin + item.first + i);
      }
      ids.push_back(item.ids[static_cast<std::size_t>(i)]);
      positions.position.push_back(item.position + item.first + i);
      positions.length.push_back(item.length >= 0 ? item.length : positions.position.back() + 1);
    }
  }
  const auto as_tensor = [](const std::vector<std::int64_t>& values) {
    return at::tensor(values, at::kLong);
  };
  Tensor token_ids = known_ids.defined() ? known_ids : as_tensor(ids), write_to = as_tensor(to);
  Tensor write_from = from.size() < ids.size() ? as_tensor(from) : Tensor();
  positions.on_device = as_tensor(positions.position);
  Tensor* const all[] = {&token_ids, &write_to, &write_from, &positions.on_device};
  upload_together(all, model_->device());

  models::PartsByWindow parts;
  for (const models::LayerConfig& layer : model_->config().layers) {
    if (parts.contains(layer.window)) continue;
    parts.emplace(layer.window, rows.parts(layer.window, options_.exact));
  }
  if (takes_flash(model_->device(), model_->dtype(), model_->config().head_dim,
                  model_->config().attention_softcap)) {
    make_flash_plans(parts, rows.rows(), pool_.keys(0).size(0), model_->device());
  }
  counts_.steps += 1;
  return calls_.hidden(
      token_ids, positions, [&](int layer, const Tensor& q, const Tensor& k, const Tensor& v) {
        const Tensor &keys = pool_.keys(layer), &values = pool_.values(layer);
        write_rows(k, v, write_from, write_to, keys, values);
        const std::int64_t window = model_->config().layers[static_cast<std::size_t>(layer)].window;
        AttentionOptions attend = model_->attention_options(window);
        attend.tiles = options_.exact;
        return attention(q, keys, values, parts.at(window), attend);
      });
}

// Adds to `draws` those of this step.
POSTTRAIN_INLINE Drawn GeneratorCore::draw(const Tensor& hidden, std::vector<Draw>& draws) {
  for (const auto& [node, row] : completed_) node->end = hidden.narrow(0, row, 1).clone();
  std::vector<Draw> now;
  const Tensor logits = logits_of(hidden, now);
  if (now.empty()) return {};
  draws.insert(draws.end(), now.begin(), now.end());
  return drawn_from(logits, now);
}

// The head reads each row once: samples that begin at one prompt share its row.
POSTTRAIN_INLINE Tensor GeneratorCore::logits_of(const Tensor& hidden, std::vector<Draw>& draws) {
  std::vector<std::int64_t> rows;
  std::map<std::int64_t, Live*> going_on;  // by their rows, which then often are all there are
  std::map<const PrefixNode*, std::vector<Live*>> beginning;
  for (const auto& live : live_) {
    if (live->first_row >= 0) going_on.emplace(live->first_row, live.get());
    const bool begins = live->result.ids.empty() && live->prompt->end.defined();
    if (begins) beginning[live->prompt].push_back(live.get());
  }
  for (const auto& [row, live] : going_on) {
    for (std::int64_t i = 0; i < std::ssize(live->pending); ++i) {
      draws.push_back({live, static_cast<std::int64_t>(rows.size()), i});
      rows.push_back(row + i);
    }
  }
  Tensors pieces;
  const auto index = [&](const std::vector<std::int64_t>& values) {
    return uploaded(at::tensor(values, at::kLong), model_->device());
  };
  if (!rows.empty()) {
    const bool all = std::ssize(rows) == hidden.size(0);
    pieces.push_back(all ? hidden : at::index_select(hidden, 0, index(rows)));
  }
  auto next = static_cast<std::int64_t>(rows.size());
  for (const auto& [node, samples] : beginning) {
    pieces.push_back(node->end);
    for (Live* live : samples) draws.push_back({live, next, 0});
    next += 1;
  }
  if (draws.empty()) return {};
  const Tensor logits = calls_.logits(pieces.size() == 1 ? pieces[0] : at::cat(pieces));
  std::vector<std::int64_t> drawn;
  for (const Draw& draw : draws) drawn.push_back(draw.row);
  return next == std::ssize(draws) ? logits : at::index_select(logits, 0, index(drawn));
}

POSTTRAIN_INLINE Drawn GeneratorCore::drawn_from(const Tensor& logits,
                                                 const std::vector<Draw>& draws) {
  std::vector<DrawRow> rows;
  std::vector<SeenTokens> guessed;  // what is seen behind guesses
  guessed.reserve(draws.size());
  DrawRecord record;
  Tensor z = logits;
  if (calls_.process) {
    const bool wide = logits.scalar_type() == at::kDouble;
    z = logits.to(wide ? at::kDouble : at::kFloat).clone();
  }
  for (std::size_t i = 0; i < draws.size(); ++i) {
    const Live& live = *draws[i].live;
    const Sampling& sampling = live.sampling();
    const std::int64_t position = live.sampled() + draws[i].guesses;
    const auto guesses =
        std::span<const TokenId>(live.draft).first(static_cast<std::size_t>(draws[i].guesses));
    const std::int64_t first = live.active->request.first_position;
    DrawRow row = DrawRow::of(sampling, uniform_at(live.key, first + position));
    if (position < sampling.min_new_tokens) row.suppressed = live.active->ends;
    if (penalizes(sampling)) {
      row.seen = live.seen.tokens();
      if (!guesses.empty()) {
        guessed.push_back(live.seen);
        for (const TokenId id : guesses) guessed.back().add_sampled(id);
        row.seen = guessed.back().tokens();
      }
    }
    if (calls_.process) {
      TokenIds sampled = live.result.ids;
      sampled.insert(sampled.end(), guesses.begin(), guesses.end());
      calls_.process(z.select(0, static_cast<std::int64_t>(i)),
                     {live.active->id, live.result.sample, live.active->request.prompt, sampled});
    }
    record.entropy |= sampling.entropy;
    record.top_logps = std::max(record.top_logps, sampling.top_logps);
    rows.push_back(row);
  }
  Drawn drawn = draw_tokens(z, rows, record);
  if (calls_.process || options_.exact) {
    // The temperature alone: of the logits as they came, by the function that scores in training.
    Tensor scaled = logits.clone();
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const double t = rows[i].temperature;
      if (t > 0.0 && t != 1.0) scaled.select(0, static_cast<std::int64_t>(i)).div_(t);
    }
    const bool same = drawn.plain_logps.is_same(drawn.logps) && !calls_.process;
    drawn.plain_logps = row_stats(scaled, drawn.ids.clamp_min(0)).logp;
    if (same) drawn.logps = drawn.plain_logps;
  }
  return drawn;
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

// One read for all; `draws` has the rows of one after another.
POSTTRAIN_INLINE void GeneratorCore::take_drawn(const std::vector<Drawn>& drawn,
                                                const std::vector<Draw>& draws) {
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
  for (std::size_t i = 0; i < draws.size(); ++i) {
    Live& live = *draws[i].live;
    if (live.done) continue;
    // A guess that was not drawn: what was read behind it is nothing.
    const auto guesses = static_cast<std::size_t>(draws[i].guesses);
    if (guesses > 0 && live.result.ids.back() != live.draft[guesses - 1]) {
      live.missed = true;
    }
    if (guesses == 0) live.missed = false;
    if (live.missed) continue;
    counts_.accepted_drafts += guesses > 0;
    const double* row = numbers + static_cast<std::int64_t>(i) * table.size(1);
    const auto id = static_cast<TokenId>(row[0]);
    if (id < 0) {
      raise(
          "the logits of sample {} of prompt {} at position {} are not finite, or nothing is left "
          "to draw",
          live.result.sample, live.active->request.prompt_index,
          live.sampled() + std::ssize(live.active->request.prompt));
    }
    const Sampling& sampling = live.sampling();
    live.result.logps.push_back(static_cast<float>(row[1]));
    if (filters(sampling) || calls_.process) {
      live.result.plain_logps.push_back(static_cast<float>(row[2]));
    }
    if (sampling.entropy) live.result.entropy.push_back(static_cast<float>(row[3]));
    if (sampling.top_logps > 0) {
      std::vector<LikelyToken>& likely = live.result.top.emplace_back();
      for (std::int64_t k = 0; k < std::min(top, sampling.top_logps); ++k) {
        const double likely_id = row[top_at + k];
        if (likely_id < 0) break;
        likely.push_back(
            {static_cast<TokenId>(likely_id), static_cast<float>(row[top_at + top + k])});
      }
    }
    take_token(live, id);
  }
  std::erase_if(live_, [](const std::unique_ptr<Live>& live) { return live->done; });
}

POSTTRAIN_INLINE void GeneratorCore::take_token(Live& live, TokenId id) {
  Completion& result = live.result;
  const Sampling& sampling = live.sampling();
  result.ids.push_back(id);
  counts_.sampled_tokens += 1;
  if (penalizes(sampling)) live.seen.add_sampled(id);
  std::optional<FinishReason> reason;
  if (std::ranges::find(live.active->ends, id) != live.active->ends.end()) {
    reason = FinishReason::stop_id;
  }
  std::size_t upto = 0;
  if (live.decoder) {
    const bool may_stop = !reason && live.sampled() >= sampling.min_new_tokens;
    const auto match = live.stops.push(live.decoder->push(id), may_stop);
    if (match) {
      reason = FinishReason::stop_string;
      result.stop_string = match->stop;
      upto = match->begin + (sampling.keep_stop_string ? match->stop.size() : 0);
      result.text = live.stops.text().substr(0, upto);
    }
  }
  if (!reason && live.sampled() >= live.active->max_new) reason = FinishReason::length;
  if (on_token) {
    std::string_view shown;
    if (live.decoder) {
      if (reason && *reason != FinishReason::stop_string) {
        live.stops.push(live.decoder->finish(), false);
        upto = live.stops.text().size();
      } else if (!reason) {
        upto = live.stops.settled();
      }
      upto = std::max(upto, live.shown);
      shown = std::string_view(live.stops.text()).substr(live.shown, upto - live.shown);
      live.shown = upto;
    }
    on_token({result.request, result.sample, id, shown});
  }
  if (reason) finish(live, *reason);
}

}  // namespace posttrain::detail
