# SPDX-License-Identifier: Apache-2.0
"""What one translation unit costs to compile at -O2, for no processor in particular: processor
seconds and peak memory.

The peer of every case is `#include <torch/torch.h>` alone. A Trainer is compiled header-only and
against the compiled library (base/compiled.hpp).

usage: compile.py [--repeats N] [--filter TEXT]
"""

import argparse
import json
import os
import resource
import shlex
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))

# name, source, against the compiled library, share of the peer's cost that is the target
CASES = [
    ("compile ops.hpp", "ops", False, None),
    ("compile what a Trainer needs of others, header-only", "needed", False, None),
    ("compile one Trainer, header-only", "trainer", False, 2.0),
    ("compile one Trainer, compiled library", "trainer", True, 0.45),
    ("compile a call of sft(), compiled library", "recipe", True, 0.2),
    ("compile folder and Messages, header-only", "pretrained", False, None),
    ("compile folder and Messages, compiled library", "pretrained", True, None),
]


def compiler_arguments(build):
    """The command that compiles the library, without its source, output, optimisation and -march."""
    with open(os.path.join(build, "compile_commands.json")) as file:
        entry = next(e for e in json.load(file) if e["file"].endswith("training.cpp"))
    arguments, given = [], iter(shlex.split(entry["command"]))
    for argument in given:
        if argument in ("-o", "-MF", "-MQ"):
            next(given)
        elif not argument.startswith(("-O", "-M", "-march=")) and argument not in (
                "-c", "ccache", entry["file"]):
            arguments.append(argument)
    return arguments, entry["directory"]


def cost(command, folder):
    """User seconds and peak resident bytes of one run of the compiler."""
    child = os.fork()
    if child == 0:
        os.chdir(folder)
        done = subprocess.run(command)
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        with open(command[-1] + ".cost", "w") as file:
            json.dump([done.returncode, used.ru_utime, used.ru_maxrss * 1024], file)
        os._exit(0)
    os.waitpid(child, 0)
    with open(command[-1] + ".cost") as file:
        status, seconds, memory = json.load(file)
    if status != 0:
        sys.exit(f"compile: {command} failed")
    return seconds, memory


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--filter", default="")
    options = parser.parse_args()
    arguments, folder = compiler_arguments(os.environ.get(
        "POSTTRAIN_BUILD", os.path.join(os.path.dirname(HERE), "build-native")))
    cases = [case for case in CASES if options.filter in case[0]]
    best = {}
    with tempfile.TemporaryDirectory() as scratch:
        # Interleaved, so that a busy machine disturbs all alike; the least disturbed run counts.
        for _ in range(options.repeats):
            for source, compiled in {("torch", False)} | {case[1:3] for case in cases}:
                defines = [] if compiled else ["-UPOSTTRAIN_COMPILED", "-DFMT_HEADER_ONLY"]
                once = cost(arguments + defines + ["-O2", "-c", os.path.join(
                    HERE, "compile", source + ".cpp"), "-o", os.path.join(scratch, "out.o")], folder)
                old = best.get((source, compiled), once)
                best[source, compiled] = tuple(map(min, old, once))
    peer, peer_memory = best["torch", False]
    for name, source, compiled, share in cases:
        ours, memory = best[source, compiled]
        print(json.dumps({
            "name": name, "ours": ours, "peer": peer, "ratio": peer / ours,
            "target": None if share is None else 1 / share, "limit": None, "share_of_limit": None,
            "peak_memory": memory, "peer_peak_memory": peer_memory,
            "memory_ratio": peer_memory / memory,
        }), flush=True)


if __name__ == "__main__":
    main()
