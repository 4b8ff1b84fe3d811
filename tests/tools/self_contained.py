# SPDX-License-Identifier: Apache-2.0
"""Compiles every public header alone, included twice, with warnings as errors.

Headers that do not reach LibTorch are compiled without its include folders. The object must define
no symbol of its own: one is a function that lacks `inline`.

The headers of LibTorch and other libraries are most of the cost, so a header that reaches one of ours
that include them is compiled behind that one, precompiled: it gets nothing that it does not include
anyway.

usage: self_contained.py FLAGS_FILE WORK_FOLDER [FILTER]
"""

import os
import subprocess
import sys
import threading

import repo

ERROR, JSON = "posttrain/base/error.hpp", "posttrain/io/json.hpp"
OPS, DIFFERENTIABLE = "posttrain/tensor/ops.hpp", "posttrain/tensor/differentiable.hpp"
LM_HEAD, JINJA = "posttrain/nn/lm_head.hpp", "posttrain/jinja/evaluator.hpp"
# A header takes the first that it reaches as a whole.
PRECOMPILED = ((DIFFERENTIABLE, JSON), (LM_HEAD,), (DIFFERENTIABLE,), (OPS, JSON), (OPS,), (JINJA,),
               (JSON,), (ERROR,))


class Precompiled:
    """Headers in one of a folder, compiled when it is first asked for."""

    def __init__(self, compiler, folder, headers, reach):
        self.compiler, self.headers = compiler, headers
        self.path = os.path.join(folder, "_".join(
            os.path.basename(header)[:-4] for header in headers) + "_precompiled.hpp")
        self.files = [os.path.join("include", name) for header in headers
                      for name in (header, *sorted(reach[header]))]
        self.lock, self.done = threading.Lock(), False

    def make(self):
        with self.lock:
            if self.done:
                return
            with open(self.path, "w") as file:
                file.write("".join(f"#include <{header}>\n" for header in self.headers))
            flags = [flag for flag in self.compiler.flags if flag != "-c"]
            subprocess.run([*self.compiler.command, *flags, "-x", "c++-header", self.path, "-o",
                            self.path + ".gch"], check=True, cwd=repo.ROOT)
            self.done = True


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
    precompiled = [Precompiled(compilers["torch" if any(map(torch.get, headers)) else "host"], work,
                               headers, reach) for headers in PRECOMPILED]

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

        compiler = compilers["torch" if torch[header] else "host"]
        behind = next((p for p in precompiled
                       if p.compiler is compiler and reach[header].issuperset(p.headers)), None)
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
