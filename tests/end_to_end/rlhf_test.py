# SPDX-License-Identifier: Apache-2.0
"""examples/13_rlhf on the pocket model: a reward model of a few pairs, then some steps of PPO with either
critic and of GRPO. Each starts at its reference (kl 0), is rewarded by the judge and leaves a folder; the
critic of its own is part of the run; the same command again has nothing left to do.

usage: rlhf_test.py EXAMPLES_FOLDER
"""

import json
import os
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
POCKET = os.path.join(ROOT, "examples", "pocket")
STEPS = 3


def pairs(folder, name, count):
    """The first pairs of a file."""
    path = os.path.join(folder, name)
    with open(os.path.join(POCKET, "data", name)) as file, open(path, "w") as out:
        out.writelines(line for _, line in zip(range(count), file))
    return path


def check(program, folder, method, critic):
    output = os.path.join(folder, f"{method}-{critic}")
    command = [program, "--model", os.path.join(POCKET, "model"), "--method", method,
               "--critic", critic, "--preferences", pairs(folder, "preferences.jsonl", 48),
               "--held-out", pairs(folder, "preferences_heldout.jsonl", 8), "--output", output,
               "--max-steps", str(STEPS), "--effective-batch-size", "16", "--max-new-tokens", "8"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        return [f"status {done.returncode}: {done.stderr.strip()[-300:]}"]
    problems = []
    with open(os.path.join(output + "-run", "metrics.jsonl")) as file:
        steps = [step for step in map(json.loads, file) if "loss" in step]
    if len(steps) != STEPS or abs(steps[0]["kl"]) > 1e-6 or not any(s["kl"] for s in steps[1:]):
        problems.append(f"expected steps away from the reference, got kl {[s['kl'] for s in steps]}")
    if not all("rewards/ModelReward/mean" in step for step in steps):
        problems.append("expected the judge's rewards")
    if (method == "ppo") != ("value/error" in steps[0]):
        problems.append("expected a critic with PPO, and no other")
    for name in (output, output + "-judge"):
        if not os.path.exists(os.path.join(name, "model.safetensors")):
            problems.append(f"expected a saved folder {name}")
    if "reward model:" not in done.stdout or "held-out: reward" not in done.stdout:
        problems.append("expected what the reward model and the policy reach: " + done.stdout[-300:])
    again = subprocess.run(command, capture_output=True, text=True)
    if again.returncode != 0 or "nothing was left to do" not in again.stdout:
        problems.append(f"expected nothing left to do, got {again.returncode}: {again.stderr[-300:]}")
    return problems


def main():
    program = os.path.join(sys.argv[1], "13_rlhf")
    passed = failed = 0
    with tempfile.TemporaryDirectory() as folder:
        for method, critic in (("ppo", "model"), ("ppo", "trunk"), ("grpo", "model")):
            problems = check(program, folder, method, critic)
            passed += not problems
            failed += bool(problems)
            print(f"{'FAIL' if problems else 'ok  '} {method} {critic}", *problems, sep="\n  ")
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
