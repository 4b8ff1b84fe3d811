# SPDX-License-Identifier: Apache-2.0
"""Every source has its SPDX line; no machine path, no unfinished marks, no tabs in C++; no binary file
but weights and seeds.

Every test program is named in its meson.build: a forgotten one would never run.
"""

import os
import re

import repo

SPDX = "SPDX-License-Identifier: Apache-2.0"
CPP = (".hpp", ".ipp", ".cpp", ".h")
COMMENTED = CPP + (".py", ".sh", "meson.build", "meson_options.txt", "CMakeLists.txt")
# Put together here, so that this file passes its own check.
UNFINISHED = re.compile(r"\b(" + "|".join(["TO" + "DO", "FIX" + "ME", "XX" + "X"]) + r")\b")
MACHINE_PATH = re.compile(r"(?<![\w.}$/-])/(?:work|home|root|Users|tmp/setup)/")


def check(name):
    problems = []
    try:
        text = repo.read(name)
    except UnicodeDecodeError:
        kept = name.endswith(".safetensors") or name.startswith("tests/fuzz/seeds/")
        return [] if kept else [f"{name}: a binary file; what a build makes is not committed"]
    lines = text.splitlines()
    if name.endswith(COMMENTED):
        first = lines[1] if lines and lines[0].startswith("#!") and len(lines) > 1 else (
            lines[0] if lines else "")
        # A compile-fail case begins with its expected text, the licence follows.
        head = "\n".join(lines[:3]) if name.startswith("tests/compile_fail/") else first
        if SPDX not in head:
            problems.append(f"{name}:1: no SPDX line ({SPDX})")
    if name.endswith((".hpp", ".ipp")) and name.startswith("include/") and "#pragma once" not in lines:
        problems.append(f"{name}: no #pragma once")
    data = name.endswith((".json", ".jsonl", ".txt", ".jinja", ".csv")) and \
        not name.endswith("meson_options.txt")
    for number, line in enumerate(lines, 1):
        if name.endswith(COMMENTED + (".md",)) and UNFINISHED.search(line):
            problems.append(f"{name}:{number}: unfinished: {line.strip()}")
        if not data and MACHINE_PATH.search(line):
            problems.append(f"{name}:{number}: a path of one machine: {line.strip()}")
        if name.endswith(CPP) and "\t" in line:
            problems.append(f"{name}:{number}: a tab")
    return problems


def main():
    cases = repo.Cases()
    for name in repo.files():
        cases.case(name, check(name))
    programs = repo.read("tests/programs/meson.build")
    for name in repo.files(".cpp"):
        if name.startswith("tests/programs/"):
            listed = f"'{os.path.basename(name)[:-4]}'" in programs
            cases.case(name + " is built",
                       [] if listed else [f"add it to tests/programs/meson.build: {name}"])
    cases.finish()


if __name__ == "__main__":
    main()
