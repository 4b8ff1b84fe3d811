# SPDX-License-Identifier: Apache-2.0
"""examples/06_continual for a few steps: every stage measured, every task on the one before it.

  python tests/end_to_end/continual_test.py BUILD/examples
"""

import json
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
POCKET = ROOT / "examples" / "pocket"
results = []


def check(name, good, detail=""):
    results.append(bool(good))
    print(f"{'ok' if good else 'FAILED'} {name} {detail if not good else ''}".rstrip(), flush=True)


def main():
    program = str(pathlib.Path(sys.argv[1]) / "06_continual")

    def run(folder, *extra):
        done = subprocess.run([program, "--model", str(POCKET / "model"), "--tasks",
                               str(POCKET / "data" / "tasks"), "--names", "c", "b", "--max-steps",
                               "3", "--effective-batch-size", "8", "--work", f"{folder}/work",
                               "--output", f"{folder}/measured.jsonl", *extra],
                              capture_output=True, text=True)
        return done.returncode, done.stdout, done.stderr

    with tempfile.TemporaryDirectory() as folder:
        for method in ("full", "osft"):
            code, out, error = run(folder, "--method", method)
            rows = [line.split("  ")[0] for line in out.splitlines()]
            check(f"{method}: a row for every stage", code == 0 and
                  rows[2:5] == ["before", "after c", "after b"], out + error)
            check(f"{method}: the run says what it holds", "trains " in error and
                  "% of the model's 3,721,984" in error, error)
        records = [json.loads(line)
                   for line in (pathlib.Path(folder) / "measured.jsonl").read_text().splitlines()]
        check("measurements are appended", [r["method"] for r in records] == ["full", "osft"])
        full, osft = (record["stages"] for record in records)
        check("the base is at no distance from itself", full[0]["kl"] == [0.0, 0.0], full)
        check("training lowers the task's loss", full[1]["loss"][0] < full[0]["loss"][0] - 0.5 and
              osft[1]["loss"][0] < osft[0]["loss"][0] - 0.05, records)
        check("the second task starts where the first ended",
              full[2]["kl"][0] > 0 and full[2]["loss"][1] < full[1]["loss"][1], full)
        check("a subspace stays nearer to the base", all(
            a < b for a, b in zip(osft[2]["kl"], full[2]["kl"])), records)
        code, out, error = run(folder, "--method", "osft-on-inputs", "--projection", "input_only",
                               "--first-task-from", f"{folder}/work")
        last = json.loads((pathlib.Path(folder) / "measured.jsonl").read_text().splitlines()[-1])
        check("a first task is taken over", code == 0 and
              last["stages"][1]["loss"] == osft[1]["loss"], out + error)
        check("what the first task reads is protected, and the second is learnt",
              last["stages"][2]["loss"][1] < osft[1]["loss"][1] and
              abs(last["stages"][2]["loss"][0] - osft[1]["loss"][0]) < 0.1 * abs(
                  osft[2]["loss"][0] - osft[1]["loss"][0]), [last, osft])
        code, _, error = run(folder, "--method", "full", "--ratios", "0.5")
        check("an option of another method is refused", code == 2 and
              error.startswith("error: --ratios and --projection are options of --method osft"), error)
    print(f"{sum(results)} passed, {len(results) - sum(results)} failed")
    sys.exit(0 if all(results) else 1)


if __name__ == "__main__":
    main()
