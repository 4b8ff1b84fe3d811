# SPDX-License-Identifier: Apache-2.0
"""Quantised matrices against bitsandbytes on the CPU, bit for bit.

  python tests/parity/quantized_parity.py --quantize build/tests/programs/quantize

Random matrices of several shapes, spreads and types (partial last blocks, odd sizes, blocks of
zeros, values on the decision thresholds) are quantised by the program and by bitsandbytes: codes,
scales, nested codes, nested scales and offset, and the values they stand for in float32 and
bfloat16. One line per case, then `N passed, M failed`.
"""

import argparse
import os
import shlex
import subprocess
import sys
import tempfile

import exact_nf4  # noqa: F401
import torch
from bitsandbytes import functional
from safetensors.torch import load_file, save_file


def matrices():
    generator = torch.Generator().manual_seed(1)

    def normal(*shape, scale=1.0):
        return torch.randn(*shape, generator=generator) * scale

    codes = functional.get_4bit_type("nf4", device="cpu")
    ties = torch.cat([(codes[1:] + codes[:-1]) / 2, torch.ones(1)])
    zeros = normal(9, 200)
    zeros.view(-1)[64:192] = 0
    zeros.view(-1)[-8:] = 0  # the partial block
    made = {
        "normal": normal(96, 128, scale=0.02),
        "more than 256 blocks": normal(300, 333),
        "partial block": normal(7, 30),
        "less than a block": normal(3, 5),
        "odd": normal(5, 13),
        "row": normal(1, 512),
        "heavy tails": normal(64, 256) ** 5,
        "small": normal(64, 64, scale=1e-30),
        "large": normal(64, 64, scale=1e30),
        "zeros": torch.zeros(8, 72),
        "blocks of zeros": zeros,
        "ties": ties.repeat(8, 16),
        "scaled ties": ties.repeat(8, 16) * 3.7,
        "constant": torch.full((16, 64), -0.3),
    }
    return {f"{name}|{str(dtype).removeprefix('torch.')}": w.to(dtype).contiguous()
            for name, w in made.items() for dtype in (torch.float32, torch.bfloat16)}


def expected(w, blocksize_4bit, blocksize_8bit):
    """What bitsandbytes makes of a matrix, under the program's names."""
    result = {}

    def values(name, dequantize, state):
        for dtype in (torch.float32, torch.bfloat16):
            state.dtype = dtype
            result[f"{name}.{str(dtype).removeprefix('torch.')}"] = dequantize(state)

    for name, nested in (("nf4", False), ("nested", True)):
        codes, state = functional.quantize_4bit(w, blocksize=blocksize_4bit, quant_type="nf4",
                                                compress_statistics=nested)
        result[f"{name}.codes"] = codes.flatten()
        result[f"{name}.absmax"] = state.absmax
        if nested:
            result[f"{name}.nested_absmax"] = state.state2.absmax
            result[f"{name}.offset"] = state.offset
        values(name, lambda s, codes=codes: functional.dequantize_4bit(codes, s), state)
    codes, state = functional.quantize_blockwise(w, blocksize=blocksize_8bit)
    result["int8.codes"] = codes
    result["int8.absmax"] = state.absmax
    values("int8", lambda s, codes=codes: functional.dequantize_blockwise(codes, s), state)
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quantize", default="build/tests/programs/quantize")
    options = parser.parse_args()

    passed = failed = 0

    def check(label, problem):
        nonlocal passed, failed
        passed, failed = passed + (not problem), failed + bool(problem)
        print(f"{'FAIL' if problem else 'ok  '} {label}{': ' if problem else ''}{problem}",
              flush=True)

    inputs = matrices()
    for blocksize_4bit, blocksize_8bit in ((64, 256), (32, 64), (256, 4096)):
        with tempfile.TemporaryDirectory() as folder:
            source, target = (os.path.join(folder, name) for name in ("in", "out"))
            save_file(inputs, source)
            done = subprocess.run(
                [*shlex.split(options.quantize), "--input", source, "--output", target,
                 "--blocksize-4bit", str(blocksize_4bit), "--blocksize-8bit", str(blocksize_8bit)],
                capture_output=True, text=True)
            if done.returncode != 0:
                check(f"blocks of {blocksize_4bit}", done.stderr.strip())
                continue
            ours = load_file(target)
        for name, w in inputs.items():
            different = []
            for part, theirs in expected(w, blocksize_4bit, blocksize_8bit).items():
                mine = ours[f"{name}.{part}"]
                if mine.dtype != theirs.dtype or mine.shape != theirs.shape:
                    different.append(f"{part} {mine.dtype} {list(mine.shape)} instead of "
                                     f"{theirs.dtype} {list(theirs.shape)}")
                elif not torch.equal(mine, theirs):
                    different.append(f"{part} differs in {(mine != theirs).sum().item()} places")
            check(f"{name} {list(w.shape)}, blocks of {blocksize_4bit} and {blocksize_8bit}",
                  "; ".join(different))
    for name, signed in (("signed", True), ("unsigned", False)):
        same = torch.equal(ours[f"dynamic_map.{name}"], functional.create_dynamic_map(signed))
        check(f"dynamic map, {name}", "" if same else "differs")
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed or not passed else 0)


if __name__ == "__main__":
    main()
