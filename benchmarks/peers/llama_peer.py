# SPDX-License-Identifier: Apache-2.0
"""llama.cpp (xllamacpp) as a process that continues prompts, one JSON line at a time.

  python benchmarks/peers/llama_peer.py --model DIR --dtype float32|bfloat16

The protocol of rollouts_peer.py. The folder's weights are written once, beside it, as a GGUF file of the
same numbers; the cache is of that type, too (llama.cpp's default is float16). A request's samples are
asked for together (`n`), so that llama.cpp reads their prompt once; `max_live` rows of requests are in
work at a time. decode_seconds is the longest time that llama.cpp says it took for the tokens of a sample.
"""

import argparse
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import gguf
import numpy as np
import torch
import transformers
import xllamacpp
from gguf import GGMLQuantizationType as Type

from served import own_standard_output, serve


def as_stored(x, dtype):
    """bfloat16 is what gguf-py makes of float32: the same bits where they were bfloat16."""
    return gguf.quantize(x, Type.BF16) if dtype == "bfloat16" and x.ndim > 1 else x


def write(folder, dtype, path):
    """A Llama as llama.cpp's converter writes it; its tokens have no meaning."""
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=getattr(torch, dtype))
    config = model.config
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, config.num_hidden_layers)
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base((config.rope_parameters or {}).get("rope_theta", 1e4))
    writer.add_vocab_size(config.vocab_size)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list([f"t{i}" for i in range(config.vocab_size)])
    writer.add_token_types([gguf.TokenType.NORMAL] * config.vocab_size)
    writer.add_token_merges(["t 1"])
    for name, parameter in model.named_parameters():
        x = parameter.detach().float().numpy()
        if ".q_proj." in name or ".k_proj." in name:
            heads = config.num_attention_heads if ".q_proj." in name else config.num_key_value_heads
            x = x.reshape(heads, 2, x.shape[0] // heads // 2, -1).swapaxes(1, 2).reshape(x.shape)
        stored = as_stored(np.ascontiguousarray(x), dtype)
        writer.add_tensor(names.get_name(name, try_suffixes=(".weight", ".bias")), stored,
                          raw_dtype=Type.BF16 if stored.dtype == np.uint8 else None)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


class Llama:
    def __init__(self, path, dtype, rows, length):
        p = xllamacpp.CommonParams()
        p.model.path = str(path)
        p.n_ctx, p.n_parallel, p.kv_unified = rows * length, rows, True
        p.cpuparams.n_threads = p.cpuparams_batch.n_threads = torch.get_num_threads()
        p.warmup, p.fit_params, p.verbosity = True, False, -1
        kind = xllamacpp.ggml_type
        p.cache_type_k = p.cache_type_v = (
            kind.GGML_TYPE_BF16 if dtype == "bfloat16" else kind.GGML_TYPE_F32)
        self.server = xllamacpp.Server(p)

    def samples(self, request, temperature, ids):
        asked = {"prompt": request["ids"], "n_predict": request["new"], "temperature": temperature,
                 "ignore_eos": True, "cache_prompt": False, "samplers": ["temperature"],
                 "n": request["samples"]}
        if ids:
            asked["n_probs"] = 1
        answer = self.server.handle_completions(asked)
        if "choices" not in answer or len(answer["choices"]) != request["samples"]:
            raise RuntimeError(f"expected {request['samples']} samples, got {str(answer)[:300]}")
        return answer


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", required=True)
    parser.add_argument("--dtype", required=True)
    parser.add_argument("--rows", type=int, default=16)
    parser.add_argument("--length", type=int, default=1152, help="tokens of a row at most")
    options = parser.parse_args()
    out = own_standard_output()
    path = Path(f"{options.model}-{options.dtype}.gguf")
    if not path.exists():
        write(options.model, options.dtype, path.with_suffix(".part"))
        path.with_suffix(".part").rename(path)
    llama = Llama(path, options.dtype, options.rows, options.length)

    def answer(asked):
        requests = asked["requests"]
        at_once = max(1, min(asked["max_live"], options.rows) // requests[0]["samples"])
        start = time.perf_counter()
        with ThreadPoolExecutor(at_once) as pool:
            answers = list(pool.map(
                lambda request: llama.samples(request, asked["temperature"], asked.get("ids")), requests))
        seconds = time.perf_counter() - start
        reply = {"seconds": seconds, "tokens": sum(r["samples"] * r["new"] for r in requests),
                 "decode_seconds": max(a["timings"]["predicted_ms"] for a in answers) / 1e3,
                 "decode_steps": requests[0]["new"] - 1}
        if asked.get("ids"):
            reply["ids"] = [[token["id"] for token in choice["logprobs"]["content"]]
                            for answer in answers for choice in answer["choices"]]
        return reply

    serve(out, answer)


if __name__ == "__main__":
    main()
