// SPDX-License-Identifier: Apache-2.0
// Second moments of what each site of a model reads, over calibration batches: Σ x and Σ x xᵀ.
//
//   const auto gate = Frozen{}.attach(model);                   // or the state of any policy
//   const InputStatistics inputs = input_statistics(model, gate, batches);   // of TokenBatch
//   const Tensor gram = inputs.gram(site);                      // [in, in]
//
// or, where batches come one at a time,
//
//   InputStatistics inputs(model);
//   for (const TokenBatch& batch : …) record_inputs(model, gate, batch, inputs);
//
// Batches are streamed: what is kept is one matrix per site, exact up to rounding whatever the
// batching. Parts of a site (q, k, v) read the same x, so statistics go by site. The memory is
// Σ in² numbers: in float32 64 MiB for a width of 4,096, and the square of the inner width for the
// last matrix of an MLP; `sites` selects, so that large models can be done layers at a time.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "posttrain/base/error.hpp"
#include "posttrain/batch/tokens.hpp"
#include "posttrain/batch/virtual_tokens.hpp"
#include "posttrain/concepts/layout.hpp"
#include "posttrain/nn/gemm.hpp"
#include "posttrain/nn/lm_head.hpp"
#include "posttrain/params/forwarding.hpp"
#include "posttrain/tensor/ops.hpp"
#include "posttrain/tensor/parameters.hpp"

namespace posttrain {

/// Rows of a batch that count: every token that is read, or those that predict a token of non-zero
/// weight.
enum class InputRows { all, predicting };

class InputStatistics {
 public:
  /// Statistics of no site.
  InputStatistics() = default;
  /// Statistics of the sites that `sites` selects; by default all but the LM head.
  template <class Model>
  explicit InputStatistics(const Model& model,
                           const std::function<bool(const SiteSpec&)>& sites = all_but_the_head)
      : InputStatistics(model.layout(), master_dtype(model.dtype()), model.device(), sites) {}

  /// `dtype`: float32 or float64, of the sums.
  InputStatistics(const Layout& layout, at::ScalarType dtype, at::Device device,
                  const std::function<bool(const SiteSpec&)>& sites = all_but_the_head)
      : options_(at::TensorOptions(device).dtype(dtype)) {
    for (const SiteSpec& site : layout.sites) {
      sites_.push_back({site.in, sites(site), site.head, 0, {}, {}});
    }
  }

  static bool all_but_the_head(const SiteSpec& site) { return !site.head; }

  bool records(int site) const { return at(site).recorded; }
  /// Whether an LM head is among the sites.
  bool records_head() const {
    return std::ranges::any_of(sites_, [](const Sums& s) { return s.recorded && s.head; });
  }

  /// x [n, in], any floating dtype.
  void add(int site, const Tensor& x) {
    Sums& sums = sites_.at(static_cast<std::size_t>(site));
    if (!sums.recorded || x.size(0) == 0) return;
    at::NoGradGuard no_grad;
    if (!sums.gram.defined()) {
      sums.gram = at::zeros({sums.in, sums.in}, options_);
      sums.sum = at::zeros({sums.in}, options_.dtype(at::kDouble));
    }
    const Tensor exact = x.detach().to(options_.dtype().toScalarType());
    accumulate_tn(sums.gram, exact, exact);
    sums.sum.add_(at::sum(exact, {0}, false, at::kDouble));
    sums.rows += x.size(0);
  }

  /// "24 rows of 8 sites".
  std::string description() const {
    std::int64_t rows = 0, count = 0;
    for (const Sums& sums : sites_) {
      rows = std::max(rows, sums.rows);
      count += sums.rows > 0;
    }
    return fmt::format("{} rows of {} sites", rows, count);
  }

  /// Rows counted so far.
  std::int64_t rows(int site) const { return at(site).rows; }
  /// Σ x xᵀ, [in, in]: the sum itself.
  const Tensor& gram(int site) const { return seen(site).gram; }
  /// Mean of x, [in] in float64.
  Tensor mean(int site) const { return seen(site).sum / static_cast<double>(seen(site).rows); }
  /// Σ x xᵀ / n − mean meanᵀ, [in, in] in float64.
  Tensor covariance(int site) const {
    const Tensor centre = mean(site);
    const Tensor moments = gram(site).to(at::kDouble) / static_cast<double>(rows(site));
    return moments.addr(centre, centre, 1, -1);
  }

 private:
  struct Sums {
    std::int64_t in;
    bool recorded;
    bool head;
    std::int64_t rows;
    Tensor gram, sum;
  };

  const Sums& at(int site) const { return sites_.at(static_cast<std::size_t>(site)); }
  const Sums& seen(int site) const {
    if (sites_.empty() || at(site).rows == 0) {
      raise("expected recorded inputs of site {}, found none; hint: select it, and record batches",
            site);
    }
    return at(site);
  }

  at::TensorOptions options_{};
  std::vector<Sums> sites_;
};

/// A gate that does what another does and records what its products read.
template <class Gate>
class RecordingGate : public Forwarding<const Gate&> {
 public:
  /// `rows`: indices of the rows that count; undefined: all.
  RecordingGate(const Gate& gate, InputStatistics& statistics, Tensor rows = {})
      : Forwarding<const Gate&>(gate), statistics_(&statistics), rows_(std::move(rows)) {}

  Tensor linear(int site, const Tensor& x) const {
    if (statistics_->records(site)) {
      statistics_->add(site, rows_.defined() ? at::index_select(x, 0, rows_) : x);
    }
    return this->gate().linear(site, x);
  }

 private:
  InputStatistics* statistics_;
  Tensor rows_;
};

namespace detail {

/// Rows that predict a token of non-zero weight, each once, ascending.
inline Tensor predicting_rows(const TokenBatch& batch) {
  const Tensor rows = batch.row.cpu(), weights = batch.weight.cpu();
  std::vector<std::int64_t> chosen;
  for (std::int64_t i = 0; i < batch.predictions(); ++i) {
    if (weights.data_ptr<float>()[i] != 0.0F) chosen.push_back(rows.data_ptr<std::int64_t>()[i]);
  }
  std::ranges::sort(chosen);
  chosen.erase(std::unique(chosen.begin(), chosen.end()), chosen.end());
  return at::tensor(chosen, at::kLong).to(batch.ids.device());
}

}  // namespace detail

/// Adds one batch (a soft prompt's rows count as read): the model runs over it through `gate`,
/// without a graph and without dropout. The LM head runs only if it is recorded.
template <class Model, class Gate>
void record_inputs(const Model& model, const Gate& gate, const TokenBatch& host_batch,
                   InputStatistics& statistics, InputRows rows = InputRows::all) {
  at::NoGradGuard no_grad;
  const TokenBatch batch = prepared(gate, host_batch).to(model.device());
  const Tensor chosen = rows == InputRows::predicting ? detail::predicting_rows(batch) : Tensor();
  const Tensor hidden = model.hidden(RecordingGate<Gate>(gate, statistics, chosen), batch);
  if (!statistics.records_head()) return;
  const Tensor read = chosen.defined() ? at::index_select(hidden, 0, chosen) : hidden;
  const RecordingGate<Gate> whole(gate, statistics);
  const std::int64_t chunk = head_chunk_rows(model.vocab_size(), model.device());
  for (std::int64_t row = 0; row < read.size(0); row += chunk) {
    model.logits(whole, read.narrow(0, row, std::min(chunk, read.size(0) - row)));
  }
}

/// The statistics of all batches, of every site but the LM head.
template <class Model, class Gate>
InputStatistics input_statistics(const Model& model, const Gate& gate,
                                 const std::vector<TokenBatch>& batches,
                                 InputRows rows = InputRows::all) {
  InputStatistics statistics(model);
  for (const TokenBatch& batch : batches) record_inputs(model, gate, batch, statistics, rows);
  return statistics;
}

}  // namespace posttrain
