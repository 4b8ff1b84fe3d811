# SPDX-License-Identifier: Apache-2.0
"""docs/guarantees.md against the tests: each code has a test, each tag has a code, files are named.

    python3 tests/tools/check_guarantees.py          # compares
    python3 tests/tools/check_guarantees.py --fix    # writes the last column
"""

import os
import re
import sys

import repo

FILE = "docs/guarantees.md"
TAG = re.compile(r"\[(C\d+)\]")
ROW = re.compile(r"^\| (C\d+) \| (.*?) \| (.*)\|$")


def holders():
    """Code -> test files, by paths."""
    found = {}
    for name in repo.files("_test.cpp", ".py"):
        if not name.startswith("tests/") or name.startswith("tests/tools/"):
            continue
        for code in set(TAG.findall(repo.read(name))):
            found.setdefault(code, []).append(name.removeprefix("tests/"))
    return found


def main():
    cases = repo.Cases()
    found, lines, codes = holders(), [], set()
    for line in repo.read(FILE).splitlines():
        match = ROW.match(line)
        if match:
            code, what, _ = match.groups()
            codes.add(code)
            files = ", ".join(f"`{name}`" for name in sorted(found.get(code, [])))
            line = f"| {code} | {what} | {files} |"
            cases.case(f"{code} is tested", [] if files else [f"no test has the tag [{code}]"])
        lines.append(line)
    for code in sorted(set(found) - codes):
        cases.case(f"{code} is explained", [f"{FILE} has no row for [{code}]: {found[code]}"])
    expected = "\n".join(lines) + "\n"
    if "--fix" in sys.argv[1:]:
        with open(os.path.join(repo.ROOT, FILE), "w", encoding="utf-8") as file:
            file.write(expected)
    for name in sorted(set(re.findall(r"`([\w/]+(?:_test\.cpp|\.py))`", expected))):
        cases.case(f"{name} is there", [] if os.path.exists(os.path.join(repo.ROOT, "tests", name)) or
                   os.path.exists(os.path.join(repo.ROOT, name)) else [f"{FILE} names no file of tests/"])
    same = repo.read(FILE) == expected
    cases.case(FILE, [] if same else ["hint: python3 tests/tools/check_guarantees.py --fix"])
    cases.finish()


if __name__ == "__main__":
    main()
