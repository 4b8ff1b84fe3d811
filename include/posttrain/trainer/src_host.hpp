// SPDX-License-Identifier: Apache-2.0
// Everything of trainer/ that is compiled once and needs no LibTorch (base/compiled.hpp).
#pragma once

#ifndef POSTTRAIN_COMPILED_SOURCE
#define POSTTRAIN_COMPILED_SOURCE
#endif

#include "posttrain/trainer/run/impl/differences.ipp"
#include "posttrain/trainer/run/impl/log.ipp"
#include "posttrain/trainer/run/impl/record.ipp"
#include "posttrain/trainer/run/impl/run_folder.ipp"
