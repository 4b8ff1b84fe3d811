# SPDX-License-Identifier: Apache-2.0
"""What tests of runs that roll out have in common: the records of a run, and a run that a signal ends."""

import filecmp
import json
import os
import signal
import subprocess


def steps_of(folder, output):
    with open(os.path.join(folder, output + "-run", "metrics.jsonl")) as file:
        return [step for step in map(json.loads, file) if "loss" in step]


def check_signal(arguments, folder, output, whole, steps):
    """Ended by a signal after its first step, in the middle of a rollout, and started again: the weights
    have to be those of the run `whole`."""
    run = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
    for line in run.stdout:
        if line.startswith("step 1:"):
            run.send_signal(signal.SIGTERM)
            break
    run.stdout.read()
    if run.wait() != 128 + signal.SIGTERM:
        return [f"expected an interrupted run, got status {run.returncode}"]
    before = len(steps_of(folder, output))
    done = subprocess.run(arguments, capture_output=True, text=True)
    if done.returncode != 0 or before >= steps:
        return [f"status {done.returncode} after {before} steps: {done.stderr[-300:]}"]
    weights = [os.path.join(folder, name, "model.safetensors") for name in (output, whole)]
    if not filecmp.cmp(*weights, shallow=False):
        return ["expected the weights of the run that was not interrupted"]
    return []
