// SPDX-License-Identifier: Apache-2.0
// A parameter policy as a folder has it, to go on with: an adapter, a prompt, a subspace's change.
//
//   save(trainer, "adapter", "path/of/the/base");
//   Trainer trainer(model, NextToken{}, From<Lora>{.folder = "adapter"}, …);
//
// `save` and `From` of a policy stand in its files header: params/lora/files.hpp,
// params/osft/files.hpp, params/prompt/files.hpp. A state of an earlier Trainer, without a folder:
// params/from_state.hpp.
#pragma once

namespace posttrain {

/// Specialized for every policy that has a folder of its own. Fields: `folder`, and what a folder
/// does not hold.
template <class Policy>
struct From;

}  // namespace posttrain
