# SPDX-License-Identifier: Apache-2.0
"""The main job from end to end, as a user runs it: examples/01_sft on the pocket model.

  python tests/end_to_end/sft_test.py BUILD/examples

Trains, is interrupted by SIGTERM and killed by SIGKILL, goes on, and must end with the bytes of the
uninterrupted run; metrics, record and answers are looked at.
"""

import json
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
POCKET = ROOT / "examples" / "pocket"
STEPS = 14
results = []


def check(name, good, detail=""):
    results.append(bool(good))
    print(f"{'ok' if good else 'FAILED'} {name} {detail}".rstrip(), flush=True)


def command(programs, output, *extra):
    return [str(programs / "01_sft"), "--model", str(POCKET / "model"),
            "--data", str(POCKET / "data" / "conversations.jsonl"), "--output", str(output),
            "--learning-rate", "7e-4", "--max-steps", str(STEPS), "--checkpoint-steps", "4",
            "--effective-batch-size", "16", *extra]


def records(output):
    path = pathlib.Path(f"{output}-run") / "metrics.jsonl"
    if not path.exists():
        return []
    lines = path.read_text().splitlines()
    return [json.loads(line) for line in lines if line.endswith("}")]


def stop_after(process, output, step, how):
    """Sends the signal once the metrics show this step; how the process ended."""
    deadline = time.time() + 300
    while process.poll() is None and time.time() < deadline:
        done = records(output)
        if done and done[-1].get("step", 0) >= step:
            process.send_signal(how)
            break
        time.sleep(0.02)
    return process.wait(timeout=300)


def main():
    programs = pathlib.Path(sys.argv[1])
    if not (POCKET / "model" / "model.safetensors").exists():
        print("skipped: the pocket model has no weights")
        sys.exit(77)
    with tempfile.TemporaryDirectory() as folder:
        whole = pathlib.Path(folder) / "whole"
        done = subprocess.run(command(programs, whole), capture_output=True, text=True)
        check("trains and saves", done.returncode == 0, done.stderr[-300:] if done.returncode else "")
        steps = records(whole)
        losses = [record["loss"] for record in steps]
        check("the loss falls", len(losses) == STEPS and losses[-1] < 0.7 * losses[0],
              f"{losses[0]:.3f} -> {losses[-1]:.3f}")
        names = {"step", "epoch", "loss", "lr", "grad_norm", "tokens_per_second",
                 "num_loss_counted_tokens", "peak_memory_usage_GB"}
        check("metrics have Training Hub's names", names <= set(steps[0]))
        record = json.loads((pathlib.Path(f"{whole}-run") / "run.json").read_text())
        check("every option is in the record",
              record["options"]["learning_rate"] == 7e-4 and record["loss"]["type"] == "NextToken")

        pieces = pathlib.Path(folder) / "pieces"
        process = subprocess.Popen(command(programs, pieces), stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
        check("SIGTERM ends the run in order", stop_after(process, pieces, 3, signal.SIGTERM) == 0)
        check("an interrupted run saves no model", not (pieces / "model.safetensors").exists())
        process = subprocess.Popen(command(programs, pieces), stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
        stop_after(process, pieces, 9, signal.SIGKILL)
        again = subprocess.run(command(programs, pieces, "--ask", "Where does Anna live?"),
                               capture_output=True, text=True)
        check("goes on after SIGKILL", again.returncode == 0, again.stderr[-300:])
        check("a resumed run says where it goes on, and has no `before`",
              re.search(rf"^goes on from step (8|12) of {STEPS}$", again.stdout, re.MULTILINE) and
              "before: " not in again.stdout and "after: " in again.stdout, again.stdout[-300:])
        same = (again.returncode == 0 and
                (whole / "model.safetensors").read_bytes() == (pieces / "model.safetensors").read_bytes())
        check("[C25] interrupted and uninterrupted runs give the same bytes", same)
        check("metrics read as one run", [r["step"] for r in records(pieces)] == list(range(1, STEPS + 1)))

        bad = pathlib.Path(folder) / "bad.jsonl"
        bad.write_text('{"messages": [{"role": "user", "content": "Hi"}]}\n{"messages": 3}\n')
        failed = subprocess.run([str(programs / "01_sft"), "--model", str(POCKET / "model"), "--data",
                                 str(bad), "--output", str(pathlib.Path(folder) / "none")],
                                capture_output=True, text=True)
        lines = failed.stderr.strip().splitlines()
        check("a malformed line is one line with file and number",
              failed.returncode == 1 and len(lines) == 1 and "bad.jsonl:2" in lines[0], failed.stderr.strip())
    failures = results.count(False)
    print(f"{len(results) - failures} passed, {failures} failed")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
