# SPDX-License-Identifier: Apache-2.0
"""Memory as estimate() reckons it against the peak of a real step: one JSON line per configuration.

  python benchmarks/estimate.py [--cases M1,M2,...] [--ours build-native/benchmarks/estimate_server]

The model is that of sft.py (60 million parameters, random weights); each configuration estimates and
then makes a step of its largest micro-batch (recipes/measure.hpp) in a process of its own, whose peak
of resident memory is what is measured.

Line: case, what it is, low, mid, high, measured (bytes), mid_error (mid / measured - 1), ok: measured
lies between low and high, and mid within 15 % of it. The exit status is 1 where one is not.
"""

import argparse
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

from sft import HERE, make_model

MOST = 0.15

CASES = {
    "M1": "--method sft",
    "M2": "--method sft --checkpointing --tokens 4096",
    "M3": "--method sft --dtype bfloat16 --optimizer adamw_8bit",
    "M4": "--method osft",
    "M5": "--method osft --storage nf4 --checkpointing",
    "M6": "--method lora --rank 16",
    "M7": "--method lora --storage int8 --optimizer adamw_8bit",
    "M8": "--method qlora --checkpointing --tokens 4096",
    "M9": "--method dpo",
    "M10": "--method kto --rank 16",
    "M11": "--method reward --optimizer adamw_8bit",
    "M12": "--method grpo --new 128",
}


def run_case(name, options, model):
    arguments = CASES[name] if "--tokens" in CASES[name] else CASES[name] + " --tokens 2048"
    arguments += " --length 1024"
    command = [*shlex.split(options.ours), "--model", str(model), *arguments.split()]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{name} ended with status {done.returncode}: {done.stderr.strip()}")
    result = json.loads(done.stdout)
    error = result["mid"] / result["measured"] - 1
    ok = result["low"] <= result["measured"] <= result["high"] and abs(error) <= MOST
    print(json.dumps({"case": name, "what": arguments.replace("--", ""), **result,
                      "mid_error": round(error, 4), "ok": ok}), flush=True)
    return ok


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", default=",".join(CASES))
    parser.add_argument("--ours",
                        default=str(HERE.parent / "build-native" / "benchmarks" / "estimate_server"))
    parser.add_argument("--cache", default=os.path.join(
        os.environ.get("XDG_CACHE_HOME", os.path.expanduser("~/.cache")), "posttrain", "sft_bench"))
    options = parser.parse_args()
    names = [n for n in options.cases.split(",") if n]
    for name in names:
        if name not in CASES:
            sys.exit(f"expected cases of {', '.join(CASES)}, got {name}")
    model = Path(options.cache) / "model"
    make_model(model)
    if not all([run_case(name, options, model) for name in names]):
        sys.exit(1)


if __name__ == "__main__":
    main()
