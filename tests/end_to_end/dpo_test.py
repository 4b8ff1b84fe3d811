# SPDX-License-Identifier: Apache-2.0
"""examples/08_dpo on the pocket model, a few steps of each method: it starts at log 2, learns the
held-out preferences, and leaves a folder.

usage: dpo_test.py EXAMPLES_FOLDER
"""

import json
import os
import re
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
POCKET = os.path.join(ROOT, "examples", "pocket")


def check(program, method, folder):
    output = os.path.join(folder, method)
    data = os.path.join(POCKET, "data")
    done = subprocess.run(
        [program, "--model", os.path.join(POCKET, "model"), "--method", method, "--data",
         os.path.join(data, "preferences.jsonl"), "--held-out",
         os.path.join(data, "preferences_heldout.jsonl"), "--earlier",
         os.path.join(data, "tasks", "a_heldout.jsonl"), "--output", output, "--max-steps", "8",
         "--effective-batch-size", "16", "--learning-rate", "5e-4", "--prompts", "4",
         "--problems", os.path.join(data, "products_heldout.jsonl"), "--rpo-alpha", "0"],
        capture_output=True, text=True)
    if done.returncode != 0:
        return [f"status {done.returncode}: {done.stderr.strip()[-300:]}"]
    problems = []
    with open(os.path.join(output + "-run", "metrics.jsonl")) as file:
        steps = [json.loads(line) for line in file]
    first = next(step for step in steps if "loss" in step)
    if abs(first["loss"] - 0.693147) > 1e-5:
        problems.append(f"expected the first loss to be log 2, got {first['loss']}")
    found = re.search(r"held-out pairs after step 8: .*rewards/accuracies ([0-9.]+)", done.stdout)
    if not found or float(found[1]) < 0.9:
        problems.append("expected held-out rewards/accuracies of 0.9 at least, got "
                        + (found[1] if found else done.stdout[-300:]))
    if len(re.findall(r"of 4 sampled answers in the preferred style", done.stdout)) != 2:
        problems.append("expected the share of preferred style before and after")
    if len(re.findall(r"of 100 problems solved", done.stdout)) != 2:
        problems.append("expected the share of problems solved before and after")
    if len(re.findall(r"of 100 questions of .*a_heldout.jsonl answered", done.stdout)) != 2:
        problems.append("expected earlier questions before and after")
    if not os.path.exists(os.path.join(output, "model.safetensors")):
        problems.append("expected a saved folder")
    return problems


def main():
    program = os.path.join(sys.argv[1], "08_dpo")
    passed = failed = 0
    with tempfile.TemporaryDirectory() as folder:
        for method in ("osft", "lora", "full"):
            problems = check(program, method, folder)
            passed += not problems
            failed += bool(problems)
            print(f"{'FAIL' if problems else 'ok  '} {method}", *problems, sep="\n  ")
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
