# SPDX-License-Identifier: Apache-2.0
"""Reads every public header alone, included twice, with warnings as errors (clang, or the compiler).

Each is compiled against declarations (-DPOSTTRAIN_COMPILED); definitions (impl/) are what the compiled
library and the last case reach. All public headers in one file, header-only, must define no symbol: one
is a function that lacks `inline`. Headers that do not reach LibTorch are compiled without its include
folders. Benchmarks, which no other test compiles, are read likewise.

usage: self_contained.py FLAGS_FILE WORK_FOLDER [FILTER]
"""

import glob
import os
import subprocess
import sys

import precompiled
import repo


def main():
    flags_file, work = sys.argv[1:3]
    wanted = sys.argv[3] if len(sys.argv) > 3 else ""
    flags = repo.load_flags(flags_file)
    os.makedirs(work, exist_ok=True)
    reach, torch = repo.include_graph(declarations=True)
    reader, reader_flags = precompiled.reader(flags)
    compilers = {
        kind: repo.Compiler(reader, reader_flags + (flags["torch"] if kind == "torch" else [])
                            + ["-fsyntax-only", "-DPOSTTRAIN_COMPILED"],
                            os.path.join(work, kind + ".json"))
        for kind in ("host", "torch")
    }
    kind_of = {header: "torch" if torch[header] else "host" for header in repo.headers()}
    behind_of = {kind: precompiled.Headers(
        compiler, os.path.join(work, kind), reach,
        [reach[header] for header in repo.headers() if kind_of[header] == kind])
        for kind, compiler in compilers.items()}

    def write(stem, text):
        source = stem + ".cpp"
        if not os.path.exists(source) or open(source).read() != text:
            with open(source, "w") as file:
                file.write(text)
        return source

    def check(header):
        stem = os.path.join(work, header.replace("/", "_").replace(".", "_"))
        source = write(stem, f"#include <{header}>\n#include <{header}>\n")
        kind = kind_of[header]
        behind = behind_of[kind].behind(reach[header])
        how = dict(before=behind.make, also=behind.files) if behind else {}
        extra = ("-include", behind.path) if behind else ()
        status, output = compilers[kind].run(source, extra, stem, **how)
        return header, [] if status == 0 else [output.strip()[-3000:] or f"exit status {status}"]

    def check_benchmark(path):
        direct = [header for _, header, _ in repo.includes(path) if header in reach]
        reached = set(direct).union(*(reach[header] for header in direct))
        stem = os.path.join(work, path.replace("/", "_").replace(".", "_"))
        behind = behind_of["torch"].behind(reached)
        how = dict(before=behind.make, also=behind.files) if behind else {}
        extra = ("-Ibenchmarks", *(("-include", behind.path) if behind else ()))
        status, output = compilers["torch"].run(path, extra, stem, **how)
        return path, [] if status == 0 else [output.strip()[-3000:] or f"exit status {status}"]

    def check_symbols():
        compiler = repo.Compiler(flags["compiler"], flags["host"] + flags["torch"] + ["-c", "-O0"],
                                 os.path.join(work, "all.json"))
        stem = os.path.join(work, "all")
        source = write(stem, "".join(f"#include <{header}>\n" for header in repo.headers()))

        def symbols():
            listed = subprocess.run(["nm", "-C", "--defined-only", stem + ".o"], text=True,
                                    stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
            os.remove(stem + ".o")
            strong = [line.split(" ", 2)[2] for line in listed.stdout.splitlines()
                      if line.split(" ")[1] in "TDBR" and "posttrain" in line]
            return "".join(f"defines {name}: it lacks `inline`\n" for name in strong)

        status, output = compiler.run(source, ("-o", stem + ".o"), stem, after=symbols)
        compiler.save()
        return "all headers in one file", [] if status == 0 else [output.strip()[-3000:]]

    cases = repo.Cases()
    jobs = [lambda name=name: check(name) for name in repo.headers() if wanted in name]
    jobs += [lambda path=path: check_benchmark(path) for path in sorted(glob.glob("benchmarks/*.cpp"))
             if wanted in path]
    for name, problems in repo.in_parallel(lambda job: job(), [check_symbols] * (not wanted) + jobs):
        cases.case(name, problems)
    for compiler in compilers.values():
        compiler.save()
    cases.finish()


if __name__ == "__main__":
    main()
