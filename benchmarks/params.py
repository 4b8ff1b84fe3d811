# SPDX-License-Identifier: Apache-2.0
"""Parameter policies against PEFT and against each other: one JSON line per comparison.

  python benchmarks/params.py [--cases P1,P2,P3,P4,P5] [--steps 5] [--warmup 2] [--dtypes float32,bfloat16]
      [--ours build-native/benchmarks/params_server]

The model, its data, the interleaving and the lines are those of sft.py (hidden 512, 8 layers, ffn
1536, vocabulary 32,000; one document of 2,048 tokens per step); the policies train all linear layers
but the head. bfloat16 runs where the processor has instructions for it. First losses must agree
before anything is measured: an adapter starts as its base. The 4-bit base of P2 is another model, and
so is P4's behind a prompt: losses are compared with themselves only.

P1  LoRA, rank 16: against our full fine-tuning, TRL + PEFT, and PEFT in a bare transformers loop.
P2  QLoRA (NF4, double quantisation) against our LoRA; bytes per stored parameter.
P3  OSFT with half of the directions: against our full fine-tuning, and PEFT's OSF in a bare loop;
    peak memory against OSF's; seconds of the initialisation against torch.linalg.svd of the same
    matrices.
P4  prompt tuning, 20 virtual tokens: against our LoRA; users' tokens per second.
P5  a QLoRA step of a random model with 1.5 billion parameters (Qwen2.5-1.5B's shape, a folder in
    bfloat16): peak resident memory.

The limit of a line of speed counts the matrices alone, 4 flops per parameter and token under LoRA and
prompts (no gradients of frozen matrices) and 6 else. Lines of memory and time say so in their name; there
"ours" and "peer" are bytes or seconds, and "ratio" is peer / ours, above 1 being better for us.
"""

import argparse
import json
import os
import random
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from sft import (ALLOCATOR, HERE, MATRIX_PARAMETERS, Server, comparison, interleave,
                 machine_rate, make_data, make_model, trained_tokens, write_lines)

CASES = ("P1", "P2", "P3", "P4", "P5")
MEMORY_LIMIT = 6 * 10**9  # of P5


def cpu_has_bfloat16():
    flags = Path("/proc/cpuinfo").read_text() if os.path.exists("/proc/cpuinfo") else ""
    return any(f" {name}" in flags for name in ("avx512_bf16", "amx_bf16", "avx_ne_convert"))


class Bench:
    """The processes of one case."""

    def __init__(self, options, cache, dtype):
        self.options, self.dtype, self.servers = options, dtype, {}
        self.data = str(cache / "tokens.jsonl")
        self.common = ["--model", str(cache / "model"), "--dtype", dtype, "--data", self.data,
                       "--steps", str(options.steps + options.warmup + 1),
                       "--warmup", str(options.warmup)]

    def start(self, label, command, environment=None):
        self.servers[label] = Server(label, [*command, *self.common], environment or {})
        self.servers[label].wait_ready()  # one after the other: loading competes for the cores

    def ours(self, params):
        self.start(params, [*shlex.split(self.options.ours), "--params", params])

    def peer(self, mode, adapter):
        peer = [sys.executable, str(HERE / "peers" / "sft_peer.py")]
        self.start(f"{mode} {adapter}", [*peer, "--mode", mode, "--adapter", adapter], ALLOCATOR)

    def run(self, compare=True):
        before = machine_rate(self.dtype)
        interleave(list(self.servers.values()), self.options.steps, self.options.warmup,
                   self.dtype, keys=("loss",) if compare else ())
        self.machine = max(before, machine_rate(self.dtype))
        self.tokens = trained_tokens(self.data)

    def compare(self, name, ours, peer, target, flops):
        a, b = self.servers[ours], self.servers[peer]
        comparison(f"{name}, {self.dtype}", a.rate(self.tokens), b.rate(self.tokens), target,
                   self.machine / (flops * MATRIX_PARAMETERS), (a.peak_memory, b.peak_memory))


def less(name, ours, peer, target, digits=0):
    """A line where less is better."""
    print(json.dumps({"name": name, "ours": round(ours, digits), "peer": round(peer, digits),
                      "ratio": round(peer / ours, 3), "target": target, "limit": None,
                      "share_of_limit": None, "peak_memory": None, "peer_peak_memory": None}),
          flush=True)


def run_lora(bench):
    bench.ours("lora")
    bench.ours("full")
    bench.peer("trl", "lora")
    bench.peer("bare", "lora")
    bench.run()
    bench.compare("P1 LoRA against full fine-tuning", "lora", "full", round(1 / 0.70, 3), 4)
    bench.compare("P1 LoRA against TRL + PEFT", "lora", "trl lora", 4.5, 4)
    bench.compare("P1 LoRA against PEFT, bare loop", "lora", "bare lora", 2.5, 4)


def run_qlora(bench):
    bench.ours("qlora")
    bench.ours("lora")
    bench.run(compare=False)
    first = [bench.servers[name].first["loss"] for name in ("qlora", "lora")]
    if abs(first[0] - first[1]) > 0.01 * first[1]:
        sys.exit(f"P2: 4 bits change the first loss from {first[1]} to {first[0]}")
    bench.compare("P2 QLoRA against LoRA", "qlora", "lora", 0.9, 4)
    stored = bench.servers["qlora"].last["stored_bytes_per_parameter"]
    less(f"P2 bytes per stored parameter against bfloat16, {bench.dtype}", stored, 2.0,
         round(2 / 0.6, 3), digits=4)


def run_osft(bench, cache):
    bench.ours("osft")
    bench.ours("full")
    bench.peer("bare", "osf")
    bench.run()
    bench.compare("P3 OSFT against full fine-tuning", "osft", "full", 0.95, 6)
    bench.compare("P3 OSFT against PEFT's OSF, bare loop", "osft", "bare osf", 3.0, 6)
    less(f"P3 peak memory against PEFT's OSF, {bench.dtype}", bench.servers["osft"].peak_memory,
         bench.servers["bare osf"].peak_memory, round(1 / 0.65, 3))
    command = [*shlex.split(bench.options.ours), "--time-osft-init", "--model", str(cache / "model")]
    times = [json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
             for _ in range(3)]
    less("P3 seconds of the initialisation against torch.linalg.svd",
         min(t["ours"] for t in times), min(t["svd"] for t in times), 3.0, digits=3)


def run_prompt(bench):
    bench.ours("prompt")
    bench.ours("lora")
    bench.run(compare=False)
    bench.compare("P4 prompt tuning against LoRA", "prompt", "lora", 1.0, 4)


MAKE_LARGE = """
import sys, torch, transformers
torch.manual_seed(0)
config = transformers.Qwen2Config(
    vocab_size=151936, hidden_size=1536, intermediate_size=8960, num_hidden_layers=28,
    num_attention_heads=12, num_key_value_heads=2, max_position_embeddings=4096,
    tie_word_embeddings=True)
torch.set_default_dtype(torch.bfloat16)
transformers.Qwen2ForCausalLM(config).save_pretrained(sys.argv[1], max_shard_size="1GB")
"""


def run_large(options, dtype):
    """P5."""
    with tempfile.TemporaryDirectory(dir=options.large) as name:
        folder = Path(name)
        free = shutil.disk_usage(folder).free
        if free < 5 * 10**9:
            sys.exit(f"P5 expected 5 GB of free disk for its model in {folder}, got {free / 1e9:.1f}; "
                     "hint: --large DIR")
        subprocess.run([sys.executable, "-c", MAKE_LARGE, str(folder / "model")], check=True,
                       stdout=sys.stderr)
        rng = random.Random(0)
        write_lines(folder / "short.jsonl",
                    [{"documents": [[rng.randrange(151936) for _ in range(128)] for _ in range(2)]}])
        command = [*shlex.split(options.ours), "--params", "qlora", "--model",
                   str(folder / "model"), "--data", str(folder / "short.jsonl"), "--dtype", dtype]
        server = Server("P5", command, {})
        server.wait_ready()
        for _ in range(3):
            server.step(measured=True)
        server.quit()
        tokens = trained_tokens(folder / "short.jsonl")
        comparison(f"P5 QLoRA of 1.5 billion parameters, tokens/s, {dtype}", server.rate(tokens),
                   None, None, memory=(server.peak_memory, None))
        less(f"P5 peak memory against 6 GB, {dtype}", server.peak_memory, MEMORY_LIMIT, 1.0)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", default=",".join(CASES))
    parser.add_argument("--dtypes", default="float32,bfloat16" if cpu_has_bfloat16() else "float32")
    parser.add_argument("--steps", type=int, default=5, help="measured steps of each side")
    parser.add_argument("--warmup", type=int, default=2)
    parser.add_argument("--ours",
                        default=str(HERE.parent / "build-native" / "benchmarks" / "params_server"))
    parser.add_argument("--large", default=None, help="folder for P5's model, 3 GB for a while")
    parser.add_argument("--cache", default=os.path.join(
        os.environ.get("XDG_CACHE_HOME", os.path.expanduser("~/.cache")), "posttrain", "sft_bench"))
    options = parser.parse_args()
    names = [n for n in options.cases.split(",") if n]
    for name in names:
        if name not in CASES:
            sys.exit(f"expected cases of {', '.join(CASES)}, got {name}")
    cache = Path(options.cache)
    make_data(cache)
    make_model(cache / "model")
    dtypes = options.dtypes.split(",")
    for name in names:
        if name == "P5":  # the narrowest type that the processor computes with
            run_large(options, dtypes[-1])
            continue
        for dtype in dtypes:
            bench = Bench(options, cache, dtype)
            if name == "P3":
                run_osft(bench, cache)
            else:
                {"P1": run_lora, "P2": run_qlora, "P4": run_prompt}[name](bench)


if __name__ == "__main__":
    main()
