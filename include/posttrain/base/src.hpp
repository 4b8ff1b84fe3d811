// SPDX-License-Identifier: Apache-2.0
// Everything of base/ that is compiled once (base/compiled.hpp).
#pragma once

#ifndef POSTTRAIN_COMPILED_SOURCE
#define POSTTRAIN_COMPILED_SOURCE
#endif

#include "posttrain/base/impl/error.ipp"
#include "posttrain/base/impl/error_text.ipp"
#include "posttrain/base/impl/nearest_name.ipp"
