# SPDX-License-Identifier: Apache-2.0
"""Losses on policies against TRL: values, advantages, metrics, every gradient.

  python tests/parity/policy_parity.py --probe build/tests/programs/probe_loss

TRL's own loss code (`GRPOTrainer._compute_loss`, `RLOOTrainer._compute_loss`, GMPO's) runs on recorded
samples of random small models, padded as its trainer pads, with the language-model head in float64; ours
reads the same weights and unpadded samples, four to each prompt, the prompt read once for them. Every
loss_type except bnpo (its divisor is a micro-batch's) with token and sequence ratios, delta, KL with and
without its correction, every scale of rewards, the top-entropy quantile, masked truncation, temperature,
importance weights of another engine and the entropy bonus; RLOO with KL in the reward. All for full
fine-tuning and LoRA; for LoRA on NF4, prompt tuning and OSFT (policies.py) at one temperature in three
micro-batches, which must agree for the others, too. Errors are max|a - b| / max|b|. Prints one line per
case and loss and ends with `N passed, M failed`.
"""

import argparse
import tempfile
import types
import warnings
from collections import defaultdict

import torch

import common

warnings.filterwarnings("ignore")
from rollouts import (GROUP, MAX_LENGTH, Accelerator, Policy, compare, padded, random_rollout, record,
                      run_ours)
from trl.experimental.gmpo.gmpo_trainer import GMPOTrainer
from trl.trainer.grpo_trainer import GRPOTrainer
from trl.trainer.rloo_trainer import RLOOTrainer
from trl.trainer.utils import nanstd

TOLERANCE = 1e-5
SEEN = ["llama untied", "gemma2 tied"]
# Temperature, whether old log-probabilities are recorded, samples of a micro-batch (0: all).
SETTINGS = [(1.0, True, 0), (1.0, True, 5), (1.0, False, 0), (1.0, False, 5), (0.7, True, 0)]
SOME_SETTINGS = [(0.7, True, 5), (1.0, False, 0)]
CLIP_METRICS = ("clip_ratio/low_mean", "clip_ratio/high_mean", "clip_ratio/region_mean")
CLIP_EXTREMES = ("clip_ratio/low_min", "clip_ratio/high_max")


def attributes(trainer, **values):
    args = dict(use_bias_correction_kl=True, delta=None, sapo_temperature_pos=1.0,
                sapo_temperature_neg=1.05, vespo_k_pos=2.0, vespo_lambda_pos=3.0, vespo_k_neg=3.0,
                vespo_lambda_neg=2.0, steps_per_generation=1)
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
        difference = recorded["old"].double() - recorded["sampled"].double()
        ratio = (difference * batch["completion_mask"]).exp()
        batch["importance_sampling_ratio"] = ratio.clamp(0.5, 1.2)
        changes |= dict(use_vllm=True)
    trainer = attributes(trainer_class.__new__(trainer_class), model=model, **changes)
    loss = trainer._compute_loss(model, batch)
    names = {"entropy", "kl", "vespo/phi_seq_mean"}
    # Of token ratios TRL's are over tokens, as ours; extremes are over samples. (With each reward by
    # itself, TRL leaves a group of equal rewards an advantage of rounding size, whose sign it counts.)
    if trainer_class is GRPOTrainer and not each:
        names |= set(CLIP_EXTREMES)
        if changes.get("importance_sampling_level") != "sequence":
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
    "vespo": of(dict(name="Vespo"), loss_type="vespo"),
    "vespo, importance, k3": of(dict(name="Vespo", importance=dict(level="token", low=0.5, high=1.2),
                                     term=dict(positive=dict(power=1.5, decay=0.5),
                                               negative=dict(power=1.2, decay=4.0)), **K3("k3")),
                                loss_type="vespo", importance=True, vespo_k_pos=1.5,
                                vespo_lambda_pos=0.5, vespo_k_neg=1.2, vespo_lambda_neg=4.0, beta=0.3,
                                use_bias_correction_kl=False),
    "gmpo": of(dict(name="Gmpo", ratio=dict(low=0.2, high=0.3)), trainer_class=GMPOTrainer,
               epsilon_low=0.2, epsilon_high=0.3),
    "rloo": of(dict(name="Rloo"), run=rloo),
    "rloo, k1 in the reward": of(dict(name="Rloo", kl=dict(coefficient=0.05)), run=rloo, beta=0.05),
}


# ---- Comparison -----------------------------------------------------------------------------------
def evaluate(spec, policy, rollout, recorded, results):
    """TRL's loss, advantages, metrics and gradients."""
    (value, metrics, batch), gradients = policy.gradients(
        lambda model: spec["theirs"](model, rollout, recorded), results)
    per_token = [a for a, s in zip(batch["advantages"].tolist(), rollout["samples"])
                 for _ in s["ids"]]
    return {"loss": value.detach().double(),
            "advantages": torch.tensor(per_token, dtype=torch.float64),
            **{f"metric.{name}": torch.tensor(x, dtype=torch.float64) for name, x in metrics.items()},
            **gradients}


def check(attempts, program, case, seed, method, settings):
    """`settings`: temperature, whether old log-probabilities are recorded, samples of a micro-batch."""
    for temperature, old, samples in settings:
        policy = Policy(case, method, seed, temperature)
        rollout = random_rollout(case.config.vocab_size, seed)
        where = "".join([f", temperature {temperature}" if temperature != 1.0 else "",
                         f", {samples} samples at once" if samples else ""])
        names = [name for name, spec in LOSSES.items() if spec["old"] == old]
        with common.double_precision(policy.inner), tempfile.TemporaryDirectory() as folder, \
                tempfile.TemporaryDirectory() as tuned:
            recorded = record(policy.model, rollout, seed)
            results = run_ours(program, folder, policy.save(folder, tuned), rollout,
                               [LOSSES[name]["ours"] for name in names], old, temperature, samples)
            for i, name in enumerate(names):
                attempts(f"{method}, {case.name}, {name}{where}",
                         lambda: compare(results(), i, evaluate(LOSSES[name], policy, rollout,
                                                                recorded, results())))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--probe", required=True)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    attempts = common.Attempts(TOLERANCE, options.only)
    cases = {case.name: case for case in common.cases()}
    for index, name in enumerate(SEEN):
        for method in ("full", "lora"):
            check(attempts, options.probe, cases[name], options.seed + index, method, SETTINGS)
    for method in ("qlora", "prompt", "osft"):
        check(attempts, options.probe, cases[SEEN[0]], options.seed, method, SOME_SETTINGS)
    attempts.finish()


if __name__ == "__main__":
    main()
