// SPDX-License-Identifier: Apache-2.0
// What a run holds before its first step, counted as parameter policies and optimizers allocate it
// (params/weights/model_weights.hpp, params/lora/, params/osft/, optim/).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "posttrain/concepts/layout.hpp"
#include "posttrain/optim/adamw_8bit.hpp"
#include "posttrain/params/osft.hpp"
#include "posttrain/params/osft/complement.hpp"
#include "posttrain/recipes/impl/chosen_adapters.hpp"
#include "posttrain/recipes/memory_estimate.hpp"
#include "posttrain/recipes/scalar_type.hpp"
#include "posttrain/storage/int8.hpp"
#include "posttrain/storage/nf4.hpp"
#include "posttrain/tensor/parameters.hpp"

namespace posttrain::detail {

inline std::int64_t whole_blocks(std::int64_t count, std::int64_t size) {
  return (count + size - 1) / size;
}

/// Bytes of `numbers` in a type.
inline std::int64_t bytes_as(at::ScalarType type, std::int64_t numbers) {
  return numbers * static_cast<std::int64_t>(c10::elementSize(type));
}

/// A ParameterBuffer without memory.
class CountedBuffer {
 public:
  void add(std::int64_t size) {
    filled_ += whole_blocks(size, 16) * 16;  // views begin at whole cache lines
  }
  std::int64_t filled() const { return filled_; }

 private:
  std::int64_t filled_ = 0;
};

/// A matrix of `size` numbers in stored form.
inline std::int64_t stored_bytes(EstimateStorage storage, std::int64_t size) {
  if (storage == EstimateStorage::int8) return size + 4 * whole_blocks(size, Int8{}.blocksize);
  const std::int64_t scales = whole_blocks(size, Nf4{}.blocksize);
  return whole_blocks(size, 2) + scales + 4 * whole_blocks(scales, Nf4Matrix::kNestedBlocksize);
}

/// The basis of the complement of k directions in n dimensions, in float32.
inline std::int64_t complement_bytes(std::int64_t n, std::int64_t k) {
  if (k == 0) return 0;
  return 4 * (Complement::is_explicit(n, k) ? n * (n - k) : (n + k) * k);
}

/// How a matrix trains.
struct PartMemory {
  std::int64_t rank = 0;  // of its adapter; 0: none
  std::int64_t free = 0;  // directions of its subspace; 0: none
};

class HeldMemory {
 public:
  /// `packed`: bytes of a matrix that the checkpoint keeps in 4 bits already; 0: it does not.
  HeldMemory(const EstimateOptions& options, const Layout& layout,
             std::function<std::int64_t(const std::string&)> packed)
      : options_(options), layout_(layout), packed_(std::move(packed)) {
    const BasicLora<Dense> lora = chosen_adapters(options, Dense{});
    if (options.adapts()) lora.check_patterns(layout);
    for (const SiteSpec& site : layout.sites) {
      std::vector<PartMemory>& parts = parts_.emplace_back();
      for (const MatrixSpec& part : site.parts) {
        PartMemory& memory = parts.emplace_back();
        if (options.adapts() && lora.targets(site, part.name)) {
          memory.rank = lora.rank_of(part.name);
        }
        if (options.in_subspaces() && !site.head) {
          const auto shorter = static_cast<double>(std::min(part.rows, site.in));
          memory.free = std::llround(options.unfreeze_rank_ratio * shorter);
        }
      }
    }
  }

  /// How the parts of a site train.
  const std::vector<PartMemory>& parts(std::size_t site) const { return parts_[site]; }
  /// Whether a matrix or table trains as a whole.
  bool trains(const std::string& module) const {
    if (options_.in_subspaces()) return false;
    return !options_.adapts() ||
           (options_.training_method == TrainingMethod::reward && module == "score");
  }
  bool trains_all() const { return !options_.adapts() && !options_.in_subspaces(); }
  /// Whether a site keeps what it reads for the backward pass.
  bool keeps_input(std::size_t site) const {
    if (trains_all() || trains(layout_.sites[site].parts[0].name)) return true;
    return std::ranges::any_of(parts_[site],
                               [](const PartMemory& p) { return p.rank > 0 || p.free > 0; });
  }
  bool stored(std::size_t site) const {
    return options_.stored() != EstimateStorage::dense && !layout_.sites[site].head;
  }

  void add_to(MemoryEstimate& all) const {
    CountedBuffer matrices, vectors;
    std::int64_t dense = 0;  // numbers
    for (const TableSpec& table : layout_.tables) {
      add_tensor(table.rows * table.columns, trains_all(), matrices, dense);
    }
    for (std::size_t i = 0; i < layout_.sites.size(); ++i) {
      add_site(i, matrices, vectors, dense, all);
    }
    for (const VectorSpec& vector : layout_.vectors) {
      add_tensor(vector.size, trains_all(), vectors, dense);
    }
    all.weights += bytes_as(scalar_type(options_.train_dtype), dense);
    add_group(matrices, /*decay=*/true, all);
    add_group(vectors, /*decay=*/false, all);
    if (options_.adapts()) add_adapters(all);
    if (options_.in_subspaces()) add_subspaces(all);
    if (options_.copies_reference()) all.reference = all.weights;
  }

 private:
  static void add_tensor(std::int64_t size, bool trained, CountedBuffer& buffer,
                         std::int64_t& dense) {
    dense += size;
    if (trained) buffer.add(size);
  }

  void add_site(std::size_t index, CountedBuffer& matrices, CountedBuffer& vectors,
                std::int64_t& dense, MemoryEstimate& all) const {
    const SiteSpec& site = layout_.sites[index];
    const bool trained = trains(site.parts[0].name);
    if (site.bias) add_tensor(site.rows(), trains_all(), vectors, dense);
    if (site.shares >= 0) return;
    if (!stored(index)) return add_tensor(site.rows() * site.in, trained, matrices, dense);
    for (const MatrixSpec& part : site.parts) {
      const std::int64_t packed = packed_(part.name);
      all.weights += packed > 0 ? packed : stored_bytes(options_.stored(), part.rows * site.in);
    }
    all.workspace =
        std::max(all.workspace, bytes_as(scalar_type(options_.train_dtype), site.rows() * site.in));
  }

  /// Gradients, masters and moments of a flat buffer. Its values are counted by who lays it out.
  void add_group(const CountedBuffer& buffer, bool decay, MemoryEstimate& all) const {
    const std::int64_t n = buffer.filled();
    if (n == 0) return;
    const at::ScalarType exact = master_dtype(scalar_type(options_.train_dtype));
    all.gradients += bytes_as(exact, n);
    if (exact != scalar_type(options_.train_dtype)) all.masters += bytes_as(exact, n);
    add_moments(n, decay, all);
  }

  void add_moments(std::int64_t n, bool decay, MemoryEstimate& all) const {
    const AdamW8bit narrow;
    const bool codes =
        options_.optimizer == OptimizerName::adamw_8bit && decay && n >= narrow.min_8bit_size;
    all.moments += 4 + 2 * (codes ? n + 4 * whole_blocks(n, narrow.block_size) : 4 * n);
  }

  void add_adapters(MemoryEstimate& all) const {
    CountedBuffer a, b, tables;
    const BasicLora<Dense> lora = chosen_adapters(options_, Dense{});
    for (const TableSpec& table : layout_.tables) {
      if (!lora.targets(table)) continue;
      const std::int64_t rank = lora.rank_of(module_of(table.name));
      tables.add(table.rows * rank);
      tables.add(table.columns * rank);
    }
    for (std::size_t i = 0; i < parts_.size(); ++i) {
      const SiteSpec& site = layout_.sites[i];
      std::int64_t ranks = 0;
      for (std::size_t p = 0; p < parts_[i].size(); ++p) {
        if (parts_[i][p].rank == 0) continue;
        ranks += parts_[i][p].rank;
        b.add(site.parts[p].rows * parts_[i][p].rank);
      }
      if (ranks > 0) a.add(ranks * site.in);
    }
    for (const CountedBuffer* each : {&a, &b, &tables}) {
      all.weights += bytes_as(scalar_type(options_.train_dtype), each->filled());
      add_group(*each, /*decay=*/true, all);
    }
  }

  void add_subspaces(MemoryEstimate& all) const {
    CountedBuffer cores;
    for (std::size_t i = 0; i < parts_.size(); ++i) {
      const SiteSpec& site = layout_.sites[i];
      bool any = false;
      for (std::size_t p = 0; p < parts_[i].size(); ++p) {
        const std::int64_t rows = site.parts[p].rows, free = parts_[i][p].free;
        if (free == 0) continue;
        any = true;
        const std::int64_t k = std::min(rows, site.in) - free;
        const std::int64_t core = (rows - k) * (site.in - k);
        cores.add(core);
        all.subspaces += complement_bytes(rows, k) + complement_bytes(site.in, k) + 4 * core;
        all.workspace = std::max(all.workspace, 4 * rows * site.in);
        if (!stored(i))
          all.subspaces += bytes_as(scalar_type(options_.train_dtype), rows * site.in);
      }
      if (any && stored(i)) {
        all.workspace = std::max(
            all.workspace, bytes_as(scalar_type(options_.train_dtype), site.rows() * site.in));
      }
    }
    const std::int64_t n = cores.filled();
    if (n == 0) return;
    all.gradients += 4 * n;  // cores are float32 whatever the model computes in
    add_moments(n, /*decay=*/true, all);
  }

  EstimateOptions options_;
  Layout layout_;
  std::function<std::int64_t(const std::string&)> packed_;
  std::vector<std::vector<PartMemory>> parts_;  // of each site
};

}  // namespace posttrain::detail
