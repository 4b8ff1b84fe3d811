// SPDX-License-Identifier: Apache-2.0
// The compiled library: attention (base/compiled.hpp).
#ifndef POSTTRAIN_COMPILED
#define POSTTRAIN_COMPILED
#endif
#define POSTTRAIN_COMPILED_SOURCE

#include "posttrain/nn/attention_impl.hpp"
