// SPDX-License-Identifier: Apache-2.0
// Everything of watch/ that is compiled once (base/compiled.hpp).
#pragma once

#ifndef POSTTRAIN_COMPILED_SOURCE
#define POSTTRAIN_COMPILED_SOURCE
#endif

#include "posttrain/watch/impl/gnuplot.ipp"
#include "posttrain/watch/impl/plot.ipp"
#include "posttrain/watch/impl/run_metrics.ipp"
