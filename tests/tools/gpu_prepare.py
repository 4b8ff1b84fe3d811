# SPDX-License-Identifier: Apache-2.0
"""A folder for a machine with a GPU (tests/tools/gpu.py prepare): programs, the system's libraries that they
need, and what builds them again where they do not load."""

import concurrent.futures
import glob
import json
import os
import pathlib
import re
import shutil
import subprocess
import time

HERE = pathlib.Path(__file__).resolve().parent
PREPARED = (HERE / "prepared.json").exists()
ROOT = HERE if PREPARED else HERE.parent.parent
SHAPES = HERE / "shapes.json" if PREPARED else ROOT / "tests" / "gpu" / "shapes.json"
PEER = HERE / "gpu_peer.py" if PREPARED else ROOT / "benchmarks" / "peers" / "gpu_peer.py"
PROGRAMS = ("gpu_kernels", "gpu_training")
# Libraries that every system has; theirs may be newer.
OF_THE_SYSTEM = re.compile(r"^(ld-linux|linux-vdso|lib(c|m|dl|rt|util|pthread|stdc\+\+|gcc_s)\.so)")


def version_of(libtorch):
    """Of a wheel or an unpacked LibTorch."""
    for name in ("version.py", "build-version", "../build-version"):
        path = libtorch / name
        if path.exists():
            text = path.read_text()
            found = re.search(r"__version__ = '([^']+)'", text)
            return found.group(1) if found else text.strip()
    return "unknown"


def prepared_for():
    """The LibTorch of this folder's programs."""
    return json.loads((HERE / "prepared.json").read_text())["libtorch"]


def loads(programs, environment):
    """Whether the programs load, with every symbol."""
    for program in PROGRAMS:
        done = subprocess.run([programs / program, "--help"], stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL, env=dict(environment, LD_BIND_NOW="1"))
        if done.returncode != 0:
            return False
    return True


def build_here(libtorch, folder, seconds):
    """Compiles library and programs from the folder's sources, all files at once; each within so many
    seconds. Returns the folder of the programs."""
    sources = HERE / "src"
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
            done = subprocess.run(command, stderr=subprocess.PIPE, text=True, timeout=seconds)
        except subprocess.TimeoutExpired:
            raise SystemExit(f"error: {what} was not built within {seconds:.0f} s") from None
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
    print(f"built in {time.monotonic() - started:.0f} s", flush=True)
    return folder


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
    roots = ["/usr/include", "/usr/local/include", *glob.glob("/usr/include/*-linux-gnu")]
    for root in roots:
        if os.path.exists(os.path.join(root, name)):
            return os.path.join(root, name)
    raise SystemExit(f"error: no header {name} in {', '.join(roots)}")


def prepare(build, libtorch, output):
    """A folder of all that a run takes, of a build folder."""
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
    for path in (HERE / "gpu.py", HERE / "gpu_table.py", HERE / "gpu_prepare.py", SHAPES, PEER):
        shutil.copy(path, output)
    version = version_of(libtorch)
    (output / "prepared.json").write_text(json.dumps({"libtorch": version}) + "\n")
    size = sum(path.stat().st_size for path in output.rglob("*") if path.is_file()) / 2 ** 20
    print(f"{output}: {size:.0f} MiB, for LibTorch {version}; there: python3 {output.name}/gpu.py run")
    if size > 60:
        raise SystemExit(f"error: expected at most 60 MiB, got {size:.0f}")
