# SPDX-License-Identifier: Apache-2.0
"""Programs that must not compile, each with exactly one error and the stated text.

Each tests/compile_fail/*.cpp begins with `// expected: TEXT`. It must be refused with TEXT and one
`error:`; compiled with -DLEGAL, which mends the mistake, it must be accepted. With every compiler
that the flags file names, against declarations (-DPOSTTRAIN_COMPILED): definitions are no templates, so
no policy changes what is said about them.

usage: run.py FLAGS_FILE WORK_FOLDER [FILTER]
"""

import glob
import os
import re
import shutil
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "tools"))
import precompiled  # noqa: E402
import repo  # noqa: E402

EXPECTED = re.compile(r"^// expected: (.+)$")
ERROR = re.compile(r"\berror: ")


def main():
    flags_file, work = sys.argv[1:3]
    wanted = sys.argv[3] if len(sys.argv) > 3 else ""
    flags = repo.load_flags(flags_file)
    os.makedirs(work, exist_ok=True)
    cases = repo.Cases()

    common = ["-fsyntax-only", "-fdiagnostics-color=never", "-DPOSTTRAIN_COMPILED"]
    compilers = [("g++" if "g++" in flags["id"][0] else flags["id"][0],
                  repo.Compiler([part for part in flags["compiler"] if "ccache" not in part],
                                precompiled.usable(flags["host"]) + flags["torch"] + common,
                                os.path.join(work, "own.json")))]
    other = next((c for c in ("clang++-19", "clang++-20", "clang++-18") if shutil.which(c)), None)
    if other and flags["id"][0] != "clang":
        without_openmp = [f for f in flags["host"] + flags["torch"] if f != "-fopenmp"]
        compilers.append((other, repo.Compiler([other], without_openmp + common,
                                               os.path.join(work, "clang.json"))))

    reach, _ = repo.include_graph(declarations=True)
    paths = sorted(glob.glob(os.path.join(HERE, "*.cpp")))
    reached = {path: precompiled.reached_by(os.path.relpath(path, repo.ROOT), reach)
               for path in paths}
    headers = {name: precompiled.Headers(compiler, os.path.join(work, name), reach,
                                         reached.values())
               for name, compiler in compilers}

    def check(job):
        path, name, compiler = job
        behind = headers[name].behind(reached[path])
        extra = ("-include", behind.path) if behind else ()
        how = dict(before=behind.make, also=behind.files) if behind else {}
        label = f"{os.path.basename(path)} ({name})"
        stem = os.path.join(work, f"{os.path.basename(path)}.{name}")
        with open(path, encoding="utf-8") as file:
            expected = EXPECTED.match(file.readline().rstrip("\n"))
        if not expected:
            return label, ["the first line must be `// expected: TEXT`"]
        problems = []
        # The twin first: a failing compile may leave no list of the files that it read.
        status, output = compiler.run(path, ("-DLEGAL", *extra), stem + ".legal", **how)
        if status != 0:
            problems.append("the legal twin (-DLEGAL) does not compile:\n" + output[:3000])
        status, output = compiler.run(path, extra, stem, **how)
        errors = len(ERROR.findall(output))
        text = expected.group(1).strip()
        if status == 0:
            problems.append("compiles, but must not")
        elif text not in output:
            problems.append(f"expected text not found: {text}\n" + output[:3000])
        elif errors != 1:
            problems.append(f"{errors} errors, expected 1:\n" + output[:3000])
        return label, problems

    work_list = [(path, name, compiler) for path in paths if wanted in path
                 for name, compiler in compilers]
    for label, problems in repo.in_parallel(check, work_list):
        cases.case(label, problems)
    for _, compiler in compilers:
        compiler.save()
    cases.finish()


if __name__ == "__main__":
    main()
