# SPDX-License-Identifier: Apache-2.0
"""clang-format with the project's .clang-format; one case per file."""

import re
import shutil
import subprocess

import repo


def main():
    cases = repo.Cases()
    tool = shutil.which("clang-format-14")
    names = repo.files(".hpp", ".ipp", ".cpp")
    if not tool:
        # Other versions break lines differently, so their verdict would be about the tool.
        cases.skip("format", "no clang-format-14; hint: apt-get install clang-format-14")
        cases.finish()

    def check(name):
        done = subprocess.run([tool, "--dry-run", "-Werror", "--ferror-limit=1", name],
                              cwd=repo.ROOT, text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT)
        if done.returncode == 0:
            return name, []
        where = re.match(r"\S+:\d+", done.stdout)
        return name, [f"{where.group(0) if where else name}: hint: clang-format-14 -i {name}"]

    for name, problems in repo.in_parallel(check, names):
        cases.case("format of " + name, problems)
    cases.finish()


if __name__ == "__main__":
    main()
