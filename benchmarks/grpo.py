# SPDX-License-Identifier: Apache-2.0
"""GRPO's update and step against TRL's GRPOTrainer and against ourselves: one JSON line per comparison.

  python benchmarks/grpo.py [--cases R3,R4] [--repeats 3] [--dtypes float32,bfloat16] [--params full,lora]
      [--ours build-native/benchmarks/grpo_server]

The model of benchmarks/sft.py: hidden 512, 8 layers of 8 heads, ffn 1536, vocabulary 32,000 untied, random
weights. One prompt of 256 tokens, 16 samples of 64. All processes load the same folder; work is done in
turns. Before anything is measured in float32, ours repeats the update of TRL's first step on its samples:
the norms of the gradients must agree (losses of a first update are about 0 on both sides).

R3  the update alone, on given samples: against ours with a prompt of its own for each sample. The target is
    0.85 of the ratio of the flops: the prompt's share of the body falls away, the head's does not.
R4  the whole step, sampling and update: against ours without anything shared, and against TRL's step (its
    default losses' chunked head, transformers' generate of the whole group, no gradient checkpointing).

Line: name, ours, peer (samples/s), ratio (above 1 is better for us), target, limit (of R3: samples/s where
all flops go at the rate of the best product, measured here), share_of_limit, generate_share (of our step),
peak_memory, peer_peak_memory (bytes).
"""

import argparse
import json
import os
import random
import shlex
import statistics
import sys
from pathlib import Path

from sft import (ALLOCATOR, FFN, HERE, HIDDEN, LAYERS, VOCAB, Server, in_turns, machine_rate,
                 make_model)

PROMPT, NEW, SAMPLES = 256, 64, 16
BODY = LAYERS * (4 * HIDDEN * HIDDEN + 3 * HIDDEN * FFN)


class Worker(Server):
    def ask(self, **question):
        self.send(json.dumps(question) if question else "step")
        return json.loads(self.line())


def update_flops(shared, params):
    """Forward and backward of an update: products, scores and values. Adapters spare the weights'
    gradients; their own products are not counted."""
    prompts = 1 if shared else SAMPLES
    tokens = prompts * PROMPT + SAMPLES * NEW
    keys = prompts * PROMPT * PROMPT / 2 + SAMPLES * NEW * (PROMPT + NEW / 2)
    passes = 6 if params == "full" else 4
    return passes * (tokens * BODY + SAMPLES * NEW * VOCAB * HIDDEN) + 3 * 4 * LAYERS * HIDDEN * keys


def rate(replies):
    return SAMPLES / statistics.median(reply["seconds"] for reply in replies)


def line(name, ours, peer, target, limit=None, **more):
    print(json.dumps({"name": name, "ours": round(ours, 2), "peer": round(peer, 2),
                      "ratio": round(ours / peer, 3), "target": target,
                      "limit": limit and round(limit, 2),
                      "share_of_limit": limit and round(ours / limit, 3), **more}), flush=True)


def check_equal(ours, peer, params):
    """The gradient of TRL's first step, by both. Adapters begin as other random numbers there."""
    tolerance = 1e-3 if params == "full" else 0.02
    first = peer.ask()
    own = ours.ask(prompt=first["prompt"], completions=first["completions"], shared=True)
    if abs(own["grad_norm"] - first["grad_norm"]) > tolerance * first["grad_norm"] or \
            abs(own["loss"] - first["loss"]) > 1e-4:
        sys.exit(f"the first step differs from TRL's: gradient norm {own['grad_norm']:.6g} and "
                 f"{first['grad_norm']:.6g}, loss {own['loss']:.3g} and {first['loss']:.3g}")


def run(dtype, params, cases, repeats, command, model):
    common = ["--model", model, "--dtype", dtype, "--params", params]

    def started(name, arguments, environment):
        worker = Worker(name, arguments, environment)
        worker.wait_ready()
        return worker

    ours = started("ours", [*shlex.split(command), *common], {})
    alone = started("ours without sharing", [*shlex.split(command), *common], {})
    peer = None
    if "R4" in cases:
        peer = started("TRL", [sys.executable, str(HERE / "peers" / "grpo_peer.py"), *common,
                               "--prompt-tokens", str(PROMPT), "--new", str(NEW),
                               "--samples", str(SAMPLES)], ALLOCATOR)
        if dtype == "float32":
            check_equal(ours, peer, params)
    draw = random.Random(2)
    ids = lambda count: [draw.randrange(VOCAB) for _ in range(count)]
    prompt = ids(PROMPT)
    name = f"{dtype} {params}, one prompt of {PROMPT}, {SAMPLES} samples of {NEW}"
    if "R3" in cases:
        machine = machine_rate(dtype)
        given = [ids(NEW) for _ in range(SAMPLES)]
        shared, unshared = in_turns(
            repeats, *(lambda worker=worker, is_shared=is_shared: worker.ask(
                prompt=prompt, completions=given, shared=is_shared)
                for worker, is_shared in ((ours, True), (alone, False))))
        flops = update_flops(False, params) / update_flops(True, params)
        machine = max(machine, machine_rate(dtype))  # other processes may have slowed the first
        line(f"R3 update, {name}, to ours without sharing", rate(shared), rate(unshared),
             round(0.85 * flops, 2), SAMPLES * machine / update_flops(True, params))
    if "R4" in cases:
        asked = dict(prompt=prompt, samples=SAMPLES, new=NEW)
        shared, unshared, theirs = in_turns(
            repeats, lambda: ours.ask(**asked, shared=True), lambda: alone.ask(**asked, shared=False),
            peer.ask)
        share = statistics.median(r["generate_seconds"] / r["seconds"] for r in shared)
        for worker in (ours, alone, peer):
            worker.quit()
        line(f"R4 step, {name}, to ours without sharing", rate(shared), rate(unshared), 2.5,
             generate_share=round(share, 3), peak_memory=ours.peak_memory,
             peer_peak_memory=alone.peak_memory)
        line(f"R4 step, {name}, to TRL", rate(shared), rate(theirs), 4.0,
             peak_memory=ours.peak_memory, peer_peak_memory=peer.peak_memory)
    else:
        for worker in (ours, alone):
            worker.quit()


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", default="R3,R4")
    parser.add_argument("--dtypes", default="float32,bfloat16")
    parser.add_argument("--params", default="full,lora")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--ours",
                        default=str(HERE.parent / "build-native" / "benchmarks" / "grpo_server"))
    parser.add_argument("--cache", default=os.path.join(
        os.environ.get("XDG_CACHE_HOME", os.path.expanduser("~/.cache")), "posttrain", "sft_bench"))
    options = parser.parse_args()
    cases = options.cases.split(",")
    for name in cases:
        if name not in ("R3", "R4"):
            sys.exit(f"expected cases of R3, R4, got {name}")
    cache = Path(options.cache)
    cache.mkdir(parents=True, exist_ok=True)
    make_model(cache / "model")
    for dtype in options.dtypes.split(","):
        for params in options.params.split(","):
            run(dtype, params, cases, options.repeats, options.ours, str(cache / "model"))


if __name__ == "__main__":
    main()
