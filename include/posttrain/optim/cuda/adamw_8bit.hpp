// SPDX-License-Identifier: Apache-2.0
// AdamW with moments in 8 bits on CUDA (optim/adamw_8bit.hpp): one sweep, a block of threads for
// each block of values; the step's numbers stay on the device.
#pragma once

#ifndef POSTTRAIN_NO_CUDA

#include "posttrain/storage/int8_codec.hpp"
#include "posttrain/tensor/cuda/device_code.hpp"
#include "posttrain/tensor/cuda/kernel.hpp"
#include "posttrain/tensor/ops.hpp"

namespace posttrain::cuda {

// clang-format off
POSTTRAIN_DEVICE_CODE(
    kAdamW8bitCode,
    // 256 threads with up to 16 values each: a block has at most 4096. Parameters and gradients
    // are fp32 whatever Element is.
    PT_KERNEL void adamw_8bit(float* master, const float* grad, unsigned char* first,
                              float* first_absmax, unsigned char* second, float* second_absmax,
                              const float* signed_map, const float* unsigned_map,
                              const float* steps, const double* factor, const float* skip,
                              long long size, long long block_size, double beta1, double beta2,
                              double eps, double learning_rate, double decay) {
      PT_SHARED float of_m[256];
      PT_SHARED float of_v[256];
      PT_SHARED double numbers[2];
      if (*skip != 0.0F) return;
      for (int j = PT_THREAD; j < 256; j += PT_THREADS) {
        of_m[j] = signed_map[j];
        of_v[j] = unsigned_map[j];
      }
      if (PT_THREAD == 0) {
        const double t = static_cast<double>(*steps);
        numbers[0] = learning_rate / (1.0 - pow(beta1, t));
        numbers[1] = sqrt(1.0 - pow(beta2, t));
      }
      PT_SYNC();
      const float rate = static_cast<float>(numbers[0]);
      const float root_second = static_cast<float>(numbers[1]);
      const float b1 = static_cast<float>(beta1);
      const float b2 = static_cast<float>(beta2);
      const float rest1 = static_cast<float>(1.0 - beta1);
      const float rest2 = static_cast<float>(1.0 - beta2);
      const float small = static_cast<float>(eps);
      const float shrink = static_cast<float>(learning_rate * decay);
      const float scale = static_cast<float>(*factor);
      const float old_m = first_absmax[PT_BLOCK];
      const float old_v = second_absmax[PT_BLOCK];
      const long long begin = PT_BLOCK * block_size;
      const long long rest = size - begin;
      const int count = static_cast<int>(rest < block_size ? rest : block_size);
      float m[16];
      float v[16];
      float largest_m = 0.0F;
      float largest_v = 0.0F;
      for (int k = 0; k < 16; ++k) {
        const int i = PT_THREAD + k * PT_THREADS;
        if (i >= count) break;
        const float gradient = grad[begin + i] * scale;
        m[k] = b1 * (of_m[first[begin + i]] * old_m) + rest1 * gradient;
        v[k] = b2 * (of_v[second[begin + i]] * old_v) + rest2 * gradient * gradient;
        largest_m = larger(largest_m, fabsf(m[k]));
        largest_v = larger(largest_v, v[k]);
        const float p = master[begin + i];
        master[begin + i] = p - (shrink * p + rate * m[k] / (sqrtf(v[k]) / root_second + small));
      }
      largest_m = block_max(largest_m);
      largest_v = block_max(largest_v);
      if (PT_THREAD == 0) {
        first_absmax[PT_BLOCK] = largest_m;
        second_absmax[PT_BLOCK] = largest_v;
      }
      // Where all are 0, so is the scale, and any code will do.
      const float scale_m = largest_m > 0.0F ? largest_m : 1.0F;
      const float scale_v = largest_v > 0.0F ? largest_v : 1.0F;
      for (int k = 0; k < 16; ++k) {
        const int i = PT_THREAD + k * PT_THREADS;
        if (i >= count) break;
        first[begin + i] = static_cast<unsigned char>(nearest_entry(m[k] / scale_m, of_m));
        // The smallest entry but 0 for all that is not 0.
        const int code = nearest_entry(v[k] / scale_v, of_v);
        second[begin + i] = static_cast<unsigned char>(v[k] > 0.0F && code == 0 ? 1 : code);
      }
    })
// clang-format on

inline constexpr DeviceProgram kAdamW8bit{"adamw_8bit", kAdamW8bitCode};
inline constexpr Kernel<Data, Data, Data, Data, Data, Data, Data, Data, Data, Data, Data,
                        std::int64_t, std::int64_t, double, double, double, double, double>
    adamw_8bit_kernel{&kAdamW8bit, "adamw_8bit"};

}  // namespace posttrain::cuda

#endif
