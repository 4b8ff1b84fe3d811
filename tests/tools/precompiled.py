# SPDX-License-Identifier: Apache-2.0
"""Precompiled headers for checks that compile many small files.

The headers of LibTorch and other libraries are most of the cost, so files that reach the same few of
ours that include them are compiled behind those, precompiled: they get nothing that they do not
include anyway.
"""

import collections
import os
import re
import shutil
import subprocess
import threading

import repo

# What is precompiled: the cheapest and the dearest roots of what our headers include.
ROOTS = ("posttrain/base/error.hpp", "posttrain/io/json.hpp", "posttrain/text/chat_template.hpp",
         "posttrain/tensor/operators.hpp", "posttrain/tensor/ops.hpp",
         "posttrain/losses/terms/pair_scores.hpp", "posttrain/params/weights/model_weights.hpp",
         "posttrain/models/decoder.hpp", "posttrain/trainer/engine.hpp")
# Making one takes as long as compiling three to six files without it.
LEAST_FILES = 5

OLDEST_CLANG = 14


def reader(flags):
    """The compiler for files that are read only, and the flags it can take: clang where there is one.

    clang reads of a precompiled header what a file names, so that a file takes a tenth of a second
    where g++ takes one.
    """
    named = flags["compiler"] if flags["id"] == ["clang"] else [shutil.which("clang++")]
    if named[-1]:
        said = subprocess.run([named[-1], "--version"], stdout=subprocess.PIPE, text=True).stdout
        version = re.search(r"clang version (\d+)", said)
        if version and int(version.group(1)) >= OLDEST_CLANG:
            return named[-1:], flags["host"]
    # ccache would preprocess every header once more.
    command = [part for part in flags["compiler"] if os.path.basename(part) != "ccache"]
    return command, usable(flags["host"])


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
            # What a header's templates need is instantiated in it, not in every file behind it.
            extra, suffix = [], ".gch"
            if "clang version" in self.compiler.identity:
                extra, suffix = ["-fpch-instantiate-templates"], ".pch"
            subprocess.run([*self.compiler.command, *flags, *extra, "-x", "c++-header", self.path,
                            "-o", self.path + suffix], check=True, cwd=repo.ROOT)
            self.done = True


class Headers:
    """Precompiled headers for one compiler and files of which each reaches some headers of ours."""

    def __init__(self, compiler, folder, reach, files):
        counts = collections.Counter(self.roots(reached) for reached in files)
        self.sets = {}
        # clang or g++, whatever its name
        if any(name in compiler.identity for name in ("Free Software Foundation", "clang version")):
            self.sets = {roots: Header(compiler, folder, roots, reach)
                         for roots, count in counts.items() if roots and count >= LEAST_FILES}

    @staticmethod
    def roots(reached):
        return tuple(root for root in ROOTS if root in reached)

    def behind(self, reached):
        """The largest set that lies in these headers as a whole, or None."""
        fitting = [roots for roots in self.sets if reached.issuperset(roots)]
        return self.sets[max(fitting, key=lambda r: (len(r), r))] if fitting else None


def reached_by(name, reach):
    """The library's headers that a file of the tests reaches, helpers beside it included."""
    found = set()
    for _, path, _ in repo.includes(name):
        if path in reach:
            found |= reach[path] | {path}
        elif os.path.isfile(os.path.join(repo.ROOT, "tests", path)):
            found |= reached_by(os.path.join("tests", path), reach)
    return found
