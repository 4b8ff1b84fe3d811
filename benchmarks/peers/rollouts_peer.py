# SPDX-License-Identifier: Apache-2.0
"""transformers' generate as a process that continues prompts, one JSON line at a time.

  python benchmarks/peers/rollouts_peer.py --model DIR --dtype float32|bfloat16

Prints READY once loaded. A line {"requests": [{"ids", "samples", "new"}], "max_live", "temperature",
"ids"?} on standard input is answered by {"seconds", "decode_seconds", "decode_steps", "tokens", "ids"?}:
requests are continued in batches of at most `max_live` rows, each batch to its longest, as generate does;
tokens that nobody asked for do not count. A request with several samples is one prompt with
num_return_sequences. decode_seconds runs from the first token of a batch on. `quit` ends it.
"""

import argparse
import os
import time

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")

import torch
import transformers

from served import own_standard_output, serve


class Clock(transformers.LogitsProcessor):
    """Notes when a step's logits are there."""

    def __init__(self):
        self.times = []

    def __call__(self, ids, scores):
        self.times.append(time.perf_counter())
        return scores


def continued(model, requests, temperature):
    """A batch: seconds, seconds after the first token, steps, ids of each sample."""
    longest = max(len(request["ids"]) for request in requests)
    ids = torch.tensor([[0] * (longest - len(r["ids"])) + r["ids"] for r in requests])
    mask = torch.tensor([[0] * (longest - len(r["ids"])) + [1] * len(r["ids"]) for r in requests])
    new = max(request["new"] for request in requests)
    clock = Clock()
    sampling = {"do_sample": True, "temperature": temperature, "top_k": 0} if temperature else {
        "do_sample": False}
    start = time.perf_counter()
    with torch.no_grad():
        out = model.generate(ids, attention_mask=mask, max_new_tokens=new, min_new_tokens=new,
                             num_return_sequences=requests[0]["samples"], pad_token_id=0,
                             logits_processor=[clock], **sampling)
    end = time.perf_counter()
    samples = requests[0]["samples"]
    texts = [out[i, longest:longest + requests[i // samples]["new"]].tolist() for i in range(len(out))]
    return end - start, end - clock.times[0], len(clock.times) - 1, texts


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", required=True)
    parser.add_argument("--dtype", required=True)
    options = parser.parse_args()
    out = own_standard_output()
    model = transformers.AutoModelForCausalLM.from_pretrained(
        options.model, dtype=getattr(torch, options.dtype)).eval()
    model.generation_config.eos_token_id = None
    model.config.eos_token_id = None

    def answer(asked):
        requests = asked["requests"]
        rows = max(1, asked["max_live"] // requests[0]["samples"])
        reply = {"seconds": 0.0, "decode_seconds": 0.0, "decode_steps": 0, "tokens": 0}
        texts = []
        for begin in range(0, len(requests), rows):
            batch = requests[begin:begin + rows]
            seconds, decode, steps, ids = continued(model, batch, asked["temperature"])
            reply["seconds"] += seconds
            reply["decode_seconds"] += decode
            reply["decode_steps"] += steps
            reply["tokens"] += sum(map(len, ids))
            texts += ids
        if asked.get("ids"):
            reply["ids"] = texts
        return reply

    serve(out, answer)


if __name__ == "__main__":
    main()
