# SPDX-License-Identifier: Apache-2.0
"""What a step on many GPUs takes, by a model: one JSON line for each number of GPUs and way of sharing.

  python benchmarks/ranks_cost.py [--parameters 8.03e9] [--embedding 0.525e9] [--tokens 16384]
      [--flops 278e12] [--inside 370e9] [--between 200e9] [--ranks 8,64,128,1024]

All weights train, in bfloat16 with float32 gradients. A rank computes 6 flops for each parameter and token at --flops, a
third of them in the forward pass. Of operations on S bytes a rank waits f S / B for a reduce-scatter or a gather and twice
that for an all-reduce, f = (N - 1) / N, with the bus bandwidth B of nccl-tests: --inside a machine of 8, else --between.
Gradients are added up during the backward pass, but for those of the embedding, which are there last; the slices of
weights are gathered after the update (docs/ranks.md#sharding). Nothing else is counted: no latency, no rank that is slower
than the others, no multiprocessors that NCCL takes from the products.

Line: ranks, sharding, compute and exposed (seconds), efficiency (compute / both), gigabytes (of weights, gradients, masters
and moments on a rank). The last line is the model's check: PyTorch's FSDP2 on the same model and GPUs, whose gathers of a
layer's weights hide behind the layer before, beside what torchtitan published.

Default values: Llama 3.1 8B, two sequences of 8,192 on each GPU at 5,762 tokens a second (torchtitan,
benchmarks/llama3_h100_202412_torchtitan.md); 370 GB/s inside a machine (NVIDIA/nccl-tests#212) and 200 for gathers on 32 machines with
eight cards of 400 Gbit/s each (NVIDIA/nccl#1218, where all-reduce had 340).
"""

import argparse
import json


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--parameters", type=float, default=8.03e9)
    parser.add_argument("--embedding", type=float, default=0.525e9)
    parser.add_argument("--tokens", type=float, default=16384, help="of a step on each GPU")
    parser.add_argument("--flops", type=float, default=278e12, help="of a GPU in a second")
    parser.add_argument("--inside", type=float, default=370e9, help="bytes a second")
    parser.add_argument("--between", type=float, default=200e9)
    parser.add_argument("--ranks", default="8,64,128,1024")
    options = parser.parse_args()
    p = options.parameters
    compute = 6 * p * options.tokens / options.flops
    backward = compute * 2 / 3

    def wait(size, n):
        """Seconds of a reduce-scatter or a gather of so many bytes."""
        return size * (n - 1) / n / (options.inside if n <= 8 else options.between)

    def exposed(sharding, n):
        sums = 2 if sharding == "none" else 1  # an all-reduce is a reduce-scatter and a gather
        hidden, last = (sums * wait(4 * size, n) for size in (p - options.embedding, options.embedding))
        seconds = max(0.0, hidden - backward) + last
        return seconds if sharding == "none" else seconds + wait(2 * p, n)

    def efficiency(seconds):
        return round(compute / (compute + seconds), 3)

    for n in (int(each) for each in options.ranks.split(",")):
        for sharding in ("none", "optimizer"):
            seconds = exposed(sharding, n)
            share = 1 if sharding == "none" else n
            print(json.dumps({"ranks": n, "sharding": sharding, "compute": round(compute, 3),
                              "exposed": round(seconds, 3), "efficiency": efficiency(seconds),
                              "gigabytes": round((6 + 12 / share) * p / 1e9, 1)}))
    # Embedding and head are gathered before the first layer, and their gradients are there last.
    of_root = {n: wait(2 * 2 * options.embedding, n) + wait(4 * 2 * options.embedding, n) for n in (8, 128)}
    print(json.dumps({"check": "FSDP2, 128 GPUs over 8", "modelled": round((compute + of_root[8]) / (compute + of_root[128]), 3),
                      "published": round(5605 / 5762, 3), "published_compiled": round(6514 / 6667, 3)}))


if __name__ == "__main__":
    main()
