// SPDX-License-Identifier: Apache-2.0
// Everything of storage/ that is compiled once (base/compiled.hpp).
#pragma once

#ifndef POSTTRAIN_COMPILED_SOURCE
#define POSTTRAIN_COMPILED_SOURCE
#endif

#include "posttrain/storage/impl/bitsandbytes.ipp"
#include "posttrain/storage/impl/int8.ipp"
#include "posttrain/storage/impl/nf4_storage.ipp"
#include "posttrain/storage/impl/quantize_8bit.ipp"
#include "posttrain/storage/impl/quantize_nf4.ipp"
