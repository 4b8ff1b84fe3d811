// SPDX-License-Identifier: Apache-2.0
// Everything of distributed/ that is compiled once and needs no LibTorch (base/compiled.hpp).
#pragma once

#ifndef POSTTRAIN_COMPILED_SOURCE
#define POSTTRAIN_COMPILED_SOURCE
#endif

#include "posttrain/distributed/impl/launch.ipp"
#include "posttrain/distributed/impl/rank_place.ipp"
