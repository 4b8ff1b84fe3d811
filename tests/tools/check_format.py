# SPDX-License-Identifier: Apache-2.0
"""clang-format with the project's .clang-format; one case per file."""

import re
import shutil
import subprocess

import repo

AT_ONCE = 50  # files of one process


def main():
    cases = repo.Cases()
    tool = shutil.which("clang-format-14")
    names = repo.files(".hpp", ".ipp", ".cpp")
    if not tool:
        # Other versions break lines differently, so their verdict would be about the tool.
        cases.skip("format", "no clang-format-14; hint: apt-get install clang-format-14")
        cases.finish()

    def check(some):
        done = subprocess.run([tool, "--dry-run", "-Werror", *some], cwd=repo.ROOT, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        first = {}  # the place of a file's first error
        for place, name in re.findall(r"^(([^\s:]+):\d+):\d+: error: ", done.stdout, re.MULTILINE):
            first.setdefault(name, place)
        if done.returncode != 0 and not first:
            first = dict.fromkeys(some, done.stdout.strip()[:500])
        return [(name, [f"{first[name]}: hint: clang-format-14 -i {name}"] if name in first else [])
                for name in some]

    parts = [names[i:i + AT_ONCE] for i in range(0, len(names), AT_ONCE)]
    for found in repo.in_parallel(check, parts):
        for name, problems in found:
            cases.case("format of " + name, problems)
    cases.finish()


if __name__ == "__main__":
    main()
