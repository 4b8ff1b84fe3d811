// SPDX-License-Identifier: Apache-2.0
// Names of f-divergences (losses/terms/f_divergence.hpp has their formulas).
#pragma once

namespace posttrain {

enum class FDivergence { reverse_kl, forward_kl, js_divergence, alpha_divergence };

}  // namespace posttrain
