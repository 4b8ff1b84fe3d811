# SPDX-License-Identifier: Apache-2.0
"""Checks and measures on one GPU, part by part, each with a limit of time; a table last, JSON beside.

  python3 tests/tools/gpu.py run --programs BUILD/tests/programs [--out FOLDER] [--only PART,…]
  python3 PREPARED/gpu.py run                  a folder that `prepare` made, on the GPU machine
  python3 tests/tools/gpu.py run --programs … --stand-in BUILD/tests/stand_in --tiny
  python3 tests/tools/gpu.py prepare --build BUILD --libtorch DIR --output FOLDER
  python3 tests/tools/gpu.py has-gpu           exit status 0 or 1
  python3 tests/tools/gpu.py find-libtorch     the folder of a LibTorch with CUDA, if Python has one

Parts: ceilings, kernels, attention, parity, training, decode, grpo, peers. The exit status is 0 where
all of them ran and every check held; speeds that are asked for are asked of the GPU that they were
stated for (GPU_OF_TARGETS), on any other they are shown. The whole stays within --seconds (480).

--libtorch names the LibTorch that the programs run with (default: the variable POSTTRAIN_LIBTORCH, or that
of a Python here). Programs of a prepared folder that do not load with it are built again from the sources
beside them.
"""

import argparse
import concurrent.futures
import ctypes
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
PREPARED = (HERE / "prepared.json").exists()
ROOT = HERE if PREPARED else HERE.parent.parent
SHAPES = HERE / "shapes.json" if PREPARED else ROOT / "tests" / "gpu" / "shapes.json"
PEER = HERE / "gpu_peer.py" if PREPARED else ROOT / "benchmarks" / "peers" / "gpu_peer.py"
PROGRAMS = ("gpu_kernels", "gpu_training")
GPU_OF_TARGETS = "H200"
# Libraries that every system has, or that a newer one must not be replaced of.
OF_THE_SYSTEM = re.compile(r"^(ld-linux|linux-vdso|lib(c|m|dl|rt|util|pthread|stdc\+\+|gcc_s)\.so)")


class Job:
    """A command with its limit of time; `must`: tokens in a second asked of GPU_OF_TARGETS."""

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
def gpu_name():
    """Of the first GPU, by NVIDIA's driver; None without one."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return None
    count, device = ctypes.c_int(), ctypes.c_int()
    if driver.cuInit(0) != 0 or driver.cuDeviceGetCount(ctypes.byref(count)) != 0 or count.value < 1:
        return None
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


def version_of(libtorch):
    for name in ("version.py", "build-version", "../build-version"):
        path = libtorch / name
        if path.exists():
            text = path.read_text()
            found = re.search(r"__version__ = '([^']+)'", text)
            return found.group(1) if found else text.strip()
    return "unknown"


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


# ---- Comparisons between jobs -----------------------------------------------------------------------
def line_of(all_jobs, name, **members):
    for job in all_jobs:
        if job.name == name:
            for line in job.lines:
                if all(line.get(key) == value for key, value in members.items()):
                    return line
    return None


def best(job):
    lines = [line for line in job.lines if "tokens_per_second" in line]
    return max(lines, key=lambda line: line["tokens_per_second"]) if lines else None


def ratios(all_jobs):
    """(name, value, at least) of what is compared with another row of this run."""
    def of(name, key="tokens_per_second", **members):
        line = line_of(all_jobs, name, **members)
        return line[key] if line else None

    qlora, full = line_of(all_jobs, "QLoRA Qwen3-8B"), of("Full Qwen3-1.7B, 7 layers")
    pairs = [("DPO + LoRA, prompts shared / not", 1.45,
              of("DPO + LoRA Qwen3-1.7B", "samples_per_second", shared=True),
              of("DPO + LoRA Qwen3-1.7B", "samples_per_second", shared=False)),
             ("OSFT / Full", 0.9, of("OSFT Qwen3-1.7B, 7 layers"), full),
             ("GRPO, prompt shared / not", None, of("GRPO + LoRA Qwen3-1.7B", "samples_per_second",
                                                    shared=True),
              of("GRPO + LoRA Qwen3-1.7B", "samples_per_second", shared=False))]
    if qlora:
        pairs.append(("QLoRA / LoRA, 8B", 0.92, qlora["tokens_per_second"],
                      of("LoRA Qwen3-8B", tokens=qlora["tokens"])))
    for model in ("Qwen3-0.6B", "Qwen3-8B"):
        theirs = [best(job) for job in all_jobs if job.part == "peers" and f"LoRA {model}" in job.name]
        theirs = [line["tokens_per_second"] for line in theirs if line]
        ours = next((best(job) for job in all_jobs if job.name == f"LoRA {model}"), None)
        if theirs and ours:
            pairs.append((f"LoRA {model} / transformers + PEFT", None, ours["tokens_per_second"],
                          max(theirs)))
    return [(name, a / b, least) for name, least, a, b in pairs if a and b]


def judge(all_jobs, gpu):
    """Adds speeds that are missed, on the GPU that they were asked of."""
    if GPU_OF_TARGETS not in gpu:
        return []
    missed = []
    for job in all_jobs:
        line = best(job)
        if job.must and line and line["tokens_per_second"] < job.must:
            missed.append(f"{job.name}: {line['tokens_per_second']:,.0f} tokens/s, expected {job.must:,.0f}")
    return missed + [f"{name}: {value:.2f}, expected {least}" for name, value, least in ratios(all_jobs)
                     if least and value < least]


# ---- The table --------------------------------------------------------------------------------------
def print_table(head, rows):
    rows = [[str(cell) for cell in row] for row in [head, *rows]]
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
    for row in rows:
        print("  " + "  ".join(cell.ljust(width) if i == 0 else cell.rjust(width)
                               for i, (cell, width) in enumerate(zip(row, widths))))
    print()


def number(value, digits=3):
    return "" if value is None else f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.{digits}g}"


def report(all_jobs, gpu, libtorch, seconds, missed):
    print(f"\n{gpu}, LibTorch {libtorch}, {seconds:.0f} s\n")
    lines = [(job, line) for job in all_jobs for line in job.lines]
    ceilings = [(line["ceiling"], line) for _, line in lines if "ceiling" in line]
    product = next((line["value"] for name, line in ceilings if name.startswith("product")), None)
    copy = next((line["value"] for name, line in ceilings if name == "copy"), None)

    def share(value, most):
        return number(value / most, 2) if value and most else ""

    if ceilings:
        print_table(["ceiling", "", ""], [(name, number(line["value"]), line["unit"])
                                          for name, line in ceilings])
    rates = [line for _, line in lines if "kernel" in line]
    if rates:
        print_table(["kernel", "GB/s forward", "share of copy", "GB/s with backward", "share"],
                    [(line["kernel"], number(line["forward_gb_per_s"]),
                      share(line["forward_gb_per_s"], copy), number(line.get("both_gb_per_s")),
                      share(line.get("both_gb_per_s"), copy)) for line in rates])
    rates = [line for _, line in lines if "attention" in line]
    if rates:
        print_table(["attention", "TFLOP/s forward", "backward"],
                    [(line["attention"], number(line["forward_tflops"]),
                      number(line["backward_tflops"])) for line in rates])
    training = [(job, line) for job, line in lines if "training" in line]
    if training:
        print_table(
            ["training", "tokens", "tokens/s", "must", "TFLOP/s", "of product", "GiB", "reads", "uploads",
             "published"],
            [(job.name + {True: ", shared", False: ", not shared"}.get(line.get("shared"), ""),
              line["tokens"], number(line["tokens_per_second"]), number(job.must),
              number(line.get("tflops")), share(line.get("tflops"), product), number(line["peak_gib"]),
              line["device_reads"], line["device_uploads"], job.published) for job, line in training])
    decoding = [line for _, line in lines if "decode" in line]
    if decoding:
        print_table(["decoding", "rows", "ms/step", "tokens/s", "of bandwidth", "reads", "uploads"],
                    [(line["decode"], line["rows"], number(line["step_ms"]),
                      number(line["tokens_per_second"]), number(line["share_of_bandwidth"], 2),
                      number(line["device_reads"]), number(line["device_uploads"])) for line in decoding])
    grpo = [(job, line) for job, line in lines if "grpo" in line]
    if grpo:
        print_table(["step of a group", "samples/s", "sampling", "GiB", "reads"],
                    [(job.name + (", shared" if line["shared"] else ", not shared"),
                      number(line["samples_per_second"]), number(line["generate_share"], 2),
                      number(line["peak_gib"]), line["device_reads"]) for job, line in grpo])
    peers = [(job, line) for job, line in lines if "peer" in line]
    if peers:
        print_table(["peer", "tokens", "tokens/s", "GiB"],
                    [(job.name, line["tokens"], number(line["tokens_per_second"]),
                      number(line["peak_gib"])) for job, line in peers])
    compared = ratios(all_jobs)
    if compared:
        print_table(["ratio", "", "must"], [(name, f"{value:.2f}", least or "")
                                            for name, value, least in compared])
    checks = [(job.part, line["ok"]) for job, line in lines if "check" in line]
    summary = []
    for part in dict.fromkeys(job.part for job in all_jobs):
        own = [job for job in all_jobs if job.part == part]
        held = [ok for name, ok in checks if name == part]
        state = "failed" if any(job.problems for job in own) else \
            "missing" if all(job.missing for job in own) else "ok"
        summary.append((part, state, f"{sum(held)} of {len(held)}" if held else "",
                        f"{sum(job.seconds for job in own):.0f} s"))
    print_table(["part", "", "checks", ""], summary)
    for job in all_jobs:
        if job.missing:
            print(f"missing: {job.name}: {job.missing}")
    for job in all_jobs:
        for problem in job.problems:
            print(f"failed: {job.name}: {problem}")
    for miss in missed:
        print(f"missed: {miss}")


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
    machine = Machine(options, libtorch, python)
    started = time.monotonic()
    if PREPARED and not loads(machine):
        print(f"the programs were built with LibTorch {json.loads((HERE / 'prepared.json').read_text())['libtorch']} "
              f"and do not load with {version_of(libtorch)}: building", flush=True)
        build_here(machine, libtorch, options)
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
            state = "failed" if job.problems else "missing" if job.missing else "ok"
            print(f"{state:8}{job.name} ({job.seconds:.1f} s)", flush=True)
    missed = judge(chosen, gpu)
    seconds = time.monotonic() - started
    version = version_of(libtorch) if libtorch else "of the build"
    out = pathlib.Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    (out / "gpu.json").write_text(json.dumps(
        {"gpu": gpu, "libtorch": version, "seconds": round(seconds, 1), "missed": missed,
         "ratios": {name: value for name, value, _ in ratios(chosen)},
         "jobs": [job.record() for job in chosen]}, indent=1) + "\n")
    report(chosen, gpu, version, seconds, missed)
    return 1 if missed or any(job.problems for job in chosen) else 0


# ---- A folder for a machine with a GPU --------------------------------------------------------------
def loads(machine):
    """Whether the programs load, with every symbol."""
    for program in PROGRAMS:
        done = subprocess.run([machine.programs / program, "--help"], stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL, env=dict(machine.environment, LD_BIND_NOW="1"))
        if done.returncode != 0:
            return False
    return True


def build_here(machine, libtorch, options):
    """Compiles library and programs from the folder's sources, all files at once."""
    sources = HERE / "src"
    folder = pathlib.Path(options.out) / "built"
    folder.mkdir(parents=True, exist_ok=True)
    compiler = os.environ.get("CXX") or shutil.which("c++") or shutil.which("g++") or shutil.which("clang++")
    if compiler is None:
        raise SystemExit("error: no C++ compiler here; hint: prepare with the LibTorch of this machine "
                         f"(tests/gpu.sh --prepare --libtorch {version_of(libtorch).split('+')[0]})")
    flags = ["-std=c++20", "-O1", "-fPIC", "-fopenmp", "-DPOSTTRAIN_COMPILED", "-DFMT_HEADER_ONLY",
             "-DAT_PER_OPERATOR_HEADERS", f'-DPOSTTRAIN_SOURCE_ROOT="{sources}"', f"-I{sources}/include",
             f"-I{sources}/tests", f"-I{sources}/benchmarks", f"-isystem{sources}/third_party",
             "-idirafter", f"{libtorch}/include", "-idirafter",
             f"{libtorch}/include/torch/csrc/api/include"]
    library = sorted((sources / "library").glob("*.cpp"))
    programs = [sources / "tests" / "programs" / f"{name}.cpp" for name in PROGRAMS]

    def called(what, command):
        try:
            done = subprocess.run(command, stderr=subprocess.PIPE, text=True, timeout=options.build_seconds)
        except subprocess.TimeoutExpired:
            raise SystemExit(f"error: {what} was not built within {options.build_seconds:.0f} s") from None
        if done.returncode != 0:
            lines = [line for line in done.stderr.splitlines() if "error" in line or "undefined" in line]
            raise SystemExit(f"error: {what} is not built: " + "\n".join(lines[:10])[:3000])

    def compiled(source):
        made = folder / (source.stem + ".o")
        extra = ["-include", sources / "tests" / "pch" / "program.hpp"] if source in programs else []
        called(source.name, [compiler, *flags, *extra, "-c", source, "-o", made])
        return made

    started = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        objects = dict(zip([*programs, *library], pool.map(compiled, [*programs, *library])))
    libraries = [path for path in sorted((HERE / "lib").iterdir()) if "fmt" not in path.name]
    for program in programs:
        called(program.stem, [compiler, objects[program], *(objects[source] for source in library),
                              f"-L{libtorch}/lib", "-lc10", "-ltorch_cpu", "-fopenmp", "-ldl", *libraries,
                              "-o", folder / program.stem])
    machine.programs = folder
    print(f"built in {time.monotonic() - started:.0f} s", flush=True)


def needed_libraries(program):
    """Paths of the shared libraries that a program needs besides LibTorch's and the system's."""
    listed = subprocess.run(["ldd", program], check=True, stdout=subprocess.PIPE, text=True).stdout
    for name, path in re.findall(r"^\s*(\S+) => (/\S+)", listed, re.MULTILINE):
        if not OF_THE_SYSTEM.match(name) and path.startswith(("/lib", "/usr")) and "gomp" not in name:
            yield name, os.path.realpath(path)


# range-v3 has four folders.
THIRD_PARTY = ("fmt", "nlohmann", "CLI", "range", "concepts", "meta", "std", "pcre2.h", "utf8proc.h",
               "zlib.h", "zconf.h")


def system_header(name):
    """Where the compiler finds a system header or folder of such."""
    roots = ["/usr/include", "/usr/local/include", *sorted(map(str, pathlib.Path("/usr/include").glob("*-linux-gnu")))]
    for root in roots:
        if os.path.exists(os.path.join(root, name)):
            return os.path.join(root, name)
    raise SystemExit(f"error: no header {name} in {', '.join(roots)}")


def prepare(options):
    output, build = pathlib.Path(options.output), pathlib.Path(options.build)
    if output.exists() and any(output.iterdir()) and not (output / "prepared.json").exists():
        raise SystemExit(f"error: expected an empty folder or a prepared one, {output} is neither")
    shutil.rmtree(output, ignore_errors=True)
    for folder in ("programs", "lib", "src/third_party", "src/library"):
        (output / folder).mkdir(parents=True)
    for path in [build / "tests" / "programs" / name for name in PROGRAMS] + [build / "tests" / "test_device"]:
        made = output / "programs" / path.name
        subprocess.run(["strip", "-o", made, path], check=True)
        for name, library in needed_libraries(path):
            shutil.copyfile(library, output / "lib" / name)
    for source in sorted(build.glob("*.cpp")):
        shutil.copyfile(source, output / "src" / "library" / source.name)
    shutil.copytree(ROOT / "include", output / "src" / "include")
    for folder in ("gpu", "support", "pch"):
        shutil.copytree(ROOT / "tests" / folder, output / "src" / "tests" / folder)
    (output / "src" / "tests" / "programs").mkdir()
    (output / "src" / "benchmarks").mkdir()
    for name in PROGRAMS:
        shutil.copy(ROOT / "tests" / "programs" / f"{name}.cpp", output / "src" / "tests" / "programs")
    shutil.copy(ROOT / "benchmarks" / "grpo_steps.hpp", output / "src" / "benchmarks")
    for name in THIRD_PARTY:
        header, to = system_header(name), output / "src" / "third_party" / name
        shutil.copytree(header, to) if os.path.isdir(header) else shutil.copyfile(header, to)
    for path in (pathlib.Path(__file__), SHAPES, PEER):
        shutil.copy(path, output)
    libtorch = version_of(pathlib.Path(options.libtorch))
    (output / "prepared.json").write_text(json.dumps({"libtorch": libtorch}) + "\n")
    size = sum(path.stat().st_size for path in output.rglob("*") if path.is_file()) / 2 ** 20
    print(f"{output}: {size:.0f} MiB, for LibTorch {libtorch}; there: python3 {output.name}/gpu.py run")
    if size > 60:
        raise SystemExit(f"error: expected at most 60 MiB, got {size:.0f}")
    return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    running = commands.add_parser("run")
    running.add_argument("--programs", default=str(HERE / "programs"), required=not PREPARED)
    running.add_argument("--libtorch")
    running.add_argument("--out", default="gpu-results")
    running.add_argument("--only", default="")
    running.add_argument("--seconds", type=float, default=480.0)
    running.add_argument("--build-seconds", type=float, default=240.0, help="for one file, where it must be built")
    running.add_argument("--stand-in", help="folder of the stand-in device's libraries")
    running.add_argument("--tiny", action="store_true")
    preparing = commands.add_parser("prepare")
    for name in ("--build", "--libtorch", "--output"):
        preparing.add_argument(name, required=True)
    commands.add_parser("has-gpu")
    commands.add_parser("find-libtorch")
    options = parser.parse_args()
    if options.command == "has-gpu":
        return 0 if gpu_name() else 1
    if options.command == "find-libtorch":
        print(find_libtorch()[0] or "")
        return 0
    return run(options) if options.command == "run" else prepare(options)


if __name__ == "__main__":
    sys.exit(main())
