# SPDX-License-Identifier: Apache-2.0
"""Parameter policies for comparisons with TRL: small random models in which all parameters train,
adapters, virtual tokens, or a subspace of every matrix.

QLoRA's base is what bitsandbytes makes of NF4's codes. OSFT starts from random cores of our program,
which writes the weights that they make; TRL trains the whole matrices, whose gradient G counts as
P G Q with the projectors on the complements of the leading singular vectors that LAPACK finds.
"""

import copy
import functools

import torch

import common
import exact_nf4  # noqa: F401

import peft

RATIO = 0.5  # of OSFT


def through_nf4(model):
    """The matrices of the layers as NF4 with double quantisation gives them back."""
    from bitsandbytes import functional

    with torch.no_grad():
        for name, module in model.named_modules():
            if isinstance(module, torch.nn.Linear) and "lm_head" not in name:
                codes, state = functional.quantize_4bit(module.weight.float(), quant_type="nf4",
                                                        blocksize=64, compress_statistics=True)
                module.weight.copy_(functional.dequantize_4bit(codes, state))


def adapted(base, method, seed):
    """PEFT's model for lora, qlora or prompt, away from its start."""
    stored = copy.deepcopy(base)
    if method == "qlora":
        through_nf4(stored)
    torch.manual_seed(seed)
    config = peft.LoraConfig(task_type="CAUSAL_LM", r=3, lora_alpha=5, target_modules="all-linear") \
        if method != "prompt" else \
        peft.PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=4)
    model = peft.get_peft_model(stored, config)
    with torch.no_grad():
        for name, p in model.named_parameters():
            if "lora_B" in name:
                p.copy_(0.05 * torch.randn(p.shape))
            elif "prompt_encoder" in name:
                p.copy_(0.3 * torch.randn(p.shape))
    return model


def own_name(name):
    """Our name of a parameter of PEFT's model; None: it does not train."""
    if "lora_" in name:
        return name.replace(".default", "").removeprefix("base_model.model.")
    return "prompt_embeddings" if "prompt_encoder" in name else None


class Subspaces:
    """What OSFT trains of the matrices of a model in float64."""

    def __init__(self, base):
        self.weights = dict(base.named_parameters())
        self.targets = [f"{name}.weight" for name, module in base.named_modules()
                        if isinstance(module, torch.nn.Linear) and name != "lm_head"]

    @functools.cache
    def projectors(self, name):
        matrix = self.weights[name].detach()
        u, _, vh = torch.linalg.svd(matrix)
        protected = min(matrix.shape) - round(RATIO * min(matrix.shape))
        left, right = u[:, protected:], vh[protected:].t()
        return left @ left.t(), right @ right.t()

    def projected(self, name, matrix):
        p, q = self.projectors(name)
        return p @ matrix @ q


class Trained:
    """What trains (`method`: full, lora, qlora, prompt, osft) of a random small model of a family."""

    def __init__(self, case, method, seed):
        self.method = method
        self.base = common.random_model(case, seed)
        self.adapter = method in ("lora", "qlora", "prompt")
        self.adapted = adapted(self.base, method, seed) if self.adapter else copy.deepcopy(self.base)
        self.subspaces = Subspaces(copy.deepcopy(self.base).double()) if method == "osft" else None

    def save(self, folder, adapter_folder):
        """The arguments with which our program reads it."""
        self.base.save_pretrained(folder)
        if self.adapter:
            self.adapted.save_pretrained(adapter_folder)
            return ["--method", self.method, "--from", adapter_folder]
        return ["--method", self.method, *(["--ratio", RATIO] if self.subspaces else [])]

    def own_name(self, name):
        if self.adapter:
            return own_name(name)
        return name if self.subspaces is None or name in self.subspaces.targets else None

    def take(self, model, results):
        """Gives a model the weights of OSFT's policy, which our program has written."""
        if self.subspaces is not None:
            with torch.no_grad():
                for name, p in model.named_parameters():
                    p.copy_(results[f"policy.{name}"])

    def as_trained(self, own, gradient):
        return gradient.clone() if self.subspaces is None else self.subspaces.projected(own, gradient)
