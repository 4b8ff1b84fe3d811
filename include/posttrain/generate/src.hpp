// SPDX-License-Identifier: Apache-2.0
// Everything of generate/ that is compiled once (base/compiled.hpp).
#pragma once

#ifndef POSTTRAIN_COMPILED_SOURCE
#define POSTTRAIN_COMPILED_SOURCE
#endif

#include "posttrain/generate/impl/draw_by_operations.ipp"
#include "posttrain/generate/impl/draw_by_rows.ipp"
#include "posttrain/generate/impl/sampling.ipp"
#include "posttrain/generate/impl/token_sampler.ipp"
