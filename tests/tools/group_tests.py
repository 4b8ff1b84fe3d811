# SPDX-License-Identifier: Apache-2.0
"""Writes a source file that compiles several test files as one, each in a namespace of its own.

What they include is read, and what it instantiates is made, once for all of them: a third of the time.
Their includes stand at the head, so that within the namespaces include guards leave nothing of them.

usage: group_tests.py OUTPUT TEST_FILE...
"""

import os
import sys

import repo


def text_of(names):
    """Of test files, relative to tests/."""
    lines = []
    for name in names:
        for quote, path, _ in repo.includes(os.path.join("tests", name)):
            lines.append(f"#include {quote}{path}{'>' if quote == '<' else quote}\n")
    lines = list(dict.fromkeys(lines))
    for name in names:
        space = name.removesuffix(".cpp").replace("/", "_")
        lines.append(f'namespace {space} {{\n#include "{name}"\n}}\n')
    return "".join(lines)


def main():
    output, *names = sys.argv[1:]
    text = text_of([os.path.relpath(name, os.path.join(repo.ROOT, "tests")) for name in names])
    if os.path.exists(output):
        with open(output, encoding="utf-8") as file:
            if file.read() == text:  # what is compiled from it stays
                return
    with open(output, "w", encoding="utf-8") as file:
        file.write(text)


if __name__ == "__main__":
    main()
