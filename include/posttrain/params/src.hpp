// SPDX-License-Identifier: Apache-2.0
// Everything of params/ that is compiled once (base/compiled.hpp).
#pragma once

#ifndef POSTTRAIN_COMPILED_SOURCE
#define POSTTRAIN_COMPILED_SOURCE
#endif

#include "posttrain/params/critic/impl/value_head.ipp"
#include "posttrain/params/lora/impl/files.ipp"
#include "posttrain/params/lora/impl/gguf.ipp"
#include "posttrain/params/osft/impl/complement.ipp"
#include "posttrain/params/osft/impl/factored_state.ipp"
#include "posttrain/params/osft/impl/files.ipp"
#include "posttrain/params/osft/impl/principal_angles.ipp"
#include "posttrain/params/osft/impl/subspace.ipp"
#include "posttrain/params/prompt/impl/files.ipp"
#include "posttrain/params/weights/impl/pattern_check.ipp"
#include "posttrain/params/weights/impl/peft_folder.ipp"

// Weights in every storage of the library, the adapters of Lora and QLora, the OSFT of dense ones.
#include "posttrain/params/osft.hpp"
#include "posttrain/params/qlora.hpp"
#include "posttrain/params/weights/impl/model_weights.hpp"
template class posttrain::ModelWeights<posttrain::Dense>;
template class posttrain::ModelWeights<posttrain::Gguf>;
template class posttrain::ModelWeights<posttrain::Int8>;
template class posttrain::ModelWeights<posttrain::Nf4>;
template class posttrain::LoraState<posttrain::Dense>;
template class posttrain::LoraState<posttrain::Nf4>;
template class posttrain::OsftState<posttrain::Dense>;
