# SPDX-License-Identifier: Apache-2.0
"""Distillation of whole distributions against TRL: loss, entropy, every gradient.

  python tests/parity/distillation_parity.py --probe build/tests/programs/probe_loss

TRL's own code (`DistillationTrainer.compute_loss` with its kernel of tiles) runs on recorded samples of
a random small model beside a wider teacher of another family, padded as its trainer pads, in float64;
ours reads the same weights and unpadded samples, four to each prompt, the prompt read once for them,
some of whose ids are a tool's. β of both Kullback-Leibler divergences and between, two temperatures, in
one and in three micro-batches, in float64 and in float32, where the divergence is another kernel's:
full fine-tuning, LoRA, LoRA on NF4, OSFT. (Virtual tokens have no place beside a teacher.) At
temperature 1, which it has alone, `GKDTrainer.compute_loss` of whole logits must agree, too. Errors are
max|a - b| / max|b|. Prints one line per case and ends with `N passed, M failed`.
"""

import argparse
import copy
import tempfile
import warnings
from collections import defaultdict

import torch

import common

warnings.filterwarnings("ignore")
from rollouts import Accelerator, Policy, compare, padded, random_rollout, run_ours
from trl.experimental.gkd.gkd_trainer import GKDTrainer
from trl.kernels import chunked_divergence, chunked_logprob
from trl.trainer.distillation_trainer import DistillationTrainer

TOLERANCE = 1e-5  # of float32
EXACT = 1e-6  # of float64: rotary angles are fp32 by definition and differ in their last bit
BETAS = (0.0, 0.3, 0.5, 1.0)
# Student, teacher, what trains. Soft caps and a factor of logits are each on either side.
CASES = [("llama untied", "gemma2 tied", "full"), ("llama untied", "gemma2 tied", "lora"),
         ("gemma2 tied", "granite untied", "full"), ("granite tied", "llama untied", "lora"),
         ("llama untied", "gemma2 tied", "qlora"), ("llama untied", "gemma2 tied", "osft")]
# Temperature, samples of a micro-batch (0: all), precision.
SETTINGS = [(1.0, 0, "float64"), (0.7, 5, "float64"), (1.0, 0, "float32"), (0.7, 5, "float32")]


def wider(case):
    """The case with other sizes but the same vocabulary."""
    case = copy.deepcopy(case)
    case.config.hidden_size, case.config.intermediate_size = 64, 96
    return case


def trl(model, teacher, rollout, beta, temperature):
    batch = padded(rollout)
    batch["num_items_in_batch"] = (batch["completion_mask"] * batch["tool_mask"]).sum()
    trainer = DistillationTrainer.__new__(DistillationTrainer)
    for name, value in dict(
            model=model, teacher_model=teacher, beta=beta, temperature=temperature, _is_vlm=False,
            accelerator=Accelerator(), model_kwarg_keys=(), _metrics={"train": defaultdict(list)},
            _forward_redirection=lambda wrapper, inner, method, *args, **kwargs:
            method(*args, **kwargs)).items():
        setattr(trainer, name, value)
    loss = trainer.compute_loss(model, batch)
    return loss, {"entropy": trainer._metrics["train"]["entropy"][-1], "divergence": loss.item()}


def gkd(model, teacher, rollout, beta, temperature):
    batch = padded(rollout)
    trained = (batch["completion_mask"] * batch["tool_mask"]).bool()
    inputs = dict(
        input_ids=torch.cat([batch["prompt_ids"], batch["completion_ids"]], 1),
        attention_mask=torch.cat([batch["prompt_mask"], batch["completion_mask"]], 1),
        labels=torch.cat([torch.full_like(batch["prompt_ids"], -100),
                          batch["completion_ids"].masked_fill(~trained, -100)], 1))
    trainer = GKDTrainer.__new__(GKDTrainer)
    trainer.teacher_model, trainer.beta = teacher, beta
    return trainer.compute_loss(model, inputs), {}


def evaluate(theirs, policy, teacher, rollout, beta, temperature, results):
    with common.double_precision(teacher), \
            common.double_precision(policy.inner, chunked_divergence, chunked_logprob):
        (value, metrics), gradients = policy.gradients(
            lambda model: theirs(model, teacher, rollout, beta, temperature), results)
    return {"loss": value.detach(), **gradients,
            **{f"metric.{name}": torch.tensor(x, dtype=torch.float64) for name, x in metrics.items()}}


def check(attempts, program, student, taught_by, method, seed):
    teacher = common.random_model(wider(taught_by), seed + 50)
    for temperature, samples, dtype in SETTINGS:
        policy = Policy(student, method, seed, temperature)
        rollout = random_rollout(student.config.vocab_size, seed, tools=True)
        losses = [dict(name="OnPolicyDistillation", beta=beta) for beta in BETAS]
        with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as other, \
                tempfile.TemporaryDirectory() as tuned:
            teacher.save_pretrained(other)
            results = run_ours(program, folder, [*policy.save(folder, tuned), "--teacher", other],
                               rollout, losses, temperature=temperature, samples=samples, dtype=dtype)
            exact = copy.deepcopy(teacher).double()
            oracles = [("", trl)]
            if temperature == 1.0 and dtype == "float64":
                oracles.append((", GKD", gkd))
            for i, beta in enumerate(BETAS):
                for name, theirs in oracles:
                    attempts(f"{method}, {student.name} by {taught_by.name}, beta {beta}, temperature "
                             f"{temperature}, {dtype}{name}",
                             lambda: compare(results(), i, evaluate(theirs, policy, exact, rollout, beta,
                                                                    temperature, results())),
                             tolerance=EXACT if dtype == "float64" else TOLERANCE)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--probe", required=True, help="the program tests/programs/probe_loss")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--only", default="", help="cases whose name contains this")
    options = parser.parse_args()
    attempts = common.Attempts(TOLERANCE, options.only)
    cases = {case.name: case for case in common.cases()}
    for index, (student, teacher, method) in enumerate(CASES):
        check(attempts, options.probe, cases[student], cases[teacher], method, options.seed + index)
    attempts.finish()


if __name__ == "__main__":
    main()
