# SPDX-License-Identifier: Apache-2.0
"""Models found by their names in a cache, against huggingface_hub.snapshot_download(local_files_only=True).

  python tests/parity/hub_cache_parity.py --probe build/tests/programs/probe_hub_cache

The caches are made here: whole snapshots, and each way in which one is not there. Every name is looked up
under every set of variables that moves the cache. Where the two differ on purpose, the case says how.
Prints one line per failed case and ends with `N passed, M failed`.
"""

import argparse
import importlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile

os.environ["HF_HUB_VERBOSITY"] = "error"

import huggingface_hub
from huggingface_hub import constants

HASH, OTHER = "0" * 39 + "1", "0" * 39 + "2"
TOO_LONG = "org/" + "n" * 97


def put(path, text=""):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def add(cache, name, ref=HASH, files=("config.json", "tokenizer.json"), listed=None, version=1):
    """A model with its blobs, as the client lays it out; `listed`: names in its listing of the snapshot."""
    folder = cache / ("models--" + name.replace("/", "--"))
    if ref is not None:
        put(folder / "refs" / "main", ref)
    for number, file in enumerate(files):
        put(folder / "blobs" / str(number), "{}")
        link = folder / "snapshots" / HASH / file
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(os.path.relpath(folder / "blobs" / str(number), link.parent))
    if listed is not None:
        entries = {file: {"size": 2, "blob_id": "0" * 40} for file in listed}
        put(folder / "trees" / f"{HASH}.json", json.dumps({"format_version": version, "files": entries}))
    return folder


def fill(cache):
    """name -> what we give where the client gives something else: True, the snapshot; False, an error."""
    whole = ("config.json", "tokenizer.json", "model.safetensors")
    add(cache, "org/whole", files=whole)
    add(cache, "single")
    add(cache, "Org-1/Na.me_2", files=("config.json", "additional_chat_templates/rag.jinja"))
    add(cache, "org/listed", files=whole, listed=whole)
    add(cache, "org/other-listing", listed=whole, version=7)
    put(add(cache, "org/broken-listing") / "trees" / f"{HASH}.json", "{")
    add(cache, "org/no-ref", ref=None)
    add(cache, "org/other-commit", ref=OTHER)
    add(cache, "org/line-break", ref=HASH + "\n")
    add(cache, "org/nothing", files=())
    add(cache, "org/interrupted", listed=("config.json", "tokenizer.json", "tokenizer_config.json"))
    add(cache, "org/templates", listed=("config.json", "tokenizer.json", "additional_chat_templates/a.jinja"))
    # Files that opening a model does not read; weights that are missing are noticed when they are opened.
    add(cache, "org/left-out", listed=("config.json", "tokenizer.json", "onnx/model.onnx", "README.md"))
    add(cache, "org/weights", listed=("config.json", "tokenizer.json", "model.safetensors"))
    add(cache, "org/empty-ref", ref="")  # the client gives the folder of all snapshots
    return {"org/left-out": True, "org/weights": True, "org/empty-ref": False}


NAMES = ["org/whole", "single", "Org-1/Na.me_2", "org/listed", "org/other-listing", "org/broken-listing", "org/no-ref",
         "org/other-commit", "org/line-break", "org/nothing", "org/interrupted", "org/templates", "org/left-out",
         "org/weights", "org/empty-ref", "org/absent", "absent", "org/wh ole", "org--whole", "org/whole.git", "-a/b",
         "a/b.", "a..b/c", "a/b/c", TOO_LONG]


def environments(root):
    """(variables, the folder of the cache)"""
    home = str(root / "home")
    yield {"HOME": home}, root / "home/.cache/huggingface/hub"
    yield {"HOME": home, "XDG_CACHE_HOME": str(root / "xdg")}, root / "xdg/huggingface/hub"
    yield {"HOME": home, "HF_HOME": str(root / "hf"), "XDG_CACHE_HOME": str(root / "none")}, root / "hf/hub"
    yield {"HOME": home, "HF_HOME": "~/below"}, root / "home/below/hub"
    yield {"HOME": home, "HF_HOME": "${PLACE}/a", "PLACE": str(root / "place")}, root / "place/a/hub"
    yield {"HOME": home, "HUGGINGFACE_HUB_CACHE": str(root / "old"), "HF_HOME": str(root / "none")}, root / "old"
    yield {"HOME": home, "HF_HUB_CACHE": "$PLACE/b$c", "PLACE": str(root / "place"),
           "HUGGINGFACE_HUB_CACHE": str(root / "none")}, root / "place/b$c"
    yield {"HOME": home, "HF_HUB_CACHE": "~/${NOT_SET}/d"}, root / "home/${NOT_SET}/d"


def theirs(name, variables):
    os.environ.clear()
    os.environ.update(variables)
    importlib.reload(constants)
    try:
        return os.path.realpath(huggingface_hub.snapshot_download(name, local_files_only=True))
    except Exception as error:  # pylint: disable=broad-except
        return f"error: {type(error).__name__}"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--probe", required=True, help="the program probe_hub_cache")
    options = parser.parse_args()
    probe = os.path.abspath(options.probe)
    passed = failed = 0
    with tempfile.TemporaryDirectory() as scratch:
        root = pathlib.Path(scratch).resolve()
        os.chdir(root)
        jobs = []
        for variables, cache in environments(root):
            differences = fill(cache)
            jobs += [(name, variables, cache, differences) for name in NAMES]
        lines = "".join(json.dumps({"model": name, "variables": variables}) + "\n" for name, variables, _, _ in jobs)
        done = subprocess.run([probe], input=lines, capture_output=True, text=True, check=True)
        answers = [json.loads(line) for line in done.stdout.splitlines()]
        assert len(answers) == len(jobs)
        for (name, variables, cache, differences), answer in zip(jobs, answers):
            path = answer.get("path", name)
            ours = None if path == name else os.path.realpath(path)  # None: it is not found
            peer = theirs(name, variables)
            expected = None if peer.startswith("error: ") else peer
            if name in differences:
                good = ours != expected
                folder = "models--" + name.replace("/", "--")
                expected = str(cache / folder / "snapshots" / HASH) if differences[name] else None
                good &= ours == expected
            else:
                good = ours == expected
            passed, failed = passed + good, failed + (not good)
            if not good:
                print(f"FAILED {name} with {variables}: {answer}, the client: {peer}")
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
