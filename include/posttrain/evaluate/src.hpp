// SPDX-License-Identifier: Apache-2.0
// Everything of evaluate/ that is compiled once (base/compiled.hpp).
#pragma once

#ifndef POSTTRAIN_COMPILED_SOURCE
#define POSTTRAIN_COMPILED_SOURCE
#endif

#include "posttrain/evaluate/impl/retention.ipp"
