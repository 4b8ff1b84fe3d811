// SPDX-License-Identifier: Apache-2.0
// Definitions of metric_means.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <string>
#include <string_view>

#include "posttrain/base/compiled.hpp"
#include "posttrain/tensor/metric_means.hpp"
#include "posttrain/tensor/ops.hpp"
#include "posttrain/tensor/transfer.hpp"

namespace posttrain {

POSTTRAIN_INLINE void MetricMeans::join(Number& into, const Number& other, Kind kind) {
  if (!into.device.defined() && !other.device.defined()) {
    into.host = kind == Kind::min   ? std::min(into.host, other.host)
                : kind == Kind::max ? std::max(into.host, other.host)
                                    : into.host + other.host;
    return;
  }
  const at::TensorOptions options =
      (into.device.defined() ? into.device : other.device).options().dtype(at::kDouble);
  const auto on_device = [&](const Number& number) {
    return number.device.defined() ? number.device.to(options) : at::full({}, number.host, options);
  };
  const Tensor a = on_device(into), b = on_device(other);
  into.device = kind == Kind::min   ? at::minimum(a, b)
                : kind == Kind::max ? at::maximum(a, b)
                                    : a + b;
}

POSTTRAIN_INLINE void MetricMeans::add(std::string_view name, Kind kind, const Number& sum,
                                       const Number& count, const Number& squares) {
  at::NoGradGuard no_grad;
  for (Entry& entry : entries_) {
    if (entry.name != name) continue;
    join(entry.sum, sum, kind);
    if (kind != Kind::mean && kind != Kind::effective_share) return;
    join(entry.count, count, kind);
    join(entry.squares, squares, kind);
    return;
  }
  const auto kept = [](const Number& number) {
    return number.device.defined() ? Number(number.device.detach().to(at::kDouble)) : number;
  };
  entries_.push_back({std::string(name), kind, kept(sum), kept(count), kept(squares)});
}

POSTTRAIN_INLINE void MetricMeans::add(std::string_view name, const Number& sum,
                                       const Number& count) {
  add(name, Kind::mean, sum, count);
}

POSTTRAIN_INLINE void MetricMeans::add_effective_share(std::string_view name, const Number& sum,
                                                       const Number& sum_of_squares,
                                                       const Number& count) {
  add(name, Kind::effective_share, sum, count, sum_of_squares);
}

POSTTRAIN_INLINE void MetricMeans::add_min(std::string_view name, const Number& value) {
  add(name, Kind::min, value, 1.0);
}

POSTTRAIN_INLINE void MetricMeans::add_max(std::string_view name, const Number& value) {
  add(name, Kind::max, value, 1.0);
}

POSTTRAIN_INLINE void MetricMeans::add_least_sum(std::string_view name, const Tensor& parts) {
  add(name, Kind::least_sum, parts, 1.0);
}

POSTTRAIN_INLINE void MetricMeans::add_greatest_sum(std::string_view name, const Tensor& parts) {
  add(name, Kind::greatest_sum, parts, 1.0);
}

POSTTRAIN_INLINE Tensors MetricMeans::pending() const {
  Tensors all;
  for (const Entry& entry : entries_) {
    for (const Number* number : {&entry.sum, &entry.count, &entry.squares}) {
      if (!number->device.defined()) continue;
      all.push_back(entry.kind == Kind::least_sum      ? number->device.min()
                    : entry.kind == Kind::greatest_sum ? number->device.max()
                                                       : number->device);
    }
  }
  return all;
}

POSTTRAIN_INLINE std::vector<std::pair<std::string, double>> MetricMeans::values(
    std::span<const double> read) const {
  std::vector<std::pair<std::string, double>> all;
  std::size_t next = 0;
  const auto value_of = [&](const Number& number) {
    return number.device.defined() ? read[next++] : number.host;
  };
  for (const Entry& entry : entries_) {
    const double sum = value_of(entry.sum), count = value_of(entry.count),
                 squares = value_of(entry.squares);
    if (entry.kind == Kind::effective_share) {
      if (squares > 0.0) all.emplace_back(entry.name, sum * sum / (count * squares));
    } else if (count > 0.0) {
      all.emplace_back(entry.name, sum / count);
    }
  }
  return all;
}

POSTTRAIN_INLINE std::vector<std::pair<std::string, double>> MetricMeans::values() const {
  return values(read_numbers(pending()));
}

POSTTRAIN_INLINE std::string MetricMeans::text() const {
  std::string all;
  for (const Entry& entry : entries_) {
    all += fmt::format("{}\n{}", entry.name, static_cast<int>(entry.kind));
    for (const Number* number : {&entry.sum, &entry.count, &entry.squares}) {
      const Tensor values =
          number->device.defined() ? number->device : at::full({}, number->host, at::kDouble);
      const Tensor host = values.to(at::kCPU, at::kDouble).contiguous();
      all += fmt::format(" {}", host.numel());
      const double* value = host.const_data_ptr<double>();
      for (std::int64_t i = 0; i < host.numel(); ++i) all += fmt::format(" {:a}", value[i]);
    }
    all += '\n';
  }
  return all;
}

POSTTRAIN_INLINE void MetricMeans::add_text(std::string_view text) {
  while (!text.empty()) {
    const auto line = [&] {
      const std::size_t end = text.find('\n');
      const std::string_view found = text.substr(0, end);
      text.remove_prefix(end + 1);
      return found;
    };
    const std::string name(line()), numbers(line());
    const char* next = numbers.c_str();
    char* end = nullptr;
    const auto kind = static_cast<Kind>(std::strtol(next, &end, 10));
    const auto number = [&]() -> Number {
      const std::int64_t count = std::strtoll(end, &end, 10);
      if (count == 1 && kind != Kind::least_sum && kind != Kind::greatest_sum) {
        return std::strtod(end, &end);
      }
      const Tensor values = at::empty({count}, at::kDouble);
      for (std::int64_t i = 0; i < count; ++i) {
        values.mutable_data_ptr<double>()[i] = std::strtod(end, &end);
      }
      return values;
    };
    const Number sum = number(), count = number(), squares = number();
    add(name, kind, sum, count, squares);
  }
}

}  // namespace posttrain
