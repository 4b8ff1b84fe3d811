// SPDX-License-Identifier: Apache-2.0
// Means that a loss reports beside its value, over all micro-batches of a step:
//
//   means.add("rewards/margins", margins.sum(), pairs);
//
// Sums and counts are added up apart and divided once, so that the split into micro-batches does
// not change them (a mean of means would). Extremes are those of the whole step likewise. Numbers
// stay on the device that computes them until the step's end, when all are read at once.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "posttrain/tensor/tensor.hpp"

namespace posttrain {

class MetricMeans {
 public:
  /// A number of the host, or a tensor of one element.
  struct Number {
    template <class Real>
    requires std::is_arithmetic_v<Real> Number(Real number) : host(static_cast<double>(number)) {}
    Number(Tensor number) : device(std::move(number)) {}
    double host = 0.0;
    Tensor device{};  // undefined: `host` is the number
  };

  void add(std::string_view name, const Number& sum, const Number& count);

  /// (Σ w)² / (N Σ w²) of N weights: the share of effective samples among them.
  void add_effective_share(std::string_view name, const Number& sum, const Number& sum_of_squares,
                           const Number& count);

  /// The least, and the greatest, of all values under a name.
  void add_min(std::string_view name, const Number& value);
  void add_max(std::string_view name, const Number& value);

  /// The least, and the greatest, of n sums that have parts in several micro-batches: `parts` [n],
  /// 0 where there is none.
  void add_least_sum(std::string_view name, const Tensor& parts);
  void add_greatest_sum(std::string_view name, const Tensor& parts);

  /// The tensors that the means wait for; `values` takes their numbers in this order.
  Tensors pending() const;
  std::vector<std::pair<std::string, double>> values(std::span<const double> read) const;

  /// In the order of their first appearance; what was never counted is left out. Reads what is on a
  /// device.
  std::vector<std::pair<std::string, double>> values() const;

  /// All entries with their exact numbers as a text, for another process, and what such a text says
  /// added to these entries. Reads what is on a device.
  std::string text() const;
  void add_text(std::string_view text);

 private:
  enum class Kind { mean, effective_share, min, max, least_sum, greatest_sum };
  struct Entry {
    std::string name;
    Kind kind;
    Number sum, count, squares;
  };

  static void join(Number& into, const Number& other, Kind kind);
  void add(std::string_view name, Kind kind, const Number& sum, const Number& count,
           const Number& squares = 0.0);

  std::vector<Entry> entries_;
};

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/tensor/impl/metric_means.ipp"
#endif
