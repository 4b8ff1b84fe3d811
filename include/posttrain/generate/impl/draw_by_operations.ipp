// SPDX-License-Identifier: Apache-2.0
// draw_tokens by plain tensor operations: any type, any device, all rows at once.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <span>
#include <tuple>
#include <vector>

#include "posttrain/base/compiled.hpp"
#include "posttrain/generate/impl/draw_numbers.hpp"
#include "posttrain/generate/token_sampler.hpp"
#include "posttrain/nn/cpu/rows.hpp"
#include "posttrain/tensor/ops.hpp"
#include "posttrain/tensor/transfer.hpp"

namespace posttrain {

namespace detail {

/// What the host knows of all rows, uploaded together.
struct DrawTables {
  // [n, 1] each, but for uniform [n].
  Tensor uniform, temperature, inverse, reach, top_p;  // double
  Tensor top_k;                                        // int64, at least 1
  Tensor greedy, cut_by_k;                             // bool
  // Places in the logits as one line: of what is suppressed; of what is penalised, with θ and what
  // is taken.
  Tensor suppressed, seen, repetition, taken;
  bool any_greedy = false, any_changed = false, any_filtered = false, any_top_p = false;
  bool any_reach = false;
  std::int64_t largest_k = 0;
};

/// A host tensor of `values`.
template <class Value>
Tensor table_of(const std::vector<Value>& values, at::ScalarType type) {
  Tensor table = at::empty({static_cast<std::int64_t>(values.size())}, type);
  std::copy(values.begin(), values.end(), table.mutable_data_ptr<Value>());
  return table;
}

inline DrawTables draw_tables(std::span<const DrawRow> rows, std::int64_t width,
                              at::Device device) {
  DrawTables tables;
  std::vector<double> uniform, temperature, inverse, reach, top_p, repetition, taken;
  std::vector<std::int64_t> top_k, suppressed, seen, greedy, cut_by_k;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const DrawRow& row = rows[i];
    const DrawNumbers numbers(row, width);
    uniform.push_back(row.uniform);
    temperature.push_back(numbers.temperature);
    inverse.push_back(numbers.inverse);
    reach.push_back(numbers.reach);
    top_p.push_back(numbers.top_p);
    top_k.push_back(std::max<std::int64_t>(numbers.top_k, 1));
    greedy.push_back(numbers.greedy);
    cut_by_k.push_back(numbers.top_k > 0);
    tables.any_greedy |= numbers.greedy;
    tables.any_changed |= numbers.changed;
    tables.any_filtered |= numbers.is_filtered();
    tables.any_top_p |= numbers.top_p < 1.0;
    tables.any_reach |= numbers.has_threshold();
    tables.largest_k = std::max(tables.largest_k, numbers.top_k);
    const std::int64_t begin = static_cast<std::int64_t>(i) * width;
    for (const TokenId id : row.suppressed) {
      if (is_column(id, width)) suppressed.push_back(begin + id);
    }
    if (!numbers.penalised) continue;
    for (const SeenToken& token : row.seen) {
      if (!is_column(token.id, width)) continue;
      seen.push_back(begin + token.id);
      repetition.push_back(within_float(row.repetition_penalty));
      taken.push_back(taken_from(row, token));
    }
  }
  tables.uniform = table_of(uniform, at::kDouble);
  tables.temperature = table_of(temperature, at::kDouble);
  tables.inverse = table_of(inverse, at::kDouble).unsqueeze(1);
  tables.reach = table_of(reach, at::kDouble).unsqueeze(1);
  tables.top_p = table_of(top_p, at::kDouble).unsqueeze(1);
  tables.top_k = table_of(top_k, at::kLong).unsqueeze(1);
  tables.greedy = table_of(greedy, at::kLong);
  tables.cut_by_k = table_of(cut_by_k, at::kLong).unsqueeze(1);
  std::vector<Tensor*> all{&tables.uniform, &tables.temperature, &tables.inverse, &tables.reach,
                           &tables.top_p,   &tables.top_k,       &tables.greedy,  &tables.cut_by_k};
  if (!suppressed.empty()) {
    tables.suppressed = table_of(suppressed, at::kLong);
    all.push_back(&tables.suppressed);
  }
  if (!seen.empty()) {
    tables.seen = table_of(seen, at::kLong);
    tables.repetition = table_of(repetition, at::kDouble);
    tables.taken = table_of(taken, at::kDouble);
    all.insert(all.end(), {&tables.seen, &tables.repetition, &tables.taken});
  }
  upload_together(all, device);
  tables.greedy = tables.greedy.to(at::kBool);
  tables.cut_by_k = tables.cut_by_k.to(at::kBool);
  return tables;
}

/// The logits after suppression and penalties: new memory, or `raw` itself where there are none.
inline Tensor changed_logits(const Tensor& raw, const DrawTables& tables) {
  if (!tables.suppressed.defined() && !tables.seen.defined()) return raw;
  const Tensor z = raw.clone(at::MemoryFormat::Contiguous);
  const Tensor line = z.view({-1});
  if (tables.suppressed.defined()) {
    line.index_fill_(0, tables.suppressed, -std::numeric_limits<double>::infinity());
  }
  if (tables.seen.defined()) {
    const Tensor at_seen = line.index_select(0, tables.seen);
    const Tensor theta = tables.repetition.to(z.scalar_type());
    const Tensor repeated = at::where(at_seen > 0, at_seen / theta, at_seen * theta);
    line.index_copy_(0, tables.seen, repeated - tables.taken.to(z.scalar_type()));
  }
  return z;
}

/// Sums in double of a row; [n].
inline Tensor row_sums(const Tensor& x) { return x.sum(1, false, at::kDouble); }

}  // namespace detail

POSTTRAIN_INLINE Drawn detail::draw_by_operations(const Tensor& logits,
                                                  std::span<const DrawRow> rows,
                                                  DrawRecord record) {
  at::NoGradGuard no_grad;
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  const std::int64_t n = logits.size(0), width = logits.size(1);
  const at::ScalarType type = compute_type(logits);
  const DrawTables tables = draw_tables(rows, width, logits.device());
  const Tensor inverse = tables.inverse.to(type);
  const at::TensorOptions int64 = logits.options().dtype(at::kLong);

  // Rows that cannot be drawn from are computed as rows of zeros, and overwritten in the end.
  Tensor raw = logits.detach().to(type);
  Tensor bad = raw.lt(kInfinity).logical_not().any(1, true);  // [n, 1]; a NaN is below nothing
  Tensor z = changed_logits(raw, tables);
  bad = bad.logical_or(at::isfinite(z.amax(1, true)).logical_not());
  const bool is_changed = !z.is_same(raw);
  raw = raw.masked_fill(bad, 0.0);
  z = is_changed ? z.masked_fill(bad, 0.0) : raw;
  bad = bad.squeeze(1);

  const Tensor largest = z.amax(1, true);
  const Tensor x = (z - largest) * inverse;  // [n, V], at most 0
  const Tensor all_exps = x.exp();

  // What is kept is a beginning of each row in the order of descending z and ascending ids.
  Tensor kept, sorted, order;
  if (tables.any_top_p || record.top_logps > 0) std::tie(sorted, order) = z.sort(true, 1, true);
  if (tables.any_reach) {
    Tensor lowest = largest + tables.reach.to(type);
    if (tables.largest_k > 0) {
      const Tensor leading =
          sorted.defined() ? sorted : std::get<0>(z.topk(tables.largest_k, 1, true, true));
      lowest = at::where(tables.cut_by_k, at::maximum(lowest, leading.gather(1, tables.top_k - 1)),
                         lowest);
    }
    kept = z.ge(lowest);
  }
  // Probabilities as integers: their sums do not depend on the order of summation, which devices
  // choose by the size of the batch. 2^40 of them make a probability of 1 at the largest logit.
  Tensor shares = (all_exps * 0x1.0p40).to(at::kLong);
  if (kept.defined()) shares = shares.masked_fill(kept.logical_not(), 0);
  if (tables.any_top_p) {
    const Tensor in_order = shares.gather(1, order);
    const Tensor before = in_order.cumsum(1) - in_order;
    const Tensor wanted = tables.top_p * in_order.sum(1, true).to(at::kDouble);
    const Tensor reached = before.to(at::kDouble).lt(wanted).logical_or(tables.top_p.ge(1.0));
    const Tensor in_top_p = at::zeros_like(reached).scatter(1, order, reached);
    kept = kept.defined() ? kept.logical_and(in_top_p) : in_top_p;
    shares = shares.masked_fill(kept.logical_not(), 0);
  }
  const Tensor exps = kept.defined() ? all_exps.masked_fill(kept.logical_not(), 0.0) : all_exps;

  const Tensor until = shares.cumsum(1);
  const Tensor total = until.select(1, width - 1);
  const Tensor target =
      at::minimum((tables.uniform * total.to(at::kDouble)).to(at::kLong), total - 1);
  Tensor ids = until.le(target.unsqueeze(1)).sum(1);
  if (tables.any_greedy) {
    const Tensor columns = at::arange(width, int64);
    const Tensor first = at::where(z.eq(largest), columns, columns.new_full({}, width)).amin(1);
    ids = at::where(tables.greedy, first, ids);
  }

  const Tensor log_total = row_sums(exps).log();
  const auto logp_at = [&](const Tensor& of, const Tensor& top, const Tensor& log_sum) {
    const Tensor value = of.gather(1, ids.unsqueeze(1)).squeeze(1).to(at::kDouble);
    return (value - top.squeeze(1).to(at::kDouble)) / tables.temperature - log_sum;
  };
  const auto finished = [&](const Tensor& number) {
    return number.masked_fill(bad, std::numeric_limits<double>::quiet_NaN()).to(type);
  };
  Drawn drawn;
  drawn.logps = finished(logp_at(z, largest, log_total));
  drawn.plain_logps = drawn.logps;
  if (is_changed) {
    const Tensor top = raw.amax(1, true);
    const Tensor plain = row_sums(((raw - top) * inverse).exp()).log();
    drawn.plain_logps = finished(logp_at(raw, top, plain));
  } else if (tables.any_filtered) {
    drawn.plain_logps = finished(logp_at(z, largest, row_sums(all_exps).log()));
  }
  if (record.entropy) {
    const Tensor weighted =
        row_sums(exps * x.clamp_min(-100.0));  // exps are 0 there; −∞ · 0 is not
    drawn.entropy = finished(log_total - weighted / row_sums(exps));
  }
  if (record.top_logps > 0) {
    const std::int64_t count = std::min(record.top_logps, width);
    const Tensor first = order.narrow(1, 0, count), value = sorted.narrow(1, 0, count);
    Tensor missing = value.eq(-kInfinity).logical_or(bad.unsqueeze(1));
    if (kept.defined()) missing = missing.logical_or(kept.gather(1, first).logical_not());
    const Tensor logps =
        (value.to(at::kDouble) - largest.to(at::kDouble)) / tables.temperature.unsqueeze(1) -
        log_total.unsqueeze(1);
    drawn.top_ids = at::full({n, record.top_logps}, -1, int64);
    drawn.top_logps = at::full({n, record.top_logps}, -kInfinity, int64.dtype(type));
    drawn.top_ids.narrow(1, 0, count).copy_(first.masked_fill(missing, -1));
    drawn.top_logps.narrow(1, 0, count).copy_(logps.masked_fill(missing, -kInfinity));
  }
  if (record.support) {
    if (!kept.defined()) kept = at::ones_like(z, int64.dtype(at::kBool));
    kept = kept.logical_and(kept.all(1, true).logical_not());
    drawn.support_sizes = kept.sum(1);
    drawn.support = kept.nonzero().select(1, 1);  // rows after each other, ids ascending
  }
  drawn.ids = ids.masked_fill(bad, -1);
  return drawn;
}

}  // namespace posttrain
