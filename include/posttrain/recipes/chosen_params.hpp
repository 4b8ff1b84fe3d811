// SPDX-License-Identifier: Apache-2.0
// The parameters that EstimateOptions describe, as a policy of a Trainer: all weights, subspaces or
// adapters, in the storage that is asked for (recipes/chosen_state.hpp).
#pragma once

#include <string>
#include <utility>

#include "posttrain/base/describe.hpp"
#include "posttrain/params/full.hpp"
#include "posttrain/params/osft.hpp"
#include "posttrain/params/qlora.hpp"
#include "posttrain/params/with_frozen_reference.hpp"
#include "posttrain/recipes/chosen_state.hpp"
#include "posttrain/recipes/estimate_options.hpp"
#include "posttrain/recipes/impl/chosen_adapters.hpp"
#include "posttrain/storage/int8.hpp"

namespace posttrain {

class ChosenParams {
 public:
  using State = ChosenState;
  static constexpr bool has_reference = true;

  explicit ChosenParams(EstimateOptions options) : options_(std::move(options)) {}

  void validate() const { options_.validate(); }

  template <class Model>
  ChosenState attach(const Model& model,
                     const std::shared_ptr<Communicator>& ranks = nullptr) const {
    switch (options_.stored()) {
      case EstimateStorage::nf4:
        return attach(model, ranks, Nf4{});
      case EstimateStorage::int8:
        return attach(model, ranks, Int8{});
      case EstimateStorage::dense:
        break;
    }
    if (options_.adapts() || options_.in_subspaces()) return attach(model, ranks, Dense{});
    if (options_.copies_reference()) {
      return ChosenState(WithFrozenReference<Full>{Full{}}.attach(model));
    }
    return ChosenState(Full{}.attach(model));
  }

  std::string description() const { return describe(options_); }

 private:
  template <class Model, class Storage>
  ChosenState attach(const Model& model, const std::shared_ptr<Communicator>& ranks,
                     const Storage& storage) const {
    if (options_.in_subspaces()) {
      BasicOsft<Storage> osft;
      osft.unfreeze_rank_ratio = options_.unfreeze_rank_ratio;
      osft.storage = storage;
      return ChosenState(osft.attach(model, ranks));
    }
    return ChosenState(detail::chosen_adapters(options_, storage).attach(model));
  }

  EstimateOptions options_;
};

}  // namespace posttrain
