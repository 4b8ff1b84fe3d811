// SPDX-License-Identifier: Apache-2.0
// Precompiled for test programs with LibTorch.
#ifndef POSTTRAIN_TESTS_PCH_PROGRAM
#define POSTTRAIN_TESTS_PCH_PROGRAM

#include <CLI/CLI.hpp>

#include "posttrain/io/json.hpp"
#include "posttrain/tensor/ops.hpp"

#endif  // POSTTRAIN_TESTS_PCH_PROGRAM
