# SPDX-License-Identifier: Apache-2.0
"""Adapters of the LoRA family against PEFT: log-probabilities, gradients, and folders both ways.

  python tests/parity/lora_parity.py --adapter build/tests/programs/adapter

For each case PEFT puts adapters with random values on a random small model and saves them; ours
reads the folder and must give the same loss, log-probabilities and gradient of everything that
trains, as PEFT in float64; ours then saves the adapter again and PEFT must load it with equal
log-probabilities. Then ours starts adapters of its own (plain, DoRA, OLoRA, PiSSA), trains three
steps and saves; PEFT on the untouched base must give our log-probabilities. Errors are
max|a - b| / max|b|. Prints one line per case and ends with `N passed, M failed`.
"""

import argparse
import copy
import os
import subprocess
import sys
import tempfile
import warnings

import torch
from safetensors.torch import load_file

import common

warnings.filterwarnings("ignore")
import peft

# Both sides in float64; but rotary angles, which are fp32 by definition, differ in their last bit.
TOLERANCE = 1e-6
SEEN = ["llama untied", "qwen2 tied", "qwen3 untied", "phi3 untied", "gemma2 tied", "gpt2 tied"]


def configs(case):
    gpt2 = case.config.model_type == "gpt2"
    phi3 = case.config.model_type == "phi3"
    attention = ["c_attn"] if gpt2 else ["qkv_proj"] if phi3 else ["q_proj", "v_proj"]
    down = ["attn.c_proj", "c_fc"] if gpt2 else ["down_proj"]
    norm = ["ln_f"] if gpt2 else ["model.norm"]
    yield "all-linear", dict(r=4, lora_alpha=7, target_modules="all-linear")
    yield "rslora", dict(r=4, lora_alpha=5, target_modules=attention + down, use_rslora=True)
    yield "patterns", dict(r=4, target_modules=attention + down, rank_pattern={down[0]: 2},
                           alpha_pattern={attention[0]: 11})
    yield "biases", dict(r=3, target_modules=attention, bias="all")
    yield "biases of adapted", dict(r=3, target_modules=attention + down, bias="lora_only")
    yield "modules to save", dict(r=3, target_modules=attention, modules_to_save=norm)
    yield "dora", dict(r=4, target_modules="all-linear", use_dora=True)


def fields(kwargs):
    return peft.LoraConfig(task_type="CAUSAL_LM", **kwargs)


def plain_name(name):
    return name.replace(".default", "").replace("modules_to_save.", "").replace("base_layer.", "")


def trained_results(model, batch):
    """The oracle's results, of what trains only, under our names."""
    results = common.oracle(model, batch)
    trains = {name for name, p in model.named_parameters() if p.requires_grad}
    kept = {}
    for name, value in results.items():
        if name in ("loss", "logps"):
            kept[name] = value
        elif name in trains:
            name = plain_name(name)
            if name.endswith("lora_magnitude_vector.weight"):
                name = name[: -len(".weight")]
            kept[name] = value
    return kept


def run_ours(program, folder, *arguments):
    out = os.path.join(folder, "out.safetensors")
    done = subprocess.run([program, "--model", folder, "--batch",
                           os.path.join(folder, "batch.json"), "--out", out, *arguments],
                          capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError((done.stderr or done.stdout).strip().splitlines()[-1])
    return load_file(out)


def compare(result, expected):
    missing = sorted(set(expected) - set(result))
    if missing:
        raise RuntimeError(f"missing {missing[0]} (+{len(missing) - 1})")
    more = sorted(set(result) - set(expected) - {"logps_after"})
    if more:
        raise RuntimeError(f"unexpected {more[0]} (+{len(more) - 1})")
    errors = common.relative_errors(result, expected)
    return max(errors.items(), key=lambda item: item[1])


def logps_of(model, batch):
    with torch.no_grad():
        return torch.cat([
            torch.log_softmax(model(input_ids=torch.tensor([ids]), use_cache=False).logits[0, :-1],
                              -1).gather(1, torch.tensor(ids)[1:, None]).squeeze(1)
            for ids in batch["sequences"] if len(ids) > 1])


def load_in_peft(base, adapter, batch):
    model = copy.deepcopy(base).double()
    with common.double_precision(model):
        inner = peft.PeftModel.from_pretrained(model, adapter,
                                               autocast_adapter_dtype=False).double()
        return logps_of(inner.base_model.model.eval(), batch)


def peft_to_ours(program, case, kwargs, seed):
    base = common.random_model(case, seed)
    batch = common.random_batch(case, seed)
    with tempfile.TemporaryDirectory() as folder:
        common.save(base, folder, batch)
        adapted = peft.get_peft_model(copy.deepcopy(base), fields(kwargs))
        torch.manual_seed(seed)
        with torch.no_grad():
            for name, p in adapted.named_parameters():
                if p.requires_grad:
                    p.add_(0.1 * torch.randn(p.shape))
        adapter, again = os.path.join(folder, "adapter"), os.path.join(folder, "again")
        adapted.save_pretrained(adapter)
        expected = trained_results(adapted.base_model.model.eval(), batch)
        result = run_ours(program, folder, "--from", adapter, "--save", again)
        worst = compare(result, expected)
        back = load_in_peft(base, again, batch)
        error = ((back - expected["logps"]).abs().max() / expected["logps"].abs().max()).item()
        return max(worst, ("logps of the folder saved again", error), key=lambda item: item[1])


def ours_to_peft(program, case, arguments, seed):
    base = common.random_model(case, seed)
    batch = common.random_batch(case, seed)
    with tempfile.TemporaryDirectory() as folder:
        common.save(base, folder, batch)
        adapter = os.path.join(folder, "adapter")
        result = run_ours(program, folder, *arguments, "--steps", "3", "--save", adapter)
        start = common.oracle(base, batch)["logps"]
        # An adapter starts as the base.
        error = ((result["logps"] - start).abs().max() / start.abs().max()).item()
        moved = (result["logps_after"] - start).abs().max().item()
        if moved < 1e-3:
            raise RuntimeError(f"three steps moved the log-probabilities by {moved:.1e} only")
        back = load_in_peft(base, adapter, batch)
        # The folder holds fp32 or fp64 masters, as they are.
        saved = ((back - result["logps_after"]).abs().max() / back.abs().max()).item()
        return max(("start", error), ("PEFT on the original base", saved), key=lambda i: i[1])


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--adapter", required=True, help="our program")
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    torch.set_num_threads(1)
    passed = failed = 0

    def attempt(name, check):
        nonlocal passed, failed
        if options.only not in name:
            return
        try:
            what, error = check()
            good = error <= TOLERANCE
            line = f"worst {error:.1e} ({what})"
        except (RuntimeError, OSError, KeyError, ValueError, AttributeError) as problem:
            good, line = False, (str(problem) or repr(problem)).splitlines()[0]
        passed += good
        failed += not good
        print(f"{'ok  ' if good else 'FAIL'} {name}: {line}", flush=True)

    by_name = {case.name: case for case in common.cases()}
    for index, family in enumerate(SEEN):
        case = by_name[family]
        for name, kwargs in configs(case):
            attempt(f"{family}, {name}",
                    lambda: peft_to_ours(options.adapter, case, kwargs, index + 1))
        for arguments in (["--init", "kaiming"], ["--init", "gaussian"], ["--dora"],
                          ["--init", "olora"], ["--init", "pissa"]):
            attempt(f"{family}, ours {' '.join(arguments)}",
                    lambda: ours_to_peft(options.adapter, case, arguments, index + 1))
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed or not passed else 0)


if __name__ == "__main__":
    main()
