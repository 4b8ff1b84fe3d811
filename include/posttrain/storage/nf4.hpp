// SPDX-License-Identifier: Apache-2.0
// Frozen matrices in 4 bits: NormalFloat4 in blocks, the blocks' scales themselves in 8 bits
// ("double quantisation"), of QLoRA (arXiv 2305.14314).
//
//   absmax ≈ map[code] nested_absmax + offset,  offset = mean(absmax),  one nested_absmax for 256
//
// Codes, scales and files (storage/bitsandbytes.hpp) are those of bitsandbytes bit for bit. 4.13
// bits per parameter, 4.5 without double quantisation.
#pragma once

#include "posttrain/storage/nf4_storage.hpp"
