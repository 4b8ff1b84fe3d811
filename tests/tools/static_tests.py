# SPDX-License-Identifier: Apache-2.0
"""Compiles each tests/static/*.cpp against declarations: static_asserts on concepts and types, both
ways.

usage: static_tests.py FLAGS_FILE WORK_FOLDER [FILTER]
"""

import os
import sys

import precompiled
import repo


def main():
    flags_file, work = sys.argv[1:3]
    wanted = sys.argv[3] if len(sys.argv) > 3 else ""
    flags = repo.load_flags(flags_file)
    os.makedirs(work, exist_ok=True)
    command = [part for part in flags["compiler"] if os.path.basename(part) != "ccache"]
    compiler = repo.Compiler(command, precompiled.usable(flags["host"]) + flags["torch"]
                             + ["-fsyntax-only", "-DPOSTTRAIN_COMPILED"],
                             os.path.join(work, "static.json"))

    reach, _ = repo.include_graph(declarations=True)
    headers = precompiled.Headers(compiler, work, reach)

    def check(name):
        stem = os.path.join(work, os.path.basename(name))
        behind = headers.behind(precompiled.reached_by(name, reach))
        extra = ("-include", behind.path) if behind else ()
        status, output = compiler.run(os.path.join(repo.ROOT, name), extra, stem,
                                      behind.make if behind else None,
                                      also=behind.files if behind else ())
        return name, [] if status == 0 else [output[:3000]]

    names = [n for n in repo.files(".cpp") if n.startswith("tests/static/") and wanted in n]
    cases = repo.Cases()
    for name, problems in repo.in_parallel(check, names):
        cases.case(name, problems)
    compiler.save()
    cases.finish()


if __name__ == "__main__":
    main()
