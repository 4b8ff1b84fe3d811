// SPDX-License-Identifier: Apache-2.0
// A verifier that judges nothing, for losses that want no rewards (losses/distillation.hpp): it
// applies to no sample, whatever the prompt's record holds.
#pragma once

#include "posttrain/rewards/sample.hpp"

namespace posttrain {

struct Unjudged {
  Verdict operator()(const Sample&) const { return Verdict::not_applicable("nothing is judged"); }
};

}  // namespace posttrain
