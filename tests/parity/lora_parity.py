# SPDX-License-Identifier: Apache-2.0
"""Adapters of the LoRA family against PEFT: log-probabilities, gradients, and folders both ways.

  python tests/parity/lora_parity.py --adapter build/tests/programs/adapter

For each case PEFT puts adapters with random values on a random small model and saves them; ours
reads the folder and must give the same loss, log-probabilities and gradient of everything that
trains, as PEFT in float64; ours then saves the adapter again and PEFT must load it with equal
log-probabilities. Then ours starts adapters of its own (plain, DoRA, OLoRA, PiSSA, on embeddings),
trains three steps and saves; PEFT on the untouched base must give our log-probabilities. LoftQ is
PEFT's own code on the CPU; EVA is compared with the singular vectors of the inputs that hooks
catch, and with PEFT's within what its approximation allows; sets of adapters are read, added up and
written like PEFT's. Folders that cannot be read right must be refused. Errors are
max|a - b| / max|b|. Prints one line per case and ends with `N passed, M failed`.
"""

import argparse
import contextlib
import copy
import json
import os
import tempfile
import warnings

import bitsandbytes
import torch
from safetensors.torch import load_file, save_file

import common
import exact_nf4  # noqa: F401

warnings.filterwarnings("ignore")
import peft
from peft.utils.loftq_utils import loftq_init

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


def table_of(case):
    return "wte" if case.config.model_type == "gpt2" else "embed_tokens"


def configs_of_tables(case):
    attention = "c_attn" if case.config.model_type == "gpt2" else \
        "qkv_proj" if case.config.model_type == "phi3" else "q_proj"
    tables = [table_of(case)] + (["wpe"] if case.config.model_type == "gpt2" else [])
    yield "embeddings", dict(r=4, lora_alpha=7, target_modules=tables + [attention],
                             rank_pattern={tables[0]: 3})
    yield "embeddings, dora, rslora", dict(r=3, target_modules=tables, use_dora=True,
                                           use_rslora=True)
    yield "embeddings and head", dict(r=3, target_modules=tables + [attention, "lm_head"])


def configs_of_ties(case):
    """PEFT trains copies of modules to save, so that a tied head stays with the base, unless
    ensure_weight_tying, which knows "embed_tokens" and "lm_head" only."""
    gpt2 = case.config.model_type == "gpt2"
    attention, table = ["c_attn" if gpt2 else "q_proj"], [table_of(case)]
    plain = dict(r=3, target_modules=attention)
    yield "embeddings to save", dict(plain, modules_to_save=table)
    yield "head to save", dict(plain, modules_to_save=["lm_head"])
    yield "embeddings and head to save", dict(plain, modules_to_save=table + ["lm_head"])
    yield "embeddings to save, ensured", dict(plain, modules_to_save=table,
                                              ensure_weight_tying=True)
    yield "both to save, ensured", dict(plain, modules_to_save=table + ["lm_head"],
                                        ensure_weight_tying=True)
    yield "nothing to tie, ensured", dict(plain, ensure_weight_tying=True)
    yield "ends of names", dict(plain, modules_to_save=["ln_1", "f"] if gpt2 else
                                ["norm", "input_layernorm"])


def configs_of_tokens(case):
    """A tied head has the embedding's rows, unless a dictionary gives it others. Ids 3 and 5 occur
    in the batches, the padding row of a case too."""
    gpt2 = case.config.model_type == "gpt2"
    plain = dict(r=3, target_modules=["c_attn" if gpt2 else "q_proj"])
    pad = case.config.pad_token_id
    ids = [5, 3] + ([pad] if pad not in (None, 3, 5) else [])
    yield "token indices", dict(plain, trainable_token_indices=ids)
    yield "token indices of the head", dict(plain, trainable_token_indices={"lm_head": [7, 2]})
    yield "token indices of both", dict(
        plain, trainable_token_indices={table_of(case): ids, "lm_head": ids})
    yield "other token indices of the head", dict(
        plain, trainable_token_indices={table_of(case): ids, "lm_head": [7, 5, 2]})
    yield "token indices, dora, modules to save", dict(
        plain, trainable_token_indices=ids, use_dora=True,
        modules_to_save=["ln_f" if gpt2 else "model.norm"])


def configs_of_folders():
    yield "regular expressions", dict(
        r=4, target_modules=r".*layers\.[01]\.(mlp\.down_proj|self_attn\.[qv]_proj)",
        rank_pattern={r"1\.self_attn\.(q|v)_proj": 2},
        alpha_pattern={r"layers\.\d\.self_attn\.q_proj": 11, "^model.layers.0.mlp.+": 3})
    yield "one layer", dict(r=4, target_modules=["q_proj", "down_proj"], layers_to_transform=[1])
    yield "excluded", dict(r=4, target_modules="all-linear", exclude_modules=["down_proj", "q_proj"])
    yield "gaussian", dict(r=4, target_modules=["q_proj"], init_lora_weights="gaussian")
    yield "olora unconverted", dict(r=4, target_modules="all-linear", init_lora_weights="olora")
    yield "pissa unconverted", dict(r=4, target_modules="all-linear", init_lora_weights="pissa")
    yield "embeddings saved along", dict(r=4, target_modules=["q_proj"],
                                         modules_to_save=["model.norm"])


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


def exact_split(adapted, base, init):
    """A copy in float64 whose base gave up what the decomposition in float64 says; PEFT's is in
    float32, and how far its subspace turns depends on the gaps between singular values."""
    doubled = copy.deepcopy(adapted).double()
    for name, module in doubled.base_model.model.named_modules():
        if not hasattr(module, "lora_A"):
            continue
        w = base.get_submodule(name).weight.detach().double()
        r = module.r["default"]
        if init == "olora":  # there B A is Q R, and the base loses s B A
            q, upper = torch.linalg.qr(w)
            given = module.scaling["default"] * q[:, :r] @ upper[:r]
        else:
            u, s, vh = torch.linalg.svd(w, full_matrices=False)
            given = u[:, :r] * s[:r] @ vh[:r]
        rounded = (module.base_layer.weight - (w - given)).abs().max() / w.abs().max()
        if rounded > 1e-4:
            raise RuntimeError(f"{name}: PEFT's base differs by {rounded:.1e}")
        module.base_layer.weight.data = w - given
    return doubled


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


def peft_to_ours(program, case, name, kwargs, seed):
    base = common.random_model(case, seed)
    batch = common.random_batch(case, seed)
    with tempfile.TemporaryDirectory() as folder:
        common.save(base, folder, batch)
        adapted = peft.get_peft_model(copy.deepcopy(base), fields(kwargs))
        torch.manual_seed(seed)
        with torch.no_grad():
            for p in adapted.parameters():
                if p.requires_grad:
                    p.add_(0.1 * torch.randn(p.shape))
        adapter, again = os.path.join(folder, "adapter"), os.path.join(folder, "again")
        along = "saved along" in name
        adapted.save_pretrained(adapter, save_embedding_layers=True if along else "auto")
        if "unconverted" in name:
            adapted = exact_split(adapted, base, kwargs["init_lora_weights"])
        expected = trained_results(adapted.base_model.model.eval(), batch)
        result = common.run_on(program, folder, "--from", adapter, "--save", again)
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
        result = common.run_on(program, folder, *arguments, "--steps", "3", "--save", adapter)
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


@contextlib.contextmanager
def loftq_on_the_cpu():
    """PEFT's LoftQ names the device "cuda"."""
    original, of_params = torch.Tensor.to, bitsandbytes.nn.Params4bit.to

    def here(to):
        def moved(self, *args, **kwargs):
            args = ["cpu" if a == "cuda" else a for a in args]
            kwargs = {k: "cpu" if v == "cuda" else v for k, v in kwargs.items()}
            return to(self, *args, **kwargs)
        return moved

    torch.Tensor.to = here(original)
    bitsandbytes.nn.Params4bit.to = here(of_params)
    try:
        yield
    finally:
        torch.Tensor.to = original
        bitsandbytes.nn.Params4bit.to = of_params


def loftq(program, case, iterations, seed):
    """PEFT leaves s out of its factors, so the comparison is at alpha = rank."""
    base = common.random_model(case, seed)
    batch = common.random_batch(case, seed)
    with tempfile.TemporaryDirectory() as folder:
        common.save(base, folder, batch)
        adapted = peft.get_peft_model(copy.deepcopy(base), fields(
            dict(r=4, lora_alpha=4, target_modules="all-linear")))
        quantised = copy.deepcopy(base)
        for name, module in adapted.base_model.model.named_modules():
            if hasattr(module, "lora_A"):
                with loftq_on_the_cpu():
                    q, a, b = loftq_init(module.base_layer.weight, num_bits=4, reduced_rank=4,
                                         num_iter=iterations)
                module.base_layer.weight.data = q
                module.lora_A["default"].weight.data = a
                module.lora_B["default"].weight.data = b
                quantised.get_submodule(name).weight.data = q.clone()
        expected = common.oracle(adapted.base_model.model.eval(), batch)["logps"]
        adapter = os.path.join(folder, "adapter")
        result = common.run_on(program, folder, "--init", "loftq", "--loftq-iter", str(iterations),
                          "--alpha", "4", "--steps", "2", "--save", adapter)
        error = ((result["logps"] - expected).abs().max() / expected.abs().max()).item()
        back = load_in_peft(quantised, adapter, batch)
        saved = ((back - result["logps_after"]).abs().max() / back.abs().max()).item()
        return max(("start", error), ("PEFT on the quantised base", saved), key=lambda i: i[1])


def caught_inputs(base, batch, modules):
    """What the modules read, in double precision, one below another."""
    model = copy.deepcopy(base).double()
    kept = {name: [] for name in modules}
    for name in modules:
        model.get_submodule(name).register_forward_pre_hook(
            lambda module, args, name=name: kept[name].append(args[0].detach().flatten(0, -2)))
    logps_in_double(model, batch)
    return {name: torch.cat(parts) for name, parts in kept.items()}


def logps_in_double(model, batch):
    with common.double_precision(model):
        return logps_of(model, batch)


def eva(program, case, seed):
    base = common.random_model(case, seed)
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(0, case.config.vocab_size, (8, 32), generator=generator)
    batch = {"sequences": ids.tolist(), "weights": torch.ones(ids.shape).tolist()}
    config = dict(r=4, lora_alpha=8, target_modules="all-linear")
    with tempfile.TemporaryDirectory() as folder:
        common.save(base, folder, batch)
        adapter = os.path.join(folder, "adapter")
        result = common.run_on(program, folder, "--eva", "--steps", "1", "--save", adapter)
        start = common.oracle(base, batch)["logps"]
        worst = ("start", ((result["logps"] - start).abs().max() / start.abs().max()).item())
        back = load_in_peft(base, adapter, batch)
        error = ((back - result["logps_after"]).abs().max() / back.abs().max()).item()
        worst = max(worst, ("PEFT on the base", error), key=lambda i: i[1])

        # Before the step: the folder of a run without one.
        common.run_on(program, folder, "--eva", "--save", adapter)
        ours = {key.removeprefix("base_model.model.").removesuffix(".lora_A.weight"): value.double()
                for key, value in load_file(os.path.join(adapter, "adapter_model.safetensors")).items()
                if key.endswith("lora_A.weight")}
        linear = [name for name, m in base.named_modules()
                  if isinstance(m, torch.nn.Linear) and name != "lm_head"]
        offers, right = [], {}
        for name, x in caught_inputs(base, batch, linear).items():
            centred = x - x.mean(0)
            _, s, vh = torch.linalg.svd(centred, full_matrices=False)
            right[name] = vh
            offers += [(share.item(), name) for share in (s ** 2 / (s ** 2).sum())[:8]]
        offers.sort(key=lambda offer: -offer[0])
        taken = [name for _, name in offers[: 4 * len(linear)]]
        for name in linear:
            rank = taken.count(name)
            found = ours.get(name, torch.empty(0))
            # q, k and v read the same: which of them gets the odd rank is a matter of rounding.
            if abs(found.shape[0] - rank) > 1:
                raise RuntimeError(f"{name}: expected rank {rank}, got {found.shape[0]}")
            for a, v in zip(found, right[name]):
                worst = max(worst, (name, (1 - (a @ v).abs()).abs().item()), key=lambda i: i[1])
        if sum(a.shape[0] for a in ours.values()) != 4 * len(linear):
            raise RuntimeError("the ranks do not add up")

        theirs = peft.get_peft_model(copy.deepcopy(base), peft.LoraConfig(
            task_type="CAUSAL_LM", init_lora_weights="eva",
            eva_config=peft.EvaConfig(rho=2.0, tau=0.999), **config))
        peft.initialize_lora_eva_weights(theirs, [{"input_ids": ids}], show_progress_bar=False)
        apart = 0
        for name, module in theirs.base_model.model.named_modules():
            if not hasattr(module, "lora_A"):
                continue
            a = module.lora_A["default"].weight.detach().double()
            apart += abs(a.shape[0] - (ours[name].shape[0] if name in ours else 0))
            # Its components are of a randomised decomposition; the strongest is the nearest.
            if name in ours and (a[0] @ ours[name][0]).abs() < 0.99:
                raise RuntimeError(f"{name}: PEFT's first direction is another one")
        if apart > 0.1 * 4 * len(linear):
            raise RuntimeError(f"PEFT deals {apart} of {4 * len(linear)} ranks otherwise")
        return worst


def adapter_sets(program, case, seed):
    base = common.random_model(case, seed)
    batch = common.random_batch(case, seed)
    with tempfile.TemporaryDirectory() as folder:
        common.save(base, folder, batch)
        model = peft.get_peft_model(copy.deepcopy(base), fields(
            dict(r=4, lora_alpha=6, target_modules=["q_proj", "embed_tokens"])))
        model.add_adapter("other", fields(
            dict(r=4, lora_alpha=5, target_modules=["q_proj", "down_proj"], use_rslora=True)))
        torch.manual_seed(seed)
        with torch.no_grad():
            for name, p in model.named_parameters():
                if "lora_" in name:
                    p.add_(0.1 * torch.randn(p.shape))
        theirs, again = os.path.join(folder, "theirs"), os.path.join(folder, "again")
        model.save_pretrained(theirs)
        for combination in ("cat", "linear"):
            model.add_weighted_adapter(["default", "other"], [0.7, -0.4], combination, combination)
        expected = {}
        doubled = copy.deepcopy(model).double().eval()
        for name in ("default", "other", "cat", "linear"):
            doubled.set_adapter(name)
            expected[name] = logps_in_double(doubled.base_model.model, batch)
        result = common.run_on(program, folder, "--set", theirs, "--save", again)
        if set(result) != set(expected):
            raise RuntimeError(f"expected {sorted(expected)}, got {sorted(result)}")
        errors = {name: ((result[name] - b).abs().max() / b.abs().max()).item()
                  for name, b in expected.items()}
        for name in ("default", "other"):
            path = again if name == "default" else os.path.join(again, name)
            b = expected[name]
            back = load_in_peft(base, path, batch)
            errors[name + " saved again"] = ((back - b).abs().max() / b.abs().max()).item()
        return max(errors.items(), key=lambda item: item[1])


def refused(program, case, change, message, seed):
    """A folder of PEFT's that is changed so that its meaning is lost must be refused."""
    base = common.random_model(case, seed)
    batch = common.random_batch(case, seed)
    with tempfile.TemporaryDirectory() as folder:
        common.save(base, folder, batch)
        adapter = os.path.join(folder, "adapter")
        peft.get_peft_model(copy.deepcopy(base), fields(
            dict(r=2, target_modules=["q_proj", "embed_tokens"]))).save_pretrained(adapter)
        config_file = os.path.join(adapter, "adapter_config.json")
        weights_file = os.path.join(adapter, "adapter_model.safetensors")
        with open(config_file) as f:
            config = json.load(f)
        weights = load_file(weights_file)
        change(config, weights)
        with open(config_file, "w") as f:
            json.dump(config, f)
        save_file(weights, weights_file)
        try:
            common.run_on(program, folder, "--from", adapter)
        except RuntimeError as problem:
            if message in str(problem):
                return "refused", 0.0
            raise
        raise RuntimeError("expected a refusal")


TABLE = "base_model.model.model.embed_tokens.base_layer.weight"
REFUSALS = [
    ("a base of its own", lambda c, w: w[TABLE].add_(1), "another one there"),
    ("a base of another size", lambda c, w: w.update({TABLE: w[TABLE][1:].clone()}),
     "another one there"),
    ("corda", lambda c, w: c.update(init_lora_weights="corda"), "path_initial_model"),
    ("pissa by iterations", lambda c, w: c.update(init_lora_weights="pissa_niter_4"),
     "path_initial_model"),
    ("loftq on a dense base", lambda c, w: c.update(init_lora_weights="loftq"), "quantised base"),
    ("biases of LoRA", lambda c, w: c.update(lora_bias=True), "'lora_bias' is not supported"),
    ("a bad pattern", lambda c, w: c.update(alpha_pattern={"(q": 3}), "regular expression"),
    ("a module that is not there",
     lambda c, w: w.update({"base_model.model.model.other.weight": torch.ones(2)}), "no place"),
    ("half an adapter",
     lambda c, w: w.pop("base_model.model.model.embed_tokens.lora_embedding_B"), "missing key"),
]


TIED_REFUSALS = [
    ("tied adapters", lambda c, w: c.update(ensure_weight_tying=True),
     "one adapter of both is not supported"),
    ("token indices without rows", lambda c, w: c.update(trainable_token_indices=[1]),
     "missing key '….token_adapter.trainable_tokens_delta'"),
]


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--adapter", required=True, help="our program")
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    torch.set_num_threads(1)
    attempt = common.Attempts(TOLERANCE, options.only)
    by_name = {case.name: case for case in common.cases()}
    for index, family in enumerate(SEEN):
        case = by_name[family]
        for name, kwargs in configs(case):
            attempt(f"{family}, {name}",
                    lambda: peft_to_ours(options.adapter, case, name, kwargs, index + 1))
        tables = f"{table_of(case)}, " + ("c_proj" if "gpt2" in family else "o_proj")
        starts = [["--init", "kaiming"], ["--dora"], ["--init", "pissa"]]
        if family in ("llama untied", "gpt2 tied"):
            starts += [["--init", "gaussian"], ["--init", "olora"], ["--targets", tables],
                       ["--dora", "--targets", tables], ["--dora", "--init", "olora"]]
        for arguments in starts:
            attempt(f"{family}, ours {' '.join(arguments)}",
                    lambda: ours_to_peft(options.adapter, case, arguments, index + 1))
    for family in ["llama untied", "gpt2 tied", "gemma3 tied", "llama padding row, tied"]:
        case = by_name[family]
        for name, kwargs in configs_of_tables(case):
            attempt(f"{family}, {name}",
                    lambda: peft_to_ours(options.adapter, case, name, kwargs, 7))
    for family in ["llama padding row, tied", "gemma2 tied", "gpt2 tied", "llama untied"]:
        case = by_name[family]
        for name, kwargs in configs_of_ties(case):
            attempt(f"{family}, {name}",
                    lambda: peft_to_ours(options.adapter, case, name, kwargs, 13))
        for name, kwargs in configs_of_tokens(case):
            attempt(f"{family}, {name}",
                    lambda: peft_to_ours(options.adapter, case, name, kwargs, 15))
        for ids in ("3-5", "3-5,lm_head=3-5", "3,lm_head=4,lm_head=9"):
            arguments = ["--token-indices", ids]
            attempt(f"{family}, ours {' '.join(arguments)}",
                    lambda: ours_to_peft(options.adapter, case, arguments, 16))
        if "untied" in family:
            continue
        for modules in (table_of(case), f"{table_of(case)},lm_head"):
            for tied in ([], ["--ensure-weight-tying"]):
                arguments = ["--modules-to-save", modules, *tied]
                attempt(f"{family}, ours {' '.join(arguments)}",
                        lambda: ours_to_peft(options.adapter, case, arguments, 14))
    case = by_name["llama untied"]
    for name, kwargs in configs_of_folders():
        attempt(f"{case.name}, {name}", lambda: peft_to_ours(options.adapter, case, name, kwargs, 8))
    for family in ("llama untied", "phi3 untied"):
        case = by_name[family]
        for iterations in (1, 3):
            attempt(f"{family}, LoftQ, {iterations} iterations",
                    lambda: loftq(options.adapter, case, iterations, 9))
        attempt(f"{family}, EVA", lambda: eva(options.adapter, case, 10))
    for family in ("llama untied", "gemma2 tied"):
        attempt(f"{family}, a set", lambda: adapter_sets(options.adapter, by_name[family], 11))
    for name, change, message in TIED_REFUSALS:
        attempt(f"refused: {name}", lambda: refused(
            options.adapter, by_name["llama padding row, tied"], change, message, 12))
    for name, change, message in REFUSALS:
        attempt(f"refused: {name}",
                lambda: refused(options.adapter, by_name["llama untied"], change, message, 12))
    attempt.finish()


if __name__ == "__main__":
    main()
