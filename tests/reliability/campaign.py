# SPDX-License-Identifier: Apache-2.0
"""A run that is killed, disks that fail, files that are damaged: nothing is lost and nothing crashes.

  python tests/reliability/campaign.py PROGRAMS FAULTS [--kills N] [--errors N] [--mutations N] [--seed S]

PROGRAMS holds `reliability` (tests/programs), FAULTS is the library to preload (faults.cpp).

1. A small run is killed before one of its file operations, for a choice of N of them, or all
   (--kills 0), from two beginnings: an empty folder, and a run that goes on and replaces the model
   of an earlier one. The model's folder must be the old one, the new one or absent. The same command
   then ends with the bytes of a run that nothing disturbed, and leaves nothing else.
2. One operation fails with ENOSPC or EIO, once or for good: status 1 and one line, and as above.
3. Values, bits, lengths and characters of every kind of file are changed. Reading ends within 20 s
   of processor time and 4 GB, well or with one line of at most 1,500 bytes that is not another library's.

Prints what was found, a table of counts, and as the last line `N passed, M failed`. The tests run a
choice; all operations and many mutations:

  python tests/reliability/campaign.py BUILD/tests/programs BUILD/tests/programs/libfaults.so \\
      --kills 0 --errors 0 --mutations 20000
"""

import argparse
import collections
import json
import os
import pathlib
import random
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
POCKET = ROOT / "examples" / "pocket"
STEPS = 4
FOREIGN = re.compile(r"json\.exception|frame #|c10::|terminate called|what\(\)|enforce fail|std::")
counts = collections.Counter()


def report(group, good, detail):
    counts[group, bool(good)] += 1
    if not good:
        print(f"FAILED {group}: {detail}"[:1200], flush=True)


def content(folder):
    return {str(path.relative_to(folder)): path.read_bytes()
            for path in sorted(folder.rglob("*")) if path.is_file()} if folder.exists() else None


class Run:
    """Runs of the small job in a scratch folder, with and without faults."""

    def __init__(self, program, faults, folder):
        self.program, self.faults, self.folder = program, faults, folder
        subprocess.run([program, "make", POCKET / "model", folder], check=True)
        lines = (POCKET / "data" / "conversations.jsonl").read_text().splitlines()[:12]
        self.chats = folder / "chats.jsonl"
        self.chats.write_text("\n".join(lines) + "\n")
        self.beginnings = {"from nothing": folder / "nothing", "over an earlier run": folder / "earlier"}
        self.beginnings["from nothing"].mkdir()
        self.train(self.beginnings["over an earlier run"], steps=2)
        self.expected = {}
        for name, beginning in self.beginnings.items():
            whole = folder / "whole" / beginning.name
            shutil.copytree(beginning, whole)
            self.train(whole)
            self.expected[name] = content(whole / "out"), self.run_files(whole)

    def train(self, where, steps=STEPS, **environment):
        command = [self.program, "train", self.folder / "model", self.chats, where / "run", where / "out", str(steps)]
        given = {**os.environ, "OMP_NUM_THREADS": "1", **environment}
        done = subprocess.run(command, capture_output=True, text=True, env=given)
        if not environment and done.returncode != 0:
            return f"status {done.returncode}: {done.stderr.strip()}"
        return done

    @staticmethod
    def run_files(where):
        """What a finished run leaves, without the lines of metrics that hold times."""
        files = content(where / "run")
        steps = [json.loads(line).get("step") for line in files.pop("metrics.jsonl").decode().splitlines()]
        files.pop("run.json")
        return steps, files

    def under(self, beginning, operation, how, stays=False):
        """A copy of a beginning, run with a fault: what came, and the folder."""
        where = self.folder / "work"
        shutil.rmtree(where, ignore_errors=True)
        shutil.copytree(self.beginnings[beginning], where)
        extra = {"FAULTS_STAYS": "1"} if stays else {}
        done = self.train(where, LD_PRELOAD=str(self.faults), FAULTS_ROOT=str(where), FAULTS_AT=str(operation),
                          FAULTS_HOW=how, FAULTS_COUNT=str(self.folder / "count"), **extra)
        return done, where

    def operations(self, beginning):
        self.under(beginning, 0, "kill")
        return int((self.folder / "count").read_text())

    def aftermath(self, beginning, where):
        """What is wrong in the folder after a fault, and after the same command without one."""
        old = content(self.beginnings[beginning] / "out")
        model, run_folder = self.expected[beginning]
        if content(where / "out") not in (old, model):
            return f"the model's folder is neither old nor new: {sorted(content(where / 'out') or [])}"
        done = self.train(where)
        if isinstance(done, str):
            return f"the run does not go on: {done}"
        if content(where / "out") != model:
            return "another model than without the fault"
        if self.run_files(where) != run_folder:
            return f"another run folder: {self.run_files(where)[0]} {sorted(self.run_files(where)[1])}"
        left = [str(path) for path in where.rglob(".*")]
        return f"left behind: {left}" if left else None


def chosen(number, total, rng):
    return range(1, total + 1) if number == 0 or number >= total else sorted(rng.sample(range(1, total + 1), number))


def kills(run, number, rng):
    for beginning in run.beginnings:
        for operation in chosen(number, run.operations(beginning), rng):
            done, where = run.under(beginning, operation, "kill")
            wrong = run.aftermath(beginning, where) if done.returncode == -9 else f"status {done.returncode}"
            report(f"killed, {beginning}", not wrong, f"operation {operation}: {wrong}")


def errors(run, number, rng):
    kinds = (("ENOSPC", "28", False), ("EIO", "5", False), ("EIO for good", "5", True))
    for beginning in run.beginnings:
        total = run.operations(beginning)
        for name, code, stays in kinds:
            for operation in chosen(number, total, rng):
                done, where = run.under(beginning, operation, code, stays)
                lines = done.stderr.strip().splitlines()
                wrong = run.aftermath(beginning, where)
                if done.returncode not in (0, 1, 2):
                    wrong = f"status {done.returncode}"
                elif (done.returncode == 0) != (not lines) or len(lines) > 1 or FOREIGN.search(done.stderr):
                    wrong = f"status {done.returncode} with {lines}"
                report(f"{name}, {beginning}", not wrong, f"operation {operation}: {wrong}")


# ---- damaged files ------------------------------------------------------------------------------
VALUES = [None, True, -1, 0, 1, 1.5, 1e308, 2**31, 2**63, 10**30, "", "text", "x" * 3000, [], {}, [None],
          [[-1]], {"a": None}, float("nan")]


def places(value, path=()):
    """Paths of all values within, but for long lists' middles."""
    yield path
    if isinstance(value, dict):
        for key in value:
            yield from places(value[key], (*path, key))
    elif isinstance(value, list):
        for index in [*range(min(len(value), 3)), *range(max(3, len(value) - 2), len(value))]:
            yield from places(value[index], (*path, index))


def changed_value(text, rng):
    """A JSON text with one value changed, one key gone, doubled or renamed, or nested very deep."""
    value = json.loads(text)
    all_places = [path for path in places(value) if path]
    if not all_places:
        return json.dumps(rng.choice(VALUES))
    *way, last = rng.choice(all_places)
    holder = value
    for step in way:
        holder = holder[step]
    how = rng.randrange(8)
    if how == 0:
        holder.pop(last)
    elif how == 1 and isinstance(holder, dict):
        holder[last + "_"] = holder.pop(last)
    elif how == 2:
        depth = rng.choice((100, 600, 100_000))
        mark = "deep-inside"
        holder[last] = mark
        return json.dumps(value).replace(f'"{mark}"', "[" * depth + "]" * depth)
    else:
        holder[last] = rng.choice(VALUES)
    return json.dumps(value)


def changed_bytes(data, rng):
    data = bytearray(data)
    how = rng.randrange(5)
    at = rng.randrange(max(1, len(data)))
    if how == 0:
        data[at:at + 1] = bytes([data[at] ^ 1 << rng.randrange(8)])
    elif how == 1:
        del data[at:]
    elif how == 2:
        data[at:at + 40] = bytes(len(data[at:at + 40]))
    elif how == 3:
        data[at:at] = bytes(rng.randrange(256) for _ in range(rng.randrange(1, 9)))
    else:
        data[:8] = rng.choice((0, 1, 2**20, 2**31, 2**63 - 1, 2**64 - 1)).to_bytes(8, "little")
    return bytes(data)


def changed_header(data, rng):
    """A safetensors file with a value of its header changed."""
    size = int.from_bytes(data[:8], "little")
    header = changed_value(data[8:8 + size].decode(), rng).encode()
    return len(header).to_bytes(8, "little") + header + data[8 + size:]


def change(path, rng):
    """Changes one file in place."""
    data = path.read_bytes()
    if path.suffix == ".gguf" and rng.random() < 0.8:  # the head says more than the weights
        head = data.find(b"token_embd.weight") + 400
        path.write_bytes(changed_bytes(data[:head], rng) + data[head:])
    elif path.suffix == ".json" and rng.random() < 0.85:
        path.write_text(changed_value(data.decode(), rng))
    elif path.suffix == ".jsonl" and rng.random() < 0.85:
        lines = data.decode().splitlines()
        at = rng.randrange(len(lines))
        lines[at] = changed_value(lines[at], rng)
        path.write_text("\n".join(lines) + "\n")
    elif path.suffix == ".safetensors" and rng.random() < 0.7:
        path.write_bytes(changed_header(data, rng))
    else:
        path.write_bytes(changed_bytes(data, rng))


def inputs(run):
    """Of each kind of reader a good input: the folder to copy, what to name to it, files to change."""
    whole = run.folder / "whole" / "nothing"
    for step in (whole / "run" / "checkpoints").iterdir():
        record = [step / "trainer.json", step / "state.safetensors"]
    pairs = run.folder / "pairs.jsonl"
    pairs.write_text("".join(json.dumps({
        "prompt": [{"role": "user", "content": f"Question {i}?"}], "chosen": [{"role": "assistant", "content": "Yes."}],
        "rejected": [{"role": "assistant", "content": "No."}]}) + "\n" for i in range(8)))
    tokens = run.folder / "tokens.jsonl"
    tokens.write_text("".join(json.dumps({"input_ids": list(range(5, 20 + i)), "labels": list(range(5, 20 + i))}) + "\n"
                              for i in range(8)))
    given = {"model": (run.folder / "model", [path for path in (run.folder / "model").iterdir()])}
    given["gguf"] = (run.folder / "model.gguf", [run.folder / "model.gguf"])
    for kind in ("adapter", "prompt", "delta"):
        given[kind] = (run.folder / kind, list((run.folder / kind).iterdir()))
    for kind, path in (("chats", run.chats), ("pairs", pairs), ("tokens", tokens)):
        given[kind] = (path, [path])
    given["run"] = (whole / "run", record)
    return given


def mutations(run, number, rng):
    scratch = run.folder / "mutated"
    scratch.mkdir()
    shutil.copy(run.chats, scratch / "chats.jsonl")
    given = inputs(run)
    process = subprocess.Popen([run.program, "read", run.folder / "model"], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    for turn in range(number):
        kind = list(given)[turn % len(given)]
        source, files = given[kind]
        copy = scratch / source.name
        if copy.is_dir():
            shutil.rmtree(copy)
        (shutil.copytree if source.is_dir() else shutil.copy)(source, copy)
        file = rng.choice(files)
        target = copy / file.relative_to(source) if source.is_dir() else copy
        if turn >= len(given):  # the first round is of good files
            change(target, rng)
        process.stdin.write(f"{kind}\t{copy}\n")
        process.stdin.flush()
        done = json.loads(process.stdout.readline())
        error = done["error"]
        wrong = (done["signal"] != 0 or done["status"] not in (0, 1) or done["seconds"] > 60 or
                 done["peak_bytes"] > 4 << 30 or FOREIGN.search(error) or
                 (done["status"] == 1 and (error.count("\n") != 1 or len(error.encode()) > 1501)) or
                 (turn < len(given) and done["status"] != 0))
        if wrong:
            keep = pathlib.Path(tempfile.gettempdir()) / f"posttrain-mutation-{turn}"
            shutil.copyfile(target, keep)
            done["input"] = f"{keep} (as {target.name})"
        report(f"damaged {kind}", not wrong, {key: done[key] for key in done if key not in ("kind", "path")})
    process.stdin.close()
    process.wait()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("programs", type=pathlib.Path)
    parser.add_argument("faults", type=pathlib.Path)
    parser.add_argument("--kills", type=int, default=12, help="of each beginning; 0: all operations")
    parser.add_argument("--errors", type=int, default=4, help="of each beginning and error; 0: all operations")
    parser.add_argument("--mutations", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    if not (POCKET / "model" / "tokenizer.json").exists():
        print("skipped: there is no pocket model")
        sys.exit(77)
    rng = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as folder:
        run = Run(options.programs.resolve() / "reliability", options.faults.resolve(), pathlib.Path(folder))
        kills(run, options.kills, rng)
        errors(run, options.errors, rng)
        mutations(run, options.mutations, rng)
    for group in dict.fromkeys(group for group, _ in counts):
        print(f"{group}: {counts[group, True]} passed, {counts[group, False]} failed")
    failures = sum(count for (_, good), count in counts.items() if not good)
    print(f"{sum(counts.values()) - failures} passed, {failures} failed")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
