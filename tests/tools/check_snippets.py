# SPDX-License-Identifier: Apache-2.0
"""Code blocks in README.md and docs/*.md equal regions of compiled files.

In Markdown a comment names the region just before the block:
    <!-- snippet: examples/01_sft.cpp#main -->
    ```cpp
The region stands between the lines `// [snippet: main]` and `// [/snippet]` of that file; its common
indentation is removed. Every ```cpp block needs a name; other blocks may have one (a committed
output file without a region is compared whole: `<!-- snippet: examples/01_sft.output -->`).

usage: check_snippets.py [--fix]   (--fix writes the regions into the Markdown)
"""

import os
import re
import sys
import textwrap

import repo

NAME = re.compile(r"^ {0,3}<!-- snippet: ([^#\s]+)(?:#(\S+))? -->\s*$")
FENCE = re.compile(r"^(\s*)```(\w*)\s*$")


def region(path, name):
    """The lines of a region, or a string that says what is wrong."""
    if not os.path.isfile(os.path.join(repo.ROOT, path)):
        return f"no file {path}"
    lines = repo.read(path).splitlines()
    if not name:
        return lines
    marks = [i for i, line in enumerate(lines)
             if re.match(rf"^\s*(//|#) \[snippet: {re.escape(name)}\]\s*$", line)]
    if len(marks) != 1:
        return f"{path} has {len(marks)} regions named {name}; expected 1"
    for end in range(marks[0] + 1, len(lines)):
        if re.match(r"^\s*(//|#) \[/snippet\]\s*$", lines[end]):
            inside = [line for line in lines[marks[0] + 1:end]
                      if not re.match(r"^\s*(//|#) \[snippet: ", line)]
            return textwrap.dedent("\n".join(inside)).split("\n")
    return f"{path}: region {name} has no end; hint: // [/snippet]"


def main():
    fix = "--fix" in sys.argv[1:]
    cases = repo.Cases()
    for name in repo.files(".md"):
        if name != "README.md" and not name.startswith("docs/"):
            continue
        lines = repo.read(name).split("\n")
        out, i, named = [], 0, None
        while i < len(lines):
            fence = FENCE.match(lines[i])
            if not fence:
                if lines[i].strip():
                    match = NAME.match(lines[i])
                    if named and not match:
                        cases.case(f"{name}:{i}", ["a snippet's name without a block after it"])
                    named = match
                out.append(lines[i])
                i += 1
                continue
            end = i + 1
            while end < len(lines) and lines[end].strip() != "```":
                end += 1
            block = textwrap.dedent("\n".join(lines[i + 1:end])).split("\n")
            label = f"{name}:{i + 1}"
            wanted = None
            if named:
                wanted = region(named.group(1), named.group(2))
                if isinstance(wanted, str):
                    cases.case(label, [wanted])
                    wanted = None
                elif fix or block == wanted:
                    cases.case(label, [])
                else:
                    at = next((k for k, (a, b) in enumerate(zip(block, wanted)) if a != b),
                              min(len(block), len(wanted)))
                    cases.case(label, [
                        f"differs from {named.group(1)}#{named.group(2)} in line {at + 1}; "
                        "hint: python3 tests/tools/check_snippets.py --fix",
                        "document: " + (block[at] if at < len(block) else "(end)"),
                        "source:   " + (wanted[at] if at < len(wanted) else "(end)")])
            elif fence.group(2) in ("cpp", "c++", "cc"):
                cases.case(label, ["a C++ block needs <!-- snippet: FILE#NAME --> before it"])
            out.append(lines[i])
            out += [fence.group(1) + line if line else line for line in wanted] \
                if fix and wanted is not None else lines[i + 1:end]
            out += lines[end:end + 1]
            i, named = end + 1, None
        if fix and out != lines:
            with open(os.path.join(repo.ROOT, name), "w", encoding="utf-8") as file:
                file.write("\n".join(out))
    cases.finish()


if __name__ == "__main__":
    main()
