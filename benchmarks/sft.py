# SPDX-License-Identifier: Apache-2.0
"""Full fine-tuning against TRL and a bare transformers loop: one JSON line per comparison.

  python benchmarks/sft.py [--cases S1,S2,S3,S4] [--steps 5] [--warmup 2]
      [--ours build-native/benchmarks/sft_server] [--peers-only]

S1  hidden 512, 8 layers, 8 heads, ffn 1536, vocabulary 32,000 untied; one document of 2,048 tokens
    per step; fp32.
S2  the same in bf16 with fp32 master weights.
S3  instruction lengths with mean/max 0.35: ours packed against ours padded, per trained token;
    padding goes through the layers and, as in a loop that masks labels, through the head
    ("padded"), or through the layers alone ("padded, masked rows cut").
S4  the LM head alone with 151,936 tokens: ours against all logits and a cross entropy.

All processes load the same random weights and data and speak the protocol of peers/sft_peer.py
(`step` on standard input, a JSON line back). Steps are interleaved: ours, each peer, ours, ...;
rates are trained tokens per median second. The peers get the allocator settings that help them.
First losses (and gradient norms, where reported) must agree before anything is measured.

Line: name, ours, peer (tokens/s), ratio (above 1 is better for us), target (of the ratio), limit
(tokens/s at the machine's matrix rate for the 6 N flops of the matrices alone; attention is not
counted, so that the share is never flattered), share_of_limit, peak_memory, peer_peak_memory (bytes).
The matrix rate is measured before and after the steps: the best product that the peers' LibTorch
does by any of its libraries. The targets of the ratios come from processors on which the BLAS that
the peers use does half of oneDNN's rate; where it does as well, no program can reach them, and
share_of_limit is what to read.

Data lines: {"documents": [[ids...], ...], "lengths": [n, ...]}. Without "lengths" every token
after a document's first is trained; with it, tokens from n on are padding: computed, not trained.
"""

import argparse
import json
import os
import random
import re
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ALLOCATOR = {"MALLOC_MMAP_THRESHOLD_": "1073741824", "MALLOC_TRIM_THRESHOLD_": "4294967296",
             "MALLOC_TOP_PAD_": "67108864"}
HIDDEN, LAYERS, HEADS, FFN, VOCAB, LENGTH = 512, 8, 8, 1536, 32000, 2048
MATRIX_PARAMETERS = LAYERS * (4 * HIDDEN * HIDDEN + 3 * HIDDEN * FFN) + VOCAB * HIDDEN

CASES = {
    "S1": dict(dtype="float32", targets={"trl": 4.3, "bare": 2.2}),
    "S2": dict(dtype="bfloat16", targets={"trl": 4.5, "bare": 1.7}),
    "S3": dict(dtype="float32", targets={"padded": 2.5, "padded, masked rows cut": None}),
}


def make_model(folder):
    if (folder / "model.safetensors").exists():
        return
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    import torch
    import transformers

    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        hidden_size=HIDDEN, num_hidden_layers=LAYERS, num_attention_heads=HEADS,
        num_key_value_heads=HEADS, intermediate_size=FFN, vocab_size=VOCAB,
        max_position_embeddings=LENGTH, tie_word_embeddings=False)
    transformers.LlamaForCausalLM(config).save_pretrained(folder)


def write_lines(path, lines):
    with open(path, "w") as f:
        for line in lines:
            f.write(json.dumps(line) + "\n")


def make_data(folder):
    """tokens.jsonl (one document per step), packed.jsonl and padded.jsonl (instructions)."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = random.Random(0)

    def document(length):
        return [rng.randrange(VOCAB) for _ in range(length)]

    write_lines(folder / "tokens.jsonl", [{"documents": [document(LENGTH)]} for _ in range(8)])
    packed, padded = [], []
    for _ in range(8):
        # Eight lengths whose mean is 0.35 of their maximum, 512.
        lengths = [512, 64, 72, 288, 96, 176, 128, 98]
        rng.shuffle(lengths)
        documents = [document(n) for n in lengths]
        packed.append({"documents": documents})
        padded.append({"documents": [d + [0] * (max(lengths) - len(d)) for d in documents],
                       "lengths": lengths})
    write_lines(folder / "packed.jsonl", packed)
    write_lines(folder / "padded.jsonl", padded)


def machine_rate(dtype):
    """flop/s of the best product of two 2,048 x 2,048 matrices, by BLAS or by oneDNN: in this dtype, or
    in fp32, which is the faster one where the processor has no instructions for bf16."""
    import torch

    best = float("inf")
    for kind in {dtype, "float32"}:
        a, b = (torch.randn(2048, 2048).to(getattr(torch, kind)) for _ in range(2))
        for way in (lambda: torch.mm(a, b.t()),
                    lambda: torch.ops.mkldnn._linear_pointwise(a, b, None, "none", [], "")):
            try:
                way()
            except RuntimeError:  # oneDNN has no such product here
                continue
            for _ in range(10):
                start = time.perf_counter()
                way()
                best = min(best, time.perf_counter() - start)
    return 2 * 2048**3 / best


def trained_tokens(path):
    """Per step; the same in every line of these files."""
    line = json.loads(open(path).readline())
    lengths = line.get("lengths") or [len(d) for d in line["documents"]]
    return sum(n - 1 for n in lengths)


class Server:
    """One process of the protocol."""

    def __init__(self, name, command, environment):
        self.name = name
        self.errors = tempfile.TemporaryFile(mode="w+")  # a pipe nobody reads would fill up
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=self.errors, text=True,
                                        env={**os.environ, **environment})
        self.seconds, self.first, self.last = [], None, {}
        self.peak_memory = None

    def line(self):
        text = self.process.stdout.readline()
        if not text:
            self.process.wait()
            self.errors.seek(0)
            errors = self.errors.read().strip()
            last = errors.splitlines()[-1] if errors else "no message"
            sys.exit(f"{self.name} ended with status {self.process.returncode}: {last}")
        return text.strip()

    def wait_ready(self):
        while self.line() != "READY":
            pass

    def send(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()

    def step(self, measured):
        self.send("step")
        record = json.loads(self.line())
        self.first = self.first or record
        if measured:
            self.seconds.append(record["seconds"])

    def quit(self):
        # Not getrusage's maximum, which a process inherits from the driver that started it.
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        self.peak_memory = 1024 * int(re.search(r"VmHWM:\s*(\d+) kB", status)[1])
        self.send("quit")
        self.last = json.loads(self.line())
        self.process.wait()

    def rate(self, tokens):
        """Trained tokens per median second."""
        return tokens / statistics.median(self.seconds)


def check_equal(servers, dtype, keys=("loss", "grad_norm")):
    """Of the first steps."""
    tolerance = 1e-5 if dtype == "float32" else 5e-3
    reference = servers[0]
    for other in servers[1:]:
        for key in keys:
            slack = 20 if key == "grad_norm" else 1
            a, b = reference.first.get(key), other.first.get(key)
            if a is None or b is None:
                continue
            if not abs(a - b) <= slack * tolerance * abs(b):
                sys.exit(f"first {key} differs: {reference.name} {a}, {other.name} {b}; "
                         "the comparison would be of different computations")


def interleave(servers, steps, warmup, dtype, keys=("loss", "grad_norm")):
    """A step of each, in turn; then they end."""
    for step in range(warmup + steps):
        for server in servers:
            server.step(measured=step >= warmup)
        if step == 0:
            check_equal(servers, dtype, keys)
    for server in servers:
        server.quit()


def in_turns(repeats, *works):
    """The replies of each work, the first of which warms up."""
    replies = [[] for _ in works]
    for turn in range(repeats + 1):
        for work, mine in zip(works, replies):
            reply = work()
            if turn > 0:
                mine.append(reply)
    return replies


def comparison(name, ours, peer, target, limit=None, memory=(None, None), digits=1):
    """One line of the results. `ours` and `peer`: more is better."""
    print(json.dumps({
        "name": name,
        "ours": ours and round(ours, digits),
        "peer": peer and round(peer, digits),
        "ratio": ours and peer and round(ours / peer, 3),
        "target": target,
        "limit": limit and round(limit, digits),
        "share_of_limit": ours and limit and round(ours / limit, 3),
        "peak_memory": memory[0],
        "peer_peak_memory": memory[1],
    }), flush=True)


def run_case(name, options, cache):
    case = CASES[name]
    dtype = case["dtype"]
    model = str(cache / "model")
    common = ["--model", model, "--dtype", dtype, "--steps", str(options.steps + options.warmup + 1),
              "--warmup", str(options.warmup)]
    ours = shlex.split(options.ours)
    peer = [sys.executable, str(HERE / "peers" / "sft_peer.py")]
    tokens, packed, padded = (str(cache / f"{n}.jsonl") for n in ("tokens", "packed", "padded"))
    servers = []
    rate = machine_rate(dtype)

    def start(label, command, environment=None):
        servers.append(Server(label, command, environment or {}))
        servers[-1].wait_ready()  # one after the other: loading competes for the cores

    if name == "S3":
        data = packed
        start("ours", [*ours, *common, "--data", packed])
        start("padded", [*ours, *common, "--data", padded, "--score-padding"])
        start("padded, masked rows cut", [*ours, *common, "--data", padded])
    else:
        data = tokens
        if not options.peers_only:
            start("ours", [*ours, *common, "--data", tokens])
        for mode in ("trl", "bare"):
            start(mode, [*peer, "--mode", mode, *common, "--data", tokens], ALLOCATOR)

    interleave(servers, options.steps, options.warmup, dtype)
    count = trained_tokens(data)
    by_name = {server.name: server for server in servers}
    limit = max(rate, machine_rate(dtype)) / (6 * MATRIX_PARAMETERS)
    ours = by_name.get("ours")
    for label, target in case["targets"].items():
        peer = by_name[label]
        comparison(f"{name} {dtype} against {label}", ours and ours.rate(count), peer.rate(count),
                   target, limit, (ours and ours.peak_memory, peer.peak_memory))


def run_head(options):
    """S4: loss and gradients through a 152k head, ours against all logits and a cross entropy."""
    program = Path(shlex.split(options.ours)[0]).parent / "lm_head"
    results = {"ours": [], "dense": []}
    for _ in range(max(1, options.steps // 2)):
        for side, measured in results.items():
            out = subprocess.run([str(program), side], check=True, capture_output=True, text=True)
            measured.append(json.loads(out.stdout))
    ours, dense = results["ours"][0], results["dense"][0]
    for key in ("loss", "grad_norm"):
        if abs(ours[key] - dense[key]) > 1e-5 * abs(dense[key]):
            raise SystemExit(f"S4: {key} differs: {ours[key]} and {dense[key]}")
    rows = 2048
    rates = {side: rows / min(m["seconds"] for m in measured) for side, measured in results.items()}
    memory = {side: min(m["extra_memory"] for m in measured) for side, measured in results.items()}
    limit = machine_rate("float32") / (6 * HIDDEN * 151936)
    comparison("S4 float32 LM head of 151,936 tokens against logits + cross entropy", rates["ours"],
               rates["dense"], 1.0, limit, (memory["ours"], memory["dense"]))


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", default="S1,S2,S3,S4")
    parser.add_argument("--steps", type=int, default=5, help="measured steps of each side")
    parser.add_argument("--warmup", type=int, default=2)
    parser.add_argument("--ours", default=str(HERE.parent / "build-native" / "benchmarks" / "sft_server"))
    parser.add_argument("--peers-only", action="store_true", help="S1 and S2 without our side")
    parser.add_argument("--cache", default=os.path.join(
        os.environ.get("XDG_CACHE_HOME", os.path.expanduser("~/.cache")), "posttrain", "sft_bench"))
    options = parser.parse_args()
    names = [n for n in options.cases.split(",") if n]
    for name in names:
        if name not in (*CASES, "S4"):
            sys.exit(f"expected cases of {', '.join(CASES)}, S4, got {name}")
    cache = Path(options.cache)
    make_data(cache)
    make_model(cache / "model")
    for name in names:
        if options.peers_only and name == "S3":
            continue
        run_head(options) if name == "S4" else run_case(name, options, cache)


if __name__ == "__main__":
    main()
