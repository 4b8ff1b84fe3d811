// SPDX-License-Identifier: Apache-2.0
// Everything of hub/ that is compiled once (base/compiled.hpp).
#pragma once

#ifndef POSTTRAIN_COMPILED_SOURCE
#define POSTTRAIN_COMPILED_SOURCE
#endif

#include "posttrain/hub/impl/gguf_tensors.ipp"
#include "posttrain/hub/impl/pretrained_decoder.ipp"
#include "posttrain/hub/impl/reward_model.ipp"
#include "posttrain/hub/impl/save_gguf.ipp"
