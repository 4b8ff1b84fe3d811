// SPDX-License-Identifier: Apache-2.0
// The layout of a model: matrices, vectors and tables that a parameter policy has to provide.
//
// A *site* is one GEMM of the model; its *parts* are the matrices of the checkpoint that lie in it,
// row range by row range (q, k, v are one site of three parts). Adapters, subspaces, quantisation
// and file names go by part, speed by site.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace posttrain {

/// A matrix of the checkpoint: `<name>.weight` [rows, in], and `<name>.bias` [rows] if the site has
/// one.
struct MatrixSpec {
  std::string name;
  std::int64_t rows = 0;
  bool transposed = false;  // stored as [in, rows] (GPT-2's Conv1D)

  friend bool operator==(const MatrixSpec&, const MatrixSpec&) = default;
};

struct SiteSpec {
  std::vector<MatrixSpec> parts;
  std::int64_t in = 0;
  bool bias = false;
  int shares = -1;    // index of the table whose storage this site uses (a tied head)
  bool head = false;  // the LM head: adapters, subspaces and quantisation leave it alone by default

  std::int64_t rows() const {
    std::int64_t total = 0;
    for (const MatrixSpec& part : parts) total += part.rows;
    return total;
  }

  friend bool operator==(const SiteSpec&, const SiteSpec&) = default;
};

/// A vector under its whole checkpoint name (norm weights and biases).
struct VectorSpec {
  std::string name;
  std::int64_t size = 0;
  double initial = 1.0;  // value at random initialisation

  friend bool operator==(const VectorSpec&, const VectorSpec&) = default;
};

/// A lookup table under its whole checkpoint name (token or position embeddings).
struct TableSpec {
  std::string name;
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  std::int64_t padding_row = -1;  // gets no gradient from lookups (torch's padding_idx); -1: none
  // Factor of looked-up rows in the model (Gemma). A soft prompt's rows go without.
  double lookup_scale = 1.0;

  friend bool operator==(const TableSpec&, const TableSpec&) = default;
};

/// Shape of the attention, which a prefix of keys and values has to fit. A model that fills it in
/// puts a gate's `prefix` before its own keys; all zero: a model without attention.
struct AttentionSpec {
  std::int64_t layers = 0, heads = 0, kv_heads = 0, head_dim = 0;
  // Rotary frequencies follow the length of a sequence, so that sequences of different lengths
  // cannot share the keys of what precedes them.
  bool length_dependent = false;

  friend bool operator==(const AttentionSpec&, const AttentionSpec&) = default;
};

struct Layout {
  std::vector<SiteSpec> sites;
  std::vector<VectorSpec> vectors;
  std::vector<TableSpec> tables;  // the first: of the tokens
  AttentionSpec attention{};

  friend bool operator==(const Layout&, const Layout&) = default;
};

}  // namespace posttrain
