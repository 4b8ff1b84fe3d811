# SPDX-License-Identifier: Apache-2.0
"""Judging answers to mathematical problems against math-verify: one JSON line per kind of case.

    python benchmarks/verifiers.py [--shared DIR] [--rounds 5] [--only NAME]
        [--ours build-native/benchmarks/verifiers]

Kinds: "gsm8k" (solutions of GSM8K's test set, in words, behind them the answer in a box; shared data,
left out where they are absent), "numbers" and "expressions" (tests/rewards/math_cases.jsonl, those
whose gold answer is a number, and the others; without the case of 20,000 digits).

Each case is judged alone on one core: the completion and the gold answer are parsed and compared.
math-verify gets the gold answer between dollar signs, as it wants it. The rounds of the two sides
alternate and the fastest counts, so that math-verify has remembered what it remembers; processor time
is counted.

Line: name, ours, peer (cases/s), ratio, target, limit and share_of_limit (null: no bound is known that
a verifier could reach), microseconds and slowest (of one case, ours; the slowest by the clock),
peak_memory, peer_peak_memory (bytes).
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
NUMBER = re.compile(r"[-+]?[\d.,]+")


def peak_memory():
    lines = Path("/proc/self/status").read_text().split("\n")
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) * 1024


def peer(path):
    import logging

    import math_verify

    logging.disable(logging.CRITICAL)
    cases = [json.loads(line) for line in Path(path).read_text().splitlines()]
    print("READY", flush=True)
    for line in sys.stdin:
        if line.strip() == "quit":
            break
        cpu = time.process_time()
        right = 0
        for case in cases:
            gold = math_verify.parse(f"${case['answer']}$")
            right += math_verify.verify(gold, math_verify.parse(case["completion"]))
        print(json.dumps({"cpu": time.process_time() - cpu, "right": right,
                          "peak_memory": peak_memory()}), flush=True)


def kinds(shared):
    table = [json.loads(line) for line in
             (HERE.parent / "tests/rewards/math_cases.jsonl").read_text().splitlines()]
    table = [case for case in table
             if case["want"] != "not_applicable" and len(case["completion"]) < 4000]
    numeric = [bool(NUMBER.fullmatch(case["answer"])) for case in table]
    made = {"numbers": [case for case, number in zip(table, numeric) if number],
            "expressions": [case for case, number in zip(table, numeric) if not number]}
    path = shared / "datasets/gsm8k/test.jsonl"
    if path.is_file():
        made["gsm8k"] = []
        for line in path.read_text().splitlines():
            solution, _, answer = json.loads(line)["answer"].partition("#### ")
            made["gsm8k"].append({"completion": f"{solution}The answer is $\\boxed{{{answer}}}$.",
                                  "answer": answer})
    return made


class Side:
    def __init__(self, command):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True)
        if self.process.stdout.readline().strip() != "READY":
            sys.exit(f"error: {command[0]} did not start")
        self.best = None

    def round(self):
        self.process.stdin.write("round\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        if self.best is None or answer["cpu"] < self.best["cpu"]:
            self.best = answer

    def quit(self):
        self.process.stdin.close()
        self.process.wait()


def main():
    parser = argparse.ArgumentParser()
    root = HERE.parent
    parser.add_argument("--peer", help=argparse.SUPPRESS)
    parser.add_argument("--ours", default=str(
        Path(os.environ.get("POSTTRAIN_BUILD") or root / "build-native") / "benchmarks/verifiers"))
    parser.add_argument("--shared", type=Path, default=Path(
        os.environ.get("POSTTRAIN_SHARED") or root.parent / "shared"))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="")
    arguments = parser.parse_args()
    if arguments.peer:
        return peer(arguments.peer)
    shared = arguments.shared
    if (shared / "data").is_dir():
        shared = shared / "data"
    with tempfile.TemporaryDirectory() as temporary:
        for name, cases in kinds(shared).items():
            if arguments.only not in name:
                continue
            file = Path(temporary) / "cases.jsonl"
            file.write_text("".join(json.dumps(case) + "\n" for case in cases))
            ours = Side([arguments.ours, str(file)])
            theirs = Side([sys.executable, __file__, "--peer", str(file)])
            for _ in range(arguments.rounds):
                ours.round()
                theirs.round()
            a, b = ours.best, theirs.best
            print(json.dumps({
                "name": name, "cases": len(cases), "ours": round(len(cases) / a["cpu"]),
                "peer": round(len(cases) / b["cpu"], 1), "ratio": round(b["cpu"] / a["cpu"], 1),
                "target": 100.0, "limit": None, "share_of_limit": None,
                "microseconds": round(a["cpu"] / len(cases) * 1e6, 2),
                "slowest": round(a["slowest"] * 1e6, 1), "right": a["right"],
                "peer_right": b["right"], "peak_memory": a["peak_memory"],
                "peer_peak_memory": b["peak_memory"]}), flush=True)
            ours.quit()
            theirs.quit()
    return 0


if __name__ == "__main__":
    sys.exit(main())
