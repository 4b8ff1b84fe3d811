# SPDX-License-Identifier: Apache-2.0
"""Checks and measures on one GPU, part by part, each with a limit of time; a table last, JSON beside.

  python3 tests/tools/gpu.py run --programs BUILD/tests/programs [--out FOLDER] [--only PART,…]
  python3 PREPARED/gpu.py run                  a folder that `prepare` made, on the GPU machine
  python3 tests/tools/gpu.py run --programs … --stand-in BUILD/tests/stand_in --tiny
  python3 tests/tools/gpu.py prepare --build BUILD --libtorch DIR --output FOLDER
  python3 tests/tools/gpu.py has-gpu           exit status 0 or 1
  python3 tests/tools/gpu.py count-gpus        how many NVIDIA's driver has
  python3 tests/tools/gpu.py find-libtorch     the folder of a LibTorch with CUDA, if Python has one

Parts: ceilings, kernels, attention, parity, training, decode, grpo, peers. The exit status is 0 where
all of them ran (a peer that does not is missing) and every check held; speeds that are asked for are
asked of the GPU that they were stated for (gpu_table.py), on any other they are shown. The whole stays
within --seconds (480).

--libtorch names the LibTorch that the programs run with (default: the variable POSTTRAIN_LIBTORCH, or that
of a Python here). Programs of a prepared folder that do not load with it are built again from the sources
beside them.
"""

import argparse
import ctypes
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from gpu_prepare import (HERE, PEER, PREPARED, PROGRAMS, SHAPES, build_here, loads, prepare, prepared_for,
                         version_of)
from gpu_table import judge, ratios, report


class Job:
    """A command with its limit of time; `must`: tokens in a second asked of the GPU of gpu_table.py."""

    def __init__(self, part, name, limit, program, *arguments, must=None, published="",
                 environment=None):
        self.part, self.name, self.limit = part, name, limit
        self.program, self.arguments = program, [str(a) for a in arguments]
        self.must, self.published, self.environment = must, published, environment or {}
        self.lines, self.problems, self.seconds, self.missing = [], [], 0.0, ""

    def record(self):
        return {"part": self.part, "name": self.name, "seconds": round(self.seconds, 1),
                "must": self.must, "published": self.published, "problems": self.problems,
                "missing": self.missing, "lines": self.lines}


def jobs(tiny):
    """All parts in their order. The sizes that a test on the stand-in device takes are smaller."""
    shapes = ["--shapes", SHAPES]
    on_cuda = {"POSTTRAIN_TEST_DEVICE": "cuda"}
    all_jobs = [
        Job("ceilings", "ceilings", 40, "gpu_kernels", "ceilings"),
        Job("kernels", "kernels", 60, "gpu_kernels", "kernels"),
        Job("kernels", "kernels beside the CPU's loops", 60, "test_device", "[kernels]",
            environment=on_cuda),
        Job("attention", "attention", 45, "gpu_kernels", "attention"),
        Job("parity", "runs", 60, "gpu_training", "parity", *shapes),
        Job("parity", "steps of every policy", 60, "test_device", "~[kernels]", environment=on_cuda),
    ]

    def training(name, limit, model, *arguments, must=None, published=""):
        sizes = ["--row", 16, "--prompt", 12, "--answer", 4, "--tokens", 64, "--warmup", 1, "--steps", 1]
        all_jobs.append(Job(
            "training", name, limit, "gpu_training", "training", *shapes, "--model",
            "tiny" if tiny else model, *arguments, *(sizes if tiny else []), must=must,
            published=published))

    def lora(model, limit, must, published):
        training(f"LoRA {model}", limit, model, *([] if tiny else ["--tokens", "4096,16384"]), must=must,
                 published=published)

    lora("Qwen3-0.6B", 25, 75e3, "surogate 65.2k, Unsloth 21.7k")
    if not tiny:
        lora("Qwen3-1.7B", 30, 45e3, "surogate 39k, Unsloth 21.4k")
        lora("Qwen3-4B", 40, 21e3, "surogate 18.3k, Unsloth 12.8k")
        lora("Qwen3-8B", 50, 13e3, "surogate 11.7k, Unsloth 9.1k")
    wide = [] if tiny else ["--tokens", 16384]
    training("QLoRA Qwen3-8B", 50, "Qwen3-8B", "--params", "qlora", *wide, published="Unsloth 8.4k")
    rows = [] if tiny else ["--row", 1024, *wide]
    training("Full Qwen2.5-0.5B", 25, "Qwen2.5-0.5B", "--params", "full", *rows, must=140e3,
             published="llm.q, H100, bf16 masters: 149k")
    if not tiny:
        training("Full Qwen2.5-1.5B", 25, "Qwen2.5-1.5B", "--params", "full", *rows, must=55e3,
                 published="llm.q, H100, bf16 masters: 59k")
        # Subspaces of all layers would take minutes; both rows have so many.
        training("Full Qwen3-1.7B, 7 layers", 25, "Qwen3-1.7B", "--params", "full", "--layers", 7, *wide)
    training("OSFT Qwen3-1.7B, 7 layers", 60, "Qwen3-1.7B", "--params", "osft",
             *([] if tiny else ["--layers", 7, *wide]), published="PEFT OSF: slower than full")
    training("DPO + LoRA Qwen3-1.7B", 40, "Qwen3-1.7B", "--loss", "dpo", *wide)
    for model in ["tiny"] if tiny else ["Qwen3-0.6B", "Qwen3-8B"]:
        small = ["--rows", "1,3", "--prompt", 8, "--steps", 3] if tiny else []
        all_jobs.append(Job("decode", f"decoding, {model}", 40, "gpu_training", "decode", *shapes,
                            "--model", model, *small))
    small = ["--prompt", 8, "--samples", 4, "--new", 4, "--repeats", 1] if tiny else []
    all_jobs.append(Job("grpo", "GRPO + LoRA Qwen3-1.7B", 40, "gpu_training", "grpo", *shapes,
                        "--model", "tiny" if tiny else "Qwen3-1.7B", *small))
    if not tiny:
        for model, limit, options in (("Qwen3-0.6B", 45, []), ("Qwen3-0.6B", 75, ["--compile"]),
                                      ("Qwen3-8B", 60, [])):
            name = f"transformers + PEFT, LoRA {model}" + (", compiled" if options else "")
            all_jobs.append(Job("peers", name, limit, "python", PEER, *shapes, "--model", model,
                                *options))
    return all_jobs


# ---- Where things are -------------------------------------------------------------------------------
def driver_and_count():
    """NVIDIA's driver, if it works, and how many GPUs it has."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return None, 0
    count = ctypes.c_int()
    if driver.cuInit(0) != 0 or driver.cuDeviceGetCount(ctypes.byref(count)) != 0:
        return None, 0
    return driver, count.value


def gpu_name():
    """Of the first GPU; None without one."""
    driver, count = driver_and_count()
    if count < 1:
        return None
    device = ctypes.c_int()
    name = ctypes.create_string_buffer(200)
    driver.cuDeviceGet(ctypes.byref(device), 0)
    driver.cuDeviceGetName(name, 200, device)
    return name.value.decode()


def pythons():
    """Python interpreters here, each once."""
    found = {}
    for name in (os.environ.get("POSTTRAIN_PYTHON"), sys.executable, "python3", "python"):
        path = shutil.which(name) if name else None
        if path:
            found.setdefault(path, None)
    return list(found)


def find_libtorch():
    """(folder, Python that has it or None) of a LibTorch with CUDA."""
    given = os.environ.get("POSTTRAIN_LIBTORCH")
    if given:
        return pathlib.Path(given), None
    for python in pythons():
        done = subprocess.run(
            [python, "-c", "import importlib.util as u; s = u.find_spec('torch'); "
             "print(s.submodule_search_locations[0] if s else '')"],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        folder = done.stdout.strip()
        if folder and os.path.exists(os.path.join(folder, "lib", "libtorch_cuda.so")):
            return pathlib.Path(folder), python
    return None, None


# ---- Running ----------------------------------------------------------------------------------------
class Machine:
    def __init__(self, options, libtorch, python):
        self.programs = pathlib.Path(options.programs)
        self.python, self.tiny, self.stand_in = python or sys.executable, options.tiny, options.stand_in
        folders = [options.stand_in] if options.stand_in else []
        if PREPARED:
            folders.append(str(HERE / "lib"))
        if libtorch and not options.stand_in:
            folders.append(str(libtorch / "lib"))
        if os.environ.get("LD_LIBRARY_PATH"):
            folders.append(os.environ["LD_LIBRARY_PATH"])
        self.environment = dict(os.environ, LD_LIBRARY_PATH=os.pathsep.join(folders))
        if options.stand_in:
            self.environment["OMP_NUM_THREADS"] = "1"

    def command(self, job):
        if job.program == "python":
            return [self.python, *job.arguments]
        program = self.programs / job.program
        if not program.exists() and not PREPARED:
            program = self.programs.parent / job.program  # executables of tests
        command = [str(program), *job.arguments]
        if job.program in PROGRAMS:
            command += ["--device", "cuda", *(["--tiny"] if self.tiny else [])]
        return command

    def run(self, job, limit, cache):
        environment = dict(self.environment, **job.environment)
        if job.part != "ceilings":  # which says how long compiling takes
            environment["POSTTRAIN_KERNEL_CACHE"] = cache
        if job.program == "python":
            environment.pop("LD_LIBRARY_PATH")
        command = self.command(job)
        if job.program not in PROGRAMS and job.program != "python" and \
                not os.path.exists(command[0]):
            job.missing = f"{job.program} was not built"
            return
        started = time.monotonic()
        with tempfile.TemporaryFile("w+", errors="replace") as out, \
                tempfile.TemporaryFile("w+", errors="replace") as err:
            try:
                child = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=out,
                                         stderr=err, start_new_session=True)
            except OSError as error:
                job.problems.append(f"does not start: {error}")
                return
            try:
                status = child.wait(limit)
            except subprocess.TimeoutExpired:
                os.killpg(child.pid, signal.SIGKILL)
                child.wait()
                status = None
            job.seconds = time.monotonic() - started
            out.seek(0)
            err.seek(0)
            read(job, out.read(), err.read(), status, limit)


def read(job, out, err, status, limit):
    """Results and problems of a job that has ended."""
    others = []
    for line in out.splitlines():
        try:
            result = json.loads(line)
        except ValueError:
            others.append(line)
            continue
        if isinstance(result, dict):
            job.lines.append(result)
    for line in job.lines:
        job.missing = line.get("missing", job.missing)
        if line.get("ok") is False:
            said = line.get("detail") or f"{line.get('value'):.3g} is above {line.get('bound'):.3g}" \
                if line.get("value") is not None else line.get("detail")
            job.problems.append(f"{line['check']}: {said}")
        if line.get("device_reads", 1) > 1 or ("training" in line and line["device_uploads"] > 2):
            job.problems.append(f"{line['device_reads']} reads and {line['device_uploads']} uploads in a "
                                "step, expected 1 and at most 2")
    if status is None:
        job.problems.append(f"stopped after {limit:.0f} s")
    elif status != 0:
        tail = [line for line in err.splitlines() if line.strip()] or others
        reason = " / ".join(tail[-3:]) if job.program in (*PROGRAMS, "python") else \
            "\n    ".join(others[-40:])
        job.problems.append((f"signal {-status}" if status < 0 else f"status {status}") + f": {reason}")
    elif job.program in PROGRAMS and not job.lines:
        job.problems.append("no result")


def run(options):
    gpu = "stand-in device" if options.stand_in else gpu_name()
    if gpu is None:
        print("skipped: no GPU")
        return 77
    libtorch, python = (pathlib.Path(options.libtorch), None) if options.libtorch else find_libtorch()
    if libtorch is None and not options.stand_in:
        print("error: no LibTorch with CUDA; hint: pip install torch, or --libtorch FOLDER (with include/ "
              "and lib/)", file=sys.stderr)
        return 1
    out = pathlib.Path(options.out) if options.out else \
        HERE / "results" if PREPARED else pathlib.Path(options.programs).parent.parent / "gpu-results"
    machine = Machine(options, libtorch, python)
    started = time.monotonic()
    if PREPARED and not loads(machine.programs, machine.environment):
        print(f"the programs were built with LibTorch {prepared_for()} and do not load with "
              f"{version_of(libtorch)}: building", flush=True)
        machine.programs = build_here(libtorch, out / "built", options.build_seconds)
    chosen = jobs(options.tiny)
    parts = list(dict.fromkeys(job.part for job in chosen))
    if options.only:
        wanted = options.only.split(",")
        unknown = [part for part in wanted if part not in parts]
        if unknown:
            print(f"error: expected parts of {', '.join(parts)}, got {unknown[0]}", file=sys.stderr)
            return 1
        chosen = [job for job in chosen if job.part in wanted]
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as cache:
        for job in chosen:
            left = options.seconds - (time.monotonic() - begun)
            if left < 3:
                job.problems.append(f"not run: the {options.seconds:.0f} s were used up")
            else:
                # The stand-in device computes on one thread of the host.
                machine.run(job, min(job.limit * (3 if options.stand_in else 1), left), cache)
            if job.part == "peers" and job.problems:  # what others cannot is no failure of ours
                job.missing, job.problems = "; ".join(job.problems), []
            state = "failed" if job.problems else "missing" if job.missing else "ok"
            print(f"{state:8}{job.name} ({job.seconds:.1f} s)", flush=True)
    missed = judge(chosen, gpu)
    seconds = time.monotonic() - started
    version = version_of(libtorch) if libtorch else "of the build"
    out.mkdir(parents=True, exist_ok=True)
    (out / "gpu.json").write_text(json.dumps(
        {"gpu": gpu, "libtorch": version, "seconds": round(seconds, 1), "missed": missed,
         "ratios": {name: value for name, value, _ in ratios(chosen)},
         "jobs": [job.record() for job in chosen]}, indent=1) + "\n")
    report(chosen, gpu, version, seconds, missed)
    return 1 if missed or any(job.problems for job in chosen) else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    running = commands.add_parser("run")
    running.add_argument("--programs", default=str(HERE / "programs"), required=not PREPARED)
    running.add_argument("--libtorch")
    running.add_argument("--out", help="folder of gpu.json (default: gpu-results in the build folder)")
    running.add_argument("--only", default="")
    running.add_argument("--seconds", type=float, default=480.0)
    running.add_argument("--build-seconds", type=float, default=240.0, help="for one file, where it must be built")
    running.add_argument("--stand-in", help="folder of the stand-in device's libraries")
    running.add_argument("--tiny", action="store_true")
    preparing = commands.add_parser("prepare")
    for name in ("--build", "--libtorch", "--output"):
        preparing.add_argument(name, required=True)
    commands.add_parser("has-gpu")
    commands.add_parser("count-gpus")
    commands.add_parser("find-libtorch")
    options = parser.parse_args()
    if options.command == "has-gpu":
        return 0 if gpu_name() else 1
    if options.command == "count-gpus":
        print(driver_and_count()[1])
        return 0
    if options.command == "find-libtorch":
        print(find_libtorch()[0] or "")
        return 0
    if options.command == "run":
        return run(options)
    prepare(pathlib.Path(options.build), pathlib.Path(options.libtorch), pathlib.Path(options.output))
    return 0


if __name__ == "__main__":
    sys.exit(main())
