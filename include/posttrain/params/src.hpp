// SPDX-License-Identifier: Apache-2.0
// Everything of params/ that is compiled once (base/compiled.hpp).
#pragma once

#ifndef POSTTRAIN_COMPILED_SOURCE
#define POSTTRAIN_COMPILED_SOURCE
#endif

#include "posttrain/params/lora/impl/files.ipp"
#include "posttrain/params/osft/impl/complement.ipp"
#include "posttrain/params/osft/impl/factored_state.ipp"
#include "posttrain/params/osft/impl/files.ipp"
#include "posttrain/params/osft/impl/principal_angles.ipp"
#include "posttrain/params/osft/impl/subspace.ipp"
#include "posttrain/params/prompt/impl/files.ipp"
#include "posttrain/params/weights/impl/peft_folder.ipp"

// The instances that a full or an OSFT run without quantised storage is made of.
#include "posttrain/params/osft.hpp"
template class posttrain::ModelWeights<posttrain::Dense>;
template class posttrain::OsftState<posttrain::Dense>;
