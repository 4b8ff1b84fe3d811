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
    command, reader_flags = precompiled.reader(flags)
    compiler = repo.Compiler(command, reader_flags + flags["torch"]
                             + flags["nccl"] + ["-fsyntax-only", "-DPOSTTRAIN_COMPILED"],
                             os.path.join(work, "static.json"))

    reach, _ = repo.include_graph(declarations=True)
    names = [n for n in repo.files(".cpp") if n.startswith("tests/static/")]
    reached = {name: precompiled.reached_by(name, reach) for name in names}
    headers = precompiled.Headers(compiler, work, reach, reached.values())

    def check(name):
        stem = os.path.join(work, os.path.basename(name))
        behind = headers.behind(reached[name])
        extra = ("-include", behind.path) if behind else ()
        status, output = compiler.run(os.path.join(repo.ROOT, name), extra, stem,
                                      behind.make if behind else None,
                                      also=behind.files if behind else ())
        return name, [] if status == 0 else [output[:3000]]

    cases = repo.Cases()
    for name, problems in repo.in_parallel(check, [name for name in names if wanted in name]):
        cases.case(name, problems)
    compiler.save()
    cases.finish()


if __name__ == "__main__":
    main()
