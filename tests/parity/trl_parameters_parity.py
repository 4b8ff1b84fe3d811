# SPDX-License-Identifier: Apache-2.0
"""The page for users of TRL's SFTTrainer: parameters of SFTConfig and PEFT's LoraConfig, and the members of sft and
lora_sft that do their work.

  python tests/parity/trl_parameters_parity.py --run build/tests/programs/recipe_run

trl_parameters.json says which, and what differs; defaults come from both sides as they are installed. Every parameter
that SFTConfig adds to transformers' TrainingArguments must stand there, and of those the ones that people set. Every
name in it exists, and what is not one member of the same meaning has a word about it. docs/coming_from_trl.md is made from it
(POSTTRAIN_UPDATE_DOCS=1 rewrites it). Prints one line per case and ends with `N passed, M failed`.
"""

import argparse
import dataclasses
import json
import os
import subprocess
import sys

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")

import peft
import transformers
import trl

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "tools"))
import generated_part

SCRIPT, PAGE = "tests/parity/trl_parameters_parity.py", "docs/coming_from_trl.md"
RECIPES = {"SFTConfig": (trl.SFTConfig, "sft"), "LoraConfig": (peft.LoraConfig, "lora_sft")}


def defaults(config):
    return {field.name: None if field.default is dataclasses.MISSING else field.default
            for field in dataclasses.fields(config)}


def shown(value):
    if value is None or value == "":
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def row(there, default, entry, members):
    """(cells of the page, what is wrong)"""
    here, why = entry.get("here", []), entry.get("why", "")
    unknown = [member for member in here if member not in members]
    ours = members[here[0]]["default"] if len(here) == 1 and not unknown else None
    wrong = ""
    if unknown:
        wrong = f"{there}: no member {unknown[0]}"
    elif not why and len(here) != 1:
        wrong = f"{there}: nothing says what becomes of it"
    return [f"`{there}`", shown(default), ", ".join(f"`{member}`" for member in here) or "—",
            shown(ours) if len(here) == 1 else "", why], wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", required=True, help="the program recipe_run")
    options = parser.parse_args()
    tables = json.loads(subprocess.run([options.run, "tables"], capture_output=True, text=True, check=True).stdout)
    with open(os.path.join(HERE, "trl_parameters.json")) as file:
        listed = json.load(file)
    results, lines = [], [f"Of TRL {trl.__version__} and PEFT {peft.__version__}.", ""]

    def case(name, problems):
        results.append(not problems)
        print(f"{'FAIL' if problems else 'ok  '} {name}" + "".join(f"\n  {line}" for line in problems), flush=True)

    for name, (config, recipe) in RECIPES.items():
        given, members = defaults(config), {member["name"]: member for member in tables[recipe]}
        cells, problems = [], []
        for there, entry in listed[name].items():
            if there not in given:
                problems.append(f"{there} is no parameter of {name}")
                continue
            cell, wrong = row(there, given[there], entry, members)
            cells.append(cell)
            problems += [wrong] if wrong else []
        if name == "SFTConfig":
            own = set(given) - set(defaults(transformers.TrainingArguments))
            problems += [f"{there} is not listed" for there in sorted(own - set(listed[name]))]
        lines += [f"## {name}", "", *generated_part.table(["there", "default", f"here, in `{recipe}`", "default",
                                                           "difference"], cells), ""]
        case(f"{name}: {len(cells)} parameters", problems)
    wrong = generated_part.check(PAGE, "parameters", SCRIPT, lines)
    case(PAGE, [wrong] if wrong else [])
    print(f"{sum(results)} passed, {len(results) - sum(results)} failed")
    sys.exit(0 if all(results) else 1)


if __name__ == "__main__":
    main()
