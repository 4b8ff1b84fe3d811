# SPDX-License-Identifier: Apache-2.0
"""LoRA by transformers and PEFT on a GPU: a loop of training steps on a model with random weights.

  python benchmarks/peers/gpu_peer.py --shapes tests/gpu/shapes.json --model Qwen3-0.6B [--compile]
      [--row 2048] [--tokens 4096,16384] [--warmup 3] [--steps 10]

bfloat16 weights, adapters of rank 16 on all linear layers, sdpa, fused AdamW, rows of full length without
padding, no gradient checkpointing; the gradient's norm is clipped to 1. Prints a JSON line for each size of
a micro-batch that fits: "peer", "tokens", "tokens_per_second", "peak_gib"; or {"missing": reason} where
Python lacks what it takes.
"""

import argparse
import json
import os
import time

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
os.environ.setdefault("PYTORCH_CUDA_ALLOC_CONF", "expandable_segments:True")


def say(**line):
    print(json.dumps(line), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shapes", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--row", type=int, default=2048)
    parser.add_argument("--tokens", default="4096,16384")
    parser.add_argument("--warmup", type=int, default=3)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--device", default="cuda")
    options = parser.parse_args()
    try:
        import peft
        import torch
        import transformers
    except ImportError as error:
        say(missing=str(error))
        return
    on_gpu = options.device == "cuda"
    if on_gpu and not torch.cuda.is_available():
        say(missing="Python's torch sees no GPU")
        return
    with open(options.shapes) as file:
        shape = json.load(file)[options.model]
    config = transformers.AutoConfig.for_model(**shape)
    config.use_cache = False
    with torch.device(options.device):
        model = transformers.AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16,
                                                              attn_implementation="sdpa")
        model = peft.get_peft_model(model, peft.LoraConfig(
            r=16, lora_alpha=16, target_modules="all-linear", task_type="CAUSAL_LM"),
            autocast_adapter_dtype=False)  # adapters in float32 would be slower
    model.train()
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-4, weight_decay=0.0, fused=True)
    called = torch.compile(model) if options.compile else model
    for tokens in map(int, options.tokens.split(",")):
        try:
            if on_gpu:
                torch.cuda.reset_peak_memory_stats()
            for step in range(options.warmup + options.steps):
                if step == options.warmup:
                    if on_gpu:
                        torch.cuda.synchronize()
                    started = time.perf_counter()
                ids = torch.randint(0, config.vocab_size, (tokens // options.row, options.row),
                                    device=options.device)
                called(input_ids=ids, labels=ids).loss.backward()
                torch.nn.utils.clip_grad_norm_(trained, 1.0)
                optimizer.step()
                optimizer.zero_grad(set_to_none=True)
            if on_gpu:
                torch.cuda.synchronize()
            seconds = time.perf_counter() - started
        except torch.OutOfMemoryError:
            return  # larger sizes do not fit either
        say(peer="transformers + PEFT", model=options.model, compiled=options.compile, tokens=tokens,
            tokens_per_second=tokens * options.steps / seconds,
            peak_gib=torch.cuda.max_memory_allocated() / 2 ** 30 if on_gpu else 0.0)


if __name__ == "__main__":
    main()
