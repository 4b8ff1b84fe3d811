# SPDX-License-Identifier: Apache-2.0
"""TRL's GRPOTrainer as a process that does one step at a time, with the protocol of sft_peer.py.

  python benchmarks/peers/grpo_peer.py --model DIR --dtype float32|bfloat16 --params full|lora
      --prompt-tokens 256 --new 64 --samples 16

A step samples one prompt's group, judges it (the share of even ids) and updates: loss_type "grpo", no KL,
one update, no gradient checkpointing, transformers' generate of the whole group at once. bfloat16: autocast
with fp32 weights, as TRL trains. Each answer also has the "prompt" and the "completions" that the step was
made of, so that the other side can repeat its update.
"""

import argparse
import json
import random
import sys
import tempfile
import time

from sft_peer import Protocol, adapter_config, placeholder_tokenizer, trl_arguments, word

import torch


def even(completions=None, completion_ids=None, **_):
    return [sum(i % 2 == 0 for i in ids) / len(ids) for ids in completion_ids]


def recording(base):
    class Recording(base):
        """Keeps the ids of the step."""

        def _prepare_inputs(self, inputs):
            prepared = super()._prepare_inputs(inputs)
            self.step_ids = {"prompt": prepared["prompt_ids"][0].tolist(),
                             "completions": prepared["completion_ids"].tolist()}
            return prepared

    return Recording


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--params", choices=("full", "lora"), default="full")
    parser.add_argument("--prompt-tokens", type=int, required=True)
    parser.add_argument("--new", type=int, required=True)
    parser.add_argument("--samples", type=int, required=True)
    parser.add_argument("--steps", type=int, default=1000)
    options = parser.parse_args()
    protocol = Protocol(options.steps, 0)
    torch.manual_seed(0)
    import datasets
    import tokenizers
    import transformers
    import trl

    datasets.disable_caching()
    datasets.disable_progress_bars()
    vocab_size = transformers.AutoConfig.from_pretrained(options.model).vocab_size
    tokenizer = placeholder_tokenizer(vocab_size)
    tokenizer.backend_tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    draw = random.Random(1)
    prompts = [" ".join(word(draw.randrange(2, vocab_size)) for _ in range(options.prompt_tokens))
               for _ in range(options.steps + 1)]

    class Steps(transformers.TrainerCallback):
        def on_step_begin(self, args, state, control, **_):
            if not protocol.wants_step():
                protocol.leave()
            self.start = time.perf_counter()

        def on_step_end(self, args, state, control, **_):
            self.seconds = time.perf_counter() - self.start

        def on_log(self, args, state, control, logs=None, **_):
            if logs and "loss" in logs:
                record = dict(step=protocol.done, loss=float(logs["loss"]), seconds=self.seconds,
                              grad_norm=float(logs["grad_norm"]), **trainer.step_ids)
                protocol.done += 1
                protocol.say(json.dumps(record))

    with tempfile.TemporaryDirectory() as folder:
        arguments = {**trl_arguments(options, folder)}
        arguments.pop("train_sampling_strategy")
        config = trl.GRPOConfig(
            **arguments, bf16=options.dtype == "bfloat16", loss_type="grpo", beta=0.0,
            num_generations=options.samples, per_device_train_batch_size=options.samples,
            max_completion_length=options.new, temperature=1.0, top_k=0, shuffle_dataset=False,
            generation_kwargs={"min_new_tokens": options.new})
        trainer = recording(trl.GRPOTrainer)(
            model=options.model, reward_funcs=even, args=config, callbacks=[Steps()],
            peft_config=adapter_config("lora") if options.params == "lora" else None,
            train_dataset=datasets.Dataset.from_dict({"prompt": prompts}), processing_class=tokenizer)
        trainer.remove_callback(transformers.PrinterCallback)
        protocol.say("READY")
        trainer.train()
    protocol.leave()


if __name__ == "__main__":
    sys.exit(main())
