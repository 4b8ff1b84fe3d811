# SPDX-License-Identifier: Apache-2.0
"""Lists the test files by the executable that they go into and the group that they are compiled in
(group_tests.py): one line each, "EXECUTABLE GROUP PATH".

usage: find_tests.py [FILE]     writes the list there, too

host: reaches no LibTorch; torch_module: includes torch/torch.h through models/torch_module.hpp;
trainer: tests of trainer/ and evaluate/; policies: of losses/ and params/; device: of device/;
tensor: all others.
"""

import os
import re
import sys

import repo

# A file with one of these does not stand in a namespace.
NO_GROUP = re.compile(r"^(extern |namespace \w|template (<>|class )|#\s*(if|define))", re.MULTILINE)
# How many files a group has at most: fewer of those that take long.
LARGEST = {"trainer": 3, "device": 1}
FRONT_END = {"posttrain/models/torch_module.hpp"}
ROOMS = {"losses": "policies", "params": "policies", "trainer": "trainer", "evaluate": "trainer",
         "device": "device"}


def reached(name, reach, torch, seen):
    """(the library's headers, whether LibTorch is among them) that a test reaches, helpers included."""
    headers, uses_torch = set(), False
    for _, path, _ in repo.includes(name):
        helper = os.path.join("tests", path)
        if path in reach:
            headers |= reach[path] | {path}
            uses_torch |= torch[path]
        elif os.path.isfile(os.path.join(repo.ROOT, helper)) and helper not in seen:
            seen.add(helper)
            others, other_torch = reached(helper, reach, torch, seen)
            headers |= others
            uses_torch |= other_torch
        uses_torch |= path.startswith(("ATen/", "c10/", "torch/"))
    return headers, uses_torch


def tests():
    """(executable, path in tests/) of every test file."""
    reach, torch = repo.include_graph()
    found = []
    for name in repo.files("_test.cpp"):
        inside = name.removeprefix("tests/")
        if inside == name or inside.startswith(("static/", "compile_fail/")):
            continue
        headers, uses_torch = reached(name, reach, torch, set())
        if not uses_torch:
            group = "host"
        elif headers & FRONT_END:
            group = "torch_module"
        else:
            group = ROOMS.get(inside.split("/")[0], "tensor")
        found.append((group, inside))
    return found


def groups(found):
    """(executable, group, path) of tests: groups of one room, of about the same size."""
    rooms, placed = {}, []
    for executable, path in found:
        room = path.split("/")[0]
        if NO_GROUP.search(repo.read(os.path.join("tests", path))):
            room = path.removesuffix("_test.cpp").replace("/", "_")
        rooms.setdefault((executable, room), []).append(path)
    for (executable, room), paths in rooms.items():
        count = -(-len(paths) // LARGEST.get(executable, 8))
        for i, path in enumerate(paths):
            placed.append((executable, f"{executable}-{room}_{i * count // len(paths)}", path))
    return placed


def listing():
    return "".join(" ".join(line) + "\n" for line in groups(tests()))


if __name__ == "__main__":
    text = listing()
    if len(sys.argv) > 1:
        with open(sys.argv[1], "w", encoding="utf-8") as file:
            file.write(text)
    print(text, end="")
