// SPDX-License-Identifier: Apache-2.0
// The gate of the weights as they were before training: the reference of a policy that changes
// dense weights in place. What does not change is shared, not copied.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "posttrain/nn/linear.hpp"
#include "posttrain/params/weights/model_weights.hpp"

namespace posttrain {

template <class Storage>
class OsftBase {
 public:
  /// Copies what trains in `weights`, and the dense blocks of the sites that `copied` selects.
  OsftBase(const ModelWeights<Storage>& weights, const std::vector<bool>& copied)
      : layout_(weights.layout()), anchor_(weights.anchor()) {
    const at::AutoGradMode with_graph(true);  // shows which vectors train
    const auto frozen = [](const ParameterView& view) {
      return view.trained() ? ParameterView{view.value.clone(), {}, {}} : view;
    };
    for (std::size_t i = 0; i < layout_.tables.size(); ++i) {
      tables_.push_back(frozen(weights.table(static_cast<int>(i))));
    }
    for (std::size_t i = 0; i < layout_.vectors.size(); ++i) {
      const Tensor vector = weights.vector(static_cast<int>(i));
      vectors_.push_back(vector.requires_grad() ? vector.detach().clone() : vector);
    }
    for (std::size_t i = 0; i < layout_.sites.size(); ++i) {
      const auto now = weights.shared_site(static_cast<int>(i));
      if (!copied[i] && !now->trained()) {
        sites_.push_back(now);
        continue;
      }
      auto site = std::make_shared<SiteWeights<Storage>>(*now);
      for (auto& block : site->blocks) {
        if (const int table = layout_.sites[i].shares; table >= 0) {
          block.dense = tables_[static_cast<std::size_t>(table)];
        } else if (copied[i] && block.dense.value.defined()) {
          block.dense = {block.dense.value.clone(), {}, {}};
        } else {
          block.dense = frozen(block.dense);
        }
      }
      for (auto& bias : site->biases) bias.view = frozen(bias.view);
      sites_.push_back(std::move(site));
    }
  }

  Tensor linear(int site, const Tensor& x) const { return this->site(site).linear(x); }
  Tensor embed(int table, const Tensor& ids) const {
    const auto index = static_cast<std::size_t>(table);
    return embed_rows(tables_[index].value, ids, {}, layout_.tables[index].padding_row, {});
  }
  Tensor vector(int index) const { return vectors_[static_cast<std::size_t>(index)]; }
  const Tensor& anchor() const { return anchor_; }

  const SiteWeights<Storage>& site(int index) const {
    return *sites_[static_cast<std::size_t>(index)];
  }

 private:
  Layout layout_;
  Tensor anchor_;
  std::vector<ParameterView> tables_;
  Tensors vectors_;
  std::vector<std::shared_ptr<const SiteWeights<Storage>>> sites_;
};

}  // namespace posttrain
