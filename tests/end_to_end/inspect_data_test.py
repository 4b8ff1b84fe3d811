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
        check("a bad record is one line with its place", code == 2 and
              error.count("\n") == 1 and "broken.jsonl:2: expected a text" in error, error)
        code, out, error = run(pathlib.Path(folder, "broken.jsonl"), "--skip-bad-samples")
        check("or is counted", code == 0 and "1 bad samples skipped" in out, out + error)
        def show(name, sample, *extra):
            file = pathlib.Path(folder, name)
            file.write_text(json.dumps(sample) + "\n")
            done, out, error = run(file, *extra)
            return out if done == 0 else error
        out = show("pairs.jsonl", {"prompt": "Greet me, please.", "chosen": " Hello.",
                                   "rejected": " Go away."})
        check("both sides of a pair are shown with what is scored of each",
              "reads" in out and "preference pairs" in out and "--- sample 0: chosen: " in out and
              "Greet me, please.[ Hello." in out and "--- sample 0: rejected: " in out and
              "Greet me, please.[ Go away." in out, out)
        out = show("ranked.jsonl", {"instruction": "Greet", "output": ["Hello", "Go away"]})
        check("ranked outputs are pairs, and the report says how they are read",
              "(output: the preferred answer, the other one)" in out and "[Hello" in out, out)
        out = show("judged.jsonl", {"prompt": "Greet me, please.", "completion": " Go away.",
                                    "label": False})
        check("a judged answer is shown with its verdict",
              "--- sample 0: undesirable: " in out and "[ Go away." in out, out)
        steps = {"prompt": "2 + 3 * 4", "completions": ["3 * 4 = 12", "2 + 12 = 15"],
                 "labels": [True, False]}
        out = show("steps.jsonl", steps)
        check("steps are shown with their verdicts, marked where the reward stands",
              "--- sample 0: steps judged 1, 0: " in out and ", 2 trained" in out and
              out.count("[\n]") == 2, out)
        check("with the separator that was asked for",
              out.count("[") == 2 and "[;]" in show("steps.jsonl", steps, "--step-separator", ";"),
              out)
        out = show("tokens.jsonl", {"input_ids": [5, 6, 7, 8], "completion_mask": [0, 0, 1, 1]})
        check("token ids are shown as text", "4 tokens, 2 trained" in out and "[" in out, out)
        call = {"messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}],
                "tools": [{"name": "f", "parameters": {"a": None}}]}
        out = show("calls.jsonl", call)
        check("a part that the template leaves out is named", "'tools'" in out and
              out.count("\n") == 1, out)
        code, out, error = run(pathlib.Path(folder, "nothing.jsonl"))
        check("a file that is not there is one line", code == 2 and error.count("\n") == 1, error)
        done = subprocess.run([program, "--model", str(pathlib.Path(folder, "nowhere")), "--data",
                               str(path)], capture_output=True, text=True)
        help_text = subprocess.run([program, "--help"], capture_output=True, text=True).stdout
        check("a default that is a line's end is shown on one line",
              any("--step-separator" in line and line.rstrip().endswith("=\\n")
                  for line in help_text.splitlines()), help_text)
        check("and so is a folder", done.returncode == 2 and
              "nowhere: no such folder" in done.stderr, done.stderr)
    print(f"{sum(results)} passed, {len(results) - sum(results)} failed")
    sys.exit(0 if all(results) else 1)


if __name__ == "__main__":
    main()
