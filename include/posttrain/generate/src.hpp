// SPDX-License-Identifier: Apache-2.0
// Everything of generate/ that is compiled once (base/compiled.hpp).
#pragma once

#ifndef POSTTRAIN_COMPILED_SOURCE
#define POSTTRAIN_COMPILED_SOURCE
#endif

#include "posttrain/generate/impl/draw_by_operations.ipp"
#include "posttrain/generate/impl/draw_by_rows.ipp"
#include "posttrain/generate/impl/draw_on_cuda.ipp"
#include "posttrain/generate/impl/generator_core.ipp"
#include "posttrain/generate/impl/key_value_pool.ipp"
#include "posttrain/generate/impl/prefix_tree.ipp"
#include "posttrain/generate/impl/rereader_core.ipp"
#include "posttrain/generate/impl/sample_writer.ipp"
#include "posttrain/generate/impl/token_sampler.ipp"
