// SPDX-License-Identifier: Apache-2.0
// Prints after which validation early stopping ends a run, for comparison with another
// implementation.
//
// Reads lines "patience threshold count loss…" and answers each with one number: the first
// validation after which the run ends, counted from 1; 0 where none ends it.
#include <cstdint>
#include <cstdio>
#include <limits>

#include "posttrain/trainer/early_stopping.hpp"

int main() {
  using namespace posttrain;
  long long patience = 0, count = 0;
  double threshold = 0.0;
  while (std::scanf("%lld %lf %lld", &patience, &threshold, &count) == 3) {
    const Options options{.early_stopping_patience = patience,
                          .early_stopping_threshold = threshold};
    double lowest = std::numeric_limits<double>::infinity();
    std::int64_t without_gain = 0;
    long long end = 0;
    for (long long i = 0; i < count; ++i) {
      double loss = 0.0;
      if (std::scanf("%lf", &loss) != 1) return 1;
      without_gain = validations_without_gain(without_gain, i == 0, loss, lowest, threshold);
      if (loss < lowest) lowest = loss;
      if (end == 0 && stops_early(options, without_gain)) end = i + 1;
    }
    std::printf("%lld\n", end);
  }
}
