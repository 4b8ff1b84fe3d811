# SPDX-License-Identifier: Apache-2.0
"""DPO against TRL's DPOTrainer and against ourselves without shared prompts: JSON lines.

  python benchmarks/preference.py [--params lora,full] [--steps 5] [--warmup 2]
      [--ours build-native/benchmarks/preference_server]

The model, the interleaving and the lines are those of sft.py (hidden 512, 8 layers, ffn 1536,
vocabulary 32,000); a step is four pairs whose prompts are as long as their answers, 128 tokens each;
float32. The first losses must agree (log 2 on both sides), under full fine-tuning the gradients' norms,
too.

D1  pairs per second against TRL.
D2  shared prompts against our own unshared ones: 3 segments of a pair are read instead of 4, so a
    ratio of 4/3 would be all that sharing can give; the target is 0.85 of it.
D3  peak memory of the processes of D1: "ours" and "peer" are bytes, "ratio" is peer / ours.

The limit counts the matrices of the layers for every token that is read and the head for every
scored one, of the policy (6 flops per parameter and token, 4 under LoRA) and the reference (2).
"""

import argparse
import json
import os
import random
import shlex
import sys
from pathlib import Path

from sft import (ALLOCATOR, FFN, HERE, HIDDEN, LAYERS, VOCAB, Server, comparison, interleave,
                 machine_rate, make_model, write_lines)

PAIRS, LENGTH = 4, 128
BLOCKS = LAYERS * (4 * HIDDEN * HIDDEN + 3 * HIDDEN * FFN)
TARGETS = {"D1": 5.0, "D2": 0.85 * 4 / 3, "D3": 2.0}


def make_pairs(path):
    rng = random.Random(0)

    def ids(end):
        return [rng.randrange(2, VOCAB) for _ in range(LENGTH - len(end))] + end

    write_lines(path, [{"prompts": [ids([]) for _ in range(PAIRS)],
                        "chosen": [ids([1]) for _ in range(PAIRS)],
                        "rejected": [ids([1]) for _ in range(PAIRS)]} for _ in range(4)])


def flops(params):
    """Of a step with shared prompts."""
    per_parameter = (6 if params == "full" else 4) + 2
    return per_parameter * PAIRS * LENGTH * (3 * BLOCKS + 2 * VOCAB * HIDDEN)


def run_case(params, options, cache):
    common = ["--model", str(cache / "model"), "--data", str(cache / "pairs.jsonl"), "--params", params,
              "--steps", str(options.steps + options.warmup + 1), "--warmup", str(options.warmup)]
    ours = shlex.split(options.ours)
    peer = [sys.executable, str(HERE / "peers" / "preference_peer.py")]
    servers = {}

    def start(label, command, environment=None):
        servers[label] = Server(f"{label}, {params}", [*command, *common], environment or {})
        servers[label].wait_ready()  # one after the other: loading competes for the cores

    rate = machine_rate("float32")
    start("ours", ours)
    start("unshared", [*ours, "--unshared"])
    start("trl", peer, ALLOCATOR)
    # An adapter's first gradient depends on its random start.
    interleave(list(servers.values()), options.steps, options.warmup, "float32",
               keys=("loss", "grad_norm") if params == "full" else ("loss",))
    limit = PAIRS * max(rate, machine_rate("float32")) / flops(params)
    pairs = {label: server.rate(PAIRS) for label, server in servers.items()}
    memory = {label: server.peak_memory for label, server in servers.items()}
    both = (memory["ours"], memory["trl"])
    comparison(f"D1 DPO {params} against trl, pairs/s", pairs["ours"], pairs["trl"], TARGETS["D1"],
               limit, both, digits=3)
    comparison(f"D2 DPO {params} shared against unshared, pairs/s", pairs["ours"],
               pairs["unshared"], round(TARGETS["D2"], 3), limit,
               (memory["ours"], memory["unshared"]), digits=3)
    print(json.dumps({"name": f"D3 DPO {params} peak memory against trl", "ours": both[0],
                      "peer": both[1], "ratio": round(both[1] / both[0], 3),
                      "target": TARGETS["D3"], "limit": None, "share_of_limit": None,
                      "peak_memory": both[0], "peer_peak_memory": both[1]}), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--params", default="lora,full")
    parser.add_argument("--steps", type=int, default=5, help="measured steps of each side")
    parser.add_argument("--warmup", type=int, default=2)
    parser.add_argument("--ours", default=str(
        HERE.parent / "build-native" / "benchmarks" / "preference_server"))
    parser.add_argument("--cache", default=os.path.join(
        os.environ.get("XDG_CACHE_HOME", os.path.expanduser("~/.cache")), "posttrain", "sft_bench"))
    options = parser.parse_args()
    cases = [name for name in options.params.split(",") if name]
    for name in cases:
        if name not in ("lora", "full"):
            sys.exit(f"expected --params of lora, full, got {name}")
    cache = Path(options.cache)
    cache.mkdir(parents=True, exist_ok=True)
    make_pairs(cache / "pairs.jsonl")
    make_model(cache / "model")
    for name in cases:
        run_case(name, options, cache)


if __name__ == "__main__":
    main()
