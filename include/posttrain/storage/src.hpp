// SPDX-License-Identifier: Apache-2.0
// Everything of storage/ that is compiled once (base/compiled.hpp).
#pragma once

#ifndef POSTTRAIN_COMPILED_SOURCE
#define POSTTRAIN_COMPILED_SOURCE
#endif

#include "posttrain/storage/impl/bitsandbytes.ipp"
#include "posttrain/storage/impl/gguf.ipp"
#include "posttrain/storage/impl/int8.ipp"
#include "posttrain/storage/impl/int8_codec.ipp"
#include "posttrain/storage/impl/nf4.ipp"
#include "posttrain/storage/impl/nf4_codec.ipp"
