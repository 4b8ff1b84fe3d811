// SPDX-License-Identifier: Apache-2.0
// Attaching a policy to a model, on one rank or on several that all do.
#pragma once

#include <memory>

#include "posttrain/concepts/params.hpp"
#include "posttrain/fwd.hpp"

namespace posttrain {

/// `params.attach(model)`. A policy whose `attach` takes the ranks of the run as well (null: one)
/// may share among them what it computes, and gives every rank the same state.
template <class Params, class Model>
StateOf<Params, Model> attach_among(const std::shared_ptr<Communicator>& ranks,
                                    const Params& params, const Model& model) {
  if constexpr (requires { params.attach(model, ranks); }) {
    return params.attach(model, ranks);
  } else {
    return params.attach(model);
  }
}

}  // namespace posttrain
