// SPDX-License-Identifier: Apache-2.0
// Everything of generate/ that is compiled once and needs no LibTorch (base/compiled.hpp).
#pragma once

#ifndef POSTTRAIN_COMPILED_SOURCE
#define POSTTRAIN_COMPILED_SOURCE
#endif

#include "posttrain/generate/impl/sample_in_work.ipp"
#include "posttrain/generate/impl/sampling.ipp"
