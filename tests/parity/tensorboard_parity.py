# SPDX-License-Identifier: Apache-2.0
"""TensorBoard's own reader on the event files of a run that was killed and resumed: the values of its
metrics.jsonl, each step once.

  python tests/parity/tensorboard_parity.py --run build/tests/programs/small_run

The run is killed after step 7 and goes on from its checkpoint of step 5, so that steps 6 and 7 are told
twice; then it is killed after step 12, of which the checkpoint of step 10 knows nothing; the third session
ends it. Values may differ by float32's rounding alone, which is how event files keep them. Prints one line
per failed case and ends with `N passed, M failed`.
"""

import argparse
import json
import os
import pathlib
import signal
import struct
import subprocess
import sys
import tempfile

from tensorboard.backend.event_processing import event_accumulator

STEPS, KILLS = 16, (7, 12, 0)


def float32(value):
    return struct.unpack("f", struct.pack("f", value))[0]


def write_tokens(path):
    lines = [{"input_ids": [(3 * i + 5 * t + t * t) % 50 for t in range(4 + 7 * i % 13)]} for i in range(24)]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def expected(metrics):
    """{name: [(step, value)]} of a metrics.jsonl."""
    curves = {}
    for line in metrics.read_text().splitlines():
        record = json.loads(line)
        for name, value in record.items():
            if name != "step" and not isinstance(value, bool):
                curves.setdefault(name, []).append((record["step"], float32(value)))
    return curves


def curves_of(folder, purge):
    reader = event_accumulator.EventAccumulator(str(folder), size_guidance={"scalars": 0},
                                                purge_orphaned_data=purge)
    reader.Reload()
    return {tag: [(event.step, event.value) for event in reader.Scalars(tag)]
            for tag in reader.Tags()["scalars"]}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--run", required=True)
    args = parser.parse_args()
    passed, failed = 0, 0

    def case(name, good, detail=""):
        nonlocal passed, failed
        passed, failed = passed + bool(good), failed + (not good)
        if not good:
            print(f"FAILED {name}: {detail}"[:600])

    with tempfile.TemporaryDirectory() as name:
        scratch = pathlib.Path(name)
        write_tokens(scratch / "tokens.jsonl")
        for kill in KILLS:
            done = subprocess.run([args.run, scratch / "tokens.jsonl", scratch / "run", scratch / "logs",
                                   str(STEPS), str(kill)], capture_output=True, text=True,
                                  env={**os.environ, "OMP_NUM_THREADS": "1"})
            status = -signal.SIGKILL if kill else 0
            case(f"session killed after step {kill}", done.returncode == status, done.stderr)
        case("one file for each session", len(list((scratch / "logs").iterdir())) == len(KILLS))
        wanted, read = expected(scratch / "run/metrics.jsonl"), curves_of(scratch / "logs", purge=True)
        case("the names", set(wanted) == set(read), f"{sorted(wanted)} {sorted(read)}")
        for tag, curve in wanted.items():
            case(tag, read.get(tag) == curve, f"expected {curve}, read {read.get(tag)}")
        case("every step", [step for step, _ in read["loss"]] == list(range(1, STEPS + 1)))
        case("every validation", [step for step, _ in read["val_loss"]] == list(range(2, STEPS + 1, 2)))
        # What makes it so is the start of each session: without it steps come twice.
        told = [step for step, _ in curves_of(scratch / "logs", purge=False)["loss"]]
        case("repeated steps", told == [*range(1, 8), *range(6, 13), *range(11, STEPS + 1)], told)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
