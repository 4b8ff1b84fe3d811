# SPDX-License-Identifier: Apache-2.0
"""4-bit checkpoint folders, between our program and transformers with bitsandbytes, both ways.

  python tests/parity/quantized_folder_parity.py --resave build/tests/programs/resave

For small random models: transformers quantises a dense folder while loading and saves it; ours
(`--storage nf4`) does the same. Both folders must hold the same tensors bit for bit, transformers
must load ours with the same logits, ours must read theirs and write it again unchanged, and read
theirs as a dense model (`--storage dense`) with the values that bitsandbytes dequantises. One line
per case, then `N passed, M failed`.
"""

import argparse
import json
import os
import sys
import tempfile

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")

import bitsandbytes
import common
import exact_nf4  # noqa: F401
import torch
import transformers
from safetensors.torch import load_file

transformers.utils.logging.disable_progress_bar()

STATE = "quant_state.bitsandbytes__nf4"
SIZES = dict(vocab_size=131, hidden_size=128, intermediate_size=192, num_hidden_layers=2,
             num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=160,
             pad_token_id=None, bos_token_id=1, eos_token_id=2)


def cases():
    t = transformers
    return {
        "llama": t.LlamaConfig(**SIZES),
        "qwen2 tied, biases": t.Qwen2Config(**SIZES, tie_word_embeddings=True),
        "phi3": t.Phi3Config(**SIZES),
        "gemma3 tied": t.Gemma3TextConfig(**SIZES, head_dim=32, query_pre_attn_scalar=32),
        "gpt2": t.GPT2Config(vocab_size=131, n_embd=128, n_layer=2, n_head=4, n_positions=160,
                             bos_token_id=1, eos_token_id=2),
    }


def load(folder, dtype, **options):
    model, info = transformers.AutoModelForCausalLM.from_pretrained(
        folder, dtype=dtype, attn_implementation="eager", device_map={"": "cpu"},
        output_loading_info=True, **options)
    for kind, keys in info.items():
        if keys:
            raise RuntimeError(f"{kind}: {sorted(map(str, keys))[0]} (+{len(keys) - 1})")
    return model.eval()


def weights(folder):
    tensors = load_file(os.path.join(folder, "model.safetensors"))
    # The state is JSON text, and its spelling is free.
    return {name: json.loads(bytes(t.tolist())) if name.endswith(STATE) else t
            for name, t in tensors.items()}


def compare(ours, theirs, what):
    if ours.keys() != theirs.keys():
        raise RuntimeError(f"{what}: keys {sorted(ours.keys() ^ theirs.keys())[:3]}")
    for name, a in theirs.items():
        b = ours[name]
        same = a == b if name.endswith(STATE) else a.dtype == b.dtype and torch.equal(a, b)
        if not same:
            raise RuntimeError(f"{what}: {name} differs")


def run(options, source, target, dtype, storage):
    done = common.call(options.resave, "--model", source, "--output", target, "--dtype",
                       str(dtype).removeprefix("torch."), "--storage", storage)
    if done.returncode != 0:
        raise RuntimeError(f"resave --storage {storage}: {done.stderr.strip()}")


def check(config, dtype, nested, options):
    with tempfile.TemporaryDirectory() as folder:
        dense, theirs, ours, again, back = (
            os.path.join(folder, name) for name in ("dense", "theirs", "ours", "again", "back"))
        torch.manual_seed(1)
        model = transformers.AutoModelForCausalLM.from_config(config).to(dtype)
        for name, parameter in model.named_parameters():
            if name.endswith("bias"):
                torch.nn.init.normal_(parameter, std=0.1)
        model.save_pretrained(dense)

        quantized = load(dense, dtype, quantization_config=transformers.BitsAndBytesConfig(
            load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=nested,
            bnb_4bit_compute_dtype=dtype))
        quantized.save_pretrained(theirs)
        states = {name + ".weight": (m.weight.data.clone(), m.weight.quant_state)
                  for name, m in quantized.named_modules()
                  if isinstance(m, bitsandbytes.nn.Linear4bit)}

        run(options, theirs, again, dtype, "nf4")
        compare(weights(again), weights(theirs), "theirs read and written by us")
        if nested:
            run(options, dense, ours, dtype, "nf4")
            compare(weights(ours), weights(theirs), "quantised by us")
        else:
            ours = again

        run(options, theirs, back, dtype, "dense")
        dequantized = weights(back)
        if "quantization_config" in json.load(open(os.path.join(back, "config.json"))):
            raise RuntimeError("a dense folder has a quantization_config")
        if len(states) != sum(name.endswith(STATE) for name in weights(theirs)):
            raise RuntimeError("theirs: not every matrix is in the file")
        for name, (codes, state) in states.items():
            expected = bitsandbytes.functional.dequantize_4bit(codes, state)
            if dequantized[name].shape != expected.shape or config.model_type == "gpt2":
                expected = expected.t()  # Conv1D
            if not torch.equal(dequantized[name], expected):
                raise RuntimeError(f"read as dense: {name} differs")

        # In the peer's own kernels, so that equal weights give equal logits.
        ids = torch.randint(3, 131, (1, 19), generator=torch.Generator().manual_seed(2))
        with torch.no_grad():
            if not torch.equal(load(ours, dtype)(ids).logits, load(theirs, dtype)(ids).logits):
                raise RuntimeError("logits differ")


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--resave", default="build/tests/programs/resave")
    options = parser.parse_args()
    torch.set_num_threads(1)
    passed = failed = 0
    for name, config in cases().items():
        for dtype in (torch.float32, torch.bfloat16):
            for nested in (True, False):
                label = f"{name} {dtype} {'double' if nested else 'single'} quantisation"
                try:
                    check(config, dtype, nested, options)
                    passed += 1
                    print(f"ok   {label}", flush=True)
                except (RuntimeError, OSError, ValueError, KeyError) as error:
                    failed += 1
                    print(f"FAIL {label}: {str(error).splitlines()[0]}", flush=True)
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed or not passed else 0)


if __name__ == "__main__":
    main()
