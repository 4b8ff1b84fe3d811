# SPDX-License-Identifier: Apache-2.0
"""Precompiled headers for checks that compile many small files with g++.

The headers of LibTorch and other libraries are most of the cost, so a file that reaches one of ours
that include them is compiled behind that one, precompiled: it gets nothing that it does not include
anyway.
"""

import os
import subprocess
import threading

import repo

ERROR, JSON = "posttrain/base/error.hpp", "posttrain/io/json.hpp"
OPERATORS, OPS = "posttrain/tensor/operators.hpp", "posttrain/tensor/ops.hpp"
PAIRS, WEIGHTS = "posttrain/losses/terms/pair_scores.hpp", "posttrain/params/weights/model_weights.hpp"
ENGINE, DECODER = "posttrain/trainer/engine.hpp", "posttrain/models/decoder.hpp"
# A file takes the first that it reaches as a whole. Each serves many files: making it takes as long as
# compiling three to six without it.
SETS = ((ENGINE,), (DECODER,), (WEIGHTS,), (PAIRS,), (OPS,), (OPERATORS,), (JSON,), (ERROR,))


def usable(flags):
    """Flags without the warning that makes g++ 12 crash behind a precompiled header."""
    return [flag for flag in flags if flag != "-Wmismatched-tags"]


class Header:
    """Headers in one of a folder, compiled when it is first asked for."""

    def __init__(self, compiler, folder, headers, reach):
        self.compiler, self.headers = compiler, headers
        self.path = os.path.join(folder, "_".join(
            os.path.basename(header)[:-4] for header in headers) + "_precompiled.hpp")
        self.files = [os.path.join("include", name) for header in headers
                      for name in (header, *sorted(reach[header]))]
        self.lock, self.done = threading.Lock(), False

    def make(self):
        with self.lock:
            if self.done:
                return
            os.makedirs(os.path.dirname(self.path), exist_ok=True)
            with open(self.path, "w") as file:
                file.write("".join(f"#include <{header}>\n" for header in self.headers))
            flags = [flag for flag in self.compiler.flags if flag not in ("-c", "-fsyntax-only")]
            subprocess.run([*self.compiler.command, *flags, "-x", "c++-header", self.path, "-o",
                            self.path + ".gch"], check=True, cwd=repo.ROOT)
            self.done = True


class Headers:
    """The sets above for one compiler: g++ alone, clang gets none."""

    def __init__(self, compiler, folder, reach, usable=lambda headers: True):
        self.sets = []
        if "Free Software Foundation" in compiler.identity:  # g++, whatever its name
            self.sets = [Header(compiler, folder, headers, reach) for headers in SETS
                         if all(header in reach for header in headers) and usable(headers)]

    def behind(self, reached):
        """The first set that lies in these headers as a whole, or None."""
        return next((each for each in self.sets if reached.issuperset(each.headers)), None)


def reached_by(name, reach):
    """The library's headers that a file of the tests reaches, helpers beside it included."""
    found = set()
    for _, path, _ in repo.includes(name):
        if path in reach:
            found |= reach[path] | {path}
        elif os.path.isfile(os.path.join(repo.ROOT, "tests", path)):
            found |= reached_by(os.path.join("tests", path), reach)
    return found
