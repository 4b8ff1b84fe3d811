// SPDX-License-Identifier: Apache-2.0
// One token for each row of logits on CUDA (generate/token_sampler.hpp has the rules).
//
// A block for each row, and nothing in memory but the row: each threshold is found by halving the
// interval in which it lies, the floats in their order or the ids, one pass over the row for each
// bit. Probabilities are added as integers, 2^40 of them for a probability of 1 at the largest
// logit, so that no sum depends on its order; draw_by_operations does the same.
#pragma once

#ifndef POSTTRAIN_NO_CUDA

#include "posttrain/tensor/cuda/device_code.hpp"
#include "posttrain/tensor/cuda/kernel.hpp"

namespace posttrain::cuda {

// clang-format off
POSTTRAIN_DEVICE_CODE(
    kDrawRowsCode,
    PT_FN float minus_infinity() { return float_of_bits(0xff800000U); }
    PT_FN float not_a_number() { return float_of_bits(0x7fc00000U); }

    // The floats in their order by number, −∞ to the largest finite one.
    PT_FN float float_at(long long place) {
      const int bits = static_cast<int>(place);
      return float_of_bits(static_cast<unsigned>(bits < 0 ? bits ^ 0x7fffffff : bits));
    }

    // Σ of(value, id) over a row, for each thread.
    template <class Number, class Of>
    PT_FN Number sum_over(const Element* z, long long width, const Of& of) {
      Number sum = 0;
      for (long long i = PT_THREAD * V; i < width; i += PT_THREADS * V) {
        const Floats values = load(z, i);
        for (int k = 0; k < V; ++k) sum += of(values.at[k], i + k);
      }
      return block_sum(sum);
    }

    // The first id up to which the sum of of(value, id) exceeds `target`; the last one of all
    // exceeds it.
    template <class Of>
    PT_FN long long first_id(const Element* z, long long width, long long target, const Of& of) {
      long long low = 0;
      long long high = width - 1;
      long long before = 0;
      while (low < high) {
        const long long middle = (low + high) / 2;
        long long sum = 0;
        for (long long i = low + PT_THREAD; i <= middle; i += PT_THREADS) {
          sum += of(to_float(z[i]), i);
        }
        sum = block_sum(sum);
        if (before + sum > target) {
          high = middle;
        } else {
          before += sum;
          low = middle + 1;
        }
      }
      return low;
    }

    // The place of the first float of which beyond(…) holds, as it does of all greater ones.
    template <class Beyond>
    PT_FN long long first_place(const Beyond& beyond) {
      long long low = -2139095041LL;  // −∞
      long long high = 0x7f7fffffLL;
      while (low < high) {
        const long long middle = low + (high - low) / 2;
        if (beyond(float_at(middle))) {
          high = middle;
        } else {
          low = middle + 1;
        }
      }
      return low;
    }

    PT_FN float largest_of(const Element* z, long long width) {
      float largest = minus_infinity();
      for (long long i = PT_THREAD * V; i < width; i += PT_THREADS * V) {
        const Floats values = load(z, i);
        for (int k = 0; k < V; ++k) largest = larger(largest, values.at[k]);
      }
      return block_max(largest);
    }

    // A beginning of a row in the order of descending z and ascending ids.
    struct Beginning {
      float last;
      long long last_id;
    };
    PT_FN bool holds(const Beginning& all, float value, long long id) {
      return value > all.last || (value == all.last && id <= all.last_id);
    }

    // raw: the logits as they came; z: after suppression and penalties, or the same. plain_logps
    // and entropy may be null, top_count 0.
    PT_KERNEL void draw_rows(const Element* raw, const Element* z, const double* uniform,
                             const double* temperature, const double* inverse, const double* reach,
                             const double* top_p, const long long* top_k, const bool* cut_by_k,
                             const bool* greedy, long long* ids, float* logps, float* plain_logps,
                             float* entropy, long long* top_ids, float* top_logps,
                             long long raw_stride, long long stride, long long width,
                             long long top_count) {
      const long long row = PT_BLOCK;
      const Element* of_raw = raw + row * raw_stride;
      const Element* of_row = z + row * stride;
      const float infinity = -minus_infinity();
      const long long strange = sum_over<long long>(
          of_raw, width, [&](float value, long long) { return value < infinity ? 0LL : 1LL; });
      const float largest = largest_of(of_row, width);
      if (strange > 0 || !(largest > minus_infinity() && largest < infinity)) {
        for (long long j = PT_THREAD; j < top_count; j += PT_THREADS) {
          top_ids[row * top_count + j] = -1;
          top_logps[row * top_count + j] = minus_infinity();
        }
        if (PT_THREAD == 0) {
          ids[row] = -1;
          logps[row] = not_a_number();
          if (plain_logps != nullptr) plain_logps[row] = not_a_number();
          if (entropy != nullptr) entropy[row] = not_a_number();
        }
        return;
      }
      const float scale = static_cast<float>(inverse[row]);
      const auto weight = [&](float value) { return expf((value - largest) * scale); };
      const auto share = [&](float value) {
        return static_cast<long long>(weight(value) * 1099511627776.0F);
      };

      Beginning kept{largest + static_cast<float>(reach[row]), width};
      if (cut_by_k[row]) {
        // Of the floats with fewer than k logits above them, the first is the k-th largest.
        const long long place = first_place([&](float bound) {
          return sum_over<long long>(of_row, width, [&](float value, long long) {
            return value > bound ? 1LL : 0LL;
          }) < top_k[row];
        });
        kept.last = larger(kept.last, float_at(place));
      }
      if (top_p[row] < 1.0) {
        const float lowest = kept.last;
        const auto mass_above = [&](float bound) {
          return sum_over<long long>(of_row, width, [&](float value, long long) {
            return value > bound && value >= lowest ? share(value) : 0LL;
          });
        };
        const long long all = sum_over<long long>(of_row, width, [&](float value, long long) {
          return value >= lowest ? share(value) : 0LL;
        });
        const double wanted = top_p[row] * static_cast<double>(all);
        const auto short_of = [&](long long mass) { return static_cast<double>(mass) < wanted; };
        kept.last = float_at(first_place([&](float bound) { return short_of(mass_above(bound)); }));
        // Of equal ones as many as there is room for.
        const long long above = mass_above(kept.last);
        const long long each = share(kept.last);
        const auto is_last = [&](float value, long long) { return value == kept.last ? 1LL : 0LL; };
        const long long equal = sum_over<long long>(of_row, width, is_last);
        if (each > 0 && equal > 1) {
          long long room = static_cast<long long>((wanted - static_cast<double>(above)) /
                                                  static_cast<double>(each));
          while (room > 0 && !short_of(above + (room - 1) * each)) --room;
          while (short_of(above + room * each)) ++room;
          if (room < equal) kept.last_id = first_id(of_row, width, room - 1, is_last);
        }
      }
      const auto is_kept = [&](float value, long long i) { return holds(kept, value, i); };
      const auto kept_share = [&](float value, long long i) {
        return is_kept(value, i) ? share(value) : 0LL;
      };

      long long id = 0;
      if (greedy[row]) {
        id = first_id(of_row, width, 0, [&](float value, long long) {
          return value == largest ? 1LL : 0LL;
        });
      } else {
        const long long total = sum_over<long long>(of_row, width, kept_share);
        const long long target =
            static_cast<long long>(uniform[row] * static_cast<double>(total));
        id = first_id(of_row, width, target < total ? target : total - 1, kept_share);
      }

      const double total = sum_over<double>(of_row, width, [&](float value, long long i) {
        return is_kept(value, i) ? static_cast<double>(weight(value)) : 0.0;
      });
      const double log_total = log(total);
      const auto logp_of = [&](float value) {
        const double shifted = static_cast<double>(value) - static_cast<double>(largest);
        return static_cast<float>(shifted / temperature[row] - log_total);
      };
      if (PT_THREAD == 0) {
        ids[row] = id;
        logps[row] = logp_of(to_float(of_row[id]));
      }
      if (plain_logps != nullptr) {
        const float top = largest_of(of_raw, width);
        const double all = sum_over<double>(of_raw, width, [&](float value, long long) {
          return static_cast<double>(expf((value - top) * scale));
        });
        const double shifted = static_cast<double>(to_float(of_raw[id])) - static_cast<double>(top);
        if (PT_THREAD == 0) {
          plain_logps[row] = static_cast<float>(shifted / temperature[row] - log(all));
        }
      }
      if (entropy != nullptr) {
        const double weighted = sum_over<double>(of_row, width, [&](float value, long long i) {
          if (!is_kept(value, i)) return 0.0;
          const float shifted = larger((value - largest) * scale, -100.0F);  // the weight is 0 there
          return static_cast<double>(weight(value) * shifted);
        });
        if (PT_THREAD == 0) entropy[row] = static_cast<float>(log_total - weighted / total);
      }
      Beginning told{infinity, -1};  // the likeliest so far
      for (long long j = 0; j < top_count; ++j) {
        const auto comes = [&](float value, long long i) {
          return is_kept(value, i) && !holds(told, value, i);
        };
        float next = minus_infinity();
        for (long long i = PT_THREAD; i < width; i += PT_THREADS) {
          const float value = to_float(of_row[i]);
          if (comes(value, i)) next = larger(next, value);
        }
        next = block_max(next);
        const bool none = next == minus_infinity();
        long long next_id = -1;
        if (!none) {
          next_id = first_id(of_row, width, 0, [&](float value, long long i) {
            return value == next && comes(value, i) ? 1LL : 0LL;
          });
          told.last = next;
          told.last_id = next_id;
        }
        if (PT_THREAD == 0) {
          top_ids[row * top_count + j] = next_id;
          top_logps[row * top_count + j] = none ? minus_infinity() : logp_of(next);
        }
      }
    })
// clang-format on

inline constexpr DeviceProgram kDrawRows{"draw_rows", kDrawRowsCode};
inline constexpr Kernel<Data, Data, Data, Data, Data, Data, Data, Data, Data, Data, Data, Data,
                        Data, Data, Data, Data, std::int64_t, std::int64_t, std::int64_t,
                        std::int64_t>
    draw_rows_kernel{&kDrawRows, "draw_rows"};

}  // namespace posttrain::cuda

#endif
