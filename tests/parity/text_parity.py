# SPDX-License-Identifier: Apache-2.0
"""Compares probe_text with transformers and tokenizers on the cases of text_oracle.py.

    python3 text_parity.py --probe build/tests/programs/probe_text --shared DIR [--only PART]

Prints every mismatch (the first of them in full) and, last, "N passed, M failed"; the exit status
is 1 on a mismatch and 77 where the shared data is absent.
"""

import argparse
import collections
import json
import pathlib
import subprocess
import sys

from shared_data import add_shared_option


def ask(probe, model, requests):
    lines = "".join(json.dumps(request) + "\n" for request in requests)
    command = [str(probe)] + (["--model", model] if model else [])
    done = subprocess.run(command, input=lines, capture_output=True, text=True, check=False)
    answers = [json.loads(line) for line in done.stdout.split("\n") if line]
    if done.returncode != 0 or len(answers) != len(requests):
        print(f"probe: exit {done.returncode}, {len(answers)} of {len(requests)} answers for {model}")
        print(done.stderr[-2000:])
        answers += [{"error": "no answer"}] * (len(requests) - len(answers))
    return answers


def matches(expected, answer):
    if expected.get("error"):
        return "error" in answer
    return all(answer.get(key) == value for key, value in expected.items())


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--probe", required=True, type=pathlib.Path)
    add_shared_option(parser)
    parser.add_argument("--only")
    parser.add_argument("--show", type=int, default=3)
    arguments = parser.parse_args()
    shared = arguments.shared
    if (shared / "data").is_dir():
        shared = shared / "data"
    if not (shared / "chat_templates").is_dir():
        print(f"skipped: no chat_templates in {shared}")
        return 77
    command = [sys.executable, str(pathlib.Path(__file__).with_name("text_oracle.py")),
               "--shared", str(shared)]
    if arguments.only:
        command += ["--only", arguments.only]
    oracle = subprocess.run(command, capture_output=True, text=True, check=False)
    if oracle.returncode != 0:
        print(oracle.stderr[-3000:])
        print("0 passed, 1 failed")
        return 1
    by_model = collections.defaultdict(list)
    for line in filter(None, oracle.stdout.split("\n")):
        case = json.loads(line)
        by_model[case["model"]].append(case)
    passed = failed = 0
    kinds = collections.Counter()
    for model, cases in by_model.items():
        answers = ask(arguments.probe, model, [case["request"] for case in cases])
        for case, answer in zip(cases, answers):
            if matches(case["expected"], answer):
                passed += 1
                continue
            failed += 1
            kinds[" ".join(case["name"].split()[:2])] += 1
            print(f"mismatch: {case['name']}")
            if failed <= arguments.show:
                print(f"  expected {json.dumps(case['expected'], ensure_ascii=False)[:3000]}")
                print(f"  got      {json.dumps(answer, ensure_ascii=False)[:3000]}")
    if kinds:
        print("mismatches: " + ", ".join(f"{k} {n}" for k, n in kinds.most_common()))
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
