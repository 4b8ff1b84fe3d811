// SPDX-License-Identifier: Apache-2.0
// LibTorch's FlashAttention on the stand-in device: its contract, in plain loops.
//
// Sequences without keys give 0 and a log-sum-exp of +∞; rows of no sequence, and of sequences
// longer than the caller says, stay poisoned. Float32 is taken as well, so that tests can be exact.
#pragma once

#include <ATen/core/stack.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>

#include <cmath>
#include <limits>
#include <optional>
#include <vector>

#include "stand_in/host_call.hpp"

namespace posttrain::stand_in {

/// The sequences of a call, and which keys a query sees.
class FlashCase {
 public:
  FlashCase(const at::Tensor& q, const at::Tensor& k, const at::Tensor& q_begins,
            const at::Tensor& k_begins, std::int64_t longest_q, std::int64_t longest_k,
            bool is_causal, std::optional<std::int64_t> left, std::optional<std::int64_t> right)
      : heads(q.size(1)),
        group(q.size(1) / k.size(1)),
        size(q.size(2)),
        longest_q_(longest_q),
        longest_k_(longest_k),
        left_(left.value_or(-1)),
        right_(is_causal ? 0 : right.value_or(-1)) {
    TORCH_CHECK(size % 8 == 0 && size <= 256, "head size ", size);
    for (const at::Tensor& begins : {q_begins, k_begins}) {
      TORCH_CHECK(begins.is_cuda() && begins.scalar_type() == at::kInt && begins.is_contiguous(),
                  "cu_seqlens must be int32 on CUDA");
    }
    TORCH_CHECK(q_begins.size(0) == k_begins.size(0), "batch sizes differ");
    const at::Tensor q_host = HostCall::mirror_of(q_begins), k_host = HostCall::mirror_of(k_begins);
    const auto* qs = q_host.const_data_ptr<int>();
    const auto* ks = k_host.const_data_ptr<int>();
    q_at.assign(qs, qs + q_begins.size(0));
    k_at.assign(ks, ks + k_begins.size(0));
    TORCH_CHECK(q_at.back() <= q.size(0) && k_at.back() <= k.size(0), "sequences reach too far");
  }

  /// visit(head, query row, first visible key row, one behind the last) for every row of a
  /// sequence.
  template <class Visit>
  void each_row(const Visit& visit) const {
    for (std::size_t b = 0; b + 1 < q_at.size(); ++b) {
      const std::int64_t nq = q_at[b + 1] - q_at[b], nk = k_at[b + 1] - k_at[b];
      if (nq > longest_q_ || nk > longest_k_) continue;
      for (std::int64_t i = 0; i < nq; ++i) {
        const std::int64_t own = i + nk - nq;
        const std::int64_t first = left_ >= 0 ? std::max<std::int64_t>(0, own - left_) : 0;
        const std::int64_t last = right_ >= 0 ? std::min(nk, own + right_ + 1) : nk;
        for (std::int64_t h = 0; h < heads; ++h) {
          visit(h, q_at[b] + i, k_at[b] + first, k_at[b] + std::max(first, last));
        }
      }
    }
  }

  std::int64_t heads, group, size;
  std::vector<std::int64_t> q_at, k_at;

 private:
  std::int64_t longest_q_, longest_k_, left_, right_;
};

/// [rows, heads, size] in double, from the mirrored bytes.
class FlashValues {
 public:
  explicit FlashValues(const at::Tensor& tensor)
      : all_(HostCall::mirror_of(tensor).to(at::kDouble).contiguous()),
        values_(all_.mutable_data_ptr<double>()) {}
  static FlashValues poisoned(const at::Tensor& like) {
    FlashValues values;
    values.all_ = at::full(like.sizes(), std::numeric_limits<double>::quiet_NaN(), at::kDouble);
    values.values_ = values.all_.mutable_data_ptr<double>();
    return values;
  }
  double* row(std::int64_t row, std::int64_t head) {
    return values_ + (row * all_.size(1) + head) * all_.size(2);
  }
  void zero(std::int64_t begin, std::int64_t end) { all_.slice(0, begin, end).zero_(); }
  at::Tensor on_device(at::ScalarType type) const { return HostCall::copied(all_.to(type)); }

 private:
  FlashValues() = default;
  at::Tensor all_;
  double* values_ = nullptr;
};

inline double dot(const double* a, const double* b, std::int64_t size) {
  double sum = 0.0;
  for (std::int64_t i = 0; i < size; ++i) sum += a[i] * b[i];
  return sum;
}

inline void add_row(double* to, double factor, const double* from, std::int64_t size) {
  for (std::int64_t i = 0; i < size; ++i) to[i] += factor * from[i];
}

/// Arguments by their place in the schema, which newer versions append to.
inline void flash_forward(const c10::OperatorHandle& op, c10::DispatchKeySet /*keys*/,
                          torch::jit::Stack* stack) {
  const std::size_t count = op.schema().arguments().size();
  const auto argument = [&](std::size_t i) -> const c10::IValue& {
    return torch::jit::peek(*stack, i, count);
  };
  const at::Tensor q = argument(0).toTensor(), k = argument(1).toTensor(),
                   v = argument(2).toTensor();
  TORCH_CHECK(q.stride(2) == 1 && k.stride(2) == 1 && v.stride(2) == 1, "strides of heads");
  const FlashCase call(q, k, argument(3).toTensor(), argument(4).toTensor(), argument(5).toInt(),
                       argument(6).toInt(), argument(8).toBool(),
                       argument(11).toOptional<std::int64_t>(),
                       argument(12).toOptional<std::int64_t>());
  const double scale =
      argument(10).toOptional<double>().value_or(1.0 / std::sqrt(static_cast<double>(call.size)));
  counts().operations += 1;
  FlashValues a(q), b(k), c(v), out = FlashValues::poisoned(q);
  const at::Tensor lse =
      at::full({call.heads, q.size(0)}, std::numeric_limits<double>::quiet_NaN(), at::kFloat);
  auto* lse_at = lse.mutable_data_ptr<float>();
  call.each_row([&](std::int64_t h, std::int64_t row, std::int64_t first, std::int64_t last) {
    double* to = out.row(row, h);
    std::fill(to, to + call.size, 0.0);
    double largest = -std::numeric_limits<double>::infinity();
    std::vector<double> scores;
    for (std::int64_t key = first; key < last; ++key) {
      scores.push_back(scale * dot(a.row(row, h), b.row(key, h / call.group), call.size));
      largest = std::max(largest, scores.back());
    }
    double sum = 0.0;
    for (const double score : scores) sum += std::exp(score - largest);
    for (std::int64_t key = first; key < last; ++key) {
      const double p = std::exp(scores[static_cast<std::size_t>(key - first)] - largest) / sum;
      add_row(to, p, c.row(key, h / call.group), call.size);
    }
    lse_at[h * q.size(0) + row] = scores.empty() ? std::numeric_limits<float>::infinity()
                                                 : static_cast<float>(largest + std::log(sum));
  });
  const at::Tensor none = at::empty({0}, q.options());
  torch::jit::drop(*stack, count);
  torch::jit::push(*stack, out.on_device(q.scalar_type()), HostCall::copied(lse), none, none, none);
}

inline void flash_backward(const c10::OperatorHandle& op, c10::DispatchKeySet /*keys*/,
                           torch::jit::Stack* stack) {
  const std::size_t count = op.schema().arguments().size();
  const auto argument = [&](std::size_t i) -> const c10::IValue& {
    return torch::jit::peek(*stack, i, count);
  };
  const at::Tensor grad = argument(0).toTensor(), q = argument(1).toTensor(),
                   k = argument(2).toTensor(), v = argument(3).toTensor(),
                   out = argument(4).toTensor(), lse = argument(5).toTensor();
  TORCH_CHECK(grad.stride(2) == 1 && out.stride(2) == 1 && lse.is_contiguous(), "strides");
  const FlashCase call(q, k, argument(6).toTensor(), argument(7).toTensor(), argument(8).toInt(),
                       argument(9).toInt(), argument(11).toBool(),
                       argument(15).toOptional<std::int64_t>(),
                       argument(16).toOptional<std::int64_t>());
  const double scale =
      argument(14).toOptional<double>().value_or(1.0 / std::sqrt(static_cast<double>(call.size)));
  counts().operations += 1;
  FlashValues g(grad), a(q), b(k), c(v), o(out),
      dq = FlashValues::poisoned(q), dk = FlashValues::poisoned(k), dv = FlashValues::poisoned(v);
  dq.zero(call.q_at.front(), call.q_at.back());
  dk.zero(call.k_at.front(), call.k_at.back());
  dv.zero(call.k_at.front(), call.k_at.back());
  const at::Tensor lse_host = HostCall::mirror_of(lse);
  const auto* lse_at = lse_host.const_data_ptr<float>();
  call.each_row([&](std::int64_t h, std::int64_t row, std::int64_t first, std::int64_t last) {
    const double delta = dot(g.row(row, h), o.row(row, h), call.size);
    for (std::int64_t key = first; key < last; ++key) {
      const std::int64_t kv = h / call.group;
      const double score = scale * dot(a.row(row, h), b.row(key, kv), call.size);
      const double p = std::exp(score - static_cast<double>(lse_at[h * q.size(0) + row]));
      const double ds = p * (dot(g.row(row, h), c.row(key, kv), call.size) - delta) * scale;
      add_row(dv.row(key, kv), p, g.row(row, h), call.size);
      add_row(dq.row(row, h), ds, b.row(key, kv), call.size);
      add_row(dk.row(key, kv), ds, a.row(row, h), call.size);
    }
  });
  torch::jit::drop(*stack, count);
  torch::jit::push(*stack, dq.on_device(q.scalar_type()), dk.on_device(k.scalar_type()),
                   dv.on_device(v.scalar_type()));
}

}  // namespace posttrain::stand_in
