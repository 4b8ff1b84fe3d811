# SPDX-License-Identifier: Apache-2.0
"""A peer of the fine-tuning benchmark as a process that does one optimizer step at a time.

  python benchmarks/peers/sft_peer.py --mode trl|bare --model DIR --data tokens.jsonl \
      --dtype float32|bfloat16 --steps N --warmup K [--adapter lora|osf]

Prints READY once loaded. Then for each line `step` on standard input it takes one optimizer step
on the next line of the data (from the first again after the last) and prints a JSON line
{"step": i, "loss": before the update, "grad_norm": before clipping, "seconds": of the step}; after
N steps, at `quit` or at the end of input it prints {} and exits. The first K
lines carry "warmup": true. Our side of the benchmark speaks the same protocol.

Data: one optimizer step per line, {"documents": [[ids...], ...], "lengths": [n, ...]}; every token
after a document's first is trained, with "lengths" only those before n (the rest is padding). Both peers and our side: AdamW (fused), learning rate 1e-4 constant, betas 0.9
and 0.999, eps 1e-8, no weight decay, gradient norm clipped to 1, no gradient checkpointing.

trl   SFTTrainer, packed, its default loss type ("nll", which is its chunked one), one document per
      line. bfloat16: bf16=True, that is autocast with fp32 weights.
bare  transformers + sdpa + fused AdamW; several documents of a line are padded to the longest.
      bfloat16: autocast with fp32 weights.

--adapter wraps the model in PEFT's: lora (rank 16, alpha 16) or osf (half of the directions), on
all linear layers but the head.
"""

import argparse
import json
import os
import sys
import tempfile
import time

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")

import torch

LEARNING_RATE = 1e-4


class Protocol:
    """The lines in and out. Standard output is ours alone: libraries print to standard error."""

    def __init__(self, steps, warmup):
        self.steps, self.warmup, self.done = steps, warmup, 0
        self.out = os.fdopen(os.dup(1), "w")
        os.dup2(2, 1)

    def say(self, line):
        print(line, file=self.out, flush=True)

    def wants_step(self):
        if self.done >= self.steps:
            return False
        for line in sys.stdin:
            command = line.strip()
            if command == "step":
                return True
            if command == "quit":
                return False
            if command:
                sys.exit(f"expected step or quit, got {command}")
        return False

    def report(self, loss, grad_norm, seconds):
        record = {"step": self.done, "loss": loss, "grad_norm": grad_norm, "seconds": seconds}
        if self.done < self.warmup:
            record["warmup"] = True
        self.done += 1
        self.say(json.dumps(record))

    def leave(self):
        self.say("{}")
        self.out.flush()
        os._exit(0)  # skips tearing down what nobody needs any more


def read_data(path):
    with open(path) as f:
        return [json.loads(line) for line in f if line.strip()]


def adapter_config(name):
    import peft

    if name == "lora":
        return peft.LoraConfig(r=16, lora_alpha=16, target_modules="all-linear",
                               task_type="CAUSAL_LM")
    return peft.OSFConfig(effective_rank=0.5, target_modules="all-linear", task_type="CAUSAL_LM")


def run_bare(options, protocol):
    import transformers

    model = transformers.AutoModelForCausalLM.from_pretrained(
        options.model, dtype=torch.float32, attn_implementation="sdpa")
    if options.adapter:
        import peft

        model = peft.get_peft_model(model, adapter_config(options.adapter))
    model.train()
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=LEARNING_RATE, betas=(0.9, 0.999),
                                  eps=1e-8, weight_decay=0.0, fused=True)
    lines = read_data(options.data)
    half = options.dtype == "bfloat16"
    protocol.say("READY")
    while protocol.wants_step():
        line = lines[protocol.done % len(lines)]
        documents = line["documents"]
        lengths = line.get("lengths") or [len(d) for d in documents]
        start = time.perf_counter()
        longest = max(map(len, documents))
        ids = torch.zeros(len(documents), longest, dtype=torch.long)
        labels = torch.full_like(ids, -100)
        mask = torch.zeros_like(ids)
        for i, document in enumerate(documents):
            ids[i, : len(document)] = torch.tensor(document)
            labels[i, : lengths[i]] = ids[i, : lengths[i]]
            mask[i, : lengths[i]] = 1
        padded = not bool(mask.all())
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=half):
            loss = model(input_ids=ids, attention_mask=mask if padded else None, labels=labels,
                         use_cache=False).loss
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        seconds = time.perf_counter() - start
        protocol.report(loss.item(), norm.item(), seconds)
    protocol.leave()


def word(token):
    """No word begins another: a tokenizer would cut the special one out of it."""
    return f"t{token:06d}"


def placeholder_tokenizer(vocab_size):
    """SFTTrainer wants a tokenizer even for tokens; there this one is never asked to tokenise."""
    import tokenizers
    import transformers

    vocabulary = {word(i): i for i in range(vocab_size)}
    core = tokenizers.Tokenizer(tokenizers.models.WordLevel(vocabulary, unk_token=word(0)))
    return transformers.PreTrainedTokenizerFast(tokenizer_object=core, unk_token=word(0),
                                                pad_token=word(0), eos_token=word(1))


def steps_of(protocol):
    """The protocol as a callback of transformers' Trainer that logs every step."""
    import transformers

    class Steps(transformers.TrainerCallback):
        def on_step_begin(self, args, state, control, **kwargs):
            if not protocol.wants_step():
                protocol.leave()
            self.start = time.perf_counter()

        def on_step_end(self, args, state, control, **kwargs):
            self.seconds = time.perf_counter() - self.start

        def on_log(self, args, state, control, logs=None, **kwargs):
            if logs and "loss" in logs:
                protocol.report(float(logs["loss"]), float(logs.get("grad_norm", 0.0)),
                                self.seconds)

    return Steps()


def trl_arguments(options, folder):
    """What every trainer of TRL gets here."""
    return dict(
        output_dir=folder, max_steps=options.steps + 1, gradient_accumulation_steps=1,
        learning_rate=LEARNING_RATE, lr_scheduler_type="constant", weight_decay=0.0,
        max_grad_norm=1.0, optim="adamw_torch_fused", adam_beta1=0.9, adam_beta2=0.999,
        adam_epsilon=1e-8, use_cpu=True, gradient_checkpointing=False,
        train_sampling_strategy="sequential", logging_steps=1, save_strategy="no",
        report_to="none", disable_tqdm=True, dataloader_pin_memory=False,
        model_init_kwargs={"dtype": "float32"})


def run_trl(options, protocol):
    import datasets
    import transformers
    import trl

    datasets.disable_caching()
    datasets.disable_progress_bars()
    documents = []
    for line in read_data(options.data):
        if len(line["documents"]) != 1 or "lengths" in line:
            sys.exit("--mode trl expects one document per line: it packs by itself")
        documents.append(line["documents"][0])
    vocab_size = transformers.AutoConfig.from_pretrained(options.model).vocab_size

    with tempfile.TemporaryDirectory() as folder:
        arguments = trl.SFTConfig(
            **trl_arguments(options, folder), per_device_train_batch_size=1, packing=True,
            bf16=options.dtype == "bfloat16", max_length=max(map(len, documents)),
            shuffle_dataset=False)
        trainer = trl.SFTTrainer(
            model=options.model, args=arguments, callbacks=[steps_of(protocol)],
            peft_config=adapter_config(options.adapter) if options.adapter else None,
            train_dataset=datasets.Dataset.from_dict({"input_ids": documents}),
            processing_class=placeholder_tokenizer(vocab_size))
        trainer.remove_callback(transformers.PrinterCallback)
        protocol.say("READY")
        trainer.train()
    protocol.leave()


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mode", choices=("trl", "bare"), required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--adapter", choices=("lora", "osf"))
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--warmup", type=int, default=1)
    options = parser.parse_args()
    protocol = Protocol(options.steps, options.warmup)
    torch.manual_seed(0)
    (run_trl if options.mode == "trl" else run_bare)(options, protocol)


if __name__ == "__main__":
    main()
