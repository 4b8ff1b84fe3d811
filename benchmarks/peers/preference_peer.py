# SPDX-License-Identifier: Apache-2.0
"""TRL's DPOTrainer as a process that does one optimizer step at a time.

  python benchmarks/peers/preference_peer.py --params full|lora --model DIR --data steps.jsonl \
      --steps N --warmup K

Speaks the protocol of sft_peer.py. Data: one optimizer step per line, {"prompts": [[ids...], ...],
"chosen": ..., "rejected": ...}; answers end with token 1, the end of sequence. The optimizer is that of
sft_peer.py; beta 0.1, float32, no gradient checkpointing, no truncation. lora: PEFT's, rank 16, alpha 16,
on all linear layers but the head, its reference the model without it; full: TRL's second model.
"""

import argparse
import tempfile

import sft_peer  # sets the libraries' environment before they are loaded
import torch


def as_text(ids):
    return " ".join(map(sft_peer.word, ids))


def tokenizer(vocab_size):
    """One word for each token, so that TRL's own tokenisation gives the data's ids back."""
    import tokenizers

    made = sft_peer.placeholder_tokenizer(vocab_size)
    made.backend_tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    return made


def run(options, protocol):
    import datasets
    import transformers
    import trl

    datasets.disable_caching()
    datasets.disable_progress_bars()
    lines = sft_peer.read_data(options.data)
    columns = {"prompt": [], "chosen": [], "rejected": []}
    for line in lines:
        columns["prompt"] += map(as_text, line["prompts"])
        columns["chosen"] += [" " + as_text(ids) for ids in line["chosen"]]
        columns["rejected"] += [" " + as_text(ids) for ids in line["rejected"]]
    vocab_size = transformers.AutoConfig.from_pretrained(options.model).vocab_size

    with tempfile.TemporaryDirectory() as folder:
        arguments = trl.DPOConfig(
            **sft_peer.trl_arguments(options, folder), bf16=False, max_length=None,
            per_device_train_batch_size=len(lines[0]["prompts"]))
        trainer = trl.DPOTrainer(
            model=options.model, args=arguments, callbacks=[sft_peer.steps_of(protocol)],
            peft_config=sft_peer.adapter_config("lora") if options.params == "lora" else None,
            train_dataset=datasets.Dataset.from_dict(columns),
            processing_class=tokenizer(vocab_size))
        first = trainer.train_dataset[0]
        for key, wanted in (("prompt", "prompts"), ("chosen", "chosen"), ("rejected", "rejected")):
            if first[f"{key}_ids"] != lines[0][wanted][0]:
                raise SystemExit(f"TRL's tokens of the first {key} are not the data's")
        trainer.remove_callback(transformers.PrinterCallback)
        protocol.say("READY")
        trainer.train()
    protocol.leave()


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--params", choices=("full", "lora"), required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--warmup", type=int, default=1)
    options = parser.parse_args()
    protocol = sft_peer.Protocol(options.steps, options.warmup)
    torch.manual_seed(0)
    run(options, protocol)


if __name__ == "__main__":
    main()
