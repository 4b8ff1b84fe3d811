# SPDX-License-Identifier: Apache-2.0
"""Preparing conversations for training against TRL: one JSON line.

    python benchmarks/data.py [--shared DIR] [--megabytes 50] [--rounds 2]
        [--ours build-native/benchmarks/data_server]

A file of conversations, generated from a fixed seed out of the words of Shakespeare, goes through
chat template, tokenizer (Qwen2.5) and packing into rows of 2048 tokens. The peer is TRL's own
SFTTrainer._prepare_dataset (datasets.map over transformers' apply_chat_template, then "bfd" packing)
in one process, with the file already in memory and its cache off; it is asked for no masks, while
our side also finds the assistant's spans, reads and parses the file. First the ids of 500
conversations must be equal, then the numbers of tokens. The rounds of both sides alternate, and the
fastest counts, in processor time.

Line: name, ours, peer (MB of JSON per second), ratio, target, limit and share_of_limit (null: no
bound is known), peak_memory, peer_peak_memory (bytes).
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
MAX_LENGTH = 2048


def peak_memory():
    lines = Path("/proc/self/status").read_text().split("\n")
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) * 1024


def peer(model, path):
    from types import SimpleNamespace

    import datasets
    from transformers import AutoTokenizer
    from trl import SFTConfig, SFTTrainer

    datasets.disable_progress_bars()
    datasets.disable_caching()
    tokenizer = AutoTokenizer.from_pretrained(model)
    rows = datasets.Dataset.from_list([json.loads(line) for line in open(path)])
    arguments = SFTConfig(output_dir=tempfile.mkdtemp(), packing=True, max_length=MAX_LENGTH,
                          use_cpu=True, bf16=False, report_to=[])
    trainer = SimpleNamespace(_tokenizer=tokenizer, chat_template=None, completion_only_loss=False)
    print("READY", flush=True)
    for line in sys.stdin:
        if line.startswith("ids "):
            answer = [tokenizer.apply_chat_template(row["messages"], return_dict=True)["input_ids"]
                      for row in rows.select(range(int(line[4:])))]
        elif line.strip() == "run":
            start = time.process_time()
            packed = SFTTrainer._prepare_dataset(trainer, rows, tokenizer, arguments, True, None,
                                                 "train")
            seconds = time.process_time() - start
            lengths = packed.with_format("numpy")["seq_lengths"]
            answer = {"seconds": seconds, "sequences": sum(len(row) for row in lengths),
                      "tokens": int(sum(sum(row) for row in lengths)), "packs": len(packed),
                      "peak_memory": peak_memory()}
        else:
            break
        print(json.dumps(answer), flush=True)


def generate(path, megabytes, shared):
    words = (shared / "datasets/tinyshakespeare/input.txt").read_text().split()
    draw = random.Random(7)

    def text(most):
        begin = draw.randrange(len(words) - most)
        return " ".join(words[begin:begin + draw.randint(3, most)])

    size = 0
    with open(path, "w") as file:
        while size < megabytes * 1000000:
            messages = [{"role": "system", "content": text(20)}] if draw.random() < 0.5 else []
            for _ in range(draw.randint(1, 3)):
                messages.append({"role": "user", "content": text(60)})
                messages.append({"role": "assistant", "content": text(200)})
            line = json.dumps({"messages": messages}) + "\n"
            file.write(line)
            size += len(line)
    return size


class Side:
    def __init__(self, command):
        environment = dict(os.environ, TOKENIZERS_PARALLELISM="false", HF_HUB_OFFLINE="1")
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True, env=environment)
        if self.process.stdout.readline().strip() != "READY":
            sys.exit(f"error: {command[0]} did not start")

    def ask(self, question):
        self.process.stdin.write(question + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def quit(self):
        self.process.stdin.close()
        self.process.wait()


def main():
    parser = argparse.ArgumentParser()
    root = HERE.parent
    parser.add_argument("--peer", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--ours", default=str(
        Path(os.environ.get("POSTTRAIN_BUILD") or root / "build-native") / "benchmarks/data_server"))
    parser.add_argument("--shared", type=Path, default=Path(
        os.environ.get("POSTTRAIN_SHARED") or root.parent / "shared"))
    parser.add_argument("--megabytes", type=float, default=50)
    parser.add_argument("--rounds", type=int, default=2)
    arguments = parser.parse_args()
    if arguments.peer:
        return peer(*arguments.peer)
    shared = arguments.shared
    if (shared / "data").is_dir():
        shared = shared / "data"
    model = shared / "tokenizers/qwen2.5"
    if not model.is_dir():
        sys.exit(f"error: no tokenizers in {shared}; hint: --shared DIR")
    with tempfile.TemporaryDirectory() as temporary:
        path = os.path.join(temporary, "chats.jsonl")
        size = generate(path, arguments.megabytes, shared)
        ours = Side([arguments.ours, str(model), path, str(MAX_LENGTH)])
        theirs = Side([sys.executable, __file__, "--peer", str(model), path])
        a, b = ours.ask("ids 500"), theirs.ask("ids 500")
        if a != b:
            wrong = next(i for i, (x, y) in enumerate(zip(a, b)) if x != y)
            sys.exit(f"error: the ids of conversation {wrong} differ")
        best = [float("inf")] * 2
        for _ in range(arguments.rounds):
            answers = [ours.ask("run"), theirs.ask("run")]
            best = [min(x, y["seconds"]) for x, y in zip(best, answers)]
            for key in ("sequences", "tokens"):
                if answers[0][key] != answers[1][key]:
                    sys.exit(f"error: {answers[0][key]} {key} against {answers[1][key]}")
        print(json.dumps({
            "name": f"prepare {size / 1e6:.0f} MB of conversations",
            "ours": round(size / best[0] / 1e6, 2), "peer": round(size / best[1] / 1e6, 2),
            "ratio": round(best[1] / best[0], 2), "target": 5.0, "limit": None,
            "share_of_limit": None, "sequences": answers[0]["sequences"],
            "tokens": answers[0]["tokens"], "packs": answers[0]["packs"],
            "peer_packs": answers[1]["packs"], "peak_memory": answers[0]["peak_memory"],
            "peer_peak_memory": answers[1]["peak_memory"]}), flush=True)
        ours.quit()
        theirs.quit()
    return 0


if __name__ == "__main__":
    sys.exit(main())
