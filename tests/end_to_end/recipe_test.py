# SPDX-License-Identifier: Apache-2.0
"""A recipe that is interrupted at random moments ends with the bytes of one that is not.

  python tests/end_to_end/recipe_test.py PROGRAMS [--campaigns N] [--seed S]

PROGRAMS holds `recipe` and `reliability` (tests/programs). The call saves models every few samples and at
epochs, the best one, and the state for resuming in two folders. In each campaign it is ended by SIGTERM or
SIGKILL at random moments and started again until it is done. After each of them every folder under a model's
name must hold that model, whole, and the best one must have been the best at its time; in the end all folders
must hold what they hold without an interruption, and nothing else. In the last campaign the run's folder is lost
in between, and the run goes on from the second one.
"""

import argparse
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
POCKET = ROOT / "examples" / "pocket"
STEPS, INTERRUPTIONS = 12, 4
results = []


def check(name, good, detail=""):
    results.append(bool(good))
    print(f"{'ok' if good else 'FAILED'} {name} {detail if not good else ''}".rstrip(), flush=True)


def content(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def models(out):
    folder = out / "hf_format"
    return {path.name: content(path) for path in folder.iterdir() if path.name[0] != "."} if folder.exists() else {}


def records(out):
    path = out / "training_metrics_0.jsonl"
    lines = path.read_text().splitlines(keepends=True) if path.exists() else []
    return [json.loads(line) for line in lines if line.endswith("\n")]


def numbers(out):
    """What the metrics say, without the lines' times."""
    kept = ("step", "loss", "lr", "grad_norm", "total_samples_accumulated", "val_loss", "best")
    return [{name: record[name] for name in kept if name in record} for record in records(out)]


class Call:
    """The recipe's call in one place, since the record of parameters names it."""

    def __init__(self, programs, folder):
        self.out, self.storage = folder / "out", folder / "storage"
        subprocess.run([programs / "reliability", "make", POCKET / "model", folder], check=True)
        lines = (POCKET / "data" / "conversations.jsonl").read_text().splitlines()[:20]
        (folder / "chats.jsonl").write_text("\n".join(lines) + "\n")
        self.command = [programs / "recipe", folder / "model", folder / "chats.jsonl", self.out, self.storage]
        self.environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        started = time.time()
        self.whole_result = self.finish()
        self.seconds = time.time() - started
        self.whole = folder / "whole"
        shutil.move(self.out, self.whole)
        shutil.move(self.storage, folder / "whole-storage")
        self.models = models(self.whole)
        # After each validation that found a better model: how many samples that was.
        samples = {r["step"]: r["total_samples_accumulated"] for r in records(self.whole) if "loss" in r}
        self.best_ones = [samples[r["step"]] for r in records(self.whole) if r.get("best")]

    def finish(self):
        done = subprocess.run(self.command, capture_output=True, text=True, env=self.environment)
        if done.returncode != 0:
            return {"error": f"status {done.returncode}: {done.stderr.strip()}"}
        return json.loads(done.stdout)

    def interrupted(self, how, seconds):
        """Ends a run after that time; its status."""
        process = subprocess.Popen(self.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                   env=self.environment)
        try:
            return process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.send_signal(how)
            return process.wait()

    def wrong_models(self):
        """What is under a model's name and is not that model."""
        wrong = []
        for name, files in models(self.out).items():
            best = name.endswith("_best_val_loss")
            expected = self.models.get(name.removesuffix("_best_val_loss"), {})
            # The best one is saved within its step, before the state that the other's card tells of.
            left_out = {"README.md"} if best else set()
            if {n: f for n, f in files.items() if n not in left_out} != {
                    n: f for n, f in expected.items() if n not in left_out} or files.keys() != expected.keys():
                wrong.append(f"{name} is not whole: {sorted(files)}")
            if best and int(name.split("_")[1]) not in self.best_ones:
                wrong.append(f"{name} never was the best of {self.best_ones}")
        return wrong

    def wrong_in_the_end(self):
        wrong = self.wrong_models()
        if models(self.out) != self.models:
            wrong.append(f"other models: {sorted(models(self.out))}")
        for name in ("data/data.jsonl", "data/validation.jsonl", "training_params.json"):
            if (self.out / name).read_bytes() != (self.whole / name).read_bytes():
                wrong.append(f"another {name}")
        if numbers(self.out) != numbers(self.whole):
            wrong.append(f"other metrics: {numbers(self.out)}")
        return wrong + self.left_behind()

    def left_behind(self):
        """Files and folders that a run without interruptions has not."""
        wrong = [str(path) for folder in (self.out, self.storage) for path in folder.rglob(".*")]
        for folder in (self.out / "checkpoints", self.storage):
            steps = sorted(path.name for path in folder.glob("step-*"))
            if steps != [f"step-{STEPS:08}"]:
                wrong.append(f"{folder.name} has {steps}")
        return wrong

    def forget(self):
        for folder in (self.out, self.storage):
            shutil.rmtree(folder, ignore_errors=True)


def check_whole(call):
    result = call.whole_result
    check("the call trains", result.get("steps") == STEPS, result)
    best = pathlib.Path(result["best"]).name
    check("the best model is another one than the last", best.endswith("_best_val_loss") and
          best != f"{pathlib.Path(result['model']).name}_best_val_loss", result)
    check("its name says the samples at the lowest validation loss",
          best == f"samples_{call.best_ones[-1]}_best_val_loss", f"{best} {call.best_ones}")
    # Models are compared with those that the whole run saved.
    saved = {int(name.split("_")[1]) for name in call.models if not name.endswith("loss")}
    check("every model that was the best once is saved, too", set(call.best_ones) <= saved, f"{call.best_ones} {saved}")


def campaign(call, number, rng):
    call.forget()
    history = []
    for _ in range(INTERRUPTIONS):
        how = rng.choice((signal.SIGTERM, signal.SIGKILL))
        seconds = rng.uniform(0.05, 1.0) * call.seconds
        status = call.interrupted(how, seconds)
        history.append(f"{how.name} after {seconds:.2f} s: {status}")
        wrong = call.wrong_models()
        if status not in (0, -how, 128 + how):
            wrong.append(f"status {status}")
        if wrong:
            check(f"campaign {number}: what an interruption leaves is whole", False, f"{history}: {wrong}")
            return
        if status == 0:
            break
    result = call.finish()
    wrong = [result["error"]] if "error" in result else call.wrong_in_the_end()
    for name in ("model", "best", "steps"):
        if result.get(name) != call.whole_result[name]:
            wrong.append(f"{name} is {result.get(name)}")
    check(f"campaign {number}: interrupted and uninterrupted calls end with the same bytes [C25]", not wrong,
          f"{history}: {wrong}")


def stored_steps(call):
    """The steps of the whole states in the second folder."""
    return [int(path.parent.name.split("-")[1]) for path in call.storage.glob("step-*/trainer.json")]


def leave_half_a_run(call):
    """Ends a run between its first stored state and its last step."""
    for _ in range(50):
        call.forget()
        process = subprocess.Popen(call.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                   env=call.environment)
        while process.poll() is None and not stored_steps(call):
            time.sleep(0.002)
        process.send_signal(signal.SIGTERM)
        process.wait()
        if stored_steps(call) and max(stored_steps(call)) < STEPS:
            return
    raise RuntimeError("50 runs reached their last step before they could be ended")


def check_lost_folder(call):
    """The run's own folder is lost between two runs."""
    leave_half_a_run(call)
    shutil.rmtree(call.out, ignore_errors=True)
    result = call.finish()
    first = result.get("first_step", 0)
    check("a run whose folder was lost goes on from its storage", 0 < first < STEPS, result)
    check("to the same last model", models(call.out).get(pathlib.Path(call.whole_result["model"]).name) ==
          call.models[pathlib.Path(call.whole_result["model"]).name])
    wrong = call.wrong_models() + call.left_behind()
    rest = [record for record in numbers(call.whole) if record["step"] > first]
    if numbers(call.out) != rest:
        wrong.append(f"other metrics: {numbers(call.out)}")
    for name in ("data/data.jsonl", "training_params.json"):
        if (call.out / name).read_bytes() != (call.whole / name).read_bytes():
            wrong.append(f"another {name}")
    check("with all that belongs to it", not wrong, wrong)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("programs", type=pathlib.Path)
    parser.add_argument("--campaigns", type=int, default=4)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    if not (POCKET / "model" / "tokenizer.json").exists():
        print("skipped: there is no pocket model")
        sys.exit(77)
    rng = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as folder:
        call = Call(options.programs.resolve(), pathlib.Path(folder))
        if "error" in call.whole_result:
            check("the call trains", False, call.whole_result)
        else:
            check_whole(call)
            for number in range(1, options.campaigns + 1):
                campaign(call, number, rng)
            check_lost_folder(call)
    failures = results.count(False)
    print(f"{len(results) - failures} passed, {failures} failed")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
