# SPDX-License-Identifier: Apache-2.0
"""What a translation unit with one Trainer includes must not grow unnoticed.

Counts the preprocessed lines of benchmarks/compile/*.cpp, header-only (with and without Gloo, whose class
brings all operators of LibTorch) and against the compiled library; more than 10 % above the number recorded
here fails. Seconds: benchmarks/compile.py.

usage: check_compile_cost.py FLAGS_FILE WORK_FOLDER
"""

import subprocess
import sys

import repo

# Lines with LibTorch 2.15, g++ 12 and Debian 12's libraries. Lower them when headers get lighter.
LIMIT = {
    ("ops", "header-only"): 190000,
    ("trainer", "header-only"): 241000,
    ("trainer", "header-only with Gloo"): 322000,
    ("trainer", "compiled library"): 119300,
    ("recipe", "compiled library"): 70000,
    ("pretrained", "header-only"): 248000,
    ("pretrained", "compiled library"): 145000,
}


def main():
    flags = repo.load_flags(sys.argv[1])
    cases = repo.Cases()
    for (source, way), recorded in LIMIT.items():
        compiled = way == "compiled library"
        host = ["-DPOSTTRAIN_COMPILED" if compiled and flag == "-DFMT_HEADER_ONLY" else flag
                for flag in flags["host"]]
        torch = [flag for flag in flags["torch"]
                 if flag != "-DPOSTTRAIN_HAS_GLOO" or way != "header-only"]
        command = [word for word in flags["compiler"] if not word.endswith("ccache")] + host + \
            torch + ["-E", "-P", f"{repo.ROOT}/benchmarks/compile/{source}.cpp"]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        lines = done.stdout.count(b"\n")
        problems = []
        if done.returncode != 0:
            problems.append(done.stderr.decode()[-2000:])
        elif lines > 1.1 * recorded:
            problems.append(f"{lines} preprocessed lines, recorded are {recorded}; hint: does a new "
                            "include belong into an .ipp?")
        cases.case(f"{source}.cpp, {way}", problems)
    cases.finish()


if __name__ == "__main__":
    main()
