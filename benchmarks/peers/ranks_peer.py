# SPDX-License-Identifier: Apache-2.0
"""One rank of PyTorch's DistributedDataParallel, or of its FSDP2, on Gloo: the peers of benchmarks/ranks.py.

  python benchmarks/peers/ranks_peer.py --model DIR --data steps.jsonl --steps N [--sharded]

The protocol, optimizer and settings of sft_peer.py's `bare`; rank r of N takes the micro-batches r, r + N, …
The loss is the mean over the ranks, whose micro-batches have the same number of trained tokens.
"""

import argparse
import time

import sft_peer
import torch
import transformers


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--sharded", action="store_true", help="fully_shard of each layer, weights kept for the "
                        "backward pass, in the place of DistributedDataParallel")
    options = parser.parse_args()
    protocol = sft_peer.Protocol(options.steps, 0)
    torch.distributed.init_process_group("gloo")
    rank, size = torch.distributed.get_rank(), torch.distributed.get_world_size()
    model = transformers.AutoModelForCausalLM.from_pretrained(options.model, dtype=torch.float32,
                                                              attn_implementation="sdpa")
    model.train()
    if options.sharded:
        from torch.distributed.fsdp import fully_shard

        for part in [*model.model.layers, model]:
            fully_shard(part, reshard_after_forward=False)
        parallel = model
    else:
        parallel = torch.nn.parallel.DistributedDataParallel(model, gradient_as_bucket_view=True,
                                                             static_graph=True)
    trained = list(model.parameters())
    optimizer = torch.optim.AdamW(trained, lr=sft_peer.LEARNING_RATE, betas=(0.9, 0.999), eps=1e-8,
                                  weight_decay=0.0, fused=True)
    lines = sft_peer.read_data(options.data)
    protocol.say("READY")
    while protocol.wants_step():
        documents = lines[(protocol.done * size + rank) % len(lines)]["documents"]
        torch.distributed.barrier()
        start = time.perf_counter()
        ids = torch.tensor(documents)
        loss = parallel(input_ids=ids, labels=ids, use_cache=False).loss
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(trained, 1.0)
        if options.sharded:
            norm = norm.full_tensor()
        optimizer.step()
        optimizer.zero_grad(set_to_none=False)
        mean = loss.detach() / size
        torch.distributed.all_reduce(mean)
        protocol.report(mean.item(), norm.item(), time.perf_counter() - start)
    protocol.leave()


if __name__ == "__main__":
    main()
