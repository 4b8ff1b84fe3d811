// SPDX-License-Identifier: Apache-2.0
// Adapter folders as PEFT has them: the tensors of one have to find their places.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "posttrain/tensor/parameters.hpp"

namespace posttrain::detail {

/// Copies tensors of a folder into `targets`; a missing, mis-shaped or unexpected one is an error.
void copy_tensors(const std::string& folder, const std::map<std::string, Tensor>& tensors,
                  const std::vector<NamedTensor>& targets);

}  // namespace posttrain::detail

#ifndef POSTTRAIN_COMPILED
#include "posttrain/params/weights/impl/peft_folder.ipp"
#endif
