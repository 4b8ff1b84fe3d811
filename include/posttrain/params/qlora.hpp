// SPDX-License-Identifier: Apache-2.0
// QLoRA: adapters in the model's dtype on a base in 4 bits (arXiv 2305.14314).
//
//   QLora{.rank = 64, .target_modules = "all-linear"}
//   QLora{.rank = 16, .alpha = 16, .init = LoraInit::loftq}
#pragma once

#include "posttrain/params/lora.hpp"
#include "posttrain/storage/nf4.hpp"

namespace posttrain {

using QLora = BasicLora<Nf4>;

#ifdef POSTTRAIN_COMPILED
extern template class LoraState<Nf4>;
#endif

}  // namespace posttrain
