# SPDX-License-Identifier: Apache-2.0
"""Folders that our program saves load in transformers with identical logits [C13].

  python tests/parity/model_roundtrip.py --resave build/tests/programs/resave
  python tests/parity/model_roundtrip.py --self-check        transformers saves in our place

For every case of common.py, in float32 and bfloat16 and once from shards: a random model is saved
with save_pretrained beside a generation_config and a chat template, the program copies it
(`--model DIR --output DIR --dtype float32|bfloat16`), and transformers must load the copy with no
missing, unexpected or mis-shaped key, the same configuration, equal weights, bit-identical logits,
the same EOS ids and the same chat template. One line per case, then `N passed, M failed`.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile

import torch
import transformers

import common

TEMPLATE = "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}{% endfor %}\n"
EOS = [2, 7]
# What a saved configuration may say about its own file rather than about the model.
OWN_KEYS = ("dtype", "torch_dtype", "transformers_version", "architectures", "_name_or_path")


def load(folder, dtype):
    model, info = transformers.AutoModelForCausalLM.from_pretrained(
        folder, dtype=dtype, attn_implementation="eager", output_loading_info=True)
    for kind, keys in info.items():
        if keys:
            raise RuntimeError(f"{kind}: {sorted(map(str, keys))[0]} (+{len(keys) - 1})")
    return model.eval()


def configuration(folder):
    values = transformers.AutoConfig.from_pretrained(folder).to_dict()
    return {k: v for k, v in values.items() if k not in OWN_KEYS}


def resave(options, source, target, dtype):
    if options.self_check:
        load(source, getattr(torch, dtype)).save_pretrained(target)
        for name in ("generation_config.json", "chat_template.jinja"):
            shutil.copy(os.path.join(source, name), target)
        return
    done = common.call(options.resave, "--model", source, "--output", target, "--dtype", dtype)
    if done.returncode != 0:
        lines = (done.stderr or done.stdout).strip().splitlines()
        raise RuntimeError(f"resave exit {done.returncode}: {lines[-1] if lines else 'no output'}")


def check(case, seed, dtype_name, shard_size, options):
    dtype = getattr(torch, dtype_name)
    with tempfile.TemporaryDirectory() as folder:
        source, target = os.path.join(folder, "source"), os.path.join(folder, "target")
        model = common.random_model(case, seed)
        model.save_pretrained(source, max_shard_size=shard_size)
        with open(os.path.join(source, "generation_config.json"), "w") as f:
            json.dump({"eos_token_id": EOS, "bos_token_id": 1}, f)
        with open(os.path.join(source, "chat_template.jinja"), "w") as f:
            f.write(TEMPLATE)
        resave(options, source, target, dtype_name)

        ours, theirs = load(target, dtype), load(source, dtype)
        if configuration(target) != configuration(source):
            raise RuntimeError("config.json: the configuration differs")
        for (name, a), b in zip(ours.state_dict().items(), theirs.state_dict().values()):
            if a.dtype != dtype or not torch.equal(a, b):
                raise RuntimeError(f"{name}: weights differ")
        ids = torch.tensor([common.random_batch(case, seed)["sequences"][0]])
        with torch.no_grad():
            if not torch.equal(ours(ids).logits, theirs(ids).logits):
                raise RuntimeError("logits differ")
        if transformers.GenerationConfig.from_pretrained(target).eos_token_id != EOS:
            raise RuntimeError("generation_config.json: EOS ids differ")
        with open(os.path.join(target, "chat_template.jinja")) as f:
            if f.read() != TEMPLATE:
                raise RuntimeError("chat_template.jinja differs")


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--resave", default="build/tests/programs/resave")
    parser.add_argument("--self-check", action="store_true")
    parser.add_argument("--only", default="", help="cases whose name contains this")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(1)

    passed = failed = 0
    for index, case in enumerate(common.cases()):
        if options.only not in case.name:
            continue
        for dtype, shard_size in (("float32", "1GB"), ("bfloat16", "60KB")):
            label = f"{case.name} {dtype}{' from shards' if shard_size != '1GB' else ''}"
            try:
                check(case, options.seed + index, dtype, shard_size, options)
                passed += 1
                print(f"ok   {label}", flush=True)
            except (RuntimeError, OSError, ValueError) as error:
                failed += 1
                print(f"FAIL {label}: {str(error).splitlines()[0]}", flush=True)
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed or not passed else 0)


if __name__ == "__main__":
    main()
