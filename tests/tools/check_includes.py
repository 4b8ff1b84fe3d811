# SPDX-License-Identifier: Apache-2.0
"""Include directions between the folders of include/posttrain, and headers that are forbidden.

Every definition that is compiled once (impl/*.ipp) stands in its room's src.hpp or src_host.hpp, once.
"""

import os

import repo

# A folder includes itself and folders of a lower level.
LAYERS = (
    ("fwd",), ("base",), ("concepts", "tensor", "unicode"), ("batch", "jinja"), ("distributed", "io", "nn"),
    ("storage", "watch"), ("losses", "models", "text", "optim", "rewards"),
    ("params", "hub", "generate"), ("data",), ("trainer",), ("evaluate",), ("recipes",),
)
LEVEL = {room: level for level, rooms in enumerate(LAYERS) for room in rooms}
# Not even downwards: policies know nothing of those that they are combined with.
NEVER = {("params", "losses"), ("data", "params"), ("data", "losses")}

# Adapter headers that nobody includes by accident.
ADAPTERS = {"posttrain/models/torch_module.hpp", "posttrain/optim/torch_optim.hpp"}
FORBIDDEN_PREFIXES = ("torch/nn", "torch/optim", "torch/data")
FORBIDDEN = {
    "torch/torch.h", "torch/all.h", "torch/extension.h", "ATen/ATen.h", "ATen/Functions.h",
    "ATen/TensorIndexing.h", "torch/csrc/autograd/custom_function.h",
    "iostream", "regex",
}
# Where LibTorch was built without operator headers there is no other.
EXCEPT = {("posttrain/tensor/ops.hpp", "ATen/Functions.h")}
# Costly where LibTorch does not include them anyway.
LEAF_ONLY = {"filesystem", "functional"}
LEAF_FOLDERS = {"filesystem": {"io", "data"}, "functional": {"io", "data", "recipes", "trainer"}}
# Must never reach LibTorch: their tests compile in a second.
HOST_FOLDERS = {"base", "concepts", "unicode", "jinja", "text", "watch"}


def folder(header):
    """core, losses, …; `trainer` and `fwd` are also files; "" is an umbrella header."""
    rest = header.split("/")[1:]
    name = rest[0] if len(rest) > 1 else os.path.splitext(rest[0])[0]
    is_umbrella = len(rest) == 1 and name not in ("trainer", "fwd")
    return "" if is_umbrella else name


# Holds Trainers that a program without hub.hpp does not pay for.
OWN_LIST = "posttrain/recipes/src.hpp"


def check_sources(cases, torch):
    """Each room's src.hpp and src_host.hpp against the .ipp of its folders; src.hpp against both."""
    listed = {}
    lists = [name for name in repo.library_files() if name.endswith(("/src.hpp", "/src_host.hpp"))]
    whole = {path for _, path, _ in repo.includes("include/posttrain/src.hpp")}
    for name in lists:
        if name == "posttrain/src.hpp":
            continue
        problems = []
        if (name in whole) == (name == OWN_LIST):
            problems.append(f"posttrain/src.hpp {'includes' if name in whole else 'does not include'} {name}")
        for _, path, line in repo.includes("include/" + name):
            if path.endswith(".ipp"):
                where = f"include/{name}:{line}: "
                if path in listed:
                    problems.append(where + f"{path} stands in {listed[path]}, too")
                listed[path] = name
                if not path.startswith(os.path.dirname(name) + "/"):
                    problems.append(where + f"{path} is of another room")
                beside = os.path.join(os.path.dirname(name), "src_host.hpp") in lists
                if name.endswith("src_host.hpp") and torch[path]:
                    problems.append(where + f"{path} reaches LibTorch, which src_host.hpp must not")
                elif beside and name.endswith("src.hpp") and not torch[path]:
                    problems.append(where + f"{path} needs no LibTorch: it belongs in src_host.hpp")
        cases.case("definitions in " + name, problems)
    missing = [name for name in repo.library_files()
               if name.endswith(".ipp") and name not in listed]
    cases.case("every definition is compiled", [f"{name} is in no src.hpp" for name in missing])


def main():
    cases = repo.Cases()
    reach, torch = repo.include_graph()
    check_sources(cases, torch)
    for header in repo.library_files():
        problems = []
        own = folder(header)
        if own and own not in LEVEL:
            problems.append(f"folder {own} has no level in tests/tools/check_includes.py")
        for quote, path, line in repo.includes("include/" + header):
            where = f"include/{header}:{line}: "
            if path.startswith("posttrain/"):
                if quote != '"':
                    problems.append(where + f"own headers are included with quotes: {path}")
                if path not in reach:
                    problems.append(where + f"no such header: {path}")
                    continue
                other = folder(path)
                if own and not other:
                    problems.append(where + f"umbrella header {path} is for users only")
                elif own and own in LEVEL and other in LEVEL and own != other and (
                        LEVEL[other] >= LEVEL[own] or (own, other) in NEVER):
                    problems.append(where + f"{own} must not include {other} ({path})")
            elif quote == '"':
                problems.append(where + f"only own headers are included with quotes: {path}")
            elif header not in ADAPTERS and (header, path) not in EXCEPT and (
                    path in FORBIDDEN or path.startswith(FORBIDDEN_PREFIXES)):
                problems.append(where + f"<{path}> is forbidden in public headers")
            elif path in LEAF_ONLY and own not in LEAF_FOLDERS[path] and not torch[header]:
                problems.append(where + f"<{path}> is for {', '.join(sorted(LEAF_FOLDERS[path]))} only")
            elif path.startswith("ATen/ops/") and header != "posttrain/tensor/ops.hpp":
                problems.append(where + f"<{path}> belongs in posttrain/tensor/ops.hpp")
            elif path.startswith(("ATen/", "c10/", "torch/")) and own != "tensor" \
                    and not header.startswith("posttrain/nn/cpu/") and header not in ADAPTERS \
                    and not (own == "distributed" and path.startswith("torch/csrc/distributed/")):
                problems.append(where + f"<{path}>: LibTorch is included by tensor/ and nn/cpu/ only")
        if own in HOST_FOLDERS and torch[header]:
            problems.append(f"include/{header} reaches LibTorch; {own}/ must not")
        for adapter in ADAPTERS & reach[header]:
            problems.append(f"include/{header} reaches {adapter}, which includes the C++ front end")
        if own and header in reach[header]:
            problems.append(f"include/{header} includes itself in a circle")
        cases.case("includes of " + header, problems)
    cases.finish()


if __name__ == "__main__":
    main()
