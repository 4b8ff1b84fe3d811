// SPDX-License-Identifier: Apache-2.0
// What recipes choose by name: the type of computation and the optimizer.
#pragma once

namespace posttrain {

/// Of weights and activations; masters, moments and gradients' sums are float32 in any case.
enum class TrainDtype { float32, bfloat16 };

enum class OptimizerName { adamw, adamw_8bit };

}  // namespace posttrain
