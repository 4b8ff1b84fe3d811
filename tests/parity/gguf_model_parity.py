# SPDX-License-Identifier: Apache-2.0
"""Models in GGUF files against transformers: log-probabilities, and folders that are saved again.

  python tests/parity/gguf_model_parity.py --adapter build/tests/programs/adapter \\
      --resave build/tests/programs/resave

A random small model of each family is written by gguf-py with the names, the metadata and the forms
of tensors that llama.cpp's converter gives it, in fp32 and in other types. Ours opens the file and
must give the log-probabilities of transformers, in float64, on the values that the file holds; the
folder that ours saves must load in transformers with the same weights. Errors are
max|a - b| / max|b|. Prints one line per case and ends with `N passed, M failed`.
"""

import argparse
import json
import math
import os
import tempfile

import gguf
import numpy as np
import torch
import transformers
from gguf import GGMLQuantizationType as Type

import common

# Both sides in float64, but rotary angles and RoPE factors are fp32.
TOLERANCE = 1e-6

SIZES = dict(vocab_size=131, hidden_size=64, intermediate_size=96, num_hidden_layers=2,
             num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=160,
             pad_token_id=None, bos_token_id=1, eos_token_id=2)
LLAMA3 = dict(rope_type="llama3", rope_theta=500000.0, factor=8.0, low_freq_factor=1.0,
              high_freq_factor=4.0, original_max_position_embeddings=8192)
YARN = dict(rope_type="yarn", rope_theta=10000.0, factor=4.0, original_max_position_embeddings=16)
ARCHITECTURES = {"mistral": "llama", "gemma3_text": "gemma3"}
QUANTISED = (Type.F16, Type.BF16, Type.Q8_0, Type.Q5_1, Type.Q5_0, Type.Q4_1, Type.Q4_0)


def cases():
    t = transformers
    made = []

    def add(name, config_class, sizes=SIZES, lengths=(7, 60, 2, 33), **changes):
        made.append(common.Case(name, config_class(**{**sizes, **changes}), lengths=lengths))

    gpt2 = dict(vocab_size=131, n_embd=64, n_layer=2, n_head=4, n_positions=160, n_ctx=160,
                bos_token_id=1, eos_token_id=2)
    for tied in (False, True):
        tie = dict(tie_word_embeddings=tied)
        suffix = "tied" if tied else "untied"
        add(f"llama {suffix}", t.LlamaConfig, **tie)
        add(f"qwen2 {suffix}", t.Qwen2Config, **tie)
        add(f"qwen3 {suffix}", t.Qwen3Config, head_dim=32, **tie)
        add(f"smollm3 {suffix}", t.SmolLM3Config, num_hidden_layers=5, **tie)
        add(f"granite {suffix}", t.GraniteConfig, embedding_multiplier=3.0, logits_scaling=2.0,
            residual_multiplier=0.6, attention_multiplier=0.15, **tie)
        add(f"phi3 {suffix}", t.Phi3Config, sliding_window=11, **tie)
    add("mistral", t.MistralConfig, sliding_window=None, head_dim=32)
    add("gemma2", t.Gemma2Config, head_dim=32, sliding_window=9, attn_logit_softcapping=4.0,
        final_logit_softcapping=3.0, query_pre_attn_scalar=32, num_hidden_layers=3)
    add("gemma3", t.Gemma3TextConfig, head_dim=32, sliding_window=9, query_pre_attn_scalar=32,
        num_hidden_layers=7)
    add("gemma3 rope linear, final cap, no window", t.Gemma3TextConfig, head_dim=32,
        query_pre_attn_scalar=32, final_logit_softcapping=3.0,
        layer_types=["full_attention"] * 2,
        rope_parameters=dict(full_attention=dict(rope_type="linear", factor=8.0, rope_theta=1e6)))
    add("gpt2", t.GPT2Config, gpt2)
    add("llama biases, one key head", t.LlamaConfig, num_key_value_heads=1, attention_bias=True,
        mlp_bias=True)
    add("llama wide heads", t.LlamaConfig, head_dim=32)
    add("llama rope linear", t.LlamaConfig,
        rope_parameters=dict(rope_type="linear", rope_theta=10000.0, factor=3.0))
    add("llama rope llama3", t.LlamaConfig, head_dim=32, rope_parameters=dict(LLAMA3))
    add("llama rope of other factors", t.LlamaConfig, head_dim=32,
        rope_parameters=dict(LLAMA3, original_max_position_embeddings=32, rope_theta=10000.0))
    add("qwen2 rope yarn", t.Qwen2Config, hidden_size=128, rope_parameters=dict(YARN))
    add("phi3 partial rotation", t.Phi3Config, partial_rotary_factor=0.5)
    add("phi3 longrope", t.Phi3Config, original_max_position_embeddings=24,
        rope_parameters=dict(rope_type="longrope", rope_theta=10000.0,
                             short_factor=[1.0 + 0.1 * i for i in range(8)],
                             long_factor=[2.0 + i for i in range(8)]), lengths=(24, 25, 60, 5))
    return made


class Converter:
    """A model as llama.cpp's converter writes it (convert_hf_to_gguf.py and conversion/)."""

    def __init__(self, model):
        self.model, self.config = model, model.config
        self.type = model.config.model_type
        self.arch = ARCHITECTURES.get(self.type, self.type)
        enum = next(a for a, name in gguf.MODEL_ARCH_NAMES.items() if name == self.arch)
        self.names = gguf.get_tensor_name_map(enum, model.config.num_hidden_layers)

    def permuted(self, x, heads):
        return x.reshape(heads, 2, x.shape[0] // heads // 2, *x.shape[1:]).swapaxes(1, 2) \
            .reshape(x.shape)

    def restored(self, x, heads):
        return x.reshape(heads, x.shape[0] // heads // 2, 2, *x.shape[1:]).swapaxes(1, 2) \
            .reshape(x.shape)

    def heads_of(self, name):
        if self.type not in ("llama", "mistral", "smollm3", "granite"):
            return 0
        if ".q_proj." in name:
            return self.config.num_attention_heads
        return self.config.num_key_value_heads if ".k_proj." in name else 0

    def forward(self, name, x):
        if heads := self.heads_of(name):
            x = self.permuted(x, heads)
        if self.type.startswith("gemma") and name.endswith("norm.weight"):
            x = x + np.float32(1)
        if self.type == "gpt2" and ".c_" in name and name.endswith(".weight"):
            x = x.T
        return np.ascontiguousarray(x)

    def backward(self, name, x):
        if heads := self.heads_of(name):
            x = self.restored(x, heads)
        if self.type.startswith("gemma") and name.endswith("norm.weight"):
            x = x - np.float32(1)
        if self.type == "gpt2" and ".c_" in name and name.endswith(".weight"):
            x = x.T
        return np.ascontiguousarray(x)

    def rope(self):
        parameters = getattr(self.config, "rope_parameters", None) or {}
        return parameters.get("full_attention", parameters)

    def metadata(self, writer):
        c = self.config
        writer.add_block_count(c.num_hidden_layers)
        writer.add_context_length(c.max_position_embeddings)
        writer.add_embedding_length(c.hidden_size)
        writer.add_head_count(c.num_attention_heads)
        if self.type == "gpt2":
            writer.add_feed_forward_length(4 * c.n_embd)
            writer.add_layer_norm_eps(c.layer_norm_epsilon)
            return
        writer.add_feed_forward_length(c.intermediate_size)
        writer.add_head_count_kv(c.num_key_value_heads)
        writer.add_layer_norm_rms_eps(c.rms_norm_eps)
        head_dim = getattr(c, "head_dim", None)
        if head_dim and self.type not in ("granite", "phi3"):
            writer.add_key_length(head_dim)
            writer.add_value_length(head_dim)
        head_dim = head_dim or c.hidden_size // c.num_attention_heads
        rope = self.rope()
        writer.add_rope_freq_base(rope["rope_theta"])
        if self.type in ("llama", "mistral", "smollm3", "granite"):
            writer.add_rope_dimension_count(head_dim)
            writer.add_vocab_size(c.vocab_size)
        kind = rope.get("rope_type", "default")
        if kind == "linear":
            writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
            writer.add_rope_scaling_factor(rope["factor"])
        if kind == "yarn":
            writer.add_rope_scaling_type(gguf.RopeScalingType.YARN)
            writer.add_rope_scaling_factor(rope["factor"])
            writer.add_rope_scaling_orig_ctx_len(rope["original_max_position_embeddings"])
        if self.type == "phi3":
            partial = rope.get("partial_rotary_factor", 1.0)
            writer.add_rope_dimension_count(int(partial * c.hidden_size) // c.num_attention_heads)
            writer.add_rope_scaling_orig_ctx_len(
                rope.get("original_max_position_embeddings", c.original_max_position_embeddings))
            writer.add_sliding_window(c.sliding_window or 0)
        if self.type == "granite":
            writer.add_attention_scale(c.attention_multiplier)
            writer.add_embedding_scale(c.embedding_multiplier)
            writer.add_residual_scale(c.residual_multiplier)
            writer.add_logit_scale(c.logits_scaling)
        if self.type == "gemma2":
            writer.add_attn_logit_softcapping(c.attn_logit_softcapping)
        if self.type.startswith("gemma"):
            if c.final_logit_softcapping:
                writer.add_final_logit_softcapping(c.final_logit_softcapping)
            if "sliding_attention" in c.layer_types:
                writer.add_sliding_window(c.sliding_window)

    def extra_tensors(self):
        rope = self.rope()
        if rope.get("rope_type") == "llama3":
            c = self.config
            dim = getattr(c, "head_dim", None) or c.hidden_size // c.num_attention_heads
            low = rope["original_max_position_embeddings"] / rope["low_freq_factor"]
            high = rope["original_max_position_embeddings"] / rope["high_freq_factor"]
            factors = []
            for freq in 1.0 / rope["rope_theta"] ** (torch.arange(0, dim, 2).float() / dim):
                wavelength = 2 * math.pi / freq
                if wavelength < high:
                    factors.append(1)
                elif wavelength > low:
                    factors.append(rope["factor"])
                else:
                    smooth = (rope["original_max_position_embeddings"] / wavelength
                              - rope["low_freq_factor"]) / (rope["high_freq_factor"]
                                                            - rope["low_freq_factor"])
                    factors.append(1 / ((1 - smooth) / rope["factor"] + smooth))
            yield "rope_freqs.weight", np.array([float(f) for f in factors], np.float32)
        if rope.get("rope_type") == "longrope":
            yield "rope_factors_long.weight", np.array(rope["long_factor"], np.float32)
            yield "rope_factors_short.weight", np.array(rope["short_factor"], np.float32)

    def write(self, path, kind=Type.F32):
        """Writes the file; gives the model the values that it holds."""
        writer = gguf.GGUFWriter(path, self.arch)
        self.metadata(writer)
        for name, data in self.extra_tensors():
            writer.add_tensor(name, data)
        state = dict(self.model.named_parameters())
        with torch.no_grad():
            for name, parameter in state.items():
                new = self.names.get_name(name, try_suffixes=(".weight", ".bias"))
                data = self.forward(name, parameter.detach().numpy())
                own = kind if data.ndim > 1 else Type.F32
                stored = gguf.quantize(data, own)
                parameter.copy_(torch.from_numpy(
                    self.backward(name, gguf.dequantize(stored, own))))
                writer.add_tensor(new, stored, raw_dtype=own)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()


def check(options, case, kind, seed):
    model = common.random_model(case, seed)
    batch = common.random_batch(case, seed)
    with tempfile.TemporaryDirectory() as folder:
        path, out = os.path.join(folder, "model.gguf"), os.path.join(folder, "out.safetensors")
        Converter(model).write(path, kind)
        with open(os.path.join(folder, "batch.json"), "w") as f:
            json.dump(batch, f)
        common.run(options.adapter, "--model", path, "--batch", os.path.join(folder, "batch.json"),
                   "--out", out, "--targets", "all-linear")
        result = common.safetensors.torch.load_file(out)
        expected = common.oracle(model, batch)
        errors = {"logps": common.error_of(result["logps"], expected["logps"])}
        saved = os.path.join(folder, "saved")
        common.run(options.resave, "--model", path, "--output", saved)
        again = transformers.AutoModelForCausalLM.from_pretrained(
            saved, attn_implementation="eager").float().eval()
        theirs = common.oracle(again, batch)
        errors["logps of the folder"] = common.error_of(theirs["logps"], expected["logps"])
        parameters = dict(again.named_parameters())
        if set(parameters) != set(dict(model.named_parameters())):
            raise RuntimeError("the folder has other tensors")
        for name, parameter in model.named_parameters():
            if not torch.equal(parameters[name], parameter):
                raise RuntimeError(f"{name} differs in the folder")
        return max(errors.items(), key=lambda item: item[1])


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--adapter", required=True, help="our program")
    parser.add_argument("--resave", required=True, help="our program")
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    torch.set_num_threads(1)
    attempt = common.Attempts(TOLERANCE, options.only)
    all_cases = cases()
    for index, case in enumerate(all_cases):
        attempt(case.name, lambda: check(options, case, Type.F32, index + 1))
    for name in ("llama untied", "gemma3", "gpt2"):
        case = next(c for c in all_cases if c.name == name)
        for kind in QUANTISED:
            attempt(f"{name}, {kind.name}", lambda: check(options, case, kind, 7))
    attempt.finish()


if __name__ == "__main__":
    main()
