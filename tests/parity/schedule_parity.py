# SPDX-License-Identifier: Apache-2.0
"""Every learning-rate schedule against transformers' of the same name, over all steps and beyond.

  python tests/parity/schedule_parity.py --print build/tests/programs/print_schedule

The schedules are made by transformers.get_scheduler, as its Trainer does, on an optimizer with the
learning rate 1, or for `polynomial` (whose end is an absolute rate) the rate itself. Factors may
differ by 1e-12. Prints one line per failed case and ends with `N passed, M failed`.
"""

import argparse
import os
import subprocess
import sys
import warnings

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")

import torch
import transformers

TOLERANCE = 1e-12
DEFAULTS = dict(num_cycles=0.0, power=1.0, lr_end=1e-7, min_lr_rate=0.0, timescale=0, decay_steps=0)
# (warm-up, total): none, some, as many as steps, more than steps, a single step.
LENGTHS = [(0, 10), (3, 17), (10, 100), (1, 1), (0, 1), (8, 8), (12, 8)]


def cases():
    """(name, our fields, transformers' lr_scheduler_kwargs)"""
    plain = [("linear", {}, {}), ("cosine", {}, {}), ("cosine_with_restarts", {}, {}),
             ("polynomial", {}, {}), ("constant", {}, {}), ("constant_with_warmup", {}, {}),
             ("inverse_sqrt", {}, {})]
    both = [("cosine", dict(num_cycles=1.25)), ("cosine_with_restarts", dict(num_cycles=3)),
            ("polynomial", dict(power=2.0, lr_end=1e-6)), ("polynomial", dict(power=0.5)),
            ("inverse_sqrt", dict(timescale=5)),
            ("cosine_with_min_lr", dict(min_lr_rate=0.1)),
            ("cosine_with_min_lr", dict(min_lr_rate=0.3, num_cycles=1.5)),
            ("cosine_warmup_with_min_lr", dict(min_lr_rate=0.1)),
            ("cosine_warmup_with_min_lr", dict(min_lr_rate=0.25, num_cycles=0.75))]
    result = plain + [(name, fields, fields) for name, fields in both]
    for decay in (1, 4, 7):
        for lowest, cycles in ((0.0, 0.0), (0.1, 0.0), (0.2, 1.25)):
            peer = dict(num_decay_steps=decay, min_lr_ratio=lowest)
            if cycles:
                peer["num_cycles"] = cycles
            result.append(("warmup_stable_decay",
                           dict(decay_steps=decay, min_lr_rate=lowest, num_cycles=cycles), peer))
    return result


def expected(name, warmup, total, steps, rate, kwargs):
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=rate)
    schedule = transformers.get_scheduler(name, optimizer, num_warmup_steps=warmup,
                                          num_training_steps=total,
                                          scheduler_specific_kwargs=kwargs or None)
    factors = []
    for _ in range(steps):
        factors.append(schedule.get_last_lr()[0] / rate)
        optimizer.step()
        schedule.step()
    return factors


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--print", dest="program", required=True, help="the program print_schedule")
    options = parser.parse_args()
    warnings.simplefilter("ignore")

    jobs = []
    for name, fields, kwargs in cases():
        for warmup, total in LENGTHS:
            if name == "warmup_stable_decay" and warmup + fields["decay_steps"] > total:
                continue  # transformers gives negative stages there
            if name == "polynomial" and warmup >= total:
                continue  # transformers divides by zero
            jobs.append((name, fields, kwargs, warmup, total, total + 5,
                         2e-5 if name == "polynomial" else 1.0))
    lines = []
    for name, fields, _, warmup, total, steps, rate in jobs:
        f = {**DEFAULTS, **fields}
        lines.append(f"{name} {warmup} {total} {steps} {rate!r} {f['num_cycles']} {f['power']} "
                     f"{f['lr_end']} {f['min_lr_rate']} {f['timescale']} {f['decay_steps']}\n")
    done = subprocess.run([options.program], input="".join(lines), capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(done.stderr or f"exit status {done.returncode}")
    answers = done.stdout.splitlines()
    assert len(answers) == len(jobs)

    passed = failed = 0
    for (name, fields, kwargs, warmup, total, steps, rate), answer in zip(jobs, answers):
        ours = [float(value) for value in answer.split()]
        theirs = expected(name, warmup, total, steps, rate, kwargs)
        worst = max(range(steps), key=lambda i: abs(ours[i] - theirs[i]))
        if abs(ours[worst] - theirs[worst]) <= TOLERANCE:
            passed += 1
        else:
            failed += 1
            print(f"FAILED {name} {fields}, warm-up {warmup} of {total}: step {worst} is "
                  f"{ours[worst]!r}, transformers {theirs[worst]!r}")
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
