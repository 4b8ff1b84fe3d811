// SPDX-License-Identifier: Apache-2.0
#include "posttrain/tensor/ops.hpp"
