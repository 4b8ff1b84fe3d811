// SPDX-License-Identifier: Apache-2.0
// Precompiled for tests with LibTorch: its operators, and what the library's headers bring most
// often.
#ifndef POSTTRAIN_TESTS_PCH_TENSOR
#define POSTTRAIN_TESTS_PCH_TENSOR

#include <filesystem>
#include <fstream>

#include "posttrain/io/json.hpp"
#include "posttrain/nn/lm_head.hpp"
#include "posttrain/tensor/ops.hpp"
#include "support/catch.hpp"

#endif  // POSTTRAIN_TESTS_PCH_TENSOR
