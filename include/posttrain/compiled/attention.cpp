// SPDX-License-Identifier: Apache-2.0
// The compiled library: attention (core/compiled.hpp).
#ifndef POSTTRAIN_COMPILED
#define POSTTRAIN_COMPILED
#endif
#define POSTTRAIN_COMPILED_SOURCE

#include "posttrain/tensor/attention_impl.hpp"
