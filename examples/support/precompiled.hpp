// SPDX-License-Identifier: Apache-2.0
// Compiled once for the examples that train: what each of them includes by itself.
#ifndef POSTTRAIN_EXAMPLES_PRECOMPILED
#define POSTTRAIN_EXAMPLES_PRECOMPILED

#include <CLI/CLI.hpp>

#include "posttrain/hub/pretrained_decoder.hpp"
#include "posttrain/trainer.hpp"

#endif  // POSTTRAIN_EXAMPLES_PRECOMPILED
