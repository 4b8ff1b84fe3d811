// expected: posttrain: a verifier needs `Verdict operator()(const Sample&) const` [docs/concepts.md#verifier]
// SPDX-License-Identifier: Apache-2.0
// A function of the text alone: the answer stands in the sample.
#include <string>

#include "posttrain/rewards/reward_sum.hpp"

using namespace posttrain;

#ifdef LEGAL
double brevity(const Sample& sample) { return sample.completion.size() < 100; }
#else
double brevity(const std::string& completion) { return completion.size() < 100; }
#endif

int main() { return RewardSum{brevity}.size() == 1 ? 0 : 1; }
