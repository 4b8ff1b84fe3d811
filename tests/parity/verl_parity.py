# SPDX-License-Identifier: Apache-2.0
"""Losses on policies against verl: advantages, terms, aggregations, KL, PPO with its critic.

  python tests/parity/verl_parity.py --probe build/tests/programs/probe_loss

verl's own functions (verl/trainer/ppo/core_algos.py) run in float64 on recorded samples of a random
small model, padded, some of whose ids are a tool's; ours reads the same weights and unpadded samples,
in one and in three micro-batches. Every estimator of advantages that both have, GAE with returns, every
term that both have, `loss_agg_mode`, KL in the loss and in the reward, the critic's loss, and of each
loss every gradient: full fine-tuning, and PPO under LoRA, too. Errors are max|a - b| / max|b|. Prints one
line per case and ends with `N passed, M failed`.

verl's package imports a whole training stack (ray, hydra, tensordict); its module of algorithms alone is
loaded here.
"""

import argparse
import importlib.util
import os
import sys
import tempfile
import types
import warnings

import numpy as np
import torch

import common

warnings.filterwarnings("ignore")
from rollouts import (GROUP, PROMPTS, Policy, compare, completion_logps, padded, random_rollout, record,
                      run_ours)
import safetensors.torch

TOLERANCE = 1e-5  # advantages, log-probabilities and values are recorded in float32
SEED = 11


class Config(types.SimpleNamespace):
    """What verl's functions ask of an ActorConfig or an AlgoConfig."""

    def get(self, name, default=None):
        return getattr(self, name, default)


def load_verl():
    """verl.trainer.ppo.core_algos without the packages' own imports. None: verl is not installed."""
    spec = importlib.util.find_spec("verl")
    if spec is None:
        return None
    root = spec.submodule_search_locations[0]

    def package(name, **contents):
        module = types.ModuleType(name)
        module.__path__ = [os.path.join(root, *name.split(".")[1:])]
        vars(module).update(contents)
        sys.modules[name] = module

    for name in ("verl", "verl.utils", "verl.trainer", "verl.trainer.ppo", "verl.workers"):
        package(name)
    # Names of types in annotations, and of one `isinstance`.
    package("verl.trainer.config", AlgoConfig=type("AlgoConfig", (), {}))
    package("verl.workers.config", ActorConfig=Config)
    for name, types_of in (("omegaconf", ["DictConfig"]), ("tensordict", ["TensorDict"])):
        if importlib.util.find_spec(name) is None:
            package(name, **{each: type(each, (), {}) for each in types_of})
    from verl.utils import groupwise
    vars(sys.modules["verl.utils"]).update(as_torch_index=groupwise.as_torch_index,
                                           group_mean_std=groupwise.group_mean_std)
    from verl.trainer.ppo import core_algos
    return core_algos


# ---- Recorded samples -----------------------------------------------------------------------------
def scored_rollout(vocab):
    """verl has no sample without a reward, and one reward for each. No group has equal rewards, which
    verl's whitening moves away from 0."""
    rollout = random_rollout(vocab, SEED, tools=True)
    generator = torch.Generator().manual_seed(SEED)
    for sample in rollout["samples"]:
        sample["scores"] = [round(torch.rand(1, generator=generator).item(), 3)]
    numbers = lambda sample, scale: (scale * torch.randn(len(sample["ids"]), generator=generator)).tolist()
    for sample in rollout["samples"]:
        sample["values"] = numbers(sample, 0.4)
        sample["log_sum_sq"] = [-abs(x) for x in numbers(sample, 1.0)]
        sample["teacher_logps"] = [-2.0 + x for x in numbers(sample, 0.7)]
    return dict(rollout, weights=[1.0], greedy=[0.3, 0.6, 0.5])


class Recorded:
    """The samples as verl has them: [samples, tokens] in float64."""

    def __init__(self, rollout, recorded):
        self.rollout = rollout
        self.batch = padded(rollout)
        self.mask = (self.batch["completion_mask"] * self.batch["tool_mask"]).double()
        self.index = np.repeat(np.arange(PROMPTS), GROUP)
        self.old, self.ref = recorded["old"].double(), recorded["ref"].double()
        self.rewards = torch.zeros_like(self.mask)
        for i, sample in enumerate(rollout["samples"]):
            last = max(t for t, drawn in enumerate(self.mask[i].tolist()) if drawn)
            self.rewards[i, last] = sample["scores"][0]

    def of_samples(self, name):
        """Recorded numbers, rounded as our file has them."""
        full = torch.zeros_like(self.mask)
        for i, sample in enumerate(self.rollout["samples"]):
            full[i, :len(sample["ids"])] = torch.tensor(sample[name]).double()
        return full

    def flat(self, values):
        """Of the ids of all samples, one sample after another; 0 for what was not sampled."""
        return torch.cat([(values * self.mask)[i, :len(s["ids"])]
                          for i, s in enumerate(self.rollout["samples"])])


# ---- Advantages -----------------------------------------------------------------------------------
def estimators(verl):
    """name: (our loss, verl's (advantages, returns) of the recorded samples)."""
    def ours(baseline="mean", scale="group", **more):
        return dict(name="PolicyLoss", advantage=dict(baseline=baseline, scale=scale, epsilon=1e-6),
                    **more)

    def grouped(name, **options):
        return lambda r: verl.get_adv_estimator_fn(name)(
            token_level_rewards=r.rewards.clone(), response_mask=r.mask, index=r.index, **options)

    def penalised(r, coefficient):
        return r.rewards - coefficient * (r.old - r.ref) * r.mask

    def otb(name):
        return lambda r: verl.get_adv_estimator_fn(name)(
            token_level_rewards=r.rewards, response_mask=r.mask, index=r.index, old_log_probs=r.old,
            sum_pi_squared=r.of_samples("log_sum_sq").exp())

    def gae(rewards, gamma, lam):
        return lambda r: verl.compute_gae_advantage_return(rewards(r), r.of_samples("values"), r.mask,
                                                           gamma, lam)

    plain, kl = lambda r: r.rewards, dict(kl=dict(coefficient=0.1, estimator="k1", place="reward"))
    return {
        "grpo": (ours(), grouped("grpo")),
        "grpo, no deviation": (ours(scale="none"), grouped("grpo", norm_adv_by_std_in_grpo=False)),
        "grpo_vectorized": (ours(), grouped("grpo_vectorized")),
        "rloo": (ours("leave_one_out", "none"), grouped("rloo")),
        "rloo_vectorized": (ours("leave_one_out", "none"), grouped("rloo_vectorized")),
        "opo": (ours("length_weighted", "none"), grouped("opo")),
        "grpo_passk": (ours("second_best"), grouped(
            "grpo_passk", config=Config(norm_adv_by_std_in_grpo=True))),
        "grpo_passk, no deviation": (ours("second_best", "none"), grouped(
            "grpo_passk", config=Config(norm_adv_by_std_in_grpo=False))),
        "remax": (ours("greedy", "none"), lambda r: verl.compute_remax_outcome_advantage(
            r.rewards, torch.tensor(r.rollout["greedy"]).double().repeat_interleave(GROUP), r.mask)),
        "reinforce_plus_plus": (dict(name="ReinforcePlusPlus"), lambda r:
            verl.compute_reinforce_plus_plus_outcome_advantage(r.rewards, r.mask, Config(gamma=1.0))),
        "reinforce_plus_plus, k1 in the reward": (dict(name="ReinforcePlusPlus", **kl), lambda r:
            verl.compute_reinforce_plus_plus_outcome_advantage(penalised(r, 0.1), r.mask,
                                                               Config(gamma=1.0))),
        "reinforce_plus_plus_baseline": (dict(name="ReinforceBaseline"),
                                         grouped("reinforce_plus_plus_baseline")),
        "optimal_token_baseline": (ours("optimal_token", "none"), otb("tir_optimal_token_baseline")),
        "gae": (dict(name="Ppo"), gae(plain, 1.0, 0.95)),
        "gae, discounted": (dict(name="Ppo", gae={"gamma": 0.9, "lambda": 0.6}), gae(plain, 0.9, 0.6)),
        "gae, k1 in the reward": (dict(name="Ppo", policy=kl),
                                  gae(lambda r: penalised(r, 0.1), 1.0, 0.95)),
    }


def check_advantages(attempts, verl, recorded, results, names):
    for i, (name, (_, theirs)) in enumerate(names.items()):
        def expected():
            advantages, returns = theirs(recorded)
            each = {"advantages": recorded.flat(advantages)}
            return {**each, "returns": recorded.flat(returns)} if name.startswith("gae") else each
        attempts(f"advantages, {name}", lambda: compare(results(), i, expected()))


# ---- Losses ---------------------------------------------------------------------------------------
def actor(**changes):
    return Config(**{**dict(clip_ratio=0.2, clip_ratio_low=0.15, clip_ratio_high=0.25, clip_ratio_c=1.3,
                            tau_pos=1.0, tau_neg=1.05, global_batch_info={}), **changes})


def losses(verl):
    """name: (our loss, verl's advantages of the recorded samples, its loss of these, advantages and
    log-probabilities)."""
    def grpo(r):
        return verl.compute_grpo_outcome_advantage(r.rewards.clone(), r.mask, r.index, 1e-4)[0]

    def by_teacher(r):
        return -verl.kl_penalty(r.old, r.of_samples("teacher_logps"), "k1")

    def term(name, mode="token-mean", **changes):
        return lambda r, advantages, logps: verl.get_policy_loss_fn(name)(
            r.old, logps, advantages, r.mask, mode, actor(**changes))[0]

    def with_kl(penalty):
        return lambda r, advantages, logps: term("vanilla")(r, advantages, logps) + \
            0.3 * verl.agg_loss(verl.kl_penalty(logps, r.ref, penalty), r.mask, "token-mean")

    clip = dict(low=0.15, high=0.25)
    dual = dict(term=dict(clip, dual=1.3))
    kl = lambda estimator: dict(kl=dict(coefficient=0.3, estimator=estimator))
    # Shares of 1: which of the candidates are left out is drawn at random. Bounds as of the samples.
    covariance = Config(clip_cov_ratio=1.0, clip_cov_lb=0.1, clip_cov_ub=0.8, kl_cov_ratio=0.3,
                        ppo_kl_coef=0.7)
    by_rewards = {
        "vanilla": (dict(name="PolicyLoss", **dual), term("vanilla")),
        "vanilla, no dual clip": (dict(name="PolicyLoss", term=clip),
                                  term("vanilla", clip_ratio_c=1e9)),
        "seq-mean-token-mean": (dict(name="PolicyLoss", normalizer="sequences", **dual),
                                term("vanilla", "seq-mean-token-mean")),
        "seq-mean-token-sum": (dict(name="PolicyLoss", normalizer="sequence_sums", **dual),
                               term("vanilla", "seq-mean-token-sum")),
        "seq-mean-token-sum-norm": (dict(name="PolicyLoss", normalizer="constant", max_length=17, **dual),
                                    term("vanilla", "seq-mean-token-sum-norm",
                                         global_batch_info=dict(loss_scale_factor=17))),
        "dppo_tv": (dict(name="DppoTv", term=dict(low=0.004, high=0.003, cap=1.3)),
                    term("dppo_tv", clip_ratio_low=0.004, clip_ratio_high=0.003)),
        "gspo": (dict(name="Gspo", term=dict(low=0.02, high=0.03), ratio=dict(form="token")),
                 term("gspo", "seq-mean-token-mean", clip_ratio_low=0.02, clip_ratio_high=0.03)),
        "sapo": (dict(name="Sapo"), term("sapo", "seq-mean-token-mean")),
        "cispo": (dict(name="Cispo", term=dict(floor=0.85, cap=1.25)), term("cispo")),
        "geo_mean": (dict(name="Gmpo", ratio=clip), term("geo_mean")),
        "clip_cov": (dict(name="CovarianceClip", term=dict(clip=clip, share=1.0, low=0.1, high=0.8)),
                     term("clip_cov", policy_loss=covariance)),
        "kl_cov": (dict(name="CovarianceKl", term=dict(share=0.3, coefficient=0.7)),
                   term("kl_cov", policy_loss=covariance)),
        "k2 in the loss": (dict(name="PolicyLoss", **dual, **kl("k2")), with_kl("k2")),
        "k3 in the loss": (dict(name="PolicyLoss", **dual, **kl("k3")), with_kl("k3")),
        "k3+ in the loss": (dict(name="PolicyLoss", **dual, **kl("k3_k2_gradient")), with_kl("k3+")),
    }
    return {**{name: (ours, grpo, loss) for name, (ours, loss) in by_rewards.items()},
            "a teacher's lead": (dict(name="DistillationGradient", policy=dual), by_teacher,
                                 term("vanilla"))}


def check_losses(attempts, policy, recorded, results, names, where):
    for i, (name, (_, estimate, loss)) in enumerate(names.items()):
        def expected():
            advantages = estimate(recorded)
            value, gradients = policy.gradients(
                lambda model: loss(recorded, advantages, completion_logps(model, recorded.batch)))
            return {"loss": value.detach(), "advantages": recorded.flat(advantages), **gradients}
        attempts(f"loss, {name}{where}", lambda: compare(results(), i, expected()))


# ---- PPO ------------------------------------------------------------------------------------------
class Critic(torch.nn.Module):
    """A head on the policy's last hidden rows."""

    def __init__(self, width):
        super().__init__()
        torch.manual_seed(SEED)
        self.weight = torch.nn.Parameter(0.3 * torch.randn(1, width).float().double())
        self.bias = torch.nn.Parameter(0.1 * torch.randn(1).float().double())

    def save(self, path):
        tensors = {"weight": self.weight, "bias": self.bias}
        safetensors.torch.save_file({f"v_head.summary.{name}": t.detach().float().contiguous()
                                     for name, t in tensors.items()}, path)

    def values(self, model, batch):
        ids = torch.cat([batch["prompt_ids"], batch["completion_ids"]], 1)
        rows = model(input_ids=ids, attention_mask=torch.ones_like(ids),
                     output_hidden_states=True).hidden_states[-1]
        width = batch["completion_ids"].size(1)
        return (rows[:, -width - 1:-1] @ self.weight.t() + self.bias).squeeze(2)


def ppo(verl, policy, critic, recorded, mode="token-mean"):
    """The losses of actor and critic added up, and every gradient."""
    old_values = recorded.of_samples("values")
    advantages, returns = verl.compute_gae_advantage_return(recorded.rewards, old_values, recorded.mask,
                                                            1.0, 0.95)
    critic.zero_grad()

    def loss(model):
        logps = completion_logps(model, recorded.batch)
        of_policy = verl.compute_policy_loss_vanilla(recorded.old, logps, advantages, recorded.mask,
                                                     mode, actor())[0]
        of_critic = verl.compute_value_loss(critic.values(model, recorded.batch), returns, old_values,
                                            recorded.mask, 0.15, mode)[0]
        return of_policy + 0.4 * of_critic

    value, gradients = policy.gradients(loss)
    return {"loss": value.detach(), "advantages": recorded.flat(advantages), **gradients,
            "gradient.v_head.summary.weight": critic.weight.grad,
            "gradient.v_head.summary.bias": critic.bias.grad}


OUR_PPO = dict(name="Ppo", policy=dict(term=dict(low=0.15, high=0.25, dual=1.3)), value_clip=0.15,
               value_coefficient=0.4)


def check(attempts, verl, program, case, method):
    policy = Policy(case, method, SEED, 1.0)
    rollout = scored_rollout(case.config.vocab_size)
    critic = Critic(case.config.hidden_size)
    with common.double_precision(policy.inner, sys.modules["verl.utils.groupwise"]), \
            tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as tuned:
        recorded = Recorded(rollout, record(policy.model, rollout, SEED))
        head = os.path.join(folder, "critic.safetensors")
        critic.save(head)
        arguments = [*policy.save(folder, tuned), "--critic", head]
        for samples in (0, 5):
            where = f", {samples} samples at once" if samples else ""
            run = lambda named: run_ours(program, folder, arguments, rollout,
                                         [ours for ours, *_ in named.values()], samples=samples)
            if method == "full":
                check_losses(attempts, policy, recorded, run(losses(verl)), losses(verl), where)
            if method == "full" and not samples:
                check_advantages(attempts, verl, recorded, run(estimators(verl)), estimators(verl))
            results = run_ours(program, folder, arguments, rollout, [OUR_PPO], samples=samples)
            attempts(f"ppo, {method}{where}",
                     lambda: compare(results(), 0, ppo(verl, policy, critic, recorded)))


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--probe", required=True, help="the program tests/programs/probe_loss")
    parser.add_argument("--only", default="", help="cases whose name contains this")
    options = parser.parse_args()
    verl = load_verl()
    if verl is None:
        print("skipped: verl is not installed; hint: tests/run.sh --peers installs it")
        sys.exit(77)
    attempts = common.Attempts(TOLERANCE, options.only)
    case = next(case for case in common.cases() if case.name == "llama untied")
    for method in ("full", "lora"):
        check(attempts, verl, options.probe, case, method)
    attempts.finish()


if __name__ == "__main__":
    main()
