# SPDX-License-Identifier: Apache-2.0
"""Loss, log-probabilities and every gradient of our decoder against transformers.

  python tests/parity/model_parity.py --probe build/tests/programs/probe_model
  python tests/parity/model_parity.py --probe "bash tests/probe.sh model" --only gemma
  python tests/parity/model_parity.py --self-check      transformers in fp32 in our place

For each case: a random small model is saved with save_pretrained, a ragged batch is written, the
probe runs, and max|a - b| / max|b| of every tensor against the float64 oracle (see common.py) must
be at most the tolerance. The last column is the error of transformers' own fp32 run. Prints one
line per case and ends with
`N passed, M failed`; the exit status is 1 if any failed.
"""

import argparse
import os
import tempfile

import torch
from safetensors.torch import load_file

import common


def run_probe(command, folder):
    out = os.path.join(folder, "out.safetensors")
    done = common.call(command, "--model", folder, "--batch", os.path.join(folder, "batch.json"),
                       "--out", out)
    if done.returncode != 0:
        lines = (done.stderr or done.stdout).strip().splitlines()
        raise RuntimeError(f"probe exit {done.returncode}: {lines[-1] if lines else 'no output'}")
    return load_file(out)


def check(case, seed, options):
    """One line about the case, and whether it passed."""
    model = common.random_model(case, seed)
    batch = common.random_batch(case, seed)
    expected = common.oracle(model, batch)
    plain = common.evaluate(model, batch)
    rounding = max(common.relative_errors(plain, expected).values())

    problems = []
    if options.self_check:
        result = plain
    else:
        with tempfile.TemporaryDirectory() as folder:
            common.save(model, folder, batch)
            result = run_probe(options.probe, folder)
        missing = sorted(set(expected) - set(result))
        unexpected = sorted(set(result) - set(expected))
        if missing:
            problems.append(f"missing {missing[0]} (+{len(missing) - 1})")
        if unexpected:
            problems.append(f"unexpected {unexpected[0]} (+{len(unexpected) - 1})")
        for name in sorted(set(expected) & set(result)):
            if result[name].numel() != expected[name].numel() or (
                    name not in ("loss", "logps") and result[name].shape != expected[name].shape):
                problems.append(f"shape of {name}: {tuple(result[name].shape)}, expected "
                                f"{tuple(expected[name].shape)}")
    if problems:
        return "; ".join(problems), False
    errors = common.relative_errors(result, expected)
    worst = max(errors, key=errors.get)
    passed = errors[worst] <= options.tolerance
    return (f"loss {errors['loss']:.1e} logps {errors['logps']:.1e} worst {errors[worst]:.1e} "
            f"({worst}) | transformers fp32 {rounding:.1e}"), passed


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--probe", default="bash tests/probe.sh model")
    parser.add_argument("--self-check", action="store_true")
    parser.add_argument("--only", default="", help="cases whose name contains this")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--tolerance", type=float, default=1e-5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    common.check_cases(check, options)


if __name__ == "__main__":
    main()
