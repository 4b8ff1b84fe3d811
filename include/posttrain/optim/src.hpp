// SPDX-License-Identifier: Apache-2.0
// Everything of optim/ that is compiled once (base/compiled.hpp).
#pragma once

#ifndef POSTTRAIN_COMPILED_SOURCE
#define POSTTRAIN_COMPILED_SOURCE
#endif

#include "posttrain/optim/impl/adamw.ipp"
#include "posttrain/optim/impl/adamw_8bit.ipp"
#include "posttrain/optim/impl/clip.ipp"
#include "posttrain/optim/impl/gradient_scale.ipp"
#include "posttrain/optim/impl/host_staging.ipp"
