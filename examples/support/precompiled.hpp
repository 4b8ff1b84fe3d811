// SPDX-License-Identifier: Apache-2.0
// Compiled once for the examples that train: what each of them includes by itself.
#pragma once

#include <CLI/CLI.hpp>

#include "posttrain/hub/pretrained_decoder.hpp"
#include "posttrain/trainer.hpp"
