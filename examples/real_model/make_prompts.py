# SPDX-License-Identifier: Apache-2.0
"""make_prompts.py FOLDER: writes FOLDER/sums.jsonl (4,000 prompts: four solved sums and differences of two-digit
numbers, then one to solve) and FOLDER/sums_heldout.jsonl (200 others; a sum is in one file only, in either order)."""

import json
import pathlib
import random
import sys

SHOWN = [(31, "+", 26), (58, "-", 23), (47, "+", 39), (64, "-", 28)]


def result(problem):
    a, sign, b = problem
    return str(a + b if sign == "+" else a - b)


def question(problem):
    a, sign, b = problem
    return {"role": "user", "content": f"What is {a} {sign} {b}?"}


def same(problem):
    a, sign, b = problem
    return (sign, *sorted((a, b))) if sign == "+" else problem


def write(path, problems):
    shown = [message for problem in SHOWN
             for message in (question(problem), {"role": "assistant", "content": result(problem)})]
    with open(path, "w", encoding="utf-8") as file:
        for problem in problems:
            print(json.dumps({"messages": [*shown, question(problem)], "answer": result(problem)}), file=file)


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    numbers = range(10, 100)
    problems = [(a, sign, b) for a in numbers for b in numbers for sign in "+-" if sign == "+" or a >= b]
    random.Random(7).shuffle(problems)
    asked, others = problems[:200], problems[200:]
    kept_back = {same(problem) for problem in asked}
    write(folder / "sums.jsonl", [problem for problem in others if same(problem) not in kept_back][:4000])
    write(folder / "sums_heldout.jsonl", asked)


if __name__ == "__main__":
    main()
