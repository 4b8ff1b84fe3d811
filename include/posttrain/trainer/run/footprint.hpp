// SPDX-License-Identifier: Apache-2.0
// Memory that a run holds before its first step: how many parameters train, and the bytes that they
// and the rest take.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "posttrain/concepts/layout.hpp"
#include "posttrain/nn/gemm.hpp"
#include "posttrain/tensor/parameters.hpp"
#include "posttrain/tensor/tensor.hpp"

namespace posttrain {

/// Bytes but for the first two. Activations and logits come on top.
struct Footprint {
  std::int64_t trained_parameters = 0;
  std::int64_t model_parameters = 0;  // of the checkpoint; 0: the model has no layout
  std::int64_t weights = 0;           // what the model computes with, in its storage; 0: not known
  std::int64_t gradients = 0;
  std::int64_t masters = 0;  // fp32 copies of narrower weights
  std::int64_t optimizer = 0;
  bool widened = false;  // products of half types are computed in float32 (nn/gemm.hpp)

  /// "trains 55,296 parameters, 1.49 % of the model's 3,721,984; weights 14.9 MB, …", megabytes of
  /// 10⁶ bytes; and whether products go another way than the dtype says.
  std::string text() const;
  /// The largest part of it, "optimizer 48.0 GB"; empty where it holds nothing.
  std::string largest() const;
};

/// Tables, matrices, biases and vectors of the checkpoint; what is tied counts once.
inline std::int64_t parameters_of(const Layout& layout) {
  std::int64_t total = 0;
  for (const TableSpec& table : layout.tables) total += table.rows * table.columns;
  for (const VectorSpec& vector : layout.vectors) total += vector.size;
  for (const SiteSpec& site : layout.sites) {
    if (site.shares < 0) total += site.rows() * site.in;
    if (site.bias) total += site.rows();
  }
  return total;
}

inline std::int64_t bytes_of(const Tensor& tensor) {
  return tensor.defined() ? static_cast<std::int64_t>(tensor.nbytes()) : 0;
}

/// `optimizer_tensors`: what the optimizer keeps for these groups.
template <class Model, class State>
Footprint footprint_of(const Model& model, const State& state,
                       const std::vector<NamedTensor>& optimizer_tensors) {
  Footprint all;
  for (const ParameterGroup& group : state.trainable()) {
    all.trained_parameters += group.value.numel();
    all.gradients += bytes_of(group.grad);
    if (!group.master.is_same(group.value)) all.masters += bytes_of(group.master);
  }
  for (const NamedTensor& tensor : optimizer_tensors) all.optimizer += bytes_of(tensor.value);
  if constexpr (requires { half_products(model.dtype()), model.device().is_cpu(); }) {
    all.widened =
        model.device().is_cpu() && half_products(model.dtype()) == std::string_view("float32");
  }
  if constexpr (requires { model.layout().tables; }) {
    all.model_parameters = parameters_of(model.layout());
  }
  if constexpr (requires { state.bytes(); }) {
    all.weights = state.bytes();
  } else if constexpr (requires { state.base().bytes(); }) {
    // Adapters and prompts: the base, and the groups that are not the base's own.
    all.weights = state.base().bytes();
    for (const ParameterGroup& group : state.trainable()) {
      bool of_base = false;
      for (const ParameterGroup& own : state.base().trainable()) {
        of_base = of_base || own.value.is_same(group.value);
      }
      if (!of_base) all.weights += bytes_of(group.value);
    }
  }
  return all;
}

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/trainer/run/impl/footprint.ipp"
#endif
