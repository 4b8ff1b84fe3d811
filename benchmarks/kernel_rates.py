# SPDX-License-Identifier: Apache-2.0
"""The kernels against plain ATen, on this processor and as on one with fewer instructions.

  bash benchmarks/run.sh kernels [--isa NAME] [--repeats N] [--at-least RATIO]

Prints a JSON line per instruction set, kernel and dtype: milliseconds of both, interleaved in one process
(minima), and the ratio aten / ours. Instruction sets are limited on both sides: our loops are compiled
for that set alone, ATen's, oneDNN's and MKL's choices follow variables of the environment.

  native   what this processor has
  avx512   AVX-512 without instructions for bfloat16
  avx2     AVX2

Fails where a ratio is below RATIO (default 0.96: some products are one and the same call on both sides).
"""

import argparse
import json
import os
import subprocess
import sys

BUILD = os.environ["POSTTRAIN_BUILD"]
SETS = {
    "native": ("kernels", {}),
    "avx512": ("kernels_avx512", {"ONEDNN_MAX_CPU_ISA": "AVX512_CORE",
                                  "POSTTRAIN_HALF_PRODUCTS": "float32"}),
    "avx2": ("kernels_avx2", {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2",
                              "MKL_ENABLE_INSTRUCTIONS": "AVX2",
                              "POSTTRAIN_HALF_PRODUCTS": "float32"}),
}


def supported(name):
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        flags = next(line for line in file if line.startswith("flags")).split()
    return name == "native" or {"avx512": "avx512bw", "avx2": "avx2"}[name] in flags


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--isa", choices=SETS)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--at-least", type=float, default=0.96)
    options = parser.parse_args()
    slow = 0
    for name, (program, variables) in SETS.items():
        if options.isa not in (None, name):
            continue
        if not supported(name):
            print(f"{name}: not on this processor", file=sys.stderr)
            continue
        done = subprocess.run([os.path.join(BUILD, "benchmarks", program), str(options.repeats)],
                              env={**os.environ, **variables}, stdout=subprocess.PIPE, text=True,
                              check=True)
        for line in done.stdout.splitlines():
            record = {"isa": name, **json.loads(line)}
            print(json.dumps(record), flush=True)
            slow += record["ratio"] < options.at_least
    if slow:
        print(f"{slow} kernels are slower than {options.at_least} x ATen's", file=sys.stderr)
    sys.exit(1 if slow else 0)


if __name__ == "__main__":
    main()
