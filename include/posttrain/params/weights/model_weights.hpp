// SPDX-License-Identifier: Apache-2.0
// All weights of a model under one storage, some of them trained: the gate that full fine-tuning is
// and that adapters, subspaces and prompts stand on.
//
// Trained tensors lie in two flat buffers: matrices and tables (with weight decay) and vectors
// (norm weights and biases, without, as transformers' Trainer groups them). Gradients are fp32
// whatever the compute dtype, and a bf16 model is updated through fp32 masters. Frozen tensors have
// one copy in the compute dtype, or in the storage's form (storage/dense.hpp).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "posttrain/concepts/layout.hpp"
#include "posttrain/storage/dense.hpp"
#include "posttrain/storage/gguf.hpp"
#include "posttrain/storage/int8.hpp"
#include "posttrain/storage/nf4.hpp"
#include "posttrain/tensor/first_non_finite.hpp"
#include "posttrain/tensor/parameters.hpp"

namespace posttrain {

class Workspace;
template <class Storage>
class SiteWeights;    // params/weights/site_weights.hpp
struct MatrixChange;  // params/weights/matrix_change.hpp

/// Source of weights: a model's `layout()`, `dtype()`, `device()` and `load()`, without its type.
struct WeightSource {
  Layout layout;
  at::ScalarType dtype;
  at::Device device;
  /// (name, shape in the checkpoint, initial value, random?) → a CPU tensor of any dtype.
  std::function<Tensor(const std::string&, const std::vector<std::int64_t>&, double, bool)> load;
  /// Tensors of a matrix that the checkpoint stores quantised (`pack_nf4`, `pack_gguf`); empty: it
  /// does not, use `load`.
  std::function<PackedTensors(const std::string&)> load_packed = {};

  template <class Model>
  static WeightSource of(const Model& model) {
    WeightSource source{
        model.layout(), model.dtype(), model.device(),
        [&model](const std::string& name, const std::vector<std::int64_t>& shape, double initial,
                 bool random) { return model.load(name, shape, initial, random); }};
    if constexpr (requires { model.load_packed(std::string()); }) {
      source.load_packed = [&model](const std::string& name) { return model.load_packed(name); };
    }
    return source;
  }
};

/// Whether the tensor of this name in the checkpoint is trained.
using TensorSelection = std::function<bool(std::string_view)>;

template <class Storage>
class ModelWeights {
 public:
  ModelWeights(const WeightSource& source, const Storage& storage, const TensorSelection& trained);

  // --- the gate --------------------------------------------------------------------------------
  /// x [n, in] → [n, rows of the site].
  Tensor linear(int site, const Tensor& x) const;
  /// ids [n] → [n, columns of the table].
  Tensor embed(int table, const Tensor& ids) const;
  Tensor vector(int index) const;
  /// A leaf that requires a gradient: graphs that reach a trained parameter depend on it.
  const Tensor& anchor() const { return anchor_; }

  // --- what trains -----------------------------------------------------------------------------
  std::vector<ParameterGroup>& trainable() { return groups_; }
  const std::vector<ParameterGroup>& trainable() const { return groups_; }
  /// After the optimizer changed the masters: rounds them into the compute weights.
  void publish();
  /// Gives the masters of narrower weights up; false where there are none. `weights` are what the
  /// model computes with from then on, and whoever has the masters writes `value`
  /// (trainer/shards.hpp).
  bool release_masters();
  /// How often they were published or replaced.
  std::uint64_t weights_version() const { return version_; }

  /// Every tensor of the checkpoint, in its shape there: views, or fresh tensors of what is stored
  /// in another form.
  std::vector<NamedTensor> weights() const;
  /// One of them; undefined if there is none of this name.
  Tensor weight(std::string_view name) const;
  /// The first value that is not finite (tensor/first_non_finite.hpp), one tensor in memory at a
  /// time.
  std::optional<NonFinite> first_non_finite() const;
  /// `weights()` for a checkpoint in bitsandbytes' layout: what is stored as NF4 goes there so.
  std::vector<NamedTensor> packed_weights() const
      requires(std::is_same_v<typename Storage::Matrix, Nf4Matrix>);
  /// The accumulated gradients of what trains, under the same names.
  std::vector<NamedTensor> gradients() const;

  // --- for policies that stand on these weights ------------------------------------------------
  const Layout& layout() const { return layout_; }
  at::ScalarType dtype() const { return dtype_; }
  at::Device device() const { return device_; }
  const SiteWeights<Storage>& site(int index) const {
    return *sites_[static_cast<std::size_t>(index)];
  }
  std::shared_ptr<const SiteWeights<Storage>> shared_site(int index) const {
    return sites_[static_cast<std::size_t>(index)];
  }
  const ParameterView& table(int index) const { return tables_[static_cast<std::size_t>(index)]; }
  /// One matrix of the checkpoint as [rows, in], a fresh tensor in fp32 (fp64 if the model is).
  Tensor part(int site, int part) const;
  /// Whether it is in the storage's form, not dense.
  bool stored(int site, int part) const;
  /// Replaces a frozen one.
  void replace_part(int site, int part, const Tensor& w);
  /// Changes a stored one, which keeps its codes: the sum of its changes stands beside them in the
  /// compute dtype.
  void change_part(int site, int part, const MatrixChange& change);
  /// The weights as they are now: what trains is copied and trains no more, the rest is shared.
  ModelWeights frozen() const;
  /// Memory of all weights, gradients and masters not counted.
  std::int64_t bytes() const;

 private:
  using Site = SiteWeights<Storage>;

  /// A tensor of the checkpoint.
  struct Entry {
    std::string name;
    std::vector<std::int64_t> shape;  // there
    double initial = 0.0;
    bool random = true;
    ParameterView view{};  // in that shape; undefined: stored
    int site = -1;         // of a stored part
    int part = -1;
    bool transposed = false;
  };

  void plan(const TensorSelection& trained);
  void plan_site(const SiteSpec& spec, const TensorSelection& trained);
  void allocate(const TensorSelection& trained);
  /// visit(view, shape, trained?, vector?) for everything dense that owns memory.
  template <class Visit>
  void each_view(const TensorSelection& trained, Visit visit);
  void list_entries();
  void list_site(int index);
  void load(const WeightSource& source);
  bool load_packed(const Entry& entry, const WeightSource& source);
  void set(const Entry& entry, const Tensor& loaded);
  Tensor weight(const Entry& entry) const;
  void add_stored(const Entry& entry, typename Storage::Matrix matrix);

  Storage storage_;
  Layout layout_;
  at::ScalarType dtype_;
  at::Device device_;
  Tensor anchor_;
  std::shared_ptr<Workspace> workspace_;
  std::vector<ParameterGroup> groups_;
  std::vector<std::shared_ptr<Site>> sites_;
  std::vector<ParameterView> tables_, vectors_;
  std::vector<Entry> entries_;
  std::uint64_t version_ = 0;
};

}  // namespace posttrain

#ifdef POSTTRAIN_COMPILED
// The library has the weights of its own storages. A program with another storage includes
// params/weights/impl/model_weights.hpp where it uses it.
extern template class posttrain::ModelWeights<posttrain::Dense>;
extern template class posttrain::ModelWeights<posttrain::Gguf>;
extern template class posttrain::ModelWeights<posttrain::Int8>;
extern template class posttrain::ModelWeights<posttrain::Nf4>;
#else
#include "posttrain/params/weights/impl/model_weights.hpp"
#endif
