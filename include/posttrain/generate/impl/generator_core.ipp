// SPDX-License-Identifier: Apache-2.0
// Definitions of generator_core.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <algorithm>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/generate/generator_core.hpp"
#include "posttrain/nn/attention.hpp"
#include "posttrain/nn/cuda/flash_attention.hpp"
#include "posttrain/nn/packed_matrix.hpp"
#include "posttrain/tensor/ops.hpp"
#include "posttrain/tensor/transfer.hpp"

namespace posttrain::detail {

POSTTRAIN_INLINE GeneratorCore::GeneratorCore(const models::Decoder& model, GeneratorCalls calls,
                                              std::set<TokenId> ends,
                                              const GeneratorOptions& options,
                                              const text::Tokenizer* tokenizer)
    : model_(&model),
      calls_(std::move(calls)),
      options_(options),
      writer_(std::move(ends), tokenizer, std::move(calls_.process), options.exact),
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
  auto active = std::make_shared<Active>();
  static_cast<WaitingRequest&>(*active) = writer_.accept(std::move(request), model_->vocab_size());
  const TokenIds& prompt = active->request.prompt;
  const std::uint64_t index = active->request.prompt_index;
  const std::int64_t length = std::ssize(prompt);
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
  active->runs.push_back(prompt);
  active->read.insert(active->read.end(), prompt.begin(), prompt.end());
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
    std::vector<SampleDraw> draws;
    std::vector<Drawn> drawn{draw(rows.rows() > 0 ? read(rows) : Tensor(), draws)};
    for (std::int64_t more = tokens_ahead(rows); more > 0; --more) {
      for (const auto& live : live_) live->ahead += 1;
      rows = composed();
      drawn.push_back(draw(read(rows, drawn.back().ids.clamp_min(0)), draws));
    }
    for (const auto& live : live_) live->ahead = 0;
    if (!draws.empty()) {
      for (SampleInWork* ended : writer_.take_drawn(drawn, draws)) {
        finish(static_cast<Live&>(*ended));
      }
      std::erase_if(live_, [](const std::unique_ptr<Live>& live) { return live->done; });
    }
  } catch (...) {
    clear();  // what is half done is not to be read again
    throw;
  }
  return !idle();
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
  const auto is_it = [&](const auto& asked) { return asked->id == request; };
  for (const auto& active : queue_) {
    if (is_it(active) && active->prompt != nullptr) tree_.release(*active->prompt, idle_rows());
  }
  std::erase_if(queue_, is_it);
  std::erase_if(live_, [&](const std::unique_ptr<Live>& live) {
    if (!is_it(live->asked)) return false;
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
  auto live = std::make_unique<Live>();
  writer_.begin(*live, active);
  live->prompt = active->prompt;
  live->tail = *tail;
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
      tree_.root().rows.size + std::ssize(live.active().read) + live.sampled();
  const std::int64_t wanted = regime(length);
  const bool lasts = wanted == regime(length + 1);
  if (live.prompt != nullptr) {
    if (live.prompt->regime == wanted || !lasts) return true;
    pool_.give_back(std::exchange(live.tail, {}));
    tree_.release(*std::exchange(live.prompt, nullptr), idle_rows());
  }
  const std::int64_t rest = live.active().tail_rows() - own;
  live.prompt = insert(live.active(), std::span(live.result.ids).first(live.result.ids.size() - 1),
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

POSTTRAIN_INLINE void GeneratorCore::finish(Live& live) {
  const TokenIds& ids = live.result.ids;
  const auto behind = std::span<const TokenId>(ids)
                          .subspan(static_cast<std::size_t>(live.in_prompt))
                          .first(static_cast<std::size_t>(live.in_tail()));
  const std::int64_t length = live.prompt->end_position() + live.in_tail();
  // Keys of other frequencies than the prompt's are of no use to others.
  const bool one_regime = regime(length) == live.prompt->regime;
  tree_.adopt(*live.prompt, behind, live.tail, one_regime ? idle_rows() : 0);
  tree_.release(*live.prompt, idle_rows());
  writer_.finish(live, options_.draft_ngrams > 0);
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
  if (options_.sync_every == 1 || writer_.processes() || options_.draft_ngrams > 0) return 0;
  if (rows.rows() != std::ssize(live_)) return 0;
  const bool slots = std::ssize(live_) < options_.max_live;
  if (slots && !queue_.empty()) return 0;
  std::int64_t most = options_.sync_every - 1;
  for (const auto& live : live_) {
    if (live->first_row < 0 || penalizes(live->sampling()) || live->sampling().support) return 0;
    most = std::min(most, live->active().max_new - live->sampled() - 1);
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
  // Where rotary frequencies change, keys are computed anew: not behind a guess.
  const std::int64_t length = live.prompt->end_position() + live.in_tail() + 1;
  std::int64_t most = options_.draft_ngrams > 0 ? options_.draft_tokens : 0;
  while (most > 0 && regime(length + most) != regime(length)) most -= 1;
  live.guess(options_, most);
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
POSTTRAIN_INLINE Drawn GeneratorCore::draw(const Tensor& hidden, std::vector<SampleDraw>& draws) {
  for (const auto& [node, row] : completed_) node->end = hidden.narrow(0, row, 1).clone();
  std::vector<SampleDraw> now;
  const Tensor logits = logits_of(hidden, now);
  if (now.empty()) return {};
  draws.insert(draws.end(), now.begin(), now.end());
  return writer_.drawn_from(logits, now);
}

// The head reads each row once: samples that begin at one prompt share its row.
POSTTRAIN_INLINE Tensor GeneratorCore::logits_of(const Tensor& hidden,
                                                 std::vector<SampleDraw>& draws) {
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
  for (const SampleDraw& draw : draws) drawn.push_back(draw.row);
  return next == std::ssize(draws) ? logits : at::index_select(logits, 0, index(drawn));
}

}  // namespace posttrain::detail
