// SPDX-License-Identifier: Apache-2.0
// Definitions of team.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <algorithm>
#include <cstddef>
#include <exception>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/base/error_text.hpp"
#include "posttrain/distributed/shared_work.hpp"
#include "posttrain/io/json.hpp"
#include "posttrain/tensor/ops.hpp"
#include "posttrain/trainer/run/differences.hpp"
#include "posttrain/trainer/team.hpp"

namespace posttrain {

POSTTRAIN_INLINE std::vector<std::size_t> Team::own(std::span<const double> costs) const {
  const std::vector<std::int64_t> owner = owners(costs, size());
  std::vector<std::size_t> mine;
  for (std::size_t i = 0; i < owner.size(); ++i) {
    if (owner[i] == rank()) mine.push_back(i);
  }
  return mine;
}

POSTTRAIN_INLINE Tensor Team::sum(const Tensor& number, at::Device device) const {
  if (alone()) return number;
  const Tensor total = at::zeros({1}, at::TensorOptions(device).dtype(at::kDouble));
  if (number.defined()) total.add_(number.detach());
  ranks_->all_reduce(total).wait();
  return total.reshape({});
}

POSTTRAIN_INLINE double Team::sum(double number) const {
  if (alone()) return number;
  return sum(at::full({}, number, at::kDouble), at::kCPU).item<double>();
}

POSTTRAIN_INLINE std::vector<std::pair<std::string, double>> Team::values(
    const MetricMeans& means, std::span<const double> read) const {
  if (alone()) return means.values(read);
  MetricMeans all;
  for (const std::string& text : ranks_->all_texts(means.text())) all.add_text(text);
  return all.values();
}

POSTTRAIN_INLINE Team::Wish Team::agreed(const Wish& own) const {
  if (alone()) return own;
  const Tensor flags = at::zeros({3}, at::kLong);
  std::int64_t* flag = flags.mutable_data_ptr<std::int64_t>();
  flag[0] = own.request.save;
  flag[1] = own.request.stop;
  flag[2] = own.signal;
  ranks_->all_reduce(flags, Communicator::Reduction::max).wait();
  return {{flag[0] != 0, flag[1] != 0}, static_cast<int>(flag[2])};
}

POSTTRAIN_INLINE std::vector<std::string> Team::of_each(
    const std::function<std::string()>& work) const {
  if (alone()) return {work()};
  std::string own;  // what it returned behind "=", or what it threw behind "!"
  std::exception_ptr thrown;
  try {
    own = "=" + work();
  } catch (const std::exception& error) {
    own = "!" + error_text(error);
    thrown = std::current_exception();
  }
  std::vector<std::string> all = ranks_->all_texts(own);
  if (thrown) std::rethrow_exception(thrown);
  for (std::size_t rank = 0; rank < all.size(); ++rank) {
    if (all[rank].front() == '!') raise("rank {} failed: {}", rank, all[rank].substr(1));
    all[rank].erase(0, 1);
  }
  return all;
}

POSTTRAIN_INLINE void Team::by_first(const std::function<void()>& work) const {
  static_cast<void>(of_each([&] {
    if (leads()) work();
    return std::string();
  }));
}

POSTTRAIN_INLINE void Team::check_same(const RunRecord& record) const {
  if (alone()) return;
  const std::vector<std::string> all =
      ranks_->all_texts(record.json().dump(-1, ' ', false, Json::error_handler_t::replace));
  for (std::size_t rank = 1; rank < all.size(); ++rank) {
    if (all[rank] == all[0]) continue;
    const std::vector<std::string> found = detail::differences(
        io::parse_json(all[0], "rank 0"), io::parse_json(all[rank], fmt::format("rank {}", rank)),
        "rank 0", fmt::format("rank {}", rank));
    raise(
        "the ranks of a run must have the same model, data and options, got {}; hint: start all "
        "of them with the same program and arguments",
        found.empty() ? "different records" : found.front());
  }
}

}  // namespace posttrain
