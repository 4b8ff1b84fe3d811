// SPDX-License-Identifier: Apache-2.0
// Orthogonal subspace fine-tuning that protects what a matrix does to the inputs it really gets,
// not to all directions alike.
//
//   const InputStatistics inputs = input_statistics(model, Frozen{}.attach(model), batches);
//   Trainer trainer(model, NextToken{}, OsftOnInputs{Osft{}, inputs}, …);
//
// With G = E[x xᵀ] over calibration batches, the k output directions of most energy E‖uᵀ W x‖² are
// the leading eigenvectors of W G Wᵀ, and what produces them are the inputs G Wᵀ u: these two spans
// are protected in the place of W's leading singular subspaces (they are those for G = 1). In
// whitened coordinates z = G^(−1/2) x that is the singular value decomposition of W G^(1/2).
#pragma once

#include <memory>
#include <string_view>
#include <utility>

#include "posttrain/params/calibration/input_statistics.hpp"
#include "posttrain/params/osft.hpp"

namespace posttrain {

/// Recorded as what it is; the numbers stay in memory.
class CalibrationInputs {
 public:
  CalibrationInputs(InputStatistics statistics)
      : statistics_(std::make_shared<const InputStatistics>(std::move(statistics))) {}
  operator std::string_view() const { return "InputStatistics"; }
  const InputStatistics& get() const { return *statistics_; }

 private:
  std::shared_ptr<const InputStatistics> statistics_;
};

template <class Storage = Dense>
struct BasicOsftOnInputs {
  using State = OsftState<Storage>;
  static constexpr bool has_reference = true;

  BasicOsft<Storage> osft{};  // cache_dir must be empty: entries go by W alone
  CalibrationInputs inputs;

  void validate() const {
    osft.validate();
    if (!osft.cache_dir.empty()) {
      fail("posttrain: OsftOnInputs takes no Osft.cache_dir, whose entries go by the matrix alone");
    }
  }

  State attach(const auto& model, const std::shared_ptr<Communicator>& ranks = nullptr) const {
    validate();
    return osft.attach(model, ranks, [inputs = inputs](int site) {
      const InputStatistics& statistics = inputs.get();
      return statistics.gram(site) / static_cast<double>(statistics.rows(site));
    });
  }
};
template <class Storage>
BasicOsftOnInputs(BasicOsft<Storage>, InputStatistics) -> BasicOsftOnInputs<Storage>;

using OsftOnInputs = BasicOsftOnInputs<>;

}  // namespace posttrain
