// SPDX-License-Identifier: Apache-2.0
// What the ranks of a run share in place of each having all of it (ZeRO, arXiv 1910.02054).
#pragma once

namespace posttrain {

enum class Sharding {
  none,
  optimizer,  // moments, and the masters of weights that are narrower than float32
};

}  // namespace posttrain
