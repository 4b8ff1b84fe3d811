# SPDX-License-Identifier: Apache-2.0
"""Import it to have bitsandbytes dequantise NF4 on the CPU by its definition.

On processors with AVX-512, bitsandbytes 0.50 scales by the wrong blocks where a row is not a multiple
of the block size, and Linear4bit outside of training computes in bfloat16. Codes and scales are right
everywhere; value = table[code] * scale of its block.
"""

import torch
from bitsandbytes import functional
from bitsandbytes.nn import modules


peers_own = functional.dequantize_4bit


def dequantize_4bit(packed, quant_state, *_, **__):
    if quant_state.shape[-1] % quant_state.blocksize == 0:
        return peers_own(packed, quant_state)
    scales = quant_state.absmax
    if quant_state.nested:
        scales = functional.dequantize_blockwise(scales, quant_state.state2) + quant_state.offset
    pairs = packed.reshape(-1).long()
    size = quant_state.shape.numel()
    codes = torch.stack([pairs >> 4, pairs & 15], dim=1).reshape(-1)[:size]
    scales = scales.float().reshape(-1).repeat_interleave(quant_state.blocksize)[:size]
    values = (quant_state.code.float()[codes] * scales).reshape(quant_state.shape)
    values = values.to(quant_state.dtype)
    return values.t() if packed.shape[0] == 1 else values


functional.dequantize_4bit = dequantize_4bit
modules.has_avx512bf16 = lambda: False
