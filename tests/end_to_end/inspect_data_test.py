# SPDX-License-Identifier: Apache-2.0
"""examples/07_inspect_data on small files: counts, lengths, reasons and marks.

  python tests/end_to_end/inspect_data_test.py BUILD/examples
"""

import gzip
import json
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
MODEL = ROOT / "examples" / "pocket" / "model"
results = []


def check(name, good, detail=""):
    results.append(bool(good))
    print(f"{'ok' if good else 'FAILED'} {name} {detail if not good else ''}".rstrip(), flush=True)


def chat(question, answer):
    return {"conversations": [{"from": "human", "value": question},
                              {"from": "gpt", "value": answer}]}


def main():
    program = str(pathlib.Path(sys.argv[1]) / "07_inspect_data")

    def run(data, *extra):
        done = subprocess.run([program, "--model", str(MODEL), "--data", str(data), *extra],
                              capture_output=True, text=True)
        return done.returncode, done.stdout, done.stderr

    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "chats.jsonl.gz"
        samples = [chat("What is 1 + 1?", "Two."), chat("What is 1 + 1?", "Two."),
                   chat("Who are you?", "I am " + "very " * 60 + "small."),
                   {"conversations": [{"from": "human", "value": "Nobody answers."}]}]
        path.write_bytes(gzip.compress("\n".join(map(json.dumps, samples)).encode()))
        code, out, _ = run(path, "--deduplicate", "--max-seq-len", "60", "--show", "5")
        check("counts say what was read, kept and dropped", code == 0 and
              out.startswith("4 samples read: 1 sequences for training, 0 for validation") and
              "1 dropped as longer than max_seq_len" in out and "1 duplicates dropped" in out and
              "1 dropped with no token to score" in out, out)
        check("the format and the reasons are shown", f"reads {path}: ShareGPT" in out and
              f"{path}:3: " in out and "more than max_seq_len = 60" in out, out)
        lengths = next(line for line in out.splitlines() if line.startswith("tokens"))
        total = int(out.split(" for validation, ")[1].split(" tokens")[0])
        check("lengths are those of the sequences", lengths.split() == (
            f"tokens min {total}, mean {total}.0, median {total}, 90 % {total}, 99 % {total}, "
            f"max {total}").split(), lengths)
        shown = out.split("--- sample 0")[1]
        check("trained tokens stand in brackets where there is no terminal",
              "[Two." in shown and "What is 1 + 1?" in shown and "[What" not in shown and
              "\x1b" not in out, shown)
        code, out, _ = run(path, "--colour", "always", "--show", "1")
        check("and in colour if asked", "\x1b[32mTwo." in out and "--- sample 1" not in out, out)
        pathlib.Path(folder, "broken.jsonl").write_text('{"text": "a b c"}\n{"text": 3}\n')
        code, out, error = run(pathlib.Path(folder, "broken.jsonl"))
        check("a bad record is one line with its place", code == 1 and
              error.count("\n") == 1 and "broken.jsonl:2: expected a text" in error, error)
        code, out, error = run(pathlib.Path(folder, "broken.jsonl"), "--skip-bad-samples")
        check("or is counted", code == 0 and "1 bad samples skipped" in out, out + error)
    print(f"{sum(results)} passed, {len(results) - sum(results)} failed")
    sys.exit(0 if all(results) else 1)


if __name__ == "__main__":
    main()
