# SPDX-License-Identifier: Apache-2.0
"""Prompt tuning and prefix tuning against PEFT: log-probabilities, gradients, folders both ways.

  python tests/parity/prompt_parity.py --adapter build/tests/programs/adapter

For each case PEFT puts virtual tokens with random values before a random small model and saves them;
ours reads the folder and must give the same loss, log-probabilities and gradient as PEFT in float64;
ours then saves the folder again and PEFT must load it with equal log-probabilities. Then ours starts
a prompt of its own, trains three steps and saves; PEFT on the base must give our log-probabilities.
Last, both start a prompt from a text. Errors are max|a - b| / max|b|. Prints one line per case and
ends with `N passed, M failed`.
"""

import argparse
import copy
import os
import tempfile
import types
import warnings

import torch

import common

warnings.filterwarnings("ignore")
import peft

# Both sides in float64; but rotary angles, which are fp32 by definition, differ in their last bit.
TOLERANCE = 1e-6
# Windows shorter than a prompt, scaled lookups, scaled embeddings, learned positions, frequencies
# that follow the length of a sequence (virtual tokens included).
SEEN = ["llama untied", "qwen2 tied", "granite untied", "gemma2 tied", "gemma3 tied", "gpt2 tied",
        "phi3 longrope"]
CONFIGS = {"prompt": peft.PromptTuningConfig, "prefix": peft.PrefixTuningConfig}
TEXT = "w3 w7 w5"


class Behind(torch.nn.Module):
    """A PEFT model without the logits of its virtual tokens, as common.evaluate takes a model."""

    def __init__(self, inner, method):
        super().__init__()
        self.inner = inner
        count = inner.active_peft_config.num_virtual_tokens
        self.skip = count if method == "prompt" else 0
        self.config = inner.get_base_model().config

    @property
    def model(self):
        return getattr(self.inner.get_base_model(), "model", None)

    def forward(self, **arguments):
        return types.SimpleNamespace(logits=self.inner(**arguments).logits[:, self.skip:])


def evaluate(adapted, method, batch):
    """Loss, log-probabilities and the prompt's gradient in double precision."""
    doubled = copy.deepcopy(adapted).double().eval()
    for p in doubled.prompt_encoder.parameters():
        p.requires_grad_(True)
    with common.double_precision(doubled.get_base_model()):
        results = common.evaluate(Behind(doubled, method), batch)
    kept = {name: results[name] for name in ("loss", "logps")}
    kept["prompt_embeddings"] = results["inner.prompt_encoder.default.embedding.weight"]
    return kept


def load(base, adapter, method, batch):
    adapted = peft.PeftModel.from_pretrained(copy.deepcopy(base), adapter)
    return evaluate(adapted, method, batch)["logps"]


def peft_to_ours(program, case, method, seed):
    base = common.random_model(case, seed)
    batch = common.random_batch(case, seed)
    with tempfile.TemporaryDirectory() as folder:
        common.save(base, folder, batch)
        adapted = peft.get_peft_model(copy.deepcopy(base), CONFIGS[method](
            task_type="CAUSAL_LM", num_virtual_tokens=10))
        torch.manual_seed(seed)
        with torch.no_grad():
            weight = adapted.prompt_encoder["default"].embedding.weight
            weight.copy_(0.5 * torch.randn(weight.shape))
        adapter, again = os.path.join(folder, "adapter"), os.path.join(folder, "again")
        adapted.save_pretrained(adapter)
        expected = evaluate(adapted, method, batch)
        result = common.run_on(program, folder, "--method", method, "--from", adapter, "--save",
                               again)
        if set(result) != set(expected) | {"logps_after"}:
            raise RuntimeError(f"tensors {sorted(result)}")
        errors = common.relative_errors(result, expected)
        errors["logps of the folder saved again"] = common.error_of(load(base, again, method, batch),
                                                             expected["logps"])
        return max(errors.items(), key=lambda item: item[1])


def ours_to_peft(program, case, method, seed):
    base = common.random_model(case, seed)
    batch = common.random_batch(case, seed)
    with tempfile.TemporaryDirectory() as folder:
        common.save(base, folder, batch)
        adapter = os.path.join(folder, "adapter")
        result = common.run_on(program, folder, "--method", method, "--steps", "3", "--save",
                               adapter)
        moved = (result["logps_after"] - result["logps"]).abs().max().item()
        if moved < 1e-3:
            raise RuntimeError(f"three steps moved the log-probabilities by {moved:.1e} only")
        back = load(base, adapter, method, batch)
        return "PEFT on the base", common.error_of(back, result["logps_after"])


def save_words(folder, vocab):
    """A tokenizer of one word per id, with a special token at the start."""
    import tokenizers
    from transformers import PreTrainedTokenizerFast

    words = {f"w{i}": i for i in range(vocab)}
    plain = tokenizers.Tokenizer(tokenizers.models.WordLevel(words, unk_token="w0"))
    plain.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    plain.post_processor = tokenizers.processors.TemplateProcessing(
        single="w1 $A", special_tokens=[("w1", 1)])
    PreTrainedTokenizerFast(tokenizer_object=plain, bos_token="w1").save_pretrained(folder)


def from_text(program, case, seed):
    base = common.random_model(case, seed)
    batch = common.random_batch(case, seed)
    with tempfile.TemporaryDirectory() as folder:
        common.save(base, folder, batch)
        save_words(folder, case.config.vocab_size)
        adapted = peft.get_peft_model(copy.deepcopy(base), peft.PromptTuningConfig(
            task_type="CAUSAL_LM", num_virtual_tokens=4, prompt_tuning_init="TEXT",
            prompt_tuning_init_text=TEXT, tokenizer_name_or_path=folder))
        expected = evaluate(adapted, "prompt", batch)
        result = common.run_on(program, folder, "--method", "prompt", "--init", "text", "--text",
                               TEXT)
        errors = common.relative_errors(result, expected)
        # A prefix that starts from a text is the base that read it.
        ids = [1, 3, 7, 5]
        hard = {"sequences": [ids + s for s in batch["sequences"]],
                "weights": [[0.0] * 5 + w[1:] for w in batch["weights"]]}
        prefix = common.run_on(program, folder, "--method", "prefix", "--init", "text", "--text",
                               TEXT)
        read = common.oracle(base, hard)
        errors["loss of a prefix"] = common.error_of(prefix["loss"], read["loss"])
        return max(errors.items(), key=lambda item: item[1])


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
        for method in CONFIGS:
            attempt(f"{family}, {method}",
                    lambda: peft_to_ours(options.adapter, case, method, index + 1))
            if family in ("llama untied", "gemma2 tied"):
                attempt(f"{family}, ours {method}",
                        lambda: ours_to_peft(options.adapter, case, method, index + 1))
    for family in ("llama untied", "gemma2 tied", "gemma3 tied"):
        attempt(f"{family}, from a text",
                lambda: from_text(options.adapter, by_name[family], 1))
    attempt.finish()


if __name__ == "__main__":
    main()
