# SPDX-License-Identifier: Apache-2.0
"""Losses on policies against TRL: values, advantages, metrics, every gradient.

  python tests/parity/policy_parity.py --probe build/tests/programs/probe_loss

TRL's own loss code (`GRPOTrainer._compute_loss`, `RLOOTrainer._compute_loss`, GMPO's) runs on recorded
samples of random small models, padded as its trainer pads, with the language-model head in float64; ours
reads the same weights and unpadded samples, four to each prompt, the prompt read once for them. Every
loss_type except bnpo (its divisor is a micro-batch's) with token and sequence ratios, delta, KL with and
without its correction, every scale of rewards, the top-entropy quantile, masked truncation, temperature,
importance weights of another engine and the entropy bonus; RLOO with KL in the reward; full fine-tuning
and LoRA. Ours in three micro-batches must agree, too. Log-probabilities of the old policy, the reference
and the engine are recorded in float32. Errors are max|a - b| / max|b|. Prints one line per case and loss
and ends with `N passed, M failed`.
"""

import argparse
import contextlib
import copy
import json
import os
import tempfile
import types
import warnings
from collections import defaultdict

import torch

import common

warnings.filterwarnings("ignore")
import peft
import safetensors.torch
from trl.experimental.gmpo.gmpo_trainer import GMPOTrainer
from trl.trainer.grpo_trainer import GRPOTrainer
from trl.trainer.rloo_trainer import RLOOTrainer
from trl.trainer.utils import nanstd

TOLERANCE = 1e-5
SEEN = ["llama untied", "gemma2 tied"]
PROMPTS, GROUP, MAX_LENGTH = 3, 4, 13
CLIP_METRICS = ("clip_ratio/low_mean", "clip_ratio/high_mean", "clip_ratio/region_mean")


class Accelerator:
    """What TRL's losses ask of one process."""
    device = torch.device("cpu")
    num_processes = 1
    is_main_process = False
    sync_gradients = True
    autocast = contextlib.nullcontext

    def gather(self, value):
        return value

    gather_for_metrics = unwrap_model = gather

    def reduce(self, value, reduction):
        return value

    def pad_across_processes(self, value, **_):
        return value


def with_exact_head(model, temperature):
    """Lets a model answer `fused_lm_head=True` as TRL's head does, in the model's own precision."""
    plain = model.forward

    def forward(*args, fused_lm_head=False, labels=None, **kwargs):
        logits = plain(*args, **kwargs).logits[:, :-1] / temperature
        labels = labels[:, 1:]
        logp = torch.log_softmax(logits, dim=-1)
        masked = lambda x: x.masked_fill(labels == -100, 0)
        return types.SimpleNamespace(
            log_probs=masked(logp.gather(2, labels.clamp(min=0)[..., None]).squeeze(2)),
            entropy=masked(-(logp.exp() * logp).sum(-1)))

    model.forward = forward
    return model


def attributes(trainer, **values):
    args = dict(use_bias_correction_kl=True, delta=None, sapo_temperature_pos=1.0,
                sapo_temperature_neg=1.05, steps_per_generation=1)
    defaults = dict(accelerator=Accelerator(), aux_loss_enabled=False, beta=0.0, epsilon_low=0.2,
                    epsilon_high=0.2, loss_type="dapo", importance_sampling_level="token",
                    top_entropy_quantile=1.0, off_policy_mask_threshold=None, use_vllm=False,
                    vllm_importance_sampling_correction=True, max_completion_length=MAX_LENGTH,
                    current_gradient_accumulation_steps=1, _entropy_bonus_enabled=False,
                    use_adaptive_entropy=False, entropy_coef=0.0,
                    _metrics={"train": defaultdict(list)})
    for name in list(values):
        if name in args:
            args[name] = values.pop(name)
    for name, value in {**defaults, "args": types.SimpleNamespace(**args), **values}.items():
        setattr(trainer, name, value)
    return trainer


# ---- Recorded samples -----------------------------------------------------------------------------
def random_rollout(vocab, seed):
    """Prompts of one length (TRL pads them on the left, where gpt2's positions would move)."""
    generator = torch.Generator().manual_seed(seed)
    integer = lambda low, high: int(torch.randint(low, high, (1,), generator=generator))
    ids = lambda length: torch.randint(3, vocab, (length,), generator=generator).tolist()
    samples = []
    for _ in range(PROMPTS * GROUP):
        length = integer(1, 12)
        first, second = torch.rand(2, generator=generator).tolist()
        samples.append(dict(ids=ids(length), scores=[round(first, 3), float(second > 0.5)],
                            finish="length" if integer(0, 4) == 0 else "stop_id"))
    samples[5]["scores"] = [None, None]  # no verifier applies
    samples[2]["scores"][1] = None
    for sample in samples[8:12]:  # a group of equal rewards
        sample["scores"] = [0.1, 1.0]
    samples[4]["finish"] = "length"
    return dict(prompts=[ids(6) for _ in range(PROMPTS)], samples=samples, weights=[1.0, 0.7])


def padded(rollout):
    """The batch that TRL's trainer makes of the samples."""
    width = max(len(s["ids"]) for s in rollout["samples"])
    pad = lambda values: torch.tensor([v + [0] * (width - len(v)) for v in values])
    prompts = torch.tensor([p for p in rollout["prompts"] for _ in range(GROUP)])
    return dict(prompt_ids=prompts, prompt_mask=torch.ones_like(prompts),
                completion_ids=pad([s["ids"] for s in rollout["samples"]]),
                completion_mask=pad([[1] * len(s["ids"]) for s in rollout["samples"]]))


def record(model, rollout, temperature, seed):
    """Log-probabilities near the policy's, in float32: of the old policy, the reference, an engine."""
    batch = padded(rollout)
    ids = torch.cat([batch["prompt_ids"], batch["completion_ids"]], 1)
    mask = torch.cat([batch["prompt_mask"], batch["completion_mask"]], 1)
    with torch.no_grad():
        out = model(input_ids=ids, attention_mask=mask, labels=ids, fused_lm_head=True)
    logps = out.log_probs[:, -batch["completion_ids"].size(1):]
    torch.manual_seed(seed)
    near = lambda size: (logps + size * torch.randn(logps.shape, dtype=logps.dtype)).float()
    recorded = dict(old=near(0.3), ref=near(0.5), sampled=near(0.4))
    for i, sample in enumerate(rollout["samples"]):
        for name in recorded:
            sample[f"{name}_logps"] = recorded[name][i, :len(sample["ids"])].tolist()
    return recorded


def lines(rollout, old):
    """Our file: rewards are the weighted sums of the scores that are there."""
    weights = rollout["weights"]
    for p, prompt in enumerate(rollout["prompts"]):
        samples = []
        for sample in rollout["samples"][p * GROUP:(p + 1) * GROUP]:
            there = [w * s for w, s in zip(weights, sample["scores"]) if s is not None]
            own = dict(sample, reward=sum(there) if there else None)
            if not old:
                del own["old_logps"]
            samples.append(own)
        yield json.dumps(dict(index=p, prompt_ids=prompt, samples=samples, weights=weights))


# ---- TRL ------------------------------------------------------------------------------------------
def rewards_of(rollout):
    nan = float("nan")
    return torch.tensor([[nan if s is None else s for s in sample["scores"]]
                         for sample in rollout["samples"]], dtype=torch.float64)


def advantages(rollout, scale="group", each=False):
    """The lines of GRPOTrainer that turn rewards into advantages, which stand in a longer function."""
    per_function, weights = rewards_of(rollout), torch.tensor(rollout["weights"]).double()
    unscorable = per_function.isnan().all(1)
    if each:
        grouped = per_function.view(-1, GROUP, len(weights))
        scaled = (grouped - grouped.nanmean(1, keepdim=True)) / (
            nanstd(grouped, dim=1, keepdim=True) + 1e-4)
        rewards = (scaled.view(-1, len(weights)) * weights).nansum(1)
        rewards[unscorable] = float("nan")
        return ((rewards - rewards.nanmean()) / (nanstd(rewards) + 1e-4)).nan_to_num(nan=0.0)
    rewards = (per_function * weights).nansum(1)
    rewards[unscorable] = float("nan")
    grouped = rewards.view(-1, GROUP)
    result = rewards - grouped.nanmean(1).repeat_interleave(GROUP)
    if scale == "group":
        result = result / (nanstd(grouped, dim=1).repeat_interleave(GROUP) + 1e-4)
    elif scale == "batch":
        result = result / (nanstd(rewards) + 1e-4)
    return result.nan_to_num(nan=0.0)


def leave_one_out(rollout, batch, recorded, beta):
    per_function, weights = rewards_of(rollout), torch.tensor(rollout["weights"]).double()
    rewards = (per_function * weights).nansum(1)
    rewards[per_function.isnan().all(1)] = float("nan")
    if beta:
        kl = recorded["old"].double() - recorded["ref"].double()
        rewards = rewards - beta * (kl * batch["completion_mask"]).sum(-1)
    grouped = rewards.view(-1, GROUP)
    counts = (~grouped.isnan()).sum(1, keepdim=True)
    baselines = (grouped.nansum(1, keepdim=True) - grouped) / (counts - 1)
    return (grouped - baselines).view(-1).nan_to_num(nan=0.0)


def grpo(model, rollout, recorded, old=True, mask_truncated=False, scale="group", each=False,
         importance=False, trainer_class=GRPOTrainer, **changes):
    batch = padded(rollout)
    if mask_truncated:
        cut = torch.tensor([s["finish"] == "length" for s in rollout["samples"]])
        batch["completion_mask"] = batch["completion_mask"] * (~cut).unsqueeze(1).int()
    batch["advantages"] = advantages(rollout, scale, each)
    batch["num_items_in_batch"] = batch["completion_mask"].sum()
    if old:
        batch["old_per_token_logps"] = recorded["old"].double()
    batch["ref_per_token_logps"] = recorded["ref"].double()
    if importance:
        ratio = (recorded["old"].double() - recorded["sampled"].double()).exp()
        batch["importance_sampling_ratio"] = ratio.clamp(0.5, 1.2)
        changes |= dict(use_vllm=True)
    trainer = attributes(trainer_class.__new__(trainer_class), model=model, **changes)
    loss = trainer._compute_loss(model, batch)
    names = {"entropy", "kl"}
    # Of token ratios TRL's are over tokens, as ours. (With each reward by itself, TRL leaves a group of
    # equal rewards an advantage of rounding size, whose sign it counts.)
    if changes.get("importance_sampling_level") != "sequence" and trainer_class is GRPOTrainer \
            and not each:
        names |= set(CLIP_METRICS)
    metrics = {name: value[-1] for name, value in trainer._metrics["train"].items() if name in names}
    return loss, metrics, batch


def rloo(model, rollout, recorded, beta=0.0):
    batch = padded(rollout)
    batch["advantages"] = leave_one_out(rollout, batch, recorded, beta)
    batch["old_logps"] = (recorded["old"].double() * batch["completion_mask"]).sum(1)
    trainer = attributes(RLOOTrainer.__new__(RLOOTrainer), model=model, beta=beta)
    loss = trainer._compute_loss(model, batch)
    return loss, {"entropy": trainer._metrics["train"]["entropy"][-1]}, batch


def of(ours, **theirs):
    run = theirs.pop("run", grpo)
    options = {name: theirs.pop(name) for name in ("temperature",) if name in theirs}
    return dict(ours=ours, theirs=lambda *args: run(*args, **theirs), old=theirs.get("old", True),
                **options)


KEEP = dict(truncated="train", equal_rewards="keep")
SEQUENCE = dict(importance_sampling_level="sequence")
WIDE = dict(term=dict(low=0.02, high=0.03))
K3 = lambda estimator: dict(kl=dict(coefficient=0.3, estimator=estimator))
LOSSES = {
    "grpo": of(dict(name="Grpo"), loss_type="grpo"),
    "grpo, first update": of(dict(name="Grpo"), loss_type="grpo", old=False),
    "grpo, batch": of(dict(name="Grpo", advantage=dict(scale="batch")), loss_type="grpo",
                      scale="batch"),
    "grpo, no scale": of(dict(name="Grpo", advantage=dict(scale="none")), loss_type="grpo",
                         scale="none"),
    "grpo, each reward": of(dict(name="Grpo", advantage=dict(rewards="each")), loss_type="grpo",
                            each=True),
    "grpo, delta": of(dict(name="Grpo", term=dict(cap=1.25)), loss_type="grpo", delta=1.25),
    "grpo, k3": of(dict(name="Grpo", **K3("k3")), loss_type="grpo", beta=0.3,
                   use_bias_correction_kl=False),
    "grpo, corrected k3": of(dict(name="Grpo", **K3("k3_corrected")), loss_type="grpo", beta=0.3),
    "dr_grpo": of(dict(name="DrGrpo", max_length=MAX_LENGTH), loss_type="dr_grpo", scale="none"),
    "dapo": of(dict(name="Dapo", **KEEP), epsilon_high=0.28),
    "dapo, masked truncation": of(dict(name="Dapo", equal_rewards="keep"), epsilon_high=0.28,
                                  mask_truncated=True),
    "dapo, top entropy": of(dict(name="Dapo", top_entropy=0.2, **KEEP), epsilon_high=0.28,
                            top_entropy_quantile=0.2),
    "dapo, top entropy, k3": of(dict(name="Dapo", top_entropy=0.4, **K3("k3"), **KEEP),
                                epsilon_high=0.28, top_entropy_quantile=0.4, beta=0.3,
                                use_bias_correction_kl=False),
    "dapo, entropy bonus": of(dict(name="Dapo", entropy_coefficient=0.05, **KEEP),
                              epsilon_high=0.28, entropy_coef=0.05, _entropy_bonus_enabled=True),
    "dapo, importance": of(dict(name="Dapo", importance=dict(level="token", low=0.5, high=1.2),
                                **KEEP), epsilon_high=0.28, importance=True),
    "lite ppo": of(dict(name="LitePpo"), scale="batch"),
    "gspo": of(dict(name="Gspo", **WIDE), loss_type="grpo", epsilon_low=0.02, epsilon_high=0.03,
               **SEQUENCE),
    "gspo, corrected k3": of(dict(name="Gspo", **WIDE, **K3("k3_corrected")), loss_type="grpo",
                             epsilon_low=0.02, epsilon_high=0.03, beta=0.3, **SEQUENCE),
    "luspo": of(dict(name="Luspo", **WIDE), loss_type="luspo", epsilon_low=0.02,
                epsilon_high=0.03, **SEQUENCE),
    "luspo, token ratio": of(dict(name="PolicyLoss", normalizer="sequence_sums"),
                             loss_type="luspo"),
    "cispo": of(dict(name="Cispo", term=dict(cap=1.1)), loss_type="cispo", epsilon_high=1.1),
    "sapo": of(dict(name="Sapo"), loss_type="sapo"),
    "gmpo": of(dict(name="Gmpo", ratio=dict(low=0.2, high=0.3)), trainer_class=GMPOTrainer,
               epsilon_low=0.2, epsilon_high=0.3),
    "rloo": of(dict(name="Rloo"), run=rloo),
    "rloo, k1 in the reward": of(dict(name="Rloo", kl=dict(coefficient=0.05)), run=rloo, beta=0.05),
}


# ---- Comparison -----------------------------------------------------------------------------------
def evaluate(spec, model, rollout, recorded, trained):
    """TRL's loss, advantages, metrics and gradients; `trained` maps parameters' names to ours."""
    model.zero_grad(set_to_none=True)
    ours = {}
    for name, p in model.named_parameters():
        own = trained(name)
        p.requires_grad_(own is not None)
        if own is not None:
            ours[own] = p
    value, metrics, batch = spec["theirs"](model, rollout, recorded)
    value.backward()
    per_token = [a for a, s in zip(batch["advantages"].tolist(), rollout["samples"])
                 for _ in s["ids"]]
    return {"loss": value.detach().double(),
            "advantages": torch.tensor(per_token, dtype=torch.float64),
            **{f"metric.{name}": torch.tensor(x, dtype=torch.float64) for name, x in metrics.items()},
            **{f"gradient.{own}": p.grad.clone() for own, p in ours.items() if p.grad is not None}}


def compare(results, prefix, expected):
    """The worst error of one loss. What is zero in exact arithmetic has no scale: such a gradient is
    measured against the largest; a loss, whose terms cancel, against a tenth of an advantage at least."""
    errors = {}
    term = 0.1 * expected["advantages"].abs().mean().item()
    largest = max(v.abs().max().item() for k, v in expected.items() if k.startswith("gradient."))
    for what, b in expected.items():
        a = results[f"{prefix}.{what}"].double().reshape(b.shape)
        scale = b.abs().max().item()
        if what.startswith("gradient.") and scale < 1e-10 * largest:
            scale = largest
        if what == "loss":
            scale = max(scale, term)
        if scale == 0.0:
            scale = 1.0
        errors[what] = (a - b.double()).abs().max().item() / scale
    return max(errors.items(), key=lambda item: item[1])


def check(attempts, program, label, case, seed, adapter):
    base = common.random_model(case, seed)
    model = copy.deepcopy(base)
    if adapter:
        torch.manual_seed(seed)
        model = peft.get_peft_model(model, peft.LoraConfig(
            task_type="CAUSAL_LM", r=3, lora_alpha=5, target_modules="all-linear"))
        with torch.no_grad():
            for name, p in model.named_parameters():
                if "lora_B" in name:
                    p.copy_(0.05 * torch.randn(p.shape))
    trained = lambda name: name
    if adapter:
        trained = lambda name: name.replace(".default", "").removeprefix("base_model.model.") \
            if "lora_" in name else None

    for temperature in (1.0, 0.7):
        rollout = random_rollout(case.config.vocab_size, seed)
        doubled = copy.deepcopy(model).double().eval()
        inner = doubled.get_base_model() if adapter else doubled
        with_exact_head(inner, temperature)
        doubled.training = True  # no dropout: the losses read it to name their metrics
        with common.double_precision(inner), tempfile.TemporaryDirectory() as folder, \
                tempfile.TemporaryDirectory() as tuned:
            recorded = record(doubled, rollout, temperature, seed)
            base.save_pretrained(folder)
            if adapter:
                model.save_pretrained(tuned)
            for old in (True, False):
                for samples in (0, 5):
                    if temperature != 1.0 and not (old and samples == 0):
                        continue
                    names = [name for name, spec in LOSSES.items() if spec["old"] == old]
                    where = "".join([f", temperature {temperature}" if temperature != 1.0 else "",
                                     f", {samples} samples at once" if samples else ""])
                    results = run_ours(program, folder, tuned if adapter else None, rollout,
                                       [LOSSES[name]["ours"] for name in names], old, temperature,
                                       samples)
                    for i, name in enumerate(names):
                        attempts(f"{label}, {name}{where}",
                                 lambda: compare(results(), i, evaluate(
                                     LOSSES[name], doubled, rollout, recorded, trained)))


def run_ours(program, folder, adapter, rollout, losses, old, temperature, samples):
    """The results of one run of our program for all losses; its failure fails each of them."""
    kept = []

    def results():
        if not kept:
            file, out = os.path.join(folder, "rollouts.jsonl"), os.path.join(folder, "out.safetensors")
            with open(file, "w") as f:
                f.write("".join(line + "\n" for line in lines(rollout, old)))
            common.run(program, "--model", folder, "--loss", json.dumps(losses), "--rollouts", file,
                       "--out", out, "--temperature", temperature, "--samples", samples,
                       *(["--adapter", adapter] if adapter else []))
            kept.append(safetensors.torch.load_file(out))
        return kept[0]

    return results


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--probe", required=True)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    attempts = common.Attempts(TOLERANCE, options.only)
    cases = {case.name: case for case in common.cases()}
    for index, name in enumerate(SEEN):
        for adapter in (False, True):
            check(attempts, options.probe, f"{'LoRA' if adapter else 'full'}, {name}", cases[name],
                  options.seed + index, adapter)
    attempts.finish()


if __name__ == "__main__":
    main()
