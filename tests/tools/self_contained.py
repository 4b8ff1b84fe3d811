# SPDX-License-Identifier: Apache-2.0
"""Compiles every public header alone, included twice, with warnings as errors.

Headers that do not reach LibTorch are compiled without its include folders. The object must define
no symbol of its own: one is a function that lacks `inline`.

usage: self_contained.py FLAGS_FILE WORK_FOLDER [FILTER]
"""

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
    reach, torch = repo.include_graph()
    # Results are remembered here; ccache would preprocess every header once more.
    command = [part for part in flags["compiler"] if os.path.basename(part) != "ccache"]
    compilers = {
        kind: repo.Compiler(command, flags["host"] + (flags["torch"] if kind == "torch" else [])
                            + ["-c", "-O0"], os.path.join(work, kind + ".json"))
        for kind in ("host", "torch")
    }
    # A header with LibTorch is compiled behind headers with it, another one behind others.
    behind_of = {kind: precompiled.Headers(
        compiler, work, reach, lambda headers, kind=kind:
            (kind == "torch") == any(torch[header] for header in headers))
        for kind, compiler in compilers.items()}

    def check(header):
        stem = os.path.join(work, header.replace("/", "_")[:-4])
        source, target = stem + ".cpp", stem + ".o"
        text = f"#include <{header}>\n#include <{header}>\n"
        if not os.path.exists(source) or open(source).read() != text:
            with open(source, "w") as file:
                file.write(text)

        def symbols():
            listed = subprocess.run(["nm", "-C", "--defined-only", target], text=True,
                                    stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
            os.remove(target)
            strong = [line.split(" ", 2)[2] for line in listed.stdout.splitlines()
                      if line.split(" ")[1] in "TDBR" and "posttrain" in line]
            return "".join(f"defines {name}: it lacks `inline`\n" for name in strong)

        kind = "torch" if torch[header] else "host"
        compiler = compilers[kind]
        behind = behind_of[kind].behind(reach[header])
        if behind:
            status, output = compiler.run(source, ("-include", behind.path, "-o", target), stem,
                                          behind.make, symbols, behind.files)
        else:
            status, output = compiler.run(source, ("-o", target), stem, after=symbols)
        return header, [] if status == 0 else [output.strip()[-3000:] or f"exit status {status}"]

    cases = repo.Cases()
    for header, problems in repo.in_parallel(check, [h for h in repo.headers() if wanted in h]):
        cases.case(header, problems)
    for compiler in compilers.values():
        compiler.save()
    cases.finish()


if __name__ == "__main__":
    main()
