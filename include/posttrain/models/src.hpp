// SPDX-License-Identifier: Apache-2.0
// Everything of models/ that is compiled once and needs LibTorch (base/compiled.hpp).
#pragma once

#ifndef POSTTRAIN_COMPILED_SOURCE
#define POSTTRAIN_COMPILED_SOURCE
#endif

#include "posttrain/models/impl/decoder.ipp"
#include "posttrain/models/impl/rotations.ipp"
