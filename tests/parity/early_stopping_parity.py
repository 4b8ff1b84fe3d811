# SPDX-License-Identifier: Apache-2.0
"""When early stopping ends a run, against transformers' EarlyStoppingCallback.

  python tests/parity/early_stopping_parity.py --print build/tests/programs/print_early_stopping

The callback is driven as transformers' Trainer drives it: told of a validation first, then the lowest loss is
brought up to date by Trainer's own method. Losses are drawn with ties, steps of exactly the threshold and nan.
Prints one line per failed case and ends with `N passed, M failed`.
"""

import argparse
import os
import random
import subprocess
import sys
import types

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")

import transformers


def expected(patience, threshold, losses):
    callback = transformers.EarlyStoppingCallback(patience, threshold)
    args = types.SimpleNamespace(metric_for_best_model="loss", greater_is_better=False, save_strategy="no")
    run = types.SimpleNamespace(args=args, state=transformers.TrainerState())
    control = transformers.TrainerControl()
    for number, loss in enumerate(losses, start=1):
        metrics = {"eval_loss": loss}
        callback.on_evaluate(args, run.state, control, metrics)
        if control.should_training_stop:
            return number
        transformers.Trainer._determine_best_metric(run, metrics, trial=None)
    return 0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--print", required=True)
    args = parser.parse_args()
    rng, cases = random.Random(1), []
    for _ in range(400):
        losses = [rng.choice([rng.uniform(0, 4), rng.randrange(8) / 2, float("nan")] if rng.random() < 0.2
                             else [rng.uniform(0, 4), rng.randrange(8) / 2]) for _ in range(rng.randrange(1, 12))]
        cases.append((rng.randrange(1, 5), rng.choice([0.0, 0.0, 0.5, 1.0, 0.3]), losses))
    given = "".join(f"{patience} {threshold!r} {len(losses)} {' '.join(map(repr, losses))}\n"
                    for patience, threshold, losses in cases)
    answers = subprocess.run([args.print], input=given, capture_output=True, text=True,
                             check=True).stdout.split()
    failed = 0
    for case, answer in zip(cases, answers, strict=True):
        if int(answer) != expected(*case):
            failed += 1
            print(f"FAILED {case}: expected {expected(*case)}, got {answer}")
    print(f"{len(cases) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
