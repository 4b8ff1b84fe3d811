# SPDX-License-Identifier: Apache-2.0
"""A step on several ranks, beside PyTorch's DistributedDataParallel and FSDP2: one JSON line per number of ranks.

  python benchmarks/ranks.py [--ranks 1,2,4] [--documents 1] [--steps 7] [--warmup 2] [--network RATE]
      [--ours build-native/benchmarks/ranks_server]

Hidden 384, 8 layers, 8 heads, ffn 1152, vocabulary 8,192 untied: 21.6 M weights, gradients of 86 MB in fp32. Each
rank is a process of one thread with so many documents of 512 tokens in a step, so that more ranks do more work. Steps are
interleaved: ours with overlap, ours without, ours in slices of the optimizer's memory, and the peers (Gloo, buckets of
25 MiB on both sides; FSDP2 shards every layer and keeps its weights for the backward pass, as slices do); a step is as
long as its slowest rank. First losses and norms must agree before anything is measured.

--network 1gbit: each rank is in a network namespace of its own, behind an interface of that rate (Linux, as root).

Line: ranks, documents, network, overlapped, apart, peer (median seconds of a step), ratio (peer / overlapped: above 1 is better
for us), sum (seconds of adding up all gradients by itself), compute (apart − sum), share_of_limit (the longer of compute
and sum, over overlapped: 1 is perfect), calls and bytes (of collective operations in a step, each rank), gradient_bytes
(4 for each weight), rest_bytes (what goes beside gradients), held (bytes of a rank's weights, gradients, masters and
moments); with more than one rank sliced and fsdp (seconds), sliced_ratio (fsdp / sliced), sliced_held, sliced_bytes.
"""

import argparse
import json
import os
import random
import socket
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import sft

HERE = Path(__file__).resolve().parent
HIDDEN, LAYERS, HEADS, FFN, VOCAB, LENGTH = 384, 8, 8, 1152, 8192, 512


def make_model(folder):
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    import torch
    import transformers

    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        hidden_size=HIDDEN, num_hidden_layers=LAYERS, num_attention_heads=HEADS, num_key_value_heads=HEADS,
        intermediate_size=FFN, vocab_size=VOCAB, max_position_embeddings=LENGTH, tie_word_embeddings=False)
    transformers.LlamaForCausalLM(config).save_pretrained(folder)


class Network:
    """Namespaces on a bridge, one for each rank; they end with the namespace that this process is in."""

    def __init__(self, size, rate):
        def ip(*words):
            subprocess.run(["ip", *words], check=True)

        subprocess.run(["mount", "-t", "tmpfs", "none", "/run"], check=True)  # names of namespaces end with it
        ip("link", "add", "bridge", "type", "bridge")
        ip("link", "set", "bridge", "up")
        for rank in range(size):
            ip("netns", "add", f"rank{rank}")
            ip("link", "add", f"port{rank}", "type", "veth", "peer", "name", "eth0", "netns", f"rank{rank}")
            ip("link", "set", f"port{rank}", "master", "bridge", "up")
            inside = ["-n", f"rank{rank}"]
            ip(*inside, "addr", "add", f"10.77.0.{rank + 1}/24", "dev", "eth0")
            for device in ("lo", "eth0"):
                ip(*inside, "link", "set", device, "up")
            shape = ["root", "tbf", "rate", rate, "burst", "256kb", "latency", "50ms"]
            for where in (["-n", f"rank{rank}", "qdisc", "add", "dev", "eth0"],
                          ["qdisc", "add", "dev", f"port{rank}"]):
                subprocess.run(["tc", *where, *shape], check=True)

    host, interface = "10.77.0.1", "eth0"

    @staticmethod
    def command(rank, words):
        return ["ip", "netns", "exec", f"rank{rank}", *words]


class OneMachine:
    host, interface = "127.0.0.1", "lo"

    @staticmethod
    def command(_, words):
        return words


class Side:
    """One program on all ranks."""

    def __init__(self, name, words, size, network, port):
        self.seconds, self.records, self.sums = [], [], []
        self.servers = []
        for rank in range(size):
            environment = {**sft.ALLOCATOR, "OMP_NUM_THREADS": "1", "RANK": str(rank), "WORLD_SIZE": str(size),
                           "LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "1", "MASTER_ADDR": network.host,
                           "MASTER_PORT": str(port), "GLOO_SOCKET_IFNAME": network.interface}
            self.servers.append(sft.Server(f"{name} {rank}", network.command(rank, words), environment))
        for server in self.servers:
            server.wait_ready()

    def ask(self, question):
        for server in self.servers:
            server.send(question)
        return [json.loads(server.line()) for server in self.servers]

    def step(self, measured):
        answers = self.ask("step")
        self.records.append(answers[0])
        if measured:
            self.seconds.append(max(answer["seconds"] for answer in answers))

    def sum(self):
        self.sums.append(max(answer["seconds"] for answer in self.ask("sum")))

    def quit(self):
        for server in self.servers:
            server.send("quit")
        last = [json.loads(server.line()) for server in self.servers]
        for server in self.servers:
            server.process.wait()
        return last[0]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def run(size, options, network, folder):
    model, data = str(folder / "model"), str(folder / "steps.jsonl")
    given = ["--model", model, "--data", data]
    peer = [sys.executable, str(HERE / "peers" / "ranks_peer.py"), *given]
    sides = [Side("ours", [options.ours, *given, "--overlap", "1"], size, network, free_port()),
             Side("ours, apart", [options.ours, *given, "--overlap", "0"], size, network, free_port()),
             Side("peer", peer, size, network, free_port())]
    if size > 1:
        sides += [Side("ours, sliced", [options.ours, *given, "--sliced", "1"], size, network, free_port()),
                  Side("FSDP2", [*peer, "--sharded"], size, network, free_port())]
    for step in range(options.warmup + options.steps):
        for side in sides:
            side.step(step >= options.warmup)
        if step == 0:
            for side in sides[1:]:
                for key, tolerance in (("loss", 1e-5), ("grad_norm", 1e-4)):
                    a, b = sides[0].records[0][key], side.records[0][key]
                    if abs(a - b) > tolerance * abs(b):
                        sys.exit(f"first {key} differs: {a}, {b}; the comparison would be of different computations")
        sides[1].sum()
    last = [side.quit() for side in sides]
    elements = last[0]["elements"]
    overlapped, apart, other = (statistics.median(side.seconds) for side in sides[:3])
    more = {"held": last[0]["held"]}
    if size > 1:
        sliced, sharded = (statistics.median(side.seconds) for side in sides[3:])
        more.update(sliced=round(sliced, 4), fsdp=round(sharded, 4), sliced_ratio=round(sharded / sliced, 3),
                    sliced_held=last[3]["held"], sliced_bytes=sides[3].records[-1]["bytes"])
    alone = statistics.median(sides[1].sums[options.warmup:])
    compute = max(apart - alone, 0.0)
    record = sides[0].records[-1]
    print(json.dumps({
        "ranks": size, "documents": options.documents, "network": options.network or "one machine", "overlapped": round(overlapped, 4),
        "apart": round(apart, 4), "peer": round(other, 4), "ratio": round(other / overlapped, 3),
        "sum": round(alone, 4), "compute": round(compute, 4),
        "share_of_limit": round(max(compute, alone) / overlapped, 3), "calls": record["calls"],
        "bytes": record["bytes"], "gradient_bytes": 4 * elements,
        "rest_bytes": record["bytes"] - 4 * elements if size > 1 else record["bytes"], **more}), flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--ranks", default="1,2,4")
    parser.add_argument("--documents", type=int, default=1)
    parser.add_argument("--steps", type=int, default=7)
    parser.add_argument("--warmup", type=int, default=2)
    parser.add_argument("--network", default="", help="the rate of each rank's interface, as tc has it")
    parser.add_argument("--ours", default=str(HERE.parent / "build-native" / "benchmarks" / "ranks_server"))
    options = parser.parse_args()
    sizes = [int(size) for size in options.ranks.split(",")]
    if options.network and "POSTTRAIN_RANKS_NAMESPACE" not in os.environ:
        os.environ["POSTTRAIN_RANKS_NAMESPACE"] = "1"
        os.execvp("unshare", ["unshare", "--net", "--mount", sys.executable, *sys.argv])
    network = Network(max(sizes), options.network) if options.network else OneMachine()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_model(folder / "model")
        draw = random.Random(0)
        sft.write_lines(folder / "steps.jsonl",
                        [{"documents": [[draw.randrange(VOCAB) for _ in range(LENGTH)] for _ in range(options.documents)]}
                         for _ in range(16)])
        for size in sizes:
            run(size, options, network, folder)


if __name__ == "__main__":
    main()
