// SPDX-License-Identifier: Apache-2.0
// draw_tokens on the CPU: rows of float32 or bfloat16, each by one thread, in few passes.
//
// A pass finds the maxima of blocks, a second one makes exp((z − max) / T) and its sums by blocks.
// What filters keep is a beginning of the order (descending z, ascending ids), so a threshold says
// it: the k-th largest logit is sought above the k-th largest of the blocks' maxima, the token that
// crosses top-p between bounds that are drawn closer by the mass above them. Sums have a fixed
// order, in double over blocks.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <span>
#include <type_traits>
#include <vector>

#include "posttrain/base/compiled.hpp"
#include "posttrain/generate/impl/draw_numbers.hpp"
#include "posttrain/generate/impl/draw_passes.hpp"
#include "posttrain/generate/token_sampler.hpp"
#include "posttrain/nn/cpu/rows.hpp"
#include "posttrain/nn/cpu/simd.hpp"
#include "posttrain/tensor/ops.hpp"

namespace posttrain {

namespace detail {

struct Candidate {
  float z, weight;
  std::int32_t id;
  /// The order in which filters keep: the likeliest first, of equals the lowest id.
  bool operator<(const Candidate& other) const {
    return z > other.z || (z == other.z && id < other.id);
  }
};

/// The last of the shortest beginning, in order, whose weights make up `wanted`. Reorders.
inline Candidate crossing(std::span<Candidate> candidates, double wanted) {
  constexpr std::size_t kFew = 16;
  while (candidates.size() > kFew) {
    const std::size_t half = candidates.size() / 2;
    std::nth_element(candidates.begin(), candidates.begin() + static_cast<std::ptrdiff_t>(half),
                     candidates.end());
    double before = 0;
    for (const Candidate& candidate : candidates.first(half)) before += candidate.weight;
    if (before >= wanted) {
      candidates = candidates.first(half);
    } else {
      wanted -= before;
      candidates = candidates.subspan(half);
    }
  }
  std::sort(candidates.begin(), candidates.end());
  for (const Candidate& candidate : candidates) {
    wanted -= candidate.weight;
    if (wanted <= 0) return candidate;
  }
  return candidates.back();  // by rounding
}

/// What a thread works in; its memory stays for the next row.
struct DrawScratch {
  std::vector<float> logits, weights, block_max, some_max;
  std::vector<double> block_sums;
  std::vector<std::int32_t> ids;
  std::vector<Candidate> candidates;

  void resize(std::int64_t width) {
    const auto columns = static_cast<std::size_t>(width);
    const auto blocks = static_cast<std::size_t>(draw_blocks(width));
    weights.resize(columns);
    ids.resize(columns + 1);  // one beyond, since ids are written before they are counted
    block_max.resize(blocks);
    block_sums.resize(blocks);
  }
};

/// Where a row's results go; null: not asked for.
struct DrawOutputs {
  std::int64_t* id;
  float *logp, *plain_logp, *entropy;
  std::int64_t* top_ids;
  float* top_logps;
  std::int64_t top_count;
  std::vector<std::int32_t>* support;
};

/// Fills `candidates` with a set of columns that holds the `count` first in order.
template <class Element>
void gather_leading(const Element* z, std::int64_t width, std::int64_t count,
                    DrawScratch& scratch) {
  // As many blocks as that have a logit of at least the count-th largest maximum.
  float lowest = -std::numeric_limits<float>::infinity();
  if (count <= static_cast<std::int64_t>(scratch.block_max.size())) {
    scratch.some_max = scratch.block_max;
    const auto place = scratch.some_max.begin() + (count - 1);
    std::nth_element(scratch.some_max.begin(), place, scratch.some_max.end(), std::greater<>());
    lowest = *place;
  }
  scratch.candidates.clear();
  std::int32_t* ids = scratch.ids.data();
  for (std::int64_t start = 0, block = 0; start < width; start += kDrawBlock, ++block) {
    if (scratch.block_max[static_cast<std::size_t>(block)] < lowest) continue;
    const std::int64_t stop = std::min(start + kDrawBlock, width);
    std::int64_t found = 0;
    for (std::int64_t i = start; i < stop; ++i) {
      ids[found] = static_cast<std::int32_t>(i);
      found += simd::load(z, i) >= lowest;
    }
    for (std::int64_t j = 0; j < found; ++j) {
      scratch.candidates.push_back({simd::load(z, ids[j]), 0.0F, ids[j]});
    }
  }
}

/// Sets the weights beyond top-p to 0; returns the new total. `last`: the last that is kept.
template <class Element>
double keep_top_p(const Element* z, std::int64_t width, float largest, const DrawNumbers& numbers,
                  double total, DrawScratch& scratch, Candidate& last) {
  constexpr double kFew = 256;
  constexpr int kMostPasses = 8;
  // The last token that is kept lies in lowest ≤ z < beyond. One with a weight below (1 − p) total
  // / V is not needed, since all that are no heavier make up less than 1 − p.
  const double nats = -std::log((1.0 - numbers.top_p) * total / static_cast<double>(width));
  float beyond = std::nextafter(largest, std::numeric_limits<float>::infinity());
  float lowest = static_cast<float>(within_float(largest - 1.001 * nats / numbers.inverse));
  lowest = std::max(lowest, last.z);
  const double wanted = numbers.top_p * total;
  double before = 0, until = total;  // the mass from `beyond` and from `lowest` up
  for (int pass = 0; pass < kMostPasses; ++pass) {
    // No more tokens lie between than the lightest of them goes into their mass.
    const double between = until - before;
    const double lightest = std::exp((static_cast<double>(lowest) - largest) * numbers.inverse);
    if (between <= kFew * lightest) break;
    // Where a straight line crosses, on which the first interval is too long to rely.
    const auto guess = static_cast<float>((wanted - before) / between);
    const std::array<float, 4> places =
        pass == 0
            ? std::array<float, 4>{0.2F, 0.4F, 0.6F, 0.8F}
            : std::array<float, 4>{guess - 0.15F, guess - 0.02F, guess + 0.02F, guess + 0.15F};
    std::array<float, 4> bounds{};
    for (std::size_t j = 0; j < bounds.size(); ++j) {
      bounds[j] = beyond + (lowest - beyond) * std::clamp(places[j], 0.0F, 1.0F);
    }
    std::array<double, 4> mass{};
    mass_above(z, scratch.weights.data(), width, scratch.block_max.data(), bounds, mass);
    for (std::size_t j = 0; j < bounds.size(); ++j) {
      if (bounds[j] >= beyond || bounds[j] <= lowest) continue;
      if (mass[j] >= wanted) {
        lowest = bounds[j];
        until = mass[j];
        break;
      }
      beyond = bounds[j];
      before = mass[j];
    }
    if (pass > 0 && until - before > 0.95 * between) break;  // equal logits
  }
  const std::int64_t count =
      ids_between(z, width, scratch.block_max.data(), lowest, beyond, scratch.ids.data());
  if (count == 0) return total;  // by rounding
  scratch.candidates.clear();
  for (const std::int32_t id : std::span(scratch.ids.data(), static_cast<std::size_t>(count))) {
    scratch.candidates.push_back(
        {simd::load(z, id), scratch.weights[static_cast<std::size_t>(id)], id});
  }
  last = crossing(scratch.candidates, wanted - before);
  for (const Candidate& candidate : scratch.candidates) {
    if (last < candidate) scratch.weights[static_cast<std::size_t>(candidate.id)] = 0.0F;
  }
  return keep_row(z, width, last.z, scratch.block_max.data(), scratch.weights.data(),
                  scratch.block_sums.data());
}

/// The first column where the sum of weights exceeds `target`; never one of weight 0.
inline std::int64_t column_at(const DrawScratch& scratch, double target) {
  const auto width = static_cast<std::int64_t>(scratch.weights.size());
  std::int64_t last = -1, last_block = -1;
  double before = 0;
  for (std::size_t block = 0; block < scratch.block_sums.size(); ++block) {
    const double sum = scratch.block_sums[block];
    if (sum <= 0) continue;
    last_block = static_cast<std::int64_t>(block);
    if (before + sum > target) break;
    before += sum;
  }
  if (last_block < 0) return -1;
  // At the end of all by rounding, `before` counts the last block already: its last column is it.
  const std::int64_t start = last_block * kDrawBlock;
  for (std::int64_t i = start; i < std::min(start + kDrawBlock, width); ++i) {
    const float weight = scratch.weights[static_cast<std::size_t>(i)];
    if (weight <= 0) continue;
    last = i;
    before += weight;
    if (before > target) break;
  }
  return last;
}

/// The first column of the largest logit.
template <class Element>
std::int64_t column_of(const Element* z, std::int64_t width, float largest,
                       const DrawScratch& scratch) {
  for (std::int64_t start = 0, block = 0; start < width; start += kDrawBlock, ++block) {
    if (scratch.block_max[static_cast<std::size_t>(block)] != largest) continue;
    std::int64_t i = start;
    while (simd::load(z, i) != largest) ++i;
    return i;
  }
  return -1;
}

inline void refuse_row(const DrawOutputs& out) {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  *out.id = -1;
  *out.logp = kNan;
  if (out.plain_logp != nullptr) *out.plain_logp = kNan;
  if (out.entropy != nullptr) *out.entropy = kNan;
  std::fill_n(out.top_ids, out.top_count, -1);
  std::fill_n(out.top_logps, out.top_count, -std::numeric_limits<float>::infinity());
  if (out.support != nullptr) out.support->clear();
}

/// The ids up to the last that is kept, ascending; none where all are.
template <class Element>
void list_kept(const Element* z, std::int64_t width, const Candidate& last, DrawScratch& scratch,
               std::vector<std::int32_t>& kept) {
  const std::int64_t count =
      ids_between(z, width, scratch.block_max.data(), last.z,
                  std::numeric_limits<float>::infinity(), scratch.ids.data());
  kept.clear();
  for (const std::int32_t id : std::span(scratch.ids.data(), static_cast<std::size_t>(count))) {
    if (!(last < Candidate{simd::load(z, id), 0.0F, id})) kept.push_back(id);
  }
  if (std::ssize(kept) == width) kept.clear();
}

/// z: the row after suppression and penalties, with its maxima in scratch.block_max. Gives the
/// logarithm of Σ exp((z − largest) / T) before filters, too; false for a row that is refused.
template <class Element>
bool draw_from(const Element* z, std::int64_t width, float largest, const DrawRow& row,
               const DrawNumbers& numbers, DrawScratch& scratch, const DrawOutputs& out,
               double& log_all) {
  const auto inverse = static_cast<float>(numbers.inverse);
  if (!std::isfinite(largest)) return false;
  double total =
      weigh_row(z, width, largest, inverse, scratch.weights.data(), scratch.block_sums.data());
  if (std::isnan(total)) return false;
  log_all = std::log(total);
  Candidate last{-std::numeric_limits<float>::infinity(), 0.0F,
                 std::numeric_limits<std::int32_t>::max()};
  if (numbers.has_threshold()) {
    if (numbers.reach > -std::numeric_limits<double>::infinity()) {
      last.z = largest + static_cast<float>(numbers.reach);
    }
    if (numbers.top_k > 0) {
      gather_leading(z, width, numbers.top_k, scratch);
      const auto place = scratch.candidates.begin() + (numbers.top_k - 1);
      std::nth_element(scratch.candidates.begin(), place, scratch.candidates.end());
      last.z = std::max(last.z, place->z);
    }
    total = keep_row(z, width, last.z, scratch.block_max.data(), scratch.weights.data(),
                     scratch.block_sums.data());
  }
  if (numbers.top_p < 1.0) total = keep_top_p(z, width, largest, numbers, total, scratch, last);

  const double log_total = std::log(total);
  const auto logp_of = [&](float value) {
    return static_cast<float>((static_cast<double>(value) - largest) / numbers.temperature -
                              log_total);
  };
  *out.id = numbers.greedy ? column_of(z, width, largest, scratch)
                           : column_at(scratch, row.uniform * total);
  *out.logp = logp_of(simd::load(z, *out.id));
  if (out.entropy != nullptr) {
    const double weighted =
        weighted_row(z, width, largest, inverse, scratch.weights.data(), scratch.block_sums.data());
    *out.entropy = static_cast<float>(log_total - weighted / total);
  }
  if (out.support != nullptr) list_kept(z, width, last, scratch, *out.support);
  if (out.top_count == 0) return true;
  const std::int64_t wanted = std::min(out.top_count, width);
  gather_leading(z, width, wanted, scratch);
  std::partial_sort(scratch.candidates.begin(), scratch.candidates.begin() + wanted,
                    scratch.candidates.end());
  for (std::int64_t j = 0; j < out.top_count; ++j) {
    const Candidate candidate =
        j < wanted ? scratch.candidates[static_cast<std::size_t>(j)] : Candidate{0, 0, -1};
    const bool is_kept =
        j < wanted && !(last < candidate) && candidate.z > -std::numeric_limits<float>::infinity();
    out.top_ids[j] = is_kept ? candidate.id : -1;
    out.top_logps[j] = is_kept ? logp_of(candidate.z) : -std::numeric_limits<float>::infinity();
  }
  return true;
}

/// The row in scratch.logits, with suppression and penalties.
template <class Element>
void change_row(const Element* raw, std::int64_t width, const DrawRow& row,
                const DrawNumbers& numbers, DrawScratch& scratch) {
  scratch.logits.resize(static_cast<std::size_t>(width));
  float* z = scratch.logits.data();
  widen_row(raw, width, z);
  for (const TokenId id : row.suppressed) {
    if (is_column(id, width)) z[id] = -std::numeric_limits<float>::infinity();
  }
  if (!numbers.penalised) return;
  const auto theta = static_cast<float>(within_float(row.repetition_penalty));
  for (const SeenToken& token : row.seen) {
    if (!is_column(token.id, width)) continue;
    const float repeated = z[token.id] > 0 ? z[token.id] / theta : z[token.id] * theta;
    z[token.id] = repeated - static_cast<float>(taken_from(row, token));
  }
}

template <class Element>
void draw_row(const Element* raw, std::int64_t width, const DrawRow& row, DrawScratch& scratch,
              const DrawOutputs& out) {
  const DrawNumbers numbers(row, width);
  scratch.resize(width);
  float* block_max = scratch.block_max.data();
  const float largest = scan_row(raw, width, block_max);
  double log_all = 0;
  if (!numbers.changed) {
    if (!draw_from(raw, width, largest, row, numbers, scratch, out, log_all))
      return refuse_row(out);
  } else {
    const double total = weigh_row(raw, width, largest, static_cast<float>(numbers.inverse),
                                   scratch.weights.data(), scratch.block_sums.data());
    if (!std::isfinite(largest) || std::isnan(total)) return refuse_row(out);
    change_row(raw, width, row, numbers, scratch);
    const float* z = scratch.logits.data();
    const float changed = scan_row(z, width, block_max);
    if (!draw_from(z, width, changed, row, numbers, scratch, out, log_all)) return refuse_row(out);
    log_all = std::log(total);
  }
  if (out.plain_logp != nullptr) {
    const double value = simd::load(raw, *out.id);
    *out.plain_logp = static_cast<float>((value - largest) / numbers.temperature - log_all);
  }
}

}  // namespace detail

POSTTRAIN_INLINE Drawn detail::draw_by_rows(const Tensor& logits, std::span<const DrawRow> rows,
                                            DrawRecord record) {
  at::NoGradGuard no_grad;
  const Tensor z = with_row_layout(logits.detach());
  const std::int64_t n = z.size(0), width = z.size(1);
  const at::TensorOptions float32 = z.options().dtype(at::kFloat);
  const at::TensorOptions int64 = z.options().dtype(at::kLong);
  Drawn drawn;
  drawn.ids = at::empty({n}, int64);
  drawn.logps = at::empty({n}, float32);
  const bool differ = std::any_of(rows.begin(), rows.end(), [&](const DrawRow& row) {
    const DrawNumbers numbers(row, width);
    return numbers.changed || numbers.is_filtered();
  });
  drawn.plain_logps = differ ? at::empty({n}, float32) : drawn.logps;
  if (record.entropy) drawn.entropy = at::empty({n}, float32);
  if (record.top_logps > 0) {
    drawn.top_ids = at::empty({n, record.top_logps}, int64);
    drawn.top_logps = at::empty({n, record.top_logps}, float32);
  }
  const auto at_row = [](const Tensor& tensor, std::int64_t place, auto* none) {
    return tensor.defined()
               ? tensor.mutable_data_ptr<std::remove_pointer_t<decltype(none)>>() + place
               : none;
  };
  constexpr float* kNoFloat = nullptr;
  constexpr std::int64_t* kNoInt = nullptr;
  std::vector<std::vector<std::int32_t>> support(record.support ? static_cast<std::size_t>(n)
                                                                : std::size_t{0});
  const RowLayout layout = row_layout(z);
  with_element_type(z, [&](auto element) {
    using Element = decltype(element);
    const Element* data = z.const_data_ptr<Element>();
    at::parallel_for(0, n, 1 + 4096 / width, [&](std::int64_t begin, std::int64_t end) {
      static thread_local DrawScratch scratch;
      for (std::int64_t i = begin; i < end; ++i) {
        const DrawOutputs out{at_row(drawn.ids, i, kNoInt),
                              at_row(drawn.logps, i, kNoFloat),
                              differ ? at_row(drawn.plain_logps, i, kNoFloat) : nullptr,
                              at_row(drawn.entropy, i, kNoFloat),
                              at_row(drawn.top_ids, i * record.top_logps, kNoInt),
                              at_row(drawn.top_logps, i * record.top_logps, kNoFloat),
                              record.top_logps,
                              record.support ? &support[static_cast<std::size_t>(i)] : nullptr};
        draw_row(data + layout.offset(i), width, rows[static_cast<std::size_t>(i)], scratch, out);
      }
    });
  });
  if (record.support) {
    std::vector<std::int64_t> ids, sizes;
    for (const auto& of_row : support) {
      ids.insert(ids.end(), of_row.begin(), of_row.end());
      sizes.push_back(std::ssize(of_row));
    }
    drawn.support = at::tensor(ids, int64);
    drawn.support_sizes = at::tensor(sizes, int64);
  }
  return drawn;
}

}  // namespace posttrain
