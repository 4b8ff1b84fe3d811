# SPDX-License-Identifier: Apache-2.0
"""examples/09_real_model on the pocket model in a GGUF file, a few steps of each method: a table of what
it can do, and files that are opened again.

usage: real_model_test.py EXAMPLES_FOLDER RESAVE
"""

import os
import re
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
POCKET = os.path.join(ROOT, "examples", "pocket")


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"status {done.returncode}: {done.stderr.strip()[-300:]}")
    return done.stdout


def check(program, resave, folder):
    model, output = os.path.join(folder, "pocket.gguf"), os.path.join(folder, "out")
    held_out = os.path.join(folder, "heldout.jsonl")
    data = os.path.join(POCKET, "data")
    run(resave, "--model", os.path.join(POCKET, "model"), "--output", model, "--type", "Q4_0")
    with open(os.path.join(data, "arithmetic_heldout.jsonl")) as file, open(held_out, "w") as few:
        few.writelines(file.readlines()[:10])
    printed = run(program, "--model", model, "--data", os.path.join(data, "conversations.jsonl"),
                  "--questions", held_out, "--instructions", held_out, "--output", output,
                  "--methods", "lora", "osft", "full", "--max-steps", "4",
                  "--effective-batch-size", "16", "--learning-rate", "1e-3")
    rows = re.findall(r"^(\w+) +\d+ of 10 +([0-9.]+) % +[0-9.]+ +([0-9.]+)$", printed, re.M)
    if [row[0] for row in rows] != ["before", "lora", "osft", "full"]:
        return [f"expected four rows, got {printed[-400:]}"]
    problems = []
    if rows[0][1:] != ("100.0", "0.000"):
        problems.append(f"expected the base to agree with itself, got {rows[0]}")
    if any(float(row[2]) == 0.0 for row in rows[1:]):
        problems.append(f"expected training to change something, got {rows}")
    for name in ("lora.gguf", "osft.gguf", "full.gguf", "lora"):
        run(resave, "--model", os.path.join(output, name), "--output",
            os.path.join(folder, "again"))
    for name in ("lora-adapter.gguf", "lora-adapter/adapter_model.safetensors"):
        if not os.path.exists(os.path.join(output, name)):
            problems.append(f"expected {name}")
    return problems


def main():
    with tempfile.TemporaryDirectory() as folder:
        problems = check(os.path.join(sys.argv[1], "09_real_model"), sys.argv[2], folder)
    print(f"{'FAIL' if problems else 'ok  '} pocket model", *problems, sep="\n  ")
    print(f"{int(not problems)} passed, {int(bool(problems))} failed")
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
