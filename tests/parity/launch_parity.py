# SPDX-License-Identifier: Apache-2.0
"""Launch parameters against Training Hub's own get_torchrun_params, on random calls and environments.

  python tests/parity/launch_parity.py --probe build/tests/programs/probe_launch [--cases N] [--seed S]

What Training Hub refuses is refused. What it takes gives the same values, unless one of the rules that are added
here refuses it; those stand in `refused_here`, by Training Hub's names. Where it warns that a value does not act,
there is a note. Prints one line per failed case and ends with `N passed, M failed`.
"""

import argparse
import importlib.util
import json
import os
import random
import re
import subprocess
import sys
import warnings

import torch

CHOICES = {
    "nproc_per_node": [1, 2, 8, 0, "1", "4", "auto", "GPU", "gpu ", "cpu", "-1", "two"],
    "nnodes": [1, 2, 4, "2", "3", "1:4", "x", 0],
    "node_rank": [0, 1, 3, "0", "1", "y", "2", -1],
    "rdzv_id": [0, 7, "run", " run ", "job-1"],
    "rdzv_endpoint": ["a:1", "node0:29500", "[::1]:5", "a", "a:0", "a:x", "::1:5"],
    "master_addr": ["b", "10.0.0.1", "node0", "::1"],
    "master_port": [1, 29500, "29500", 0, 70000, "http"],
}
BOTH_NAMES = ("master_addr", "master_port")


def their_function():
    """The one function, without its package, which imports whole training stacks."""
    path = os.path.join(importlib.util.find_spec("training_hub").submodule_search_locations[0], "utils.py")
    spec = importlib.util.spec_from_file_location("training_hub_utils", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.get_torchrun_params


def some_case(rng):
    given, variables = {}, {}
    for name, values in CHOICES.items():
        where = rng.random()
        if where < 0.25:
            given[name] = rng.choice(values)
        for prefix in ("PET_", "") if name in BOTH_NAMES else ("PET_",):
            if rng.random() < 0.2:
                variables[prefix + name.upper()] = str(rng.choice(values))
    return given, variables, rng.choice([0, 0, 1, 4])


def theirs(function, given, variables, gpus):
    """(values or nothing, whether it warns)"""
    os.environ.clear()
    os.environ.update(variables)
    torch.cuda.is_available = lambda: gpus > 0
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            values = function(dict(given))
        except ValueError:
            return None, False
    return values, bool(caught)


def refused_here(values, given, variables):
    """Whether a rule that Training Hub does not have refuses what it took."""
    def level(name):
        if name in given:
            return "argument"
        return "environment" if any(prefix + name.upper() in variables for prefix in ("PET_", "")) else None

    count, port = values["nproc_per_node"], values.get("master_port")
    if (count != "gpu" and count < 1) or values["nnodes"] < 1 or not 0 <= values["node_rank"] < values["nnodes"]:
        return True
    if "master_addr" in values:
        return port is not None and not 1 <= port <= 65535
    if "rdzv_endpoint" in values:
        host, _, number = values["rdzv_endpoint"].rpartition(":")
        host_is_one = re.fullmatch(r"\[[^\[\]]+\]|[^:\[\] /]+", host) is not None
        if not host_is_one or not number.isdigit() or not 1 <= int(number) <= 65535:
            return True
        return level("master_port") in ("argument", level("rdzv_endpoint"))
    return level("master_port") is not None


def place(values):
    """(host, port) of Training Hub's values"""
    if "master_addr" in values:
        return values["master_addr"], values.get("master_port", 0)
    if "rdzv_endpoint" in values:
        host, _, port = values["rdzv_endpoint"].rpartition(":")
        return host.strip("[]"), int(port)
    return "", 0


def problem(answer, values, warned, case):
    given, variables, gpus = case
    if values is None or refused_here(values, given, variables):
        return "" if "error" in answer else "expected an error"
    if "error" in answer:
        return "expected values"
    count = values["nproc_per_node"]
    host, port = place(values)
    expected = {"processes": gpus if count == "gpu" else count, "nodes": values["nnodes"], "rank": values["node_rank"],
                "id": str(values["rdzv_id"]), "host": host, "port": port}
    if {name: answer[name] for name in expected} != expected:
        return f"expected {expected}"
    if warned and not answer["notes"]:
        return "expected a note"
    return ""


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--probe", required=True, help="the program probe_launch")
    parser.add_argument("--cases", type=int, default=4000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    function = their_function()
    rng = random.Random(options.seed)
    cases = [({}, {}, 0)] + [some_case(rng) for _ in range(options.cases)]
    lines = "".join(json.dumps({"given": given, "variables": variables, "gpus": gpus}) + "\n"
                    for given, variables, gpus in cases)
    done = subprocess.run([options.probe], input=lines, capture_output=True, text=True, check=True)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(answers) == len(cases)
    passed = failed = taken = 0
    for case, answer in zip(cases, answers):
        values, warned = theirs(function, *case)
        wrong = problem(answer, values, warned, case)
        taken += "error" not in answer
        passed, failed = passed + (not wrong), failed + bool(wrong)
        if wrong:
            print(f"FAILED {case}: {wrong}, got {answer}, Training Hub {values}")
    if taken < len(cases) // 20:
        failed += 1
        print(f"FAILED only {taken} of {len(cases)} cases were taken at all")
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
