// SPDX-License-Identifier: Apache-2.0
// Precompiled for test programs with LibTorch.
#pragma once

#include <CLI/CLI.hpp>

#include "posttrain/io/json.hpp"
#include "posttrain/tensor/ops.hpp"
