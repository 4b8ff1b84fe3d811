# SPDX-License-Identifier: Apache-2.0
"""Writes sums.jsonl (100 conversations about four sums of two-digit numbers each) and sums_heldout.jsonl
(40 other sums, in neither order)."""

import json
import pathlib
import random

HERE = pathlib.Path(__file__).resolve().parent


def question(a, b):
    return {"role": "user", "content": f"What is {a} + {b}?"}


def main():
    pairs = [(a, b) for a in range(10, 100) for b in range(10, 100)]
    random.Random(1).shuffle(pairs)
    trained = pairs[:400]
    seen = {tuple(sorted(pair)) for pair in trained}
    others = [pair for pair in pairs if tuple(sorted(pair)) not in seen][:40]
    with open(HERE / "sums.jsonl", "w", encoding="utf-8") as file:
        for first in range(0, len(trained), 4):
            messages = []
            for a, b in trained[first:first + 4]:
                messages += [question(a, b), {"role": "assistant", "content": str(a + b)}]
            print(json.dumps({"messages": messages}), file=file)
    with open(HERE / "sums_heldout.jsonl", "w", encoding="utf-8") as file:
        for a, b in others:
            print(json.dumps({"messages": [question(a, b)], "answer": str(a + b)}), file=file)


if __name__ == "__main__":
    main()
