# SPDX-License-Identifier: Apache-2.0
"""What the comparisons of losses on policies share: recorded samples of a random small model, as a
trainer of TRL or verl pads them and as our file has them, and the runs of our program.

Log-probabilities of the old policy, the reference and the engine are recorded in float32, near the
policy's own.
"""

import contextlib
import copy
import json
import os
import types

import torch

import common
import policies

import safetensors.torch

PROMPTS, GROUP, MAX_LENGTH = 3, 4, 13


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
        if not fused_lm_head:
            return plain(*args, **kwargs)
        logits = plain(*args, **kwargs).logits[:, :-1] / temperature
        labels = labels[:, 1:]
        logp = torch.log_softmax(logits, dim=-1)
        masked = lambda x: x.masked_fill(labels == -100, 0)
        return types.SimpleNamespace(
            log_probs=masked(logp.gather(2, labels.clamp(min=0)[..., None]).squeeze(2)),
            entropy=masked(-(logp.exp() * logp).sum(-1)))

    model.forward = forward
    return model


def random_rollout(vocab, seed, tools=False):
    """Prompts of one length (TRL pads them on the left, where gpt2's positions would move). With `tools`,
    the second and third id of longer samples are a tool's, and one sample ends with what it said."""
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
    rollout = dict(prompts=[ids(6) for _ in range(PROMPTS)], samples=samples, weights=[1.0, 0.7])
    if tools:
        longer = [s for s in samples if len(s["ids"]) > 4]
        for sample in longer:
            sample["sampled"] = [int(i not in (1, 2)) for i in range(len(sample["ids"]))]
        longer[0]["sampled"][-1] = 0
    return rollout


def padded(rollout):
    """The batch that TRL's trainer makes of the samples; `tool_mask` where a tool spoke."""
    width = max(len(s["ids"]) for s in rollout["samples"])
    pad = lambda values: torch.tensor([v + [0] * (width - len(v)) for v in values])
    prompts = torch.tensor([p for p in rollout["prompts"] for _ in range(GROUP)])
    batch = dict(prompt_ids=prompts, prompt_mask=torch.ones_like(prompts),
                 completion_ids=pad([s["ids"] for s in rollout["samples"]]),
                 completion_mask=pad([[1] * len(s["ids"]) for s in rollout["samples"]]))
    if any("sampled" in s for s in rollout["samples"]):
        batch["tool_mask"] = pad([s.get("sampled", [1] * len(s["ids"])) for s in rollout["samples"]])
    return batch


def completion_logps(model, batch):
    """The model's log-probabilities of the completions' ids, padded; the model has an exact head."""
    ids = torch.cat([batch["prompt_ids"], batch["completion_ids"]], 1)
    mask = torch.cat([batch["prompt_mask"], batch["completion_mask"]], 1)
    out = model(input_ids=ids, attention_mask=mask, labels=ids, fused_lm_head=True)
    return out.log_probs[:, -batch["completion_ids"].size(1):]


def record(model, rollout, seed):
    """Log-probabilities near the policy's, in float32: of the old policy, the reference, an engine."""
    with torch.no_grad():
        logps = completion_logps(model, padded(rollout))
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
                own.pop("old_logps", None)
            samples.append(own)
        group = dict(index=p, prompt_ids=prompt, samples=samples, weights=weights)
        if "greedy" in rollout:
            group["greedy_reward"] = rollout["greedy"][p]
        yield json.dumps(group)


def run_ours(program, folder, arguments, rollout, losses, old=True, temperature=1.0, samples=0,
             dtype="float64"):
    """The results of one run of our program for all losses; its failure fails each of them."""
    kept = []

    def results():
        if not kept:
            file, out = os.path.join(folder, "rollouts.jsonl"), os.path.join(folder, "out.safetensors")
            with open(file, "w") as f:
                f.write("".join(line + "\n" for line in lines(rollout, old)))
            common.run(program, "--model", folder, "--loss", json.dumps(losses), "--rollouts", file,
                       "--out", out, "--temperature", temperature, "--samples", samples, "--dtype",
                       dtype, *arguments)
            kept.append(safetensors.torch.load_file(out))
        return kept[0]

    return results


def compare(results, prefix, expected):
    """The worst error of one loss. What is zero in exact arithmetic has no scale: such a gradient is
    measured against the largest; a loss, whose terms cancel, against a tenth of an advantage at least."""
    errors = {}
    term = 0.1 * expected["advantages"].abs().mean().item() if "advantages" in expected else 0.0
    largest = max([v.abs().max().item() for k, v in expected.items() if k.startswith("gradient.")],
                  default=0.0)
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


class Policy(policies.Trained):
    """A policy that writes samples: what trains, with the head that TRL's losses ask."""

    def __init__(self, case, method, seed, temperature):
        super().__init__(case, method, seed)
        self.model = copy.deepcopy(self.adapted).double().eval()
        self.inner = self.model.get_base_model() if self.adapter else self.model
        with_exact_head(self.inner, temperature)
        self.model.training = True  # no dropout: the losses read it to name their metrics

    def gradients(self, loss, results=None):
        """(loss(model), our names of parameters: gradients); `results` are those of our run, from which
        OSFT's weights are."""
        if results is not None:
            self.take(self.model, results)
        self.model.zero_grad(set_to_none=True)
        ours = {}
        for name, p in self.model.named_parameters():
            own = self.own_name(name)
            p.requires_grad_(own is not None)
            if own is not None:
                ours[own] = p
        value = loss(self.model)
        (value[0] if isinstance(value, tuple) else value).backward()
        return value, {f"gradient.{own}": self.as_trained(own, p.grad) for own, p in ours.items()
                       if p.grad is not None}
