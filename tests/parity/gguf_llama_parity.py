# SPDX-License-Identifier: Apache-2.0
"""GGUF files of ours in llama.cpp (xllamacpp) and in gguf-py.

  python tests/parity/gguf_llama_parity.py --resave build/tests/programs/resave

A random small model of each family, with a tokenizer, is saved as a folder by transformers and
written by ours as a GGUF file. gguf-py must read the tensors that llama.cpp's converter would write,
bit for bit in F32, and gguf-py's own blocks in the other types; llama.cpp must load the file,
continue prompts greedily with the tokens that are likeliest in transformers, and give each the same
log-probability. An adapter of PEFT, written by ours as an adapter of llama.cpp, must do there what it
does in PEFT. With --smollm2, the GGUF file of SmolLM2-135M-Instruct is written in F32, and llama.cpp
continues 30 prompts with it as transformers does with the folder that ours saves of it.
Prints one line per case and ends with `N passed, M failed`.
"""

import argparse
import importlib.util
import os
import sys
import tempfile

import gguf
import numpy as np
import peft
import tokenizers
import torch
import transformers
from gguf import GGMLQuantizationType as Type

import common
import gguf_model_parity

# Both round to fp32, in another order; GELU comes from a table in fp16 there. A logit of these models
# is some units.
TOLERANCE, OF_GELU, OF_MANY_LAYERS = 1e-4, 2e-3, 1e-3
VOCABULARY = 300
STEPS = 12


class Llama:
    """llama.cpp on a file, everything it keeps in fp32."""

    def __init__(self, path, adapter=None):
        import xllamacpp
        p = xllamacpp.CommonParams()
        p.model.path = path
        p.n_ctx, p.n_parallel, p.cpuparams.n_threads = 512, 1, 1
        p.warmup, p.fit_params, p.verbosity = False, False, -1
        p.cache_type_k = p.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
        p.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
        if adapter:
            p.lora_adapters = [xllamacpp.CommonAdapterLoraInfo(adapter, 1.0)]
        self.server = xllamacpp.Server(p)

    def continued(self, prompt, steps, banned=()):
        """(id, log-probability) of each token, none of those that are banned."""
        answer = self.server.handle_completions(
            {"prompt": list(prompt), "n_predict": steps, "temperature": 0.0, "n_probs": 1,
             "ignore_eos": True, "cache_prompt": False,
             "logit_bias": [[token, False] for token in banned]})
        if "choices" not in answer or not answer["choices"][0].get("logprobs"):
            raise RuntimeError(str(answer)[:200])
        content = answer["choices"][0]["logprobs"]["content"]
        return [(token["id"], token["logprob"]) for token in content]


def compare(llama, model, prompts, steps, banned=()):
    """The largest difference of a log-probability; another token than the likeliest is an error."""
    worst = 0.0
    for prompt in prompts:
        tokens = llama.continued(prompt, steps, banned)
        ids = list(prompt) + [token for token, _ in tokens]
        common.reset_rotary(model)
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([ids]), use_cache=False).logits[0].double()
        logps = torch.log_softmax(logits, dim=-1)
        for i, (token, logp) in enumerate(tokens):
            ours = logps[len(prompt) + i - 1]
            allowed = ours.clone()
            allowed[list(banned)] = -torch.inf
            if allowed.max() - ours[token] > 2 * OF_GELU:
                raise RuntimeError(f"token {i}: {token}, where {allowed.argmax().item()} is likelier")
            worst = max(worst, abs(ours[token].item() - logp))
        if len(tokens) < steps:
            raise RuntimeError(f"expected {steps} tokens, got {len(tokens)}")
    return worst


# llama.cpp answers in text and holds tokens back that are a part of a character: here all bytes of
# those beyond ASCII, which come behind the others in the alphabet. Nor has it a text for the rest.
LETTERS = 95
BANNED = [*range(LETTERS, 256), *range(260, VOCABULARY)]


def write_tokenizer(folder, swallows):
    """Bytes, a few merges, and special tokens. `swallows`: the space behind them."""
    alphabet = tokenizers.pre_tokenizers.ByteLevel.alphabet()
    alphabet = sorted(alphabet, key=lambda c: ((c != "Ġ") + (not c.isascii()), c))
    vocabulary = {character: i for i, character in enumerate(alphabet)}
    merges = [("t", "h"), ("th", "e"), ("Ġ", "a"), ("i", "n")]
    for left, right in merges:
        vocabulary[left + right] = len(vocabulary)
    made = tokenizers.Tokenizer(tokenizers.models.BPE(vocabulary, merges))
    made.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = tokenizers.decoders.ByteLevel()
    made.add_special_tokens([tokenizers.AddedToken("<s>", normalized=False),
                             tokenizers.AddedToken("</s>", normalized=False, rstrip=swallows)])
    fast = transformers.PreTrainedTokenizerFast(tokenizer_object=made, bos_token="<s>",
                                                eos_token="</s>")
    fast.save_pretrained(folder)


def cases():
    """Those of gguf_model_parity, with a vocabulary that holds all bytes."""
    for case in gguf_model_parity.cases():
        case.config.vocab_size = VOCABULARY
        case.config.bos_token_id, case.config.eos_token_id = 260, 261
        if case.config.model_type == "phi3":
            case.config.sliding_window = None  # read, and then ignored, by llama.cpp
        yield case


def prompts_of(case, seed):
    # llama.cpp takes the long factors for its whole context, ours for sequences that need them.
    long = "longrope" in case.name
    generator = torch.Generator().manual_seed(seed)
    return [torch.randint(0, LETTERS, (length,), generator=generator).tolist()
            for length in ((25, 40) if long else (1, 5, 24, 40))]


def compare_file(path, model, kind):
    """The file's tensors against gguf-py's."""
    converter = gguf_model_parity.Converter(model)
    expected = dict(converter.extra_tensors())
    tied = getattr(model.config, "tie_word_embeddings", False)
    for name, parameter in model.named_parameters():
        data = converter.forward(name, parameter.detach().numpy())
        new = converter.names.get_name(name, try_suffixes=(".weight", ".bias"))
        own = kind if data.ndim > 1 and new != "position_embd.weight" else Type.F32
        is_head = new == "output.weight" or (new == "token_embd.weight" and tied)
        if own in (Type.Q4_0, Type.Q4_1, Type.Q5_0, Type.Q5_1) and is_head:
            own = Type.Q8_0
        expected[new] = gguf.quantize(data, own)
    reader = gguf.GGUFReader(path)
    found = {tensor.name: np.asarray(tensor.data) for tensor in reader.tensors}
    if set(found) != set(expected):
        raise RuntimeError(f"other tensors: {sorted(set(found) ^ set(expected))}")
    for name, values in expected.items():
        if name.startswith("rope_"):  # fp32 quotients of our own frequencies
            if not np.allclose(found[name], values, rtol=1e-6, atol=0):
                raise RuntimeError(f"{name} differs")
        elif found[name].tobytes() != values.tobytes():
            raise RuntimeError(f"{name} differs from gguf-py's")
    tokens = reader.fields["tokenizer.ggml.tokens"].contents()
    if len(tokens) != VOCABULARY or tokens[260:262] != ["<s>", "</s>"]:
        raise RuntimeError("other tokens")


def check(options, case, kind, seed):
    model = common.random_model(case, seed)
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        write_tokenizer(folder, case.config.model_type == "phi3")
        path = os.path.join(folder, "model.gguf")
        common.run(options.resave, "--model", folder, "--output", path, "--type", kind.name)
        compare_file(path, model, kind)
        if kind != Type.F32:
            Llama(path).continued(prompts_of(case, seed)[1], 4)
            return "loads", 0.0
        return "log-probability", compare(Llama(path), model, prompts_of(case, seed), STEPS, BANNED)


def check_adapter(options, case, seed, **settings):
    model = common.random_model(case, seed)
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        write_tokenizer(folder, case.config.model_type == "phi3")
        tuned = peft.get_peft_model(model, peft.LoraConfig(task_type="CAUSAL_LM", **settings))
        torch.manual_seed(seed)
        with torch.no_grad():
            for name, parameter in tuned.named_parameters():
                if "lora_" in name:
                    parameter.copy_(0.15 * torch.randn(parameter.shape))
        adapter = os.path.join(folder, "adapter")
        tuned.save_pretrained(adapter)
        path, small = os.path.join(folder, "model.gguf"), os.path.join(folder, "adapter.gguf")
        common.run(options.resave, "--model", folder, "--output", path, "--type", "F32")
        common.run(options.resave, "--model", folder, "--output", small, "--adapter", adapter)
        merged = tuned.merge_and_unload().eval()
        return "log-probability", compare(Llama(path, small), merged, prompts_of(case, seed), STEPS, BANNED)


def check_smollm2(options):
    questions = [f"{a} {b}" for a in ("Explain", "What is", "Write a poem about", "Who invented",
                                      "Give me three facts about")
                 for b in ("the moon.", "photosynthesis.", "the telephone.", "rivers.", "chess.",
                           "bread.")]
    with tempfile.TemporaryDirectory() as folder:
        saved, path = os.path.join(folder, "saved"), os.path.join(folder, "model.gguf")
        common.run(options.resave, "--model", options.smollm2, "--output", saved)
        common.run(options.resave, "--model", options.smollm2, "--output", path, "--type", "F32")
        model = transformers.AutoModelForCausalLM.from_pretrained(saved).eval()
        tokenizer = transformers.AutoTokenizer.from_pretrained(saved)
        prompts = [tokenizer.apply_chat_template([{"role": "user", "content": question}],
                                                 add_generation_prompt=True)
                   for question in questions]
        prompts = [p if isinstance(p, list) else p["input_ids"] for p in prompts]
        return "log-probability", compare(Llama(path), model, prompts, 16)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--resave", required=True, help="our program")
    parser.add_argument("--smollm2", default=os.environ.get("POSTTRAIN_SMOLLM2", ""))
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    if importlib.util.find_spec("xllamacpp") is None:
        print("skipped: there is no xllamacpp here")
        sys.exit(77)
    torch.set_num_threads(1)
    attempt = common.Attempts(TOLERANCE, options.only)
    all_cases = list(cases())
    for index, case in enumerate(all_cases):
        tolerance = OF_GELU if case.config.model_type.startswith(("gemma", "gpt2")) else TOLERANCE
        attempt(case.name, lambda: check(options, case, Type.F32, index + 1), tolerance)
    for name in ("llama untied", "gemma3", "gpt2"):
        case = next(c for c in all_cases if c.name == name)
        for kind in gguf_model_parity.QUANTISED:
            attempt(f"{name}, {kind.name}", lambda: check(options, case, kind, 7))
    llama = next(c for c in all_cases if c.name == "llama untied")
    attempt("adapter", lambda: check_adapter(options, llama, 1, r=4, lora_alpha=6,
                                             target_modules="all-linear"))
    attempt("adapter, ranks", lambda: check_adapter(
        options, llama, 2, r=4, lora_alpha=6, target_modules="all-linear", use_rslora=True,
        rank_pattern={"k_proj": 2}, alpha_pattern={"q_proj": 3}))
    attempt("adapter of the embedding", lambda: check_adapter(
        options, llama, 3, r=4, lora_alpha=4, target_modules=["embed_tokens", "q_proj", "lm_head"]))
    if options.smollm2:
        attempt("SmolLM2-135M-Instruct", lambda: check_smollm2(options), OF_MANY_LAYERS)
    attempt.finish()


if __name__ == "__main__":
    main()
