# SPDX-License-Identifier: Apache-2.0
"""What the check scripts share: the source tree's files, cases that are counted, compiler runs."""

import concurrent.futures
import hashlib
import json
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
INCLUDE = os.path.join(ROOT, "include")
INCLUDE_LINE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.MULTILINE)


def files(*suffixes):
    """Paths, relative to the root, of the project's own files (tracked, or new and not ignored)."""
    try:
        listed = subprocess.run(["git", "ls-files", "-z", "-c", "-o", "--exclude-standard"], cwd=ROOT,
                                check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        names = sorted(set(listed.stdout.decode().split("\0")) - {""})
    except (OSError, subprocess.CalledProcessError):  # an unpacked archive
        names = []
        for folder, folders, entries in os.walk(ROOT):
            folders[:] = sorted(f for f in folders
                                if not f.startswith((".", "build")) and f != "__pycache__")
            names += [os.path.relpath(os.path.join(folder, e), ROOT) for e in sorted(entries)]
    return [n for n in names
            if (not suffixes or n.endswith(suffixes)) and os.path.isfile(os.path.join(ROOT, n))]


def library_files():
    """All files of the library as they are included: posttrain/…"""
    return [os.path.relpath(n, "include") for n in files(".hpp", ".ipp") if n.startswith("include/")]


def is_public(name):
    """Not a definition that its header includes (impl/), nor a list of such (src.hpp)."""
    return "/impl/" not in name and os.path.basename(name) not in (
        "src.hpp", "src_host.hpp")


def headers():
    """Public headers as they are included."""
    return [name for name in library_files() if is_public(name)]


def read(name):
    with open(os.path.join(ROOT, name), encoding="utf-8") as file:
        return file.read()


def includes(name):
    """(quote, path, line number) of each #include of a file."""
    text = read(name)
    return [(m.group(1), m.group(2), text.count("\n", 0, m.start(2)) + 1)
            for m in INCLUDE_LINE.finditer(text)]


def include_graph(declarations=False):
    """File -> the set of the library's files it reaches, and file -> whether it reaches LibTorch. With
    `declarations` a header does not reach its definitions (-DPOSTTRAIN_COMPILED)."""
    direct = {h: [path for _, path, _ in includes("include/" + h)] for h in library_files()}

    def reached(header, follow):
        seen, stack = set(), [header]
        while stack:
            top = stack.pop()
            for path in direct[top]:
                if path in direct and path not in seen and follow(top, path):
                    seen.add(path)
                    stack.append(path)
        return seen

    def not_back(header, path):  # the definitions of a header include it back (base/compiled.hpp)
        return path == header or not ("/impl/" in header and header in direct[path])

    def declared(header, path):
        return not path.endswith(".ipp")

    reach = {h: reached(h, declared if declarations else not_back) for h in direct}
    torch = {h: any(path.startswith(("ATen/", "c10/", "torch/"))
                    for each in reached(h, declared if declarations else lambda *_: True) | {h}
                    for path in direct[each])
             for h in direct}
    return reach, torch


class Cases:
    """Counts cases; a failure is printed with its reasons."""

    def __init__(self):
        self.passed = self.failed = self.skipped = 0

    def case(self, name, problems):
        if problems:
            self.failed += 1
            print(f"FAILED {name}")
            for problem in problems:
                print("  " + problem.replace("\n", "\n  "))
        else:
            self.passed += 1

    def skip(self, name, reason):
        self.skipped += 1
        print(f"skipped {name}: {reason}")

    def finish(self):
        extra = f", {self.skipped} skipped" if self.skipped else ""
        print(f"{self.passed} passed, {self.failed} failed{extra}")
        sys.exit(1 if self.failed else 0)


def jobs():
    """How many compilers at once: one with LibTorch's headers takes up to 1.5 GB."""
    if os.environ.get("POSTTRAIN_JOBS"):
        return max(1, int(os.environ["POSTTRAIN_JOBS"]))
    count = os.cpu_count() or 1
    try:
        with open("/proc/meminfo") as file:
            kib = next(int(line.split()[1]) for line in file if line.startswith("MemAvailable"))
        count = min(count, kib // 1572864)
    except (OSError, StopIteration):
        pass
    return max(1, count)


def in_parallel(function, items):
    with concurrent.futures.ThreadPoolExecutor(jobs()) as pool:
        return list(pool.map(function, items))


class Compiler:
    """A compiler with flags; results are remembered by the content of all files that were read."""

    def __init__(self, command, flags, memory):
        self.command, self.flags = command, flags
        version = subprocess.run(command + ["--version"], stdout=subprocess.PIPE, text=True)
        self.identity = version.stdout + " ".join(command + flags)
        self.path = memory
        try:
            with open(memory) as file:
                self.memory = json.load(file)
        except (OSError, ValueError):
            self.memory = {}

    def save(self):
        os.makedirs(os.path.dirname(self.path), exist_ok=True)
        with open(self.path + ".new", "w") as file:
            json.dump(self.memory, file)
        os.replace(self.path + ".new", self.path)

    def digest(self, key, read_files):
        total = hashlib.sha256((self.identity + key).encode())
        for name in sorted(read_files):
            try:
                with open(name, "rb") as file:
                    total.update(name.encode() + b"\0" + hashlib.sha256(file.read()).digest())
            except OSError:
                return None
        return total.hexdigest()

    def run(self, source, extra=(), scratch=None, before=None, after=None, also=()):
        """(exit status, output). `before()` runs first where nothing is remembered; `after()` may
        return a problem with what was compiled. `also`: files read that the compiler does not list.
        """
        key = " ".join([source, *extra])
        known = self.memory.get(key)
        if known and self.digest(key, known["files"]) == known["digest"]:
            return known["status"], known["output"]
        if before:
            before()
        depends = scratch + ".d"
        if os.path.exists(depends):
            os.remove(depends)
        done = subprocess.run([*self.command, *self.flags, *extra, "-MD", "-MF", depends, source],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              errors="replace", stdin=subprocess.DEVNULL, cwd=ROOT)
        status, output = done.returncode, done.stdout
        if after and status == 0:
            problem = after()
            if problem:
                status, output = 1, problem
        if os.path.exists(depends):
            with open(depends) as file:
                names = file.read().replace("\\\n", " ").split()[1:]
            # A system header changes with its compiler or library only.
            names = [n for n in names if os.path.abspath(os.path.join(ROOT, n)).startswith(ROOT + "/")
                     and "/.cache/" not in n] + [source, *also]
            names = sorted({os.path.join(ROOT, n) for n in names})
            digest = self.digest(key, names)
            if digest:
                self.memory[key] = {"digest": digest, "files": names, "status": status,
                                    "output": output}
        return status, output


def load_flags(path):
    """The flags that Meson wrote: {"compiler": […], "host": […], "torch": […], "nccl": […]}."""
    with open(path) as file:
        flags = {}
        for line in file:
            name, _, rest = line.rstrip("\n").partition(" ")
            flags[name] = [item for item in rest.split("\t") if item]
    return flags
