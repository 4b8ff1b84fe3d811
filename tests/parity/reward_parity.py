# SPDX-License-Identifier: Apache-2.0
"""Reward models against transformers, TRL and PEFT: rewards, loss, gradients, and folders both ways.

  python tests/parity/reward_parity.py --reward build/tests/programs/reward

For every family that has an AutoModelForSequenceClassification, on a random small model and pairs
of different lengths that are padded on the transformers side: TRL's own RewardTrainer.compute_loss
(margins, centring) in float64 gives rewards, loss, metrics and every gradient; ours must give the
same from the folder, and save a folder that transformers loads with equal weights and scores. A
causal language model becomes a reward model, trains and is saved: transformers must give our
rewards. Adapters of PEFT's task SEQ_CLS go both ways. Rewards of steps are compared with the head
on the hidden states at the steps' ends. Errors are max|a - b| / max|b|. Prints one line per case
and ends with `N passed, M failed`.
"""

import argparse
import collections
import copy
import json
import os
import tempfile
import types
import warnings

import torch
import transformers

import common

warnings.filterwarnings("ignore")
import peft
import trl

TOLERANCE = 1e-6  # both sides in float64
FAMILIES = ["llama untied", "llama padding row, tied", "mistral untied", "qwen2 tied",
            "qwen3 untied", "smollm3 tied", "phi3 untied", "gemma2 tied", "gemma3 untied",
            "gpt2 tied"]
CLASSIFIER = transformers.AutoModelForSequenceClassification
PAD = 130
CENTER = 0.03
SHAPES = [(5, 3, 9), (1, 1, 2), (12, 20, 1), (3, 8, 8)]  # of prompts, chosen, rejected
METRICS = ("accuracy", "margin", "mean_reward", "min_reward", "max_reward")


def reward_case(case):
    config = copy.deepcopy(case.config)
    config.num_labels = 1
    if config.pad_token_id is None:
        config.pad_token_id = PAD
    return common.Case(case.name, config)


def random_pairs(seed):
    """No sequence ends in an id of padding: transformers could not tell. Within they do occur."""
    generator = torch.Generator().manual_seed(seed)

    def ids(length):
        made = torch.randint(6, PAD, (length,), generator=generator).tolist()
        for place, token in ((1, PAD), (2, 5), (4, 2)):
            if length > place + 1:
                made[place] = token
        return made

    return [dict(prompt=ids(p), chosen=ids(c), rejected=ids(r), margin=0.25 * i)
            for i, (p, c, r) in enumerate(SHAPES)]


def padded(pairs, pad):
    """TRL's order: all chosen, then all rejected."""
    sequences = [pair["prompt"] + pair[side] for side in ("chosen", "rejected") for pair in pairs]
    longest = max(map(len, sequences))
    return dict(
        input_ids=torch.tensor([s + [pad] * (longest - len(s)) for s in sequences]),
        attention_mask=torch.tensor([[1] * len(s) + [0] * (longest - len(s)) for s in sequences]))


def interleaved(rewards):
    """Chosen and rejected of each pair, from TRL's order."""
    return rewards.reshape(2, -1).T.reshape(-1)


def scores(model, pairs):
    with torch.no_grad():
        batch = padded(pairs, model.config.pad_token_id)
        return interleaved(model(**batch, use_cache=False).logits.squeeze(-1))


def scores_in_double(model, pairs):
    doubled = copy.deepcopy(model).double()
    with common.double_precision(doubled):
        return scores(doubled, pairs)


def gradients(model):
    return {name: p.grad.detach() if p.grad is not None else torch.zeros_like(p)
            for name, p in model.named_parameters() if p.requires_grad}


def trl_results(model, pairs, inner=None):
    """Loss, metrics and gradients by TRL's code, in float64; `inner` is what PEFT wraps."""
    trainer = types.SimpleNamespace(
        model=types.SimpleNamespace(training=True),
        args=types.SimpleNamespace(center_rewards_coefficient=CENTER),
        accelerator=types.SimpleNamespace(gather=lambda x: x, gather_for_metrics=lambda x: x),
        _total_train_tokens=0, _tp_size=1, _metrics={"train": collections.defaultdict(list)})
    inner = inner or model
    inputs = padded(pairs, inner.config.pad_token_id)
    inputs["margin"] = torch.tensor([pair["margin"] for pair in pairs], dtype=torch.float64)
    with common.double_precision(inner):
        model.zero_grad(set_to_none=True)
        loss, outputs = trl.RewardTrainer.compute_loss(trainer, model, inputs, return_outputs=True)
        loss.backward()
    results = {"loss": loss.detach(),
               "logps": interleaved(outputs.logits.detach().squeeze(-1)),  # a name of common's
               **gradients(model)}
    metrics = {name: trainer._metrics["train"][name][0] for name in METRICS}
    return results, metrics


def check_same(result, expected, metrics=None):
    """The worst tensor; ours call rewards what common.py calls logps."""
    result = dict(result, logps=result["rewards"])
    others = {"rewards", "rewards_after", "accuracy", "mean_reward", *METRICS}
    problems = sorted(set(expected) ^ (set(result) - others))
    if problems:
        raise RuntimeError(f"{problems[0]} (+{len(problems) - 1}) is on one side only")
    errors = common.relative_errors(result, expected)
    for name, value in (metrics or {}).items():
        errors[name] = abs(result[name].item() - value) / max(1.0, abs(value))
    return max(errors.items(), key=lambda item: item[1])


def write(folder, model, **content):
    model.save_pretrained(folder)
    with open(os.path.join(folder, "batch.json"), "w") as f:
        json.dump(content, f)


def load(folder, dtype):
    model, info = CLASSIFIER.from_pretrained(folder, dtype=dtype, attn_implementation="eager",
                                             output_loading_info=True)
    for kind, keys in info.items():
        if keys:
            raise RuntimeError(f"{kind}: {sorted(map(str, keys))[0]} (+{len(keys) - 1})")
    if model.config.num_labels != 1:
        raise RuntimeError(f"expected one label, got {model.config.num_labels}")
    return model.eval()


def worse(*found):
    return max(found, key=lambda item: item[1])


def family(program, case, seed):
    model = common.random_model(case, seed, CLASSIFIER)
    pairs = random_pairs(seed)
    expected, metrics = trl_results(copy.deepcopy(model).double(), pairs)
    with tempfile.TemporaryDirectory() as folder:
        write(folder, model, pairs=pairs)
        again = os.path.join(folder, "again")
        double = ("--center", CENTER, "--dtype", "float64")
        worst = check_same(common.run_on(program, folder, *double), expected, metrics)
        common.run_on(program, folder, "--save", again)
        back = load(again, torch.float32)
        for (name, a), b in zip(back.state_dict().items(), model.state_dict().values()):
            if not torch.equal(a, b):
                raise RuntimeError(f"{name}: weights differ in the folder saved again")
        if not torch.equal(scores(back, pairs), scores(model, pairs)):
            raise RuntimeError("scores differ in the folder saved again")
        return worst


def from_language_model(program, case, seed):
    model = common.random_model(case, seed)
    pairs = random_pairs(seed)
    with tempfile.TemporaryDirectory() as folder:
        write(folder, model, pairs=pairs)
        trained = os.path.join(folder, "trained")
        result = common.run_on(program, folder, "--dtype", "float64", "--steps", "3", "--save",
                               trained)
        if (result["rewards_after"] - result["rewards"]).abs().max() < 1e-3:
            raise RuntimeError("three steps did not move the rewards")
        back = load(trained, torch.float64)
        if back.config.pad_token_id is None:
            raise RuntimeError("the folder has no pad_token_id")
        ends = [pair[side][-1] for pair in pairs for side in ("chosen", "rejected")]
        assert back.config.pad_token_id not in ends
        return ("rewards", common.error_of(result["rewards_after"].double(),
                                           scores_in_double(back, pairs)))


def modules(case):
    return {"gpt2": ["c_attn", "mlp.c_proj"], "phi3": ["qkv_proj", "down_proj"]}.get(
        case.config.model_type, ["q_proj", "v_proj", "down_proj"])


def in_peft(base, adapter, pairs):
    model = copy.deepcopy(base).double()
    with common.double_precision(model):
        loaded = peft.PeftModel.from_pretrained(model, adapter,
                                                autocast_adapter_dtype=False).double().eval()
        return scores(loaded.base_model.model, pairs)


def adapters(program, case, seed):
    base = common.random_model(case, seed, CLASSIFIER)
    pairs = random_pairs(seed)
    adapted = peft.get_peft_model(copy.deepcopy(base), peft.LoraConfig(
        task_type="SEQ_CLS", r=4, lora_alpha=7, target_modules=modules(case)))
    torch.manual_seed(seed)
    with torch.no_grad():
        for p in adapted.parameters():
            if p.requires_grad:
                p.add_(0.1 * torch.randn(p.shape))
    with tempfile.TemporaryDirectory() as folder:
        write(folder, base, pairs=pairs)
        theirs, again, own = (os.path.join(folder, n) for n in ("theirs", "again", "own"))
        adapted.save_pretrained(theirs)
        doubled = adapted.double().eval()
        expected, metrics = trl_results(doubled, pairs, doubled.base_model.model)
        expected = {name.replace("base_model.model.", "").replace(".default", "")
                    .replace("modules_to_save.", ""): value for name, value in expected.items()}
        double = ("--center", CENTER, "--dtype", "float64")
        result = common.run_on(program, folder, *double, "--from", theirs, "--save-adapter", again)
        worst = check_same(result, expected, metrics)
        back = ("the adapter saved again",
                common.error_of(in_peft(base, again, pairs), expected["logps"]))
        result = common.run_on(program, folder, *double, "--lora", "--steps", "3",
                               "--save-adapter", own)
        if (result["rewards_after"] - result["rewards"]).abs().max() < 1e-3:
            raise RuntimeError("three steps did not move the rewards")
        ours = ("our adapter in PEFT",
                common.error_of(in_peft(base, own, pairs), result["rewards_after"].double()))
        return worse(worst, back, ours)


def steps(program, case, seed):
    model = common.random_model(case, seed, CLASSIFIER)
    generator = torch.Generator().manual_seed(seed)

    def ids(length):
        return torch.randint(0, PAD, (length,), generator=generator).tolist()

    solutions = [dict(prompt=ids(5), steps=[ids(3), ids(1), ids(7)], labels=[1, 1, 0]),
                 dict(prompt=[], steps=[ids(4), ids(2)], labels=[0, 0.5])]
    doubled = copy.deepcopy(model).double()
    rewards, labels = [], []
    with common.double_precision(doubled):
        for solution in solutions:
            text = solution["prompt"] + sum(solution["steps"], [])
            body = getattr(doubled, doubled.base_model_prefix)
            states = body(input_ids=torch.tensor([text]), use_cache=False).last_hidden_state[0]
            end = len(solution["prompt"]) - 1
            for step, label in zip(solution["steps"], solution["labels"]):
                end += len(step)
                rewards.append(doubled.score(states[end])[0])
                labels.append(label)
        rewards = torch.stack(rewards)
        loss = torch.nn.functional.binary_cross_entropy_with_logits(
            rewards, torch.tensor(labels, dtype=torch.float64))
        loss.backward()
    expected = {"loss": loss.detach(), "logps": rewards.detach(), **gradients(doubled)}
    with tempfile.TemporaryDirectory() as folder:
        write(folder, model, solutions=solutions)
        return check_same(common.run_on(program, folder, "--dtype", "float64"), expected)


def refused(program, case, seed, message):
    with tempfile.TemporaryDirectory() as folder:
        write(folder, common.random_model(case, seed), pairs=random_pairs(seed))
        try:
            common.run_on(program, folder)
        except RuntimeError as problem:
            if message in str(problem):
                return "refused", 0.0
            raise
        raise RuntimeError("expected a refusal")


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reward", required=True, help="our program")
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    torch.set_num_threads(1)
    attempt = common.Attempts(TOLERANCE, options.only)
    by_name = {case.name: case for case in common.cases()}
    for seed, name in enumerate(FAMILIES, 1):
        case, plain = reward_case(by_name[name]), by_name[name]
        attempt(f"{name}, from and to a folder", lambda: family(options.reward, case, seed))
        attempt(f"{name}, from a language model",
                lambda: from_language_model(options.reward, plain, seed))
        attempt(f"{name}, adapters", lambda: adapters(options.reward, case, seed))
        attempt(f"{name}, steps", lambda: steps(options.reward, case, seed))
    attempt("refused: granite", lambda: refused(options.reward, by_name["granite untied"], 1,
                                                "no reward model of model_type \"granite\""))
    attempt.finish()


if __name__ == "__main__":
    main()
