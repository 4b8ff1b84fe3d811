# SPDX-License-Identifier: Apache-2.0
"""examples/11_grpo on the pocket model, a few steps of each method on products that its pre-training
taught: it answers, is judged, starts at ratio 1, and leaves a folder; and a run that a signal ended
goes on to the weights of one that was not interrupted.

usage: grpo_test.py EXAMPLES_FOLDER
"""

import json
import os
import re
import subprocess
import sys
import tempfile

from interrupted import check_signal, steps_of

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
MODEL = os.path.join(ROOT, "examples", "pocket", "model")
STEPS = 4


def command(program, method, folder, output):
    data = os.path.join(folder, "products.jsonl")
    return [program, "--model", MODEL, "--method", method, "--data", data, "--held-out", data,
            "--earlier", os.path.join(folder, "earlier.jsonl"),
            "--output", os.path.join(folder, output), "--max-steps", str(STEPS),
            "--effective-batch-size", "16", "--rollout-size", "32", "--sampling-max-new-tokens", "6",
            "--learning-rate", "1e-4"]


def check(program, method, folder):
    done = subprocess.run(command(program, method, folder, method), capture_output=True, text=True)
    if done.returncode != 0:
        return [f"status {done.returncode}: {done.stderr.strip()[-300:]}"]
    problems = []
    steps = steps_of(folder, method)
    if len(steps) != STEPS or steps[0]["ratio/mean"] != 1.0 or steps[2]["ratio/mean"] != 1.0:
        problems.append("expected the first step of each rollout to have a ratio of exactly 1")
    if not any(0.0 < step["reward"] <= 1.0 for step in steps):
        problems.append(f"expected some right answers, got {[step['reward'] for step in steps]}")
    if len(re.findall(r"of 40 held-out prompts solved", done.stdout)) != 2:
        problems.append("expected the share solved before and after: " + done.stdout[-300:])
    if len(re.findall(r"of 3 questions of .*earlier.jsonl answered", done.stdout)) != 2:
        problems.append("expected earlier questions before and after: " + done.stdout[-300:])
    if not os.path.exists(os.path.join(folder, method, "model.safetensors")):
        problems.append("expected a saved folder")
    return problems


def wrong_results(answer):
    """The equations of an answer's steps that do not hold."""
    equations = re.findall(r"(\d+) ([+-]) (\d+) = (\d+)", answer[0]["content"])
    return [(a, operation, b, result) for a, operation, b, result in equations
            if int(result) != (int(a) + int(b) if operation == "+" else int(a) - int(b))]


def check_sums(program, folder):
    """The problems that the example is meant for: as many as it says, the held-out pairs apart."""
    done = subprocess.run([program, "--sums", folder], capture_output=True, text=True)
    if done.returncode != 0:
        return [f"status {done.returncode}: {done.stderr.strip()[-300:]}"]
    operands, counts = {}, {}
    for name in ("worked", "sums", "sums_heldout", "pairs", "pairs_heldout"):
        with open(os.path.join(folder, name + ".jsonl")) as file:
            lines = [json.loads(line) for line in file]
        counts[name] = len(lines)
        operands[name] = set()
        for line in lines:
            asked = line.get("messages") or line["prompt"]
            a, operation, b = re.search(r"(\d+) ([+-]) (\d+)", asked[0]["content"]).groups()
            operands[name].add((a, operation, b))
            if "chosen" in line:
                if wrong_results(line["chosen"]) or len(wrong_results(line["rejected"])) != 1:
                    return [f"expected right steps and one wrong result: {line}"]
                continue
            result = int(a) + int(b) if operation == "+" else int(a) - int(b)
            said = line["answer"] if "answer" in line else line["messages"][1]["content"]
            if int(re.findall(r"\d+", said)[-1]) != result:
                return [f"expected {result}: {line}"]
    if counts != {"worked": 4000, "sums": 8000, "sums_heldout": 200, "pairs": 2000,
                  "pairs_heldout": 200}:
        return [f"got {counts}"]
    if (operands["sums_heldout"] | operands["pairs_heldout"]) & (
            operands["sums"] | operands["worked"] | operands["pairs"]):
        return ["held-out operands are among those that are trained"]
    return []


def main():
    program = os.path.join(sys.argv[1], "11_grpo")
    passed = failed = 0
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "products.jsonl"), "w") as file:
            for i in range(40):
                a, b = 2 + i % 8, 2 + i // 8
                file.write(json.dumps({"prompt": f"{a} * {b} =", "answer": str(a * b)}) + "\n")
        with open(os.path.join(folder, "earlier.jsonl"), "w") as file:
            for question in ("2 + 3 = ?", "What is 9 * 9?", "Who are you?"):
                file.write(json.dumps({"messages": [{"role": "user", "content": question}],
                                       "answer": "5"}) + "\n")
        cases = [(method, lambda method=method: check(program, method, folder))
                 for method in ("lora", "osft", "full")]
        sums = os.path.join(folder, "sums")
        cases.append(("sums", lambda: check_sums(os.path.join(sys.argv[1], "make_pocket_data"), sums)))
        for name, run in [*cases, ("signal", lambda: check_signal(
            command(program, "full", folder, "again"), folder, "again", "full", STEPS))]:
            problems = run()
            passed += not problems
            failed += bool(problems)
            print(f"{'FAIL' if problems else 'ok  '} {name}", *problems, sep="\n  ")
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
