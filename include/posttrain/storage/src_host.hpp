// SPDX-License-Identifier: Apache-2.0
// Everything of storage/ that is compiled once and needs no LibTorch (base/compiled.hpp).
#pragma once

#ifndef POSTTRAIN_COMPILED_SOURCE
#define POSTTRAIN_COMPILED_SOURCE
#endif

#include "posttrain/storage/impl/gguf_codec.ipp"
