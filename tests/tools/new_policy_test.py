# SPDX-License-Identifier: Apache-2.0
"""What new_policy.py writes compiles, header and test.

usage: new_policy_test.py FLAGS_FILE WORK_FOLDER
"""

import os
import shutil
import subprocess
import sys

import repo

HERE = os.path.dirname(os.path.abspath(__file__))


def main():
    flags, work = repo.load_flags(sys.argv[1]), sys.argv[2]
    shutil.rmtree(work, ignore_errors=True)
    os.makedirs(work)
    cases = repo.Cases()
    command = [part for part in flags["compiler"] if os.path.basename(part) != "ccache"]
    for policy in ("losses/made_up", "params/made_up", "data/made_up"):
        made = subprocess.run([sys.executable, os.path.join(HERE, "new_policy.py"), policy, "--root",
                               work], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        again = subprocess.run([sys.executable, os.path.join(HERE, "new_policy.py"), policy, "--root",
                                work], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        done = subprocess.run([*command, *flags["host"], *flags["torch"], f"-I{work}/include",
                               "-fsyntax-only", f"{work}/tests/{policy}_test.cpp"], cwd=repo.ROOT,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        problems = [] if made.returncode == 0 else [made.stdout]
        if again.returncode == 0 or "is there already" not in again.stdout:
            problems.append("a second call must not overwrite the first one's files")
        if done.returncode != 0:
            problems.append(done.stdout[-3000:])
        cases.case(f"{policy} compiles", problems)
    cases.finish()


if __name__ == "__main__":
    main()
