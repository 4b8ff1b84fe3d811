# SPDX-License-Identifier: Apache-2.0
"""Samples per second against transformers' generate, llama.cpp and ourselves: one JSON line per comparison.

  python benchmarks/rollouts.py [--cases R1,R1b,R1c,R2,R5,R6,R7] [--repeats 3] [--dtypes float32,bfloat16]
      [--ours build-native/benchmarks/rollouts_server]

The model of benchmarks/sft.py: hidden 512, 8 layers of 8 heads, ffn 1536, vocabulary 32,000 untied, random
weights. All processes load the same folder; work is done in turns, ours, transformers, ours, …; figures are
of median seconds. Greedy ids must be equal in float32 before anything is measured. llama.cpp (xllamacpp,
where it is installed) has the same numbers in a GGUF file and a cache of the same type, in R1 and R1c.

R1   one prompt of 256 tokens, 16 samples of 64 new tokens: everything. Also against ours without sharing
     (16 prompts that differ in their first token).
R1b  a prompt of 1,024, 16 samples of 64: decode steps alone (what comes after the first tokens).
R1c  one prompt of 256, one sample of 64: decode steps alone.
R2   64 prompts of 64 tokens in 16 slots, lengths with mean/max 0.35: against static batches of ours.
R5   R1 with options.exact against R1 without.
R6   drawing 16 tokens with top-p and their log-probabilities: its share of a decode step of R1.
R7   128 samples (8 prompts, 16 of 64 each) with every one judged by MathAnswer as it ends, by one thread
     beside: against the same without.

Line: name, ours, peer (new tokens/s), ratio (above 1 is better for us), target, limit (tokens/s of decode
steps that take max(bytes of weights and cache / read bandwidth, flops / rate of the best product of that
many rows), both measured here before and after; prompts at the product's rate), share_of_limit.
"""

import argparse
import importlib.util
import json
import os
import random
import shlex
import statistics
import sys
from pathlib import Path

from sft import (ALLOCATOR, FFN, HEADS, HERE, HIDDEN, LAYERS, VOCAB, Server, in_turns,
                 make_model)

LAYER_WEIGHTS = LAYERS * (4 * HIDDEN * HIDDEN + 3 * HIDDEN * FFN)
HEAD_WEIGHTS = VOCAB * HIDDEN
NEW = 64


class Sampler(Server):
    def ask(self, **question):
        self.send(json.dumps(question))
        return json.loads(self.line())


def prompt(length, seed):
    draw = random.Random(seed)
    return [draw.randrange(VOCAB) for _ in range(length)]


def group(length, samples, new=NEW):
    return dict(requests=[dict(ids=prompt(length, 1), samples=samples, new=new)], max_live=samples)


def apart(length, samples, new=NEW):
    """The same work without anything to share."""
    shared = prompt(length, 1)
    return dict(requests=[dict(ids=[i] + shared[1:], samples=1, new=new) for i in range(samples)],
                max_live=samples)


def ragged():
    """64 requests whose lengths have a mean of 0.35 of their maximum."""
    lengths = [128, 16, 18, 72, 24, 44, 32, 24] * 8
    random.Random(0).shuffle(lengths)
    return dict(requests=[dict(ids=prompt(64, 100 + i), samples=1, new=n)
                          for i, n in enumerate(lengths)], max_live=16)


def flops(rows, context):
    """Of one step: products with all weights, scores and values of `context` keys."""
    return 2 * rows * (LAYER_WEIGHTS + HEAD_WEIGHTS) + 4 * LAYERS * HIDDEN * rows * context


def decode_limit(limits, rows, shared, tails):
    """Seconds of one decode step: `shared` keys that all rows see, `tails` keys of each row alone."""
    moved = limits["weight_bytes"] + limits["row_bytes"] * (shared + rows * tails)
    rate = dict(zip(limits["rows"], limits["product_flops_per_second"]))[rows]
    return max(moved / limits["read_bytes_per_second"], flops(rows, shared + tails) / rate)


def prompt_limit(limits, length):
    rate = max(limits["product_flops_per_second"])
    return (2 * length * LAYER_WEIGHTS + 2 * LAYERS * HIDDEN * length * length) / rate


def measure_limits(ours, rows):
    limits = ours.ask(limits=rows)
    return {**limits, "rows": rows}


def better(first, second):
    """The higher of two measurements of the machine."""
    return {**first, "read_bytes_per_second": max(first["read_bytes_per_second"],
                                                  second["read_bytes_per_second"]),
            "product_flops_per_second": [max(pair) for pair in zip(
                first["product_flops_per_second"], second["product_flops_per_second"])]}


def line(name, ours, peer, target, limit=None):
    print(json.dumps({
        "name": name, "ours": ours and round(ours, 1), "peer": peer and round(peer, 1),
        "ratio": ours and peer and round(ours / peer, 3), "target": target,
        "limit": limit and round(limit, 1),
        "share_of_limit": ours and limit and round(ours / limit, 3)}), flush=True)


def rate(replies, seconds="seconds", tokens=None):
    return statistics.median((tokens or reply["tokens"]) / reply[seconds] for reply in replies)


def check_equal(sides, dtype):
    if dtype != "float32":
        return
    for question in (group(64, 1, 24), apart(33, 3, 24)):
        ours, *others = [side.ask(**question, temperature=0.0, ids=True)["ids"] for side in sides]
        for side, ids in zip(sides[1:], others):
            if ids != ours:
                sys.exit(f"greedy ids differ from those of {side.name}; the comparison would be of "
                         "different computations")


def run(dtype, cases, repeats, command, model):
    common = ["--model", model, "--dtype", dtype]
    ours = Sampler("ours", [*shlex.split(command), *common], {})
    ours.wait_ready()
    peer = Sampler("transformers", [sys.executable, str(HERE / "peers" / "rollouts_peer.py"), *common],
                   ALLOCATOR)
    peer.wait_ready()
    sides = [ours, peer]
    llama = None
    if {"R1", "R1c"} & set(cases) and importlib.util.find_spec("xllamacpp"):
        llama = Sampler("llama.cpp", [sys.executable, str(HERE / "peers" / "llama_peer.py"), *common], {})
        llama.wait_ready()
        sides.append(llama)
    check_equal(sides, dtype)
    limits = measure_limits(ours, [1, 16, 64, 256])

    def us(question, **more):
        return lambda: ours.ask(**question, temperature=1.0, **more)

    def them(question):
        return lambda: peer.ask(**question, temperature=1.0)

    def against_llama(question):
        return [lambda: llama.ask(**question, temperature=1.0)] if llama else []

    def finish(limits):
        return better(limits, measure_limits(ours, [1, 16, 64, 256]))

    if "R1" in cases:
        shared, unshared, theirs, *other = in_turns(
            repeats, us(group(256, 16)), us(apart(256, 16)), them(group(256, 16)),
            *against_llama(group(256, 16)))
        limits = finish(limits)
        best = 16 * NEW / (prompt_limit(limits, 256)
                           + (NEW - 1) * decode_limit(limits, 16, 256, NEW / 2))
        line(f"R1 {dtype} one prompt of 256, 16 samples of 64, to ours without sharing", rate(shared),
             rate(unshared), 2.5, best)
        line(f"R1 {dtype} one prompt of 256, 16 samples of 64, to transformers", rate(shared),
             rate(theirs), 4.0, best)
        for replies in other:
            line(f"R1 {dtype} one prompt of 256, 16 samples of 64, to llama.cpp", rate(shared),
                 rate(replies), None, best)
    if "R1b" in cases:
        steps = 16 * (NEW - 1)
        shared, unshared, theirs = in_turns(repeats, us(group(1024, 16)), us(apart(1024, 16)),
                                            them(group(1024, 16)))
        limits = finish(limits)
        best = 16 / decode_limit(limits, 16, 1024, NEW / 2)
        mine = rate(shared, "decode_seconds", steps)
        line(f"R1b {dtype} prompt of 1,024, 16 samples, decode, to ours without sharing", mine,
             rate(unshared, "decode_seconds", steps), 2.0, best)
        line(f"R1b {dtype} prompt of 1,024, 16 samples, decode, to transformers", mine,
             rate(theirs, "decode_seconds", steps), 4.0, best)
    if "R1c" in cases:
        alone, theirs, *other = in_turns(repeats, us(group(256, 1)), them(group(256, 1)),
                                         *against_llama(group(256, 1)))
        limits = finish(limits)
        mine = rate(alone, "decode_seconds", NEW - 1)
        best = 1 / decode_limit(limits, 1, 256, NEW / 2)
        line(f"R1c {dtype} one sample, decode, to transformers", mine,
             rate(theirs, "decode_seconds", NEW - 1), 2.0, best)
        for replies in other:
            line(f"R1c {dtype} one sample, decode, to llama.cpp", mine,
                 rate(replies, "decode_seconds", NEW - 1), None, best)
    if "R2" in cases:
        question = ragged()
        refilled, static, theirs = in_turns(repeats, us(question), us(question, batches=True),
                                            them(question))
        limits = finish(limits)
        tokens = refilled[0]["tokens"]
        best = tokens / (64 * prompt_limit(limits, 64)
                         + tokens / 16 * decode_limit(limits, 16, 0, 64 + 45))
        line(f"R2 {dtype} 64 ragged samples in 16 slots, to static batches of ours", rate(refilled),
             rate(static), 2.0, best)
        line(f"R2 {dtype} 64 ragged samples in 16 slots, to transformers", rate(refilled), rate(theirs),
             4.0, best)
    if "R5" in cases:
        exact, plain = in_turns(repeats, us(group(256, 16), exact=True), us(group(256, 16)))
        line(f"R5 {dtype} R1 exact, to R1", rate(exact), rate(plain), 0.67)
    if "R6" in cases:
        (plain,) = in_turns(repeats, us(group(256, 16)))
        step = statistics.median(reply["decode_seconds"] / reply["decode_steps"] for reply in plain)
        draws = statistics.median(ours.ask(draw=16, top_p=0.95)["seconds"] for _ in range(repeats))
        print(json.dumps({"name": f"R6 {dtype} drawing 16 tokens with top-p, share of a decode step",
                          "ours": round(draws / step, 4), "target": 0.1,
                          "draw_seconds": round(draws, 6), "step_seconds": round(step, 6)}), flush=True)
    if "R7" in cases:
        question = dict(requests=[dict(ids=prompt(64, 200 + i), samples=16, new=NEW) for i in range(8)],
                        max_live=64)
        cases_file = str(HERE.parent / "tests" / "rewards" / "math_cases.jsonl")
        judged, plain = in_turns(repeats, us(question, verify=cases_file), us(question))
        line(f"R7 {dtype} 128 samples judged as they end, to samples alone", rate(judged), rate(plain),
             0.95)
    for side in sides:
        side.quit()


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", default="R1,R1b,R1c,R2,R5,R6,R7")
    parser.add_argument("--dtypes", default="float32,bfloat16")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--ours",
                        default=str(HERE.parent / "build-native" / "benchmarks" / "rollouts_server"))
    parser.add_argument("--cache", default=os.path.join(
        os.environ.get("XDG_CACHE_HOME", os.path.expanduser("~/.cache")), "posttrain", "sft_bench"))
    options = parser.parse_args()
    cases = options.cases.split(",")
    for name in cases:
        if name not in ("R1", "R1b", "R1c", "R2", "R5", "R6", "R7"):
            sys.exit(f"expected cases of R1, R1b, R1c, R2, R5, R6, R7, got {name}")
    cache = Path(options.cache)
    cache.mkdir(parents=True, exist_ok=True)
    make_model(cache / "model")
    for dtype in options.dtypes.split(","):
        run(dtype, cases, options.repeats, options.ours, str(cache / "model"))


if __name__ == "__main__":
    main()
