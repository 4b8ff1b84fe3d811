// SPDX-License-Identifier: Apache-2.0
// The LoRA family: y = W x + s · B A dropout(x) with W frozen in any storage (arXiv 2106.09685).
//
//   Lora{.rank = 16, .alpha = 32}                                   all linear layers
//   Lora{.target_modules = "q_proj, v_proj", .use_rslora = true}    s = α / √r (2312.03732)
//   Lora{.use_dora = true}                                          DoRA (2402.09353)
//   Lora{.init = LoraInit::olora}                                   OLoRA (2406.01775)
//   Lora{.target_modules = "all-linear, embed_tokens"}              and the embeddings
//   QLora{.rank = 64}                                               the base in 4 bits (2305.14314)
//   QLora{.init = LoraInit::loftq}                                  LoftQ (2310.08659)
//
// Names and defaults are PEFT's LoraConfig. Differences: adapters compute in the model's dtype from
// fp32 masters (PEFT casts activations to fp32 instead); dropout is keyed by token, so packing and
// recomputation do not change it; saving OLoRA and PiSSA gives a plain adapter of the original
// base; LoftQ's factors take the scale s into account, which PEFT's leave out, and it is done on
// the storage that computes, where PEFT leaves a dense copy of Q(W).
#pragma once

#include "posttrain/params/lora/policy.hpp"
#include "posttrain/params/lora/state.hpp"

namespace posttrain {

using Lora = BasicLora<>;

#ifdef POSTTRAIN_COMPILED
extern template class LoraState<Dense>;
#endif

}  // namespace posttrain
