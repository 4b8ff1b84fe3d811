// SPDX-License-Identifier: Apache-2.0
// The ranks of a run as its training loop sees them: which micro-batches are this one's, and what
// all of them add up or agree on.
//
// Every rank draws the same steps from the same data and knows their counts, so that a rank's
// share of gradients is a share of the whole step's: their sum is what one rank alone would have,
// up to the order of additions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "posttrain/concepts/events.hpp"
#include "posttrain/distributed/communicator.hpp"
#include "posttrain/tensor/metric_means.hpp"
#include "posttrain/tensor/tensor.hpp"
#include "posttrain/trainer/run/record.hpp"

namespace posttrain {

class Team {
 public:
  Team() : Team(std::make_shared<Single>()) {}
  explicit Team(std::shared_ptr<Communicator> ranks) : ranks_(std::move(ranks)) {}

  const std::shared_ptr<Communicator>& communicator() const { return ranks_; }
  std::int64_t rank() const { return ranks_->rank(); }
  std::int64_t size() const { return ranks_->size(); }
  bool alone() const { return size() == 1; }
  /// Writes logs, records and folders.
  bool leads() const { return rank() == 0; }

  /// Indices of this rank's among work of these costs (distributed/shared_work.hpp), in ascending
  /// order; there may be none.
  std::vector<std::size_t> own(std::span<const double> costs) const;

  /// The sum of a number over all ranks; undefined: 0. `device`: the run's, on which all of them
  /// meet, whether they have a number or not.
  Tensor sum(const Tensor& number, at::Device device) const;
  double sum(double number) const;
  /// Whether it is so on every rank.
  bool all(bool own) const { return sum(own ? 1.0 : 0.0) == static_cast<double>(size()); }
  /// A loss's metrics over the micro-batches of all ranks. `read`: the numbers that they wait for.
  std::vector<std::pair<std::string, double>> values(const MetricMeans& means,
                                                     std::span<const double> read) const;

  /// What hooks of any rank asked for, and the greatest of their signals (0: none).
  struct Wish {
    event::Request request{};
    int signal = 0;
  };
  Wish agreed(const Wish& own) const;

  /// Throws, on every rank, unless all have the same record: "rank 2: optimizer.beta1 0.8, rank 0:
  /// 0.9".
  void check_same(const RunRecord& record) const;

  /// Calls `work` on the rank that leads; returns, or throws what it threw, on every rank.
  void by_first(const std::function<void()>& work) const;

  /// What `work` returns on each rank, in their order. Where it throws on one, all of them throw.
  std::vector<std::string> of_each(const std::function<std::string()>& work) const;
  /// The first rank's text.
  std::string of_first(const std::string& text) const { return ranks_->all_texts(text).front(); }

  /// Tells the others why this rank ends.
  void end_with(const std::string& reason) const { ranks_->end_with(reason); }

 private:
  std::shared_ptr<Communicator> ranks_;
};

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/trainer/impl/team.ipp"
#endif
