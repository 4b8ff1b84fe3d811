# SPDX-License-Identifier: Apache-2.0
"""Programs that must not compile, each with exactly one error and the stated text.

Each tests/compile_fail/*.cpp begins with `// expected: TEXT`. It must be refused with TEXT and one
`error:`; compiled with -DLEGAL, which mends the mistake, it must be accepted. The legal ones are
compiled several as one, and each alone only where those are refused. With every compiler that the
flags file names, against declarations (-DPOSTTRAIN_COMPILED): definitions are no templates, so no
policy changes what is said about them.

usage: run.py FLAGS_FILE WORK_FOLDER [FILTER]
"""

import glob
import os
import re
import shutil
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "tools"))
import group_tests  # noqa: E402
import precompiled  # noqa: E402
import repo  # noqa: E402

EXPECTED = re.compile(r"^// expected: (.+)$")
ERROR = re.compile(r"\berror: ")
AT_ONCE = 16  # legal ones in a file


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

    def behind(path, name):
        """The precompiled header of a case, and the arguments of its compile for that."""
        header = headers[name].behind(reached[path])
        if header is None:
            return None, (), {}
        return header, ("-include", header.path), dict(before=header.make, also=header.files)

    def are_legal(job):
        paths, name, compiler = job
        _, extra, how = behind(paths[0], name)
        stem = os.path.join(work, f"legal_{os.path.basename(paths[0])}.{name}")
        text = group_tests.text_of([f"compile_fail/{os.path.basename(path)}" for path in paths])
        if not os.path.exists(stem + ".cpp") or open(stem + ".cpp").read() != text:
            with open(stem + ".cpp", "w") as file:
                file.write(text)
        # Within a namespace `main` is a function that has to return something.
        status, _ = compiler.run(stem + ".cpp", ("-DLEGAL", "-Wno-return-type", *extra), stem, **how)
        return [(path, name) for path in paths] if status == 0 else []

    def check(job):
        path, name, compiler = job
        _, extra, how = behind(path, name)
        label = f"{os.path.basename(path)} ({name})"
        stem = os.path.join(work, f"{os.path.basename(path)}.{name}")
        with open(path, encoding="utf-8") as file:
            expected = EXPECTED.match(file.readline().rstrip("\n"))
        if not expected:
            return label, ["the first line must be `// expected: TEXT`"]
        problems = []
        # The twin first: a failing compile may leave no list of the files that it read.
        if (path, name) not in legal:
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
    # Those behind one precompiled header, in parts for several processors.
    groups = {}
    for path, name, compiler in work_list:
        groups.setdefault((name, behind(path, name)[0]), (compiler, []))[1].append(path)
    legal = {each for found in repo.in_parallel(are_legal, [
        (members[i:i + AT_ONCE], name, compiler)
        for (name, _), (compiler, members) in groups.items()
        for i in range(0, len(members), AT_ONCE)]) for each in found}
    for label, problems in repo.in_parallel(check, work_list):
        cases.case(label, problems)
    for _, compiler in compilers:
        compiler.save()
    cases.finish()


if __name__ == "__main__":
    main()
