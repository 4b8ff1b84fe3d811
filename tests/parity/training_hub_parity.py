# SPDX-License-Identifier: Apache-2.0
"""Members of recipes against the parameters of Training Hub's functions, and the page about both.

  python tests/parity/training_hub_parity.py --run build/tests/programs/recipe_run

Every parameter of a function that is a recipe here, and every further argument that its back end takes, is a member
of the same name with the same default, or training_hub_differences.json says why not, and which members do its work.
A difference that is not listed fails, and so does one that is listed and is none. The file also says where a member
with their name and default means something else. docs/coming_from_training_hub.md is made from both
(POSTTRAIN_UPDATE_DOCS=1 rewrites it). What is required there and here is tried.

Training Hub and its back ends are read, not imported: instructlab-training and mini_trainer, which are installed, and
what Training Hub itself passes on to Unsloth, verl and ART. Prints one line per case and ends with `N passed, M
failed`.
"""

import argparse
import ast
import importlib.metadata
import importlib.util
import json
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "tools"))
import generated_part

SCRIPT, PAGE = "tests/parity/training_hub_parity.py", "docs/coming_from_training_hub.md"
LISTED = os.path.join(HERE, "training_hub_differences.json")
PACKAGES = ("training-hub", "instructlab-training", "rhai-innovation-mini-trainer")
MISSING = object()  # a parameter that has to be given
NEEDED = ("model_path", "data_path", "ckpt_output_dir")  # here, by every recipe


def parsed(package, path):
    spec = importlib.util.find_spec(package)
    if spec is None:
        raise SystemExit(f"{package} is not installed; hint: tests/run.sh --peers installs it")
    with open(os.path.join(spec.submodule_search_locations[0], path)) as file:
        return ast.parse(file.read())


def value_of(node):
    """A default as it is written: its value, or its text where it is no literal."""
    if node is None:
        return MISSING
    try:
        return ast.literal_eval(node)
    except ValueError:
        return ast.unparse(node)


def definition(tree, name):
    return next(node for node in ast.walk(tree)
                if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and node.name == name)


def signature(function):
    """{name: default}"""
    given = function.args
    first = [None] * (len(given.args) - len(given.defaults)) + given.defaults
    return {argument.arg: value_of(default) for argument, default in
            [*zip(given.args, first), *zip(given.kwonlyargs, given.kw_defaults)] if argument.arg != "self"}


def fields(tree, name):
    """{field: default} of a dataclass or a model of pydantic."""
    found = {}
    for node in definition(tree, name).body:
        if not isinstance(node, ast.AnnAssign):
            continue
        default = node.value
        if isinstance(default, ast.Call) and ast.unparse(default.func) in ("Field", "field"):
            given = {keyword.arg: keyword.value for keyword in default.keywords}
            factory = given.get("default_factory")
            default = ast.parse("{}", mode="eval").body if ast.unparse(factory or ast.Constant(0)) == "dict" \
                else given.get("default", factory)
        found[node.target.id] = value_of(default)
    return found


def looked_up(tree, name, variables):
    """{key: default} of `variable.get(key, default)` within a class or function."""
    found = {}
    for node in ast.walk(definition(tree, name)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "get" and \
                ast.unparse(node.func.value) in variables and isinstance(node.args[0], ast.Constant):
            default = value_of(node.args[1]) if len(node.args) > 1 else None
            if found.get(node.args[0].value) is None:
                found[node.args[0].value] = default
    return found


def assigned(tree, name):
    """The literal that a variable is set to."""
    return next(ast.literal_eval(node.value) for node in ast.walk(tree)
                if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name)


def under_names(arguments, renames):
    """What a back end takes, under Training Hub's names."""
    theirs = {new: old for old, new in renames.items()}
    return {theirs.get(name, name): default for name, default in arguments.items()}


def sft_backend():
    own = fields(parsed("instructlab", "training/config.py"), "TrainingArgs")
    own["beta1"], own["beta2"] = own.pop("adamw_betas")
    own["document_column_name"] = fields(parsed("instructlab", "training/config.py"),
                                         "PretrainingConfig")["document_column_name"]
    del own["pretraining_config"]  # is_pretraining, block_size
    return under_names(own, {"eps": "adamw_eps", "weight_decay": "adamw_weight_decay",
                             "max_tokens_per_gpu": "max_batch_len"}) | {
        "max_tokens_per_gpu": None, "data_output_dir": None}  # sft() fills them in, by max_seq_len, ckpt_output_dir


def osft_backend():
    own = fields(parsed("mini_trainer", "training_types.py"), "TrainingArgs")
    del own["pretraining_config"], own["osft"]  # is_pretraining, block_size; what the function is about
    own["document_column_name"] = "document"  # of instructlab-training, which reads its data
    renames = assigned(parsed("training_hub", "algorithms/osft.py"), "renames")
    assert "model_path" in renames
    return under_names(own, renames)


def lora_sft_backend():
    tree, extender = parsed("training_hub", "algorithms/lora.py"), parsed("training_hub", "algorithms/peft_extender.py")
    names = definition(definition(extender, "LoRAPEFTExtender"), "get_peft_params").body[-1].value.keys
    names = {ast.literal_eval(key): None for key in names}
    method = definition(definition(tree, "LoRASFTAlgorithm"), "train")
    return {**signature(method), **names, **assigned(extender, "lora_defaults"),
            **looked_up(tree, "UnslothLoRABackend", ("params", "training_params"))}


def grpo_backend():
    return {**looked_up(parsed("training_hub", "algorithms/lora_grpo.py"), "ARTLoRAGRPOBackend", ("params",)),
            **looked_up(parsed("training_hub", "algorithms/lora_grpo_verl.py"), "VeRLLoRAGRPOBackend",
                        ("algorithm_params",))}


# A function of theirs: its file, its back end's name on the page and what that takes.
FUNCTIONS = {
    "sft": ("sft.py", "instructlab-training", sft_backend),
    "osft": ("osft.py", "mini_trainer", osft_backend),
    "lora_sft": ("lora.py", "Unsloth and TRL", lora_sft_backend),
    "lora_grpo": ("lora_grpo.py", "verl and ART", grpo_backend),
    "grpo": ("lora_grpo.py", "verl", grpo_backend),
}


def parameters(name):
    """(of the function, further ones of the back end): {name: default}, defaults that the back end has included."""
    path, _, backend = FUNCTIONS[name]
    own = signature(definition(parsed("training_hub", f"algorithms/{path}"), name))
    taken = backend()
    for parameter, default in own.items():
        if default is None and taken.get(parameter, MISSING) is not MISSING:
            own[parameter] = taken[parameter]
        elif default is None and parameter in taken:
            own[parameter] = MISSING
    further = {parameter: default for parameter, default in taken.items()
               if parameter not in own and not parameter.startswith("_")}
    return own, further


def same(there, here):
    """Whether defaults are; what is not set there is false."""
    return there is None and here is False or there == here and isinstance(there, bool) == isinstance(here, bool)


def shown(value):
    if value is MISSING:
        return "required"
    if value is None or value == {}:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value).removeprefix("lambda: ")


class Function:
    """A function that is here and there, and what is listed about it."""

    def __init__(self, name, table, listed):
        self.name, self.members = name, {row["name"]: row for row in table}
        self.own, self.further = parameters(name)
        self.listed, self.shared = listed["differences"].get(name, {}), listed["differences"]["all"]
        self.meanings, self.common = listed["meanings"].get(name, {}), listed["meanings"]["all"]
        self.used = set()  # of what is listed for all

    def here(self, parameter):
        """The default here; nothing required by both is a difference."""
        row = self.members[parameter]
        return MISSING if parameter in NEEDED else row["default"]

    def row(self, parameter, there):
        """(cells of the page, what is wrong)"""
        member = parameter in self.members
        differs = not member or not same(there, self.here(parameter))
        entry, wrong = self.listed.get(parameter), ""
        if entry is None and differs and parameter in self.shared:
            entry = self.shared[parameter]
            self.used.add(parameter)
        if differs and entry is None:
            wrong = f"{parameter} = {shown(there)} there, " + (
                f"{shown(self.here(parameter))} here" if member else "no member here")
        if entry is not None and not differs:
            wrong = f"{parameter} is listed, and the same"
        entry = entry or {}
        others = entry.get("here", [])
        wrong = wrong or next((f"{parameter}: no member {other}" for other in others if other not in self.members), "")
        names = [f"`{other}`" for other in ([parameter] if member else []) + others]
        note = entry.get("why", "")
        if not differs:
            note = self.meanings.get(parameter) or self.common.get(parameter, "")
            self.used |= {parameter} & set(self.common)
        return [f"`{parameter}`", shown(there), ", ".join(names) or "—",
                shown(self.here(parameter)) if member else "", note], wrong

    def rows(self, given):
        cells, problems = [], []
        for parameter, there in given.items():
            row, wrong = self.row(parameter, there)
            cells.append(row)
            problems += [wrong] if wrong else []
        return cells, problems

    def page(self):
        """(lines, problems)"""
        titles = ["there", "default", "here", "default", "difference"]
        own, problems = self.rows(self.own)
        lines = [f"## {self.name}", "", *generated_part.table(titles, own)]
        further, more = self.rows(self.further)
        if further:
            lines += ["", f"What else its back end takes ({FUNCTIONS[self.name][1]}):", "",
                      *generated_part.table(titles, further)]
        problems += more
        problems += [f"{parameter} is listed, and no parameter" for parameter in (*self.listed, *self.meanings)
                     if parameter not in self.own and parameter not in self.further]
        named = {word for row in own + further for word in row[2].replace("`", "").split(", ")}
        added = [f"`{member}`" for member in self.members if member not in named]
        lines += ["", "Here only: " + ", ".join(added) + ".", ""]
        return lines, problems


def needed_here(program, name, members):
    """What is wrong with the members that the recipe asks for."""
    with tempfile.TemporaryDirectory() as folder:
        given = {member: os.path.join(folder, "nothing", member) for member in NEEDED}
        for left_out in (*NEEDED, ""):
            some = {member: value for member, value in given.items() if member != left_out}
            done = subprocess.run([program, "run", name], input=json.dumps(some), capture_output=True, text=True)
            asks = next((m for m in members if done.stderr.startswith(f"error: expected {m},")), "")
            if done.returncode == 0 or asks != left_out:
                return f"without {left_out or 'any other'}: {done.stderr.strip()}"
    return ""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", required=True, help="the program recipe_run")
    options = parser.parse_args()
    tables = json.loads(subprocess.run([options.run, "tables"], capture_output=True, text=True, check=True).stdout)
    with open(LISTED) as file:
        listed = json.load(file)
    used, results = set(), []
    lines = ["Read in " + ", ".join(f"{package} {importlib.metadata.version(package)}" for package in PACKAGES) + ".", ""]

    def case(name, problems):
        results.append(not problems)
        print(f"{'FAIL' if problems else 'ok  '} {name}" + "".join(f"\n  {line}" for line in problems), flush=True)

    for name in FUNCTIONS:
        if name not in tables:
            continue
        function = Function(name, tables[name], listed)
        part, problems = function.page()
        lines += part
        used |= function.used
        case(f"{name}: {len(function.own)} parameters, {len(function.further)} of its back end", problems)
        wrong = needed_here(options.run, name, function.members)
        case(f"{name}: what is required", [wrong] if wrong else [])
    case("what is listed of all", [f"{parameter} differs nowhere"
                                   for part in listed.values() for parameter in sorted(set(part["all"]) - used)])
    unknown = {name for part in listed.values() for name in part} - set(FUNCTIONS) - {"all"}
    case("functions that are listed", [f"no function {name}" for name in sorted(unknown)])
    wrong = generated_part.check(PAGE, "parameters", SCRIPT, lines)
    case(PAGE, [wrong] if wrong else [])
    print(f"{sum(results)} passed, {len(results) - sum(results)} failed")
    sys.exit(0 if all(results) else 1)


if __name__ == "__main__":
    main()
