# SPDX-License-Identifier: Apache-2.0
"""Losses on pairs and on judged answers against TRL: values, metrics, every gradient.

  python tests/parity/preference_parity.py --preference build/tests/programs/preference

TRL's own loss code (`DPOTrainer._compute_loss`, `KTOTrainer._compute_loss`, CPO's and ORPO's batch
losses) runs on random small models, padded as its collators pad, with the language-model head in
float64 where TRL's fused one adds up in float32; ours reads the same weights and unpadded pairs.
Full fine-tuning has a second model as reference; LoRA and prompt tuning have their base, which QLoRA
stores in NF4 (PEFT stands on what bitsandbytes makes of the same codes). OSFT's base is its reference
as well: TRL trains the whole matrices, whose gradient G counts as P G Q with the projectors on the
complements of the leading singular vectors that LAPACK finds. TRL's
alpha-divergence knows no float64 and runs in float32. Errors are max|a - b| / max|b|. Prints one line
per case and loss and ends with `N passed, M failed`.
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
import policies
import safetensors.torch
from trl.experimental.cpo.cpo_trainer import CPOTrainer
from trl.experimental.orpo.orpo_trainer import ORPOTrainer
from trl.trainer.dpo_trainer import DataCollatorForPreference, DPOTrainer
from trl.trainer.kto_trainer import DataCollatorForUnpairedPreference, KTOTrainer

# Both sides in float64; but rotary angles, which are fp32 by definition, differ in their last bit.
TOLERANCE = 1e-6
BETA, SMOOTHING = 0.3, 0.1
SEEN = ["llama untied", "granite tied", "gemma2 tied", "gpt2 tied"]
METRICS = ("rewards/chosen", "rewards/rejected", "rewards/accuracies", "rewards/margins",
           "logps/chosen", "logps/rejected", "entropy")


class Accelerator:
    """What TRL's losses ask of one process."""
    device = torch.device("cpu")

    def gather(self, value):
        return value

    gather_for_metrics = gather
    unwrap_model = gather
    autocast = contextlib.nullcontext


def with_exact_head(model):
    """Lets a model answer `fused_lm_head=True` as TRL's head does, in the model's own precision."""
    plain = model.forward

    def forward(*args, fused_lm_head=False, labels=None, **kwargs):
        if not fused_lm_head:
            return plain(*args, **kwargs)
        logits = plain(*args, **kwargs).logits[:, :-1]
        labels = labels[:, 1:]
        logp = torch.log_softmax(logits, dim=-1)
        p = logp.exp()
        masked = lambda x: x.masked_fill(labels == -100, 0)
        return types.SimpleNamespace(
            log_probs=masked(logp.gather(2, labels.clamp(min=0)[..., None]).squeeze(2)),
            entropy=masked(-(p * logp).sum(-1)), log_sum_sq_probs=masked((p * p).sum(-1).log()),
            mean_logits=masked(logits.mean(-1)), is_top1=logits.argmax(-1) == labels)

    model.forward = forward
    return model


def attributes(trainer, **values):
    defaults = dict(accelerator=Accelerator(), aux_loss_enabled=False, beta=BETA,
                    label_smoothing=0.0, _metrics={"train": defaultdict(list)},
                    _total_train_tokens=0, _tp_size=1, precompute_ref_logps=False)
    for name, value in {**defaults, **values}.items():
        setattr(trainer, name, value)
    return trainer


def dpo(model, reference, pairs, loss_types=("sigmoid",), loss_weights=(1.0,), **changes):
    trainer = attributes(
        DPOTrainer.__new__(DPOTrainer), **{**dict(
            model=model, ref_model=reference, loss_types=list(loss_types),
            loss_weights=list(loss_weights), f_divergence_type="reverse_kl",
            f_alpha_divergence_coef=0.4, ld_alpha=None, use_weighting=False,
            args=types.SimpleNamespace(discopop_tau=0.5, gradient_checkpointing=False,
                                       gradient_checkpointing_kwargs=None)), **changes})
    batch = DataCollatorForPreference(pad_token_id=0)(
        [dict(prompt_ids=p, chosen_ids=c, rejected_ids=r)
         for p, c, r in zip(pairs["prompts"], pairs["chosen"], pairs["rejected"])])
    loss = trainer._compute_loss(model, batch, return_outputs=False)
    return loss, {name: trainer._metrics["train"][name][-1] for name in METRICS}


def labelled(pairs):
    """The batch that CPO and ORPO pad."""
    batch = {}
    for side in ("chosen", "rejected"):
        rows = [p + a for p, a in zip(pairs["prompts"], pairs[side])]
        width = max(map(len, rows))
        pad = lambda row, value: row + [value] * (width - len(row))
        batch[f"{side}_input_ids"] = torch.tensor([pad(row, 0) for row in rows])
        batch[f"{side}_attention_mask"] = torch.tensor([pad([1] * len(row), 0) for row in rows])
        batch[f"{side}_labels"] = torch.tensor(
            [pad([-100] * len(p) + a, -100) for p, a in zip(pairs["prompts"], pairs[side])])
    return batch


def cpo(model, reference, pairs, **changes):
    trainer = attributes(CPOTrainer.__new__(CPOTrainer), is_encoder_decoder=False, pad_token_id=0,
                         alpha=0.0, **changes)
    loss, metrics = trainer.get_batch_loss_metrics(model, labelled(pairs))
    return loss, {name: float(metrics[name]) for name in METRICS if name in metrics}


def orpo(model, reference, pairs):
    trainer = attributes(ORPOTrainer.__new__(ORPOTrainer), is_encoder_decoder=False,
                         padding_value=0)
    chosen, rejected = trainer.concatenated_forward(model, labelled(pairs))[:2]
    losses, good, bad, *_ = trainer.odds_ratio_loss(chosen, rejected)
    return -losses.mean(), {"rewards/chosen": good.mean().item(), "rewards/rejected": bad.mean().item(),
                            "logps/chosen": chosen.mean().item()}


def kto(model, reference, answers, loss_type):
    trainer = attributes(
        KTOTrainer.__new__(KTOTrainer), model=model, ref_model=reference, loss_type=loss_type,
        calculate_KL=loss_type == "kto", desirable_weight=1.2, undesirable_weight=0.9,
        args=types.SimpleNamespace(gradient_checkpointing=False, gradient_checkpointing_kwargs=None))
    batch = DataCollatorForUnpairedPreference(pad_token_id=0)(
        [dict(prompt_ids=p, completion_ids=a, KL_completion_ids=m, label=label)
         for p, a, m, label in zip(answers["prompts"], answers["answers"], answers["mismatched"],
                                   answers["labels"])])
    loss = trainer._compute_loss(model, batch, return_outputs=False)
    names = ("rewards/chosen", "rewards/rejected", "logps/chosen", "logps/rejected", "entropy")
    return loss, {name: trainer._metrics["train"][name][-1] for name in names}


def of_types(*loss_types, weights=None, **changes):
    return lambda *args: dpo(*args, loss_types=loss_types,
                             loss_weights=weights or [1.0] * len(loss_types), **changes)


PAIR_LOSSES = {
    **{name: of_types(name) for name in ("sigmoid", "hinge", "ipo", "nca_pair", "bco_pair",
                                         "sppo_hard", "apo_zero", "apo_down", "discopop",
                                         "sigmoid_norm")},
    **{name: of_types(name, label_smoothing=SMOOTHING)
       for name in ("exo_pair", "robust", "aot", "aot_unpaired")},
    "rpo": of_types("sigmoid", "sft", weights=[1.0, 0.7]),
    "mpo": of_types("sigmoid", "bco_pair", "sft", weights=[0.8, 0.2, 1.0]),
    "wpo": of_types("sigmoid", use_weighting=True),
    "ld": of_types("sigmoid", ld_alpha=0.4),
    "ld_ipo": of_types("ipo", ld_alpha=0.4),
    **{f"{loss}.{divergence}": of_types(loss, f_divergence_type=divergence)
       for loss in ("sigmoid", "ipo")
       for divergence in ("forward_kl", "js_divergence", "alpha_divergence")},
    "cpo": lambda *args: cpo(*args, loss_type="sigmoid", cpo_alpha=0.7, label_smoothing=SMOOTHING),
    "simpo": lambda *args: cpo(*args, loss_type="simpo", cpo_alpha=0.0, simpo_gamma=0.2,
                               label_smoothing=SMOOTHING),
    "orpo": orpo,
}
JUDGED_LOSSES = {name: lambda *args, name=name: kto(*args, name)
                 for name in ("kto", "apo_zero_unpaired")}


def random_ids(generator, vocab, low, high):
    length = int(torch.randint(low, high, (1,), generator=generator))
    return torch.randint(3, vocab, (length,), generator=generator).tolist()


def random_pairs(vocab, seed):
    generator = torch.Generator().manual_seed(seed)
    ids = lambda low, high: random_ids(generator, vocab, low, high)
    count = 5
    return {"prompts": [ids(2, 9) for _ in range(count)],
            "chosen": [ids(1, 7) for _ in range(count)],
            "rejected": [ids(1, 7) for _ in range(count)]}


def random_answers(vocab, seed):
    pairs = random_pairs(vocab, seed)
    prompts = pairs["prompts"] + pairs["prompts"][:2]  # two prompts have two answers
    answers = pairs["chosen"] + pairs["rejected"][:2]
    return {"prompts": prompts, "answers": answers, "mismatched": answers[-1:] + answers[:-1],
            "labels": [True, False, True, True, False, False, True]}


def evaluate(loss, model, reference, data, trained, double=True):
    """TRL's loss, metrics and gradients; `trained` maps its parameters' names to ours."""
    cast = (lambda m: copy.deepcopy(m).double()) if double else copy.deepcopy
    model = cast(model).eval()
    base = model.get_base_model() if isinstance(model, peft.PeftModel) else model
    reference = with_exact_head(cast(reference).eval()) if reference is not None else None
    with_exact_head(base)
    # A train mode without dropout: the losses read it to name their metrics.
    model.training = True
    for p in model.parameters():
        p.requires_grad_(False)
    ours = {}
    for name, p in model.named_parameters():
        if (own := trained(name)) is not None:
            p.requires_grad_(True)
            ours[own] = p
    with common.double_precision(base) if double else contextlib.nullcontext():
        value, metrics = loss(model, reference, data)
        value.backward()
    gradients = {f"gradient.{own}": p.grad for own, p in ours.items() if p.grad is not None}
    results = {"loss": value.detach().double(), **gradients}
    if double:  # in float32 a reward is a small difference of large sums
        results |= {f"metric.{name}": torch.tensor(metric, dtype=torch.float64)
                    for name, metric in metrics.items()}
    return results


def compare(results, name, expected):
    """The worst error of one loss; a gradient without a scale is measured against the largest."""
    errors = {}
    gradients = [v.abs().max().item() for k, v in expected.items() if k.startswith("gradient.")]
    for what, b in expected.items():
        a = results[f"{name}.{what}"].double().reshape(b.shape)
        scale = b.abs().max().item()
        if what.startswith("gradient.") and scale < 1e-10 * max(gradients):
            scale = max(gradients)
        errors[what] = (a - b.double()).abs().max().item() / max(scale, 1e-12)
    return max(errors.items(), key=lambda item: item[1])


def save_data(folder, data):
    with open(os.path.join(folder, "batch.json"), "w") as f:
        json.dump(data, f)


def check_losses(attempts, label, results, losses, evaluate_one):
    for name, loss in losses.items():
        double = "alpha" not in name
        attempts(f"{label}, {name}",
                 lambda: compare(results(), name, evaluate_one(loss, double)),
                 tolerance=TOLERANCE if double else 1e-5)


def once(make):
    """The results of one run of our program for all losses; its failure fails each of them."""
    kept = []

    def results():
        if not kept:
            kept.append(make())
        return kept[0]

    return results


def full(attempts, program, case, seed, data, losses):
    model, reference = common.random_model(case, seed), common.random_model(case, seed + 100)
    with torch.no_grad():  # close enough for every loss to be in its working range
        for p, q in zip(model.parameters(), reference.parameters()):
            q.copy_(0.9 * p + 0.1 * q)

    def ours():
        with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as other:
            common.save(model, folder, {})
            save_data(folder, data)
            reference.save_pretrained(other)
            return common.run_on(program, folder, "--reference", other)

    check_losses(attempts, case.name, once(ours), losses,
                 lambda loss, double: evaluate(loss, model, reference, data, lambda name: name,
                                               double))


def adapted(attempts, program, case, seed, data, losses, method):
    base = common.random_model(case, seed)
    model = policies.adapted(base, method, seed)

    def ours():
        with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as adapter:
            common.save(base, folder, {})
            save_data(folder, data)
            model.save_pretrained(adapter)
            return common.run_on(program, folder, "--method", method, "--from", adapter)

    check_losses(attempts, f"{method} on {case.name}", once(ours), losses,
                 lambda loss, double: evaluate(loss, model, None, data, policies.own_name,
                                               double))


def osft(attempts, program, case, seed, data, losses):
    base = common.random_model(case, seed).double()

    def ours():
        with tempfile.TemporaryDirectory() as folder:
            common.save(copy.deepcopy(base).float(), folder, {})
            save_data(folder, data)
            return common.run_on(program, folder, "--method", "osft", "--ratio", policies.RATIO)

    results = once(ours)
    subspaces = policies.Subspaces(base)
    targets, weights, projected = subspaces.targets, subspaces.weights, subspaces.projected

    def inside():
        """How far the policy's change reaches into what is protected."""
        worst = ("", 0.0)
        for name, weight in weights.items():
            change = results()[f"policy.{name}"] - weight.detach()
            if name not in targets:
                worst = max(worst, (name, change.abs().max().item()), key=lambda w: w[1])
            elif not change.any():
                return name + " has not changed", 1.0
            else:
                worst = max(worst, (name, common.error_of(projected(name, change), change)),
                            key=lambda w: w[1])
        return worst

    if "chosen" in data:  # of either run: the cores are the same
        attempts(f"osft on {case.name}, change", inside)

    def evaluate_one(loss, double):
        policy = copy.deepcopy(base)
        with torch.no_grad():
            for name, p in policy.named_parameters():
                p.copy_(results()[f"policy.{name}"])
        expected = evaluate(loss, policy, base, data,
                            lambda name: name if name in targets else None, double)
        for name in targets:
            expected[f"gradient.{name}"] = projected(name, expected[f"gradient.{name}"])
        return expected

    check_losses(attempts, f"osft on {case.name}", results, losses, evaluate_one)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preference", required=True, help="the program tests/programs/preference")
    parser.add_argument("--only", default="", help="cases whose name contains this")
    options = parser.parse_args()
    program = options.preference
    torch.manual_seed(0)
    attempts = common.Attempts(TOLERANCE, options.only)
    some = {name: PAIR_LOSSES[name] for name in ("sigmoid", "ipo", "aot", "mpo")}
    for i, case in enumerate(c for c in common.cases() if c.name in SEEN):
        vocab = case.config.vocab_size
        pairs, answers = random_pairs(vocab, i), random_answers(vocab, i)
        full(attempts, program, case, i, pairs, PAIR_LOSSES if i < 2 else some)
        full(attempts, program, case, i, answers, JUDGED_LOSSES)
        if case.name == "llama untied":
            for method in ("lora", "qlora", "prompt"):
                adapted(attempts, program, case, i, pairs, some, method)
                adapted(attempts, program, case, i, answers, JUDGED_LOSSES, method)
            osft(attempts, program, case, i, pairs, some)
            osft(attempts, program, case, i, answers, JUDGED_LOSSES)
    attempts.finish()


if __name__ == "__main__":
    main()
