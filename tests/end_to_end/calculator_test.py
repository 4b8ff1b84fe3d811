# SPDX-License-Identifier: Apache-2.0
"""examples/12_calculator as its first lines say: 01_sft shows the pocket model calls of a calculator, then
it is rewarded for right products. It calls, is answered, starts at ratio 1 and leaves a folder; and a run
that a signal ended goes on to the weights of one that was not interrupted.

usage: calculator_test.py EXAMPLES_FOLDER
"""

import os
import re
import subprocess
import sys
import tempfile

from interrupted import check_signal, steps_of

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
POCKET = os.path.join(ROOT, "examples", "pocket")
STEPS = 6


def show_calls(examples, folder):
    """The model that has seen conversations with calls."""
    done = subprocess.run(
        [os.path.join(examples, "01_sft"), "--model", os.path.join(POCKET, "model"), "--data",
         os.path.join(POCKET, "data", "calls.jsonl"), "--output", os.path.join(folder, "caller"),
         "--max-steps", "120", "--learning-rate", "1e-3", "--effective-batch-size", "16"],
        capture_output=True, text=True)
    return [] if done.returncode == 0 else [f"status {done.returncode}: {done.stderr.strip()[-300:]}"]


def command(examples, method, folder, output):
    data = os.path.join(POCKET, "data")
    return [os.path.join(examples, "12_calculator"), "--model", os.path.join(folder, "caller"),
            "--method", method, "--data", os.path.join(data, "products.jsonl"), "--held-out",
            os.path.join(data, "products_heldout.jsonl"), "--output", os.path.join(folder, output),
            "--max-steps", str(STEPS), "--effective-batch-size", "32", "--rollout-size", "64",
            "--print-samples", "8"]


def check(examples, method, folder):
    done = subprocess.run(command(examples, method, folder, method), capture_output=True, text=True)
    if done.returncode != 0:
        return [f"status {done.returncode}: {done.stderr.strip()[-300:]}"]
    problems = []
    steps = steps_of(folder, method)
    if len(steps) != STEPS or any(steps[i]["ratio/mean"] != 1.0 for i in (0, 2, 4)):
        problems.append("expected the first step of each rollout to have a ratio of exactly 1")
    if not all(0.0 < step["tools/call_frequency"] < 2.0 < 1.0 + step["turns/mean"] for step in steps):
        problems.append(f"expected calls in each rollout, got {steps}")
    if not any(0.0 < step["reward"] <= 1.0 for step in steps):
        problems.append(f"expected some right answers, got {[step['reward'] for step in steps]}")
    # A called product, the tool's exact value, and what the policy made of it.
    calls = re.findall(r"calc\((\d+)\*(\d+)\)<\|im_end\|>\\n<\|im_start\|>tool\\n(\d+)<\|im_end\|>\\n"
                       r"<\|im_start\|>assistant\\n", done.stdout)
    if not calls or any(int(a) * int(b) != int(value) for a, b, value in calls):
        problems.append("expected printed conversations with the calculator's value: "
                        + done.stdout[-600:])
    if len(re.findall(r"of 100 held-out prompts solved", done.stdout)) != 2:
        problems.append("expected the share solved before and after: " + done.stdout[-300:])
    if not os.path.exists(os.path.join(folder, method, "model.safetensors")):
        problems.append("expected a saved folder")
    return problems


def main():
    examples = sys.argv[1]
    passed = failed = 0
    with tempfile.TemporaryDirectory() as folder:
        cases = [("calls", lambda: show_calls(examples, folder))]
        cases += [(method, lambda method=method: check(examples, method, folder))
                  for method in ("lora", "full")]
        for name, run in [*cases, ("signal", lambda: check_signal(
            command(examples, "full", folder, "again"), folder, "again", "full", STEPS))]:
            problems = run()
            passed += not problems
            failed += bool(problems)
            print(f"{'FAIL' if problems else 'ok  '} {name}", *problems, sep="\n  ")
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
