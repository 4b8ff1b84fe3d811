# SPDX-License-Identifier: Apache-2.0
"""Encoding text against the `tokenizers` package: one JSON line per vocabulary and kind of text.

    python benchmarks/tokenizer.py [--shared DIR] [--rounds 5] [--only NAME]
        [--ours build-native/benchmarks/tokenizer_server]

Vocabularies: Qwen2.5, Llama 3, GPT-2 (shared data). Texts, in documents of 4 KB: English
(Shakespeare and instructions), code (this repository's), Chinese and Japanese (drawn at random from
the Qwen2.5 vocabulary by Zipf's law, with a full stop every few words, since the shared data holds
no such corpus).

"one" encodes document by document on one core, and counts processor time; "batch" uses all cores,
and counts the clock. The package's side is its fastest call for each, encode_batch_fast, which gives
no offsets. The rounds of the two sides alternate and the fastest counts, so that both have
remembered the words they remember; the numbers of tokens must be equal.

Line: name, ours, peer (MB/s), ratio, target, limit and share_of_limit (null: no bound is known that
a tokenizer could reach), peak_memory, peer_peak_memory (bytes, vocabulary and documents included).
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
DOCUMENT = 4096


def peak_memory():
    lines = Path("/proc/self/status").read_text().split("\n")
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) * 1024


def peer(tokenizer_path, documents_path):
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(tokenizer_path)
    tokenizer.no_truncation()
    tokenizer.no_padding()
    documents = json.loads(Path(documents_path).read_text())
    print("READY", flush=True)
    for line in sys.stdin:
        if line.strip() == "quit":
            break
        cpu, start = time.process_time(), time.perf_counter()
        encoded = tokenizer.encode_batch_fast(documents, add_special_tokens=False)
        seconds, used = time.perf_counter() - start, time.process_time() - cpu
        print(json.dumps({
            "cpu": used, "seconds": seconds, "tokens": sum(len(e) for e in encoded),
            "peak_memory": peak_memory()}), flush=True)


def cut(text):
    return [text[i:i + DOCUMENT] for i in range(0, len(text), DOCUMENT)]


def english(shared):
    text = (shared / "datasets/tinyshakespeare/input.txt").read_text()
    for row in json.loads((shared / "datasets/rasbt/instruction-data.json").read_text()):
        text += f"{row['instruction']}\n{row['input']}\n{row['output']}\n\n"
    return cut(text)


def code():
    root = HERE.parent
    paths = sorted(p for folder in ("include", "tests", "examples", "benchmarks")
                   for p in (root / folder).rglob("*") if p.suffix in (".hpp", ".cpp", ".py"))
    return cut("".join(p.read_text() for p in paths))


def chinese(shared):
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(shared / "tokenizers/qwen2.5/tokenizer.json"))
    words = [tokenizer.decode([i]) for i in range(tokenizer.get_vocab_size())]
    words = [w for w in words if w and all("\u3040" <= c <= "\u9fff" for c in w)]
    draw = random.Random(5)
    text = []
    for word in draw.choices(words, weights=[1 / (10 + i) for i in range(len(words))], k=400000):
        text.append(word)
        if draw.random() < 0.12:
            text.append(draw.choice("，。，、！\n"))
    return cut("".join(text))


class Side:
    def __init__(self, command, threads):
        environment = dict(os.environ, TOKENIZERS_PARALLELISM="true")
        if threads == 1:
            environment["RAYON_NUM_THREADS"] = "1"
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True, env=environment)
        if self.process.stdout.readline().strip() != "READY":
            sys.exit(f"error: {command[0]} did not start")
        self.best = None

    def round(self, kind):
        self.process.stdin.write(kind + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        clock = "cpu" if kind == "one" else "seconds"
        self.best = min(self.best or answer[clock], answer[clock])
        return answer

    def quit(self):
        self.process.stdin.close()
        self.process.wait()


def main():
    parser = argparse.ArgumentParser()
    root = HERE.parent
    parser.add_argument("--peer", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--ours", default=str(
        Path(os.environ.get("POSTTRAIN_BUILD") or root / "build-native") /
        "benchmarks/tokenizer_server"))
    parser.add_argument("--shared", type=Path, default=Path(
        os.environ.get("POSTTRAIN_SHARED") or root.parent / "shared"))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="")
    arguments = parser.parse_args()
    if arguments.peer:
        return peer(*arguments.peer)
    shared = arguments.shared
    if (shared / "data").is_dir():
        shared = shared / "data"
    if not (shared / "tokenizers").is_dir():
        sys.exit(f"error: no tokenizers in {shared}; hint: --shared DIR")
    texts = {"english": english(shared), "code": code(), "chinese": chinese(shared)}
    with tempfile.TemporaryDirectory() as temporary:
        for vocabulary in ("qwen2.5", "llama-3", "gpt2"):
            path = str(shared / "tokenizers" / vocabulary / "tokenizer.json")
            for text, documents in texts.items():
                for kind in ("one", "batch"):
                    name = f"{vocabulary} {text} {kind}"
                    if arguments.only not in name:
                        continue
                    size = sum(len(d.encode()) for d in documents)
                    file = Path(temporary) / "documents.json"
                    file.write_text(json.dumps(documents))
                    threads = 1 if kind == "one" else os.cpu_count()
                    ours = Side([arguments.ours, path, str(file)], threads)
                    theirs = Side([sys.executable, __file__, "--peer", path, str(file)], threads)
                    for _ in range(arguments.rounds):
                        a, b = ours.round(kind), theirs.round(kind)
                        if a["tokens"] != b["tokens"]:
                            sys.exit(f"error: {name}: {a['tokens']} tokens against {b['tokens']}")
                    print(json.dumps({
                        "name": name, "ours": round(size / ours.best / 1e6, 2),
                        "peer": round(size / theirs.best / 1e6, 2),
                        "ratio": round(theirs.best / ours.best, 2), "target": 1.0, "limit": None,
                        "share_of_limit": None, "peak_memory": a["peak_memory"],
                        "peer_peak_memory": b["peak_memory"]}), flush=True)
                    ours.quit()
                    theirs.quit()
    return 0


if __name__ == "__main__":
    sys.exit(main())
