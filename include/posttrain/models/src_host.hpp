// SPDX-License-Identifier: Apache-2.0
// Everything of models/ that is compiled once and needs no LibTorch (base/compiled.hpp).
#pragma once

#ifndef POSTTRAIN_COMPILED_SOURCE
#define POSTTRAIN_COMPILED_SOURCE
#endif

#include "posttrain/models/families/impl/parse.ipp"
#include "posttrain/models/gguf/impl/config.ipp"
#include "posttrain/models/gguf/impl/metadata.ipp"
#include "posttrain/models/impl/layout.ipp"
