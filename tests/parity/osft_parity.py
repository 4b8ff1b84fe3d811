# SPDX-License-Identifier: Apache-2.0
"""Orthogonal subspace fine-tuning in factors against mini_trainer and against PEFT's OSF.

  python tests/parity/osft_parity.py --osft build/tests/programs/osft

Random small Llamas in float64. Against mini_trainer: how many directions are protected, the
products of the factors (which do not depend on the signs of singular vectors), and from the same
factors the loss, log-probabilities, every projected gradient, and every weight after steps of
AdamW with weight decay, with its projection of gradients before a step and of values after it.
Against PEFT: the same without the latter. Errors are max|a - b| / max|b|. Prints one line per case
and ends with `N passed, M failed`.

mini_trainer's package imports a whole training stack; its module of factors alone is loaded here.
"""

import argparse
import copy
import functools
import importlib.util
import os
import sys
import tempfile
import types
import warnings

import torch
from safetensors.torch import load_file, save_file

import common

warnings.filterwarnings("ignore")
import peft
import transformers

TOLERANCE = 1e-6  # rotary angles are fp32 by definition and differ in their last bit
# With a small eps, m/sqrt(v) of a gradient that is almost zero would magnify its last bits.
LR, DECAY, BETAS, EPS = 1e-2, 0.1, (0.9, 0.95), 1e-3
OTHERS = "embed_tokens, lm_head, *norm*"  # mini_trainer trains them; here they are named


@functools.cache
def load_mini_trainer():
    """mini_trainer.osft_utils without the package's own imports (numba, datasets, typer, …)."""
    spec = importlib.util.find_spec("mini_trainer")
    if spec is None:
        raise SystemExit("mini_trainer is not installed; hint: tests/run.sh --peers installs it")
    package = types.ModuleType("mini_trainer")
    package.__path__ = list(spec.submodule_search_locations)
    sys.modules["mini_trainer"] = package
    import mini_trainer.osft_utils as osft_utils
    osft_utils.log_rank_0 = lambda *args, **kwargs: None
    osft_utils.tqdm = lambda items, **kwargs: items
    return osft_utils


class Case:
    """A model folder with a batch, and its oracle in float64."""

    def __init__(self, folder, seed):
        self.folder = folder
        case = next(c for c in common.cases() if c.name == "llama untied")
        case.lengths = (9, 33)
        self.base = common.random_model(case, seed)
        self.batch = common.random_batch(case, seed)
        common.save(self.base, folder, self.batch)

    def ours(self, program, *arguments):
        out = os.path.join(self.folder, "out.safetensors")
        common.run(program, "--model", self.folder, "--batch",
                 os.path.join(self.folder, "batch.json"), "--out", out, *arguments)
        return load_file(out)

    def start(self, factors):
        """A file with factors to start from."""
        path = os.path.join(self.folder, "factors.safetensors")
        save_file({name: tensor.detach().contiguous().clone() for name, tensor in factors.items()},
                  path)
        return path


def low_rank(factors, name):
    return (factors[f"{name}.u_low"] * factors[f"{name}.s_low"]) @ factors[f"{name}.v_low"]


def high_rank(factors, name):
    return (factors[f"{name}.u_high"] * factors[f"{name}.s_high"]) @ factors[f"{name}.v_high"]


def matrices_of(factors):
    return sorted({name.rsplit(".", 1)[0] for name in factors})


def compare_start(ours, theirs):
    """Ranks and products of factors, which no sign of a singular vector changes."""
    worst = ("", 0.0)
    for name in matrices_of(theirs):
        for part in ("u_high", "s_high", "v_high", "u_low", "s_low", "v_low"):
            mine, other = ours[f"{name}.{part}"], theirs[f"{name}.{part}"]
            if mine.shape != other.shape:
                raise RuntimeError(f"{name}.{part}: {list(mine.shape)}, not {list(other.shape)}")
        def projector(factors, part, transposed):
            basis = factors[f"{name}.{part}"]
            return basis.t() @ basis if transposed else basis @ basis.t()
        for what, mine, other in (
                ("U_h S_h V_h", high_rank(ours, name), high_rank(theirs, name)),
                ("U_l S_l V_l", low_rank(ours, name), low_rank(theirs, name)),
                ("span of U_h", projector(ours, "u_high", False),
                 projector(theirs, "u_high", False)),
                ("span of V_h", projector(ours, "v_high", True),
                 projector(theirs, "v_high", True))):
            if mine.numel() == 0 or not other.any():
                continue
            worst = max(worst, (f"{name} {what}", common.error_of(mine, other)), key=lambda w: w[1])
    return worst


def groups(model):
    """Weight decay on matrices and factors, as ours; not on norms."""
    trained = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    return [{"params": [p for name, p in trained if "norm" not in name], "weight_decay": DECAY},
            {"params": [p for name, p in trained if "norm" in name], "weight_decay": 0.0}]


def plain_names(results, renames):
    """Results under our names, of what trains."""
    kept = {}
    for name, value in results.items():
        for old, new in renames.items():
            name = name.replace(old, new)
        kept[name] = value
    return kept


def steps(model, reference, batch, optimizer, count, project_first):
    """The first evaluation, then `count` steps of the optimizer."""
    with common.double_precision(reference):
        first = common.evaluate(model, batch)
        if project_first is not None:
            project_first()
            for name, p in model.named_parameters():
                if p.grad is not None:
                    first[name] = p.grad.detach().clone()
        first = {name: value.clone() for name, value in first.items()}
        trains = {name for name, p in model.named_parameters() if p.requires_grad}
        first = {name: v for name, v in first.items() if name in trains or name in ("loss", "logps")}
        for step in range(count):
            if step > 0:
                common.evaluate(model, batch)
            optimizer.step()
    return first


def compare(ours, first, after):
    missing = sorted((set(first) | {f"after.{n}" for n in after}) - set(ours))
    if missing:
        raise RuntimeError(f"missing {missing[0]} (+{len(missing) - 1})")
    errors = common.relative_errors(ours, first)
    worst = max(errors.items(), key=lambda item: item[1])
    for name, weight in after.items():
        error = common.error_of(ours[f"after.{name}"], weight)
        worst = max(worst, (f"{name} after the steps", error),
                    key=lambda item: item[1])
    return worst


def mini_trainer_model(osft_utils, case, ratio):
    cls = osft_utils.create_osft_model_class(transformers.LlamaForCausalLM)
    config = copy.deepcopy(case.base.config)
    model = cls(config, osft_config={}, initialize_osft=False, upcast_dtype=torch.float64,
                output_dtype=torch.float64)
    model.load_state_dict(case.base.state_dict())
    model = model.double().eval()
    # What from_pretrained does, without its detour for a ratio of 0.
    model.osft_config = osft_utils.auto_generate_target_osft_config(
        model, model_name_or_class="llama", rank_ratio=1.0 - ratio)
    model.reinitialize_osft(decompose_existing_weights=True)
    return model


def against_mini_trainer(osft_utils, program, ratio, count, seed):
    with tempfile.TemporaryDirectory() as folder:
        case = Case(folder, seed)
        model = mini_trainer_model(osft_utils, case, ratio)
        factors = {}
        for key, (module_ref, _) in model._osft_handles.items():
            parts = model.get_svd_dict_for_module(module_ref())
            for part in ("U_high", "S_high", "V_high", "U_low", "S_low", "V_low"):
                factors[f"{key.removesuffix('.weight')}.{part.lower()}"] = \
                    parts[part].detach().clone()
        worst = compare_start(case.ours(program, "--ratio", ratio), factors)
        ours = case.ours(program, "--ratio", ratio, "--train", OTHERS, "--factors",
                         case.start(factors), "--steps", count, "--lr", LR, "--decay", DECAY)
        optimizer = osft_utils.optim_wrapper(
            torch.optim.AdamW(groups(model), lr=LR, betas=BETAS, eps=EPS), model)
        first = steps(model, case.base, case.batch, optimizer, count, model.project_gradients)
        renames = {".osft_params.U_low": ".u", ".osft_params.S_low": ".s",
                   ".osft_params.V_low": ".v"}
        after = model.prepare_state_dict_for_save(
            {name: p.detach().clone() for name, p in model.state_dict().items()})
        moved = max(common.error_of(after[n], p.double())
                    for n, p in case.base.state_dict().items())
        if moved < 1e-2:
            raise RuntimeError(f"the steps moved no weight by more than {moved:.1e}")
        return max(worst, compare(ours, plain_names(first, renames), after), key=lambda w: w[1])


def against_peft(program, ratio, count, seed):
    with tempfile.TemporaryDirectory() as folder:
        case = Case(folder, seed)
        # effective_rank is the protected share; PEFT has no projection of values.
        config = peft.OSFConfig(effective_rank=1.0 - ratio, target_modules="all-linear",
                                task_type="CAUSAL_LM")
        model = peft.get_peft_model(copy.deepcopy(case.base).double(), config).base_model.model
        model.eval()
        factors, native, layers = {}, {}, {}
        for name, layer in model.named_modules():
            if not isinstance(layer, peft.tuners.osf.layer.OSFLayer):
                continue
            name = name.removesuffix(".base_layer")
            layers[name] = layer
            low = layer.osf_svd_params["default"]
            rank = layer.effective_rank["default"]
            # PEFT decomposes in fp32; the same decomposition in float64 takes its place.
            u, s, v = torch.linalg.svd(layer.get_base_layer().weight.data, full_matrices=False)
            native[name] = ((low["S_low"] - s[rank:]).abs().max() / s[0]).item()
            for part, high, tail in (("U", u[:, :rank], u[:, rank:]), ("S", s[:rank], s[rank:]),
                                     ("V", v[:rank], v[rank:])):
                factors[f"{name}.{part.lower()}_high"] = high
                factors[f"{name}.{part.lower()}_low"] = tail.clone()
                low[f"{part}_low"].data.copy_(tail)
                getattr(layer, f"_osf_{part}_low_init")["default"].copy_(tail)
                stored = getattr(layer, f"_osf_{part}_high", {})
                if "default" in stored:
                    stored["default"].copy_(high)
        if max(native.values()) > 1e-5:
            raise RuntimeError(f"PEFT's own values differ by {max(native.values()):.1e}")
        worst = compare_start(case.ours(program, "--ratio", ratio), factors)
        ours = case.ours(program, "--ratio", ratio, "--gradients-only", "--factors",
                         case.start(factors), "--steps", count, "--lr", LR, "--decay", DECAY)
        optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=LR,
                                      betas=BETAS, eps=EPS, weight_decay=DECAY)
        first = steps(model, case.base, case.batch, optimizer, count, None)
        renames = {".osf_svd_params.default.U_low": ".u", ".osf_svd_params.default.S_low": ".s",
                   ".osf_svd_params.default.V_low": ".v"}
        after = {}
        for name, layer in layers.items():
            after[f"{name}.weight"] = (layer.get_base_layer().weight.data +
                                       layer.get_delta_weight("default").detach())
        return max(worst, compare(ours, plain_names(first, renames), after), key=lambda w: w[1])


def ranks(osft_utils, program):
    """Every shorter side from 1 to 300 and those of real models, at many ratios."""
    sides = list(range(1, 301)) + [896, 1024, 1536, 2048, 3072, 4096, 5120, 8192]
    model = torch.nn.Module()
    for side in sides:
        model.register_parameter(f"q_proj_{side}", torch.nn.Parameter(
            torch.empty(side, side + 3, device="meta"), requires_grad=False))
    wrong = []
    for ratio in (0.01, 0.1, 0.2, 0.25, 0.3, 0.5, 0.7, 0.75, 0.8, 0.9, 1.0):
        theirs = osft_utils.auto_generate_target_osft_config(
            model, target_patterns=["q_proj"], rank_ratio=1.0 - ratio)
        ours = map(int, common.run(program, "--ranks", *sides, "--ratio", ratio).split())
        wrong += [(side, ratio) for side, rank in zip(sides, ours)
                  if rank != theirs[f"q_proj_{side}"]]
    if wrong:
        raise RuntimeError(f"{len(wrong)} ranks differ, the first at {wrong[0]}")
    return "ranks", 0.0


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--osft", required=True, help="our program")
    options = parser.parse_args()
    torch.set_num_threads(1)
    osft_utils = load_mini_trainer()
    passed = failed = 0

    def attempt(name, check):
        nonlocal passed, failed
        try:
            what, error = check()
            good = error <= TOLERANCE
            line = f"worst {error:.1e} ({what})"
        except (RuntimeError, OSError, KeyError, ValueError, AttributeError, TypeError) as problem:
            good, line = False, (str(problem) or repr(problem)).splitlines()[0]
        passed += good
        failed += not good
        print(f"{'ok  ' if good else 'FAIL'} {name}: {line}", flush=True)

    attempt("mini_trainer, protected ranks", lambda: ranks(osft_utils, options.osft))
    for seed, ratio in enumerate((0.0, 0.25, 0.5, 0.9), start=11):
        attempt(f"mini_trainer, unfreeze_rank_ratio {ratio}",
                lambda: against_mini_trainer(osft_utils, options.osft, ratio, 6, seed))
    for seed, ratio in enumerate((0.25, 0.5, 0.75), start=1):
        attempt(f"PEFT, unfreeze_rank_ratio {ratio}",
                lambda: against_peft(options.osft, ratio, 6, seed))
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed or not passed else 0)


if __name__ == "__main__":
    main()
