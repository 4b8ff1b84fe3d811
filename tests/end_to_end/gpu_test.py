# SPDX-License-Identifier: Apache-2.0
"""tests/gpu.sh's parts on the stand-in device, with small sizes: all run, every check holds, and every
row of its tables has its numbers. What fails, hangs or is missing is said, with an exit status.

usage: gpu_test.py PROGRAMS STAND_IN
"""

import json
import os
import stat
import subprocess
import sys
import tempfile

PROGRAMS, STAND_IN = map(os.path.abspath, sys.argv[1:3])
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TOOL = os.path.join(ROOT, "tests", "tools", "gpu.py")
passed = failed = 0


def check(name, holds, got=""):
    global passed, failed
    passed, failed = passed + bool(holds), failed + (not holds)
    if not holds:
        print(f"{name}: {got}")


def run(folder, *arguments, programs):
    """Exit status, output and results."""
    done = subprocess.run(
        [sys.executable, TOOL, "run", "--programs", programs, "--stand-in", STAND_IN, "--tiny", "--out",
         os.path.join(folder, "out"), *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    path = os.path.join(folder, "out", "gpu.json")
    results = {}
    if os.path.exists(path):
        with open(path) as file:
            results = json.load(file)
        os.remove(path)
    return done.returncode, done.stdout, results


def fake(folder, name, text):
    path = os.path.join(folder, name)
    with open(path, "w") as file:
        file.write("#!/bin/sh\n" + text)
    os.chmod(path, os.stat(path).st_mode | stat.S_IXUSR)


def all_parts(folder):
    programs = os.path.join(folder, "all", "programs")
    os.makedirs(programs)
    for name in ("gpu_kernels", "gpu_training"):
        os.symlink(os.path.join(PROGRAMS, name), os.path.join(programs, name))
    status, output, results = run(folder, programs=programs)
    check("all parts run", status == 0, output[-3000:])
    jobs = results.get("jobs", [])
    lines = [line for job in jobs for line in job["lines"]]
    checks = [line for line in lines if "check" in line]
    check("checks hold", len(checks) > 45 and all(line["ok"] for line in checks), len(checks))
    kinds = {kind: sum(kind in line for line in lines)
             for kind in ("ceiling", "kernel", "attention", "training", "decode", "grpo")}
    check("every part has its rows", kinds == {"ceiling": 5, "kernel": 17, "attention": 1, "training": 6,
                                               "decode": 2, "grpo": 2}, kinds)
    check("numbers are positive", all(
        value > 0 for line in lines for name, value in line.items()
        if name in ("value", "tokens_per_second", "samples_per_second", "tflops", "step_ms", "peak_gib")
        and "check" not in line), lines)
    check("a step reads once", all(line["device_reads"] == 1 for line in lines
                                   if "training" in line or "grpo" in line or "decode" in line), lines)
    check("what is compared has ratios", {"DPO + LoRA, prompts shared / not", "GRPO, prompt shared / not"}
          <= set(results.get("ratios", {})), results.get("ratios"))
    check("programs that were not built are named", "missing: kernels beside the CPU's loops: test_device "
          "was not built" in output, output[-3000:])
    check("a table comes last", "of product" in output and "share of copy" in output, output[-3000:])


def failures(folder):
    programs = os.path.join(folder, "programs")
    os.makedirs(programs)
    fake(programs, "gpu_kernels", "echo 'error: no kernel today' >&2; exit 1\n")
    status, output, _ = run(folder, "--only", "ceilings", programs=programs)
    check("an error is named", status == 1 and
          "failed: ceilings: status 1: error: no kernel today" in output, output)
    fake(programs, "gpu_kernels", "kill -SEGV $$\n")
    status, output, _ = run(folder, "--only", "ceilings", programs=programs)
    check("a signal is named", status == 1 and "failed: ceilings: signal 11" in output, output)
    fake(programs, "gpu_kernels", "sleep 60\n")
    status, output, _ = run(folder, "--only", "ceilings,kernels", "--seconds", "4", programs=programs)
    check("a part ends at its limit", status == 1 and "failed: ceilings: stopped after 4 s" in output and
          "failed: kernels: not run: the 4 s were used up" in output, output)
    fake(programs, "gpu_kernels", 'echo \'{"check": "norm", "value": 2.0, "bound": 0.5, "ok": false}\'\n')
    status, output, _ = run(folder, "--only", "kernels", programs=programs)
    check("a check that fails is named", status == 1 and "failed: kernels: norm: 2 is above 0.5" in output,
          output)
    fake(programs, "gpu_kernels", "exit 0\n")
    status, output, _ = run(folder, "--only", "attention", programs=programs)
    check("no result is a failure", status == 1 and "failed: attention: no result" in output, output)
    status, output, _ = run(folder, "--only", "magic", programs=programs)
    check("a part that there is not", status == 1 and
          "expected parts of ceilings, kernels, attention, parity, training, decode, grpo" in output, output)


def prepared(folder):
    build, made = os.path.join(folder, "build"), os.path.join(folder, "prepared")
    os.makedirs(os.path.join(build, "tests", "programs"))
    for name in ("gpu_kernels", "gpu_training"):
        os.symlink(os.path.join(PROGRAMS, name), os.path.join(build, "tests", "programs", name))
    os.symlink(os.path.join(PROGRAMS, "gpu_kernels"), os.path.join(build, "tests", "test_device"))
    for name in ("nn.cpp", "text.cpp"):
        with open(os.path.join(build, name), "w") as file:
            file.write("// a list of includes\n")
    done = subprocess.run([sys.executable, TOOL, "prepare", "--build", build, "--libtorch", folder, "--output",
                           made], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    check("a folder is prepared", done.returncode == 0 and "MiB, for LibTorch unknown" in done.stdout,
          done.stdout)
    programs = os.path.join(made, "programs")
    tool = os.path.join(made, "gpu.py")

    def run_there(**variables):
        return subprocess.run(
            [sys.executable, tool, "run", "--stand-in", STAND_IN, "--tiny", "--out", os.path.join(folder, "there"),
             "--only", "ceilings,decode", "--libtorch", folder], env=dict(os.environ, **variables),
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    done = run_there()
    check("it runs by itself", done.returncode == 0 and "ok      decoding, tiny" in done.stdout, done.stdout)
    fake(programs, "gpu_kernels", "exit 127\n")
    done = run_there(CXX="/bin/false")
    check("programs that do not load are built", done.returncode == 1 and
          "do not load with unknown: building" in done.stdout and "is not built" in done.stdout, done.stdout)


with tempfile.TemporaryDirectory() as scratch:
    prepared(scratch)
    all_parts(scratch)
    failures(scratch)
print(f"{passed} passed, {failed} failed")
sys.exit(1 if failed else 0)
