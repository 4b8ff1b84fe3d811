# SPDX-License-Identifier: Apache-2.0
"""Recipes against their peers, on the pocket model in fp32.

  python tests/parity/recipe_parity.py --run build/tests/programs/recipe_run

- sft: the loss of each of 50 steps against TRL's SFTTrainer on the same samples in the same order, with the same
  schedule; TRL's batches are divided, ours are not.
- The data.jsonl that it wrote: tokens and labels are those that instructlab-training makes of the conversations,
  mini_trainer's own loader reads it token for token, and use_processed_dataset gives the losses of the run that wrote
  it, to the bit.
- osft: the losses of a Trainer with Osft, to the bit; and the same run with OsftFactored, whose update rule is
  mini_trainer's, against mini_trainer's model and optimizer for 20 steps. (osft_parity.py compares the rule itself,
  in float64.)

Errors are relative. Prints one line per case and ends with `N passed, M failed`.
"""

import argparse
import ast
import importlib.util
import json
import os
import shutil
import sys
import tempfile
import types
import typing

import torch
import transformers

import common
import osft_parity

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
MODEL = os.path.join(ROOT, "examples/pocket/model")
TOLERANCE = 1e-4
SAMPLES, BATCH, STEPS, OSFT_STEPS, SEED = 64, 8, 50, 20, 42
EPOCH = SAMPLES // BATCH
WARMUP, BETAS, EPS, RATIO = 5, (0.9, 0.95), 1e-8, 0.25
LR, OSFT_LR = 1e-4, 1e-3


class Runs:
    """Runs of our program, and what they left in a folder."""

    def __init__(self, program, folder):
        self.program, self.folder = program, folder
        self.data = os.path.join(folder, "conversations.jsonl")
        with open(os.path.join(ROOT, "examples/pocket/data/conversations.jsonl")) as source:
            lines = [next(source) for _ in range(SAMPLES)]
        with open(self.data, "w") as file:
            file.writelines(lines)

    def __call__(self, name, *words, steps=STEPS, **members):
        output = os.path.join(self.folder, name)
        given = {"model_path": MODEL, "data_path": self.data, "ckpt_output_dir": output,
                 "effective_batch_size": BATCH, "max_steps": steps, "learning_rate": LR, "warmup_steps": WARMUP,
                 "seed": SEED, "progress": False, "checkpoint_at_epoch": False,
                 "accelerate_full_state_at_epoch": False, "save_final_checkpoint": False, **members}
        done = common.call(self.program, *words, given=json.dumps(given))
        if done.returncode != 0:
            raise RuntimeError(done.stderr.strip().splitlines()[-1])
        losses = json.loads(done.stdout)["losses"]
        if len(losses) != steps:
            raise RuntimeError(f"expected {steps} steps, got {len(losses)}")
        return losses

    def order(self, steps):
        """The places in the data of each step's samples."""
        return json.loads(common.run(self.program, "order", SAMPLES, BATCH, steps, SEED))

    def samples(self, steps):
        """What each step trains: [{"input_ids", "labels"}], in order."""
        rows = read_lines(os.path.join(self.folder, "sft/data/data.jsonl"))
        return [[{key: rows[place][key] for key in ("input_ids", "labels")} for place in step]
                for step in self.order(steps)]


def read_lines(path):
    with open(path) as file:
        return [json.loads(line) for line in file]


def base_model():
    return transformers.AutoModelForCausalLM.from_pretrained(MODEL, dtype=torch.float32,
                                                            attn_implementation="eager")


def worst(ours, theirs):
    """The largest relative error of a step's loss."""
    if len(ours) != len(theirs):
        raise RuntimeError(f"{len(ours)} steps, not {len(theirs)}")
    first, last = (sum(part) / len(part) for part in (theirs[:EPOCH], theirs[-EPOCH:]))
    if last > 0.9 * first:
        raise RuntimeError(f"expected the losses to fall, got {first} to {last}")
    errors = [abs(a - b) / b for a, b in zip(ours, theirs)]
    step = max(range(len(errors)), key=errors.__getitem__)
    return f"step {step + 1} of {len(errors)}", errors[step]


def exactly(ours, others):
    """Losses to the last bit."""
    unequal = [step for step, (a, b) in enumerate(zip(ours, others, strict=True), start=1) if a != b]
    if unequal:
        raise RuntimeError(f"{len(unequal)} steps differ, the first is {unequal[0]}")
    return f"{len(ours)} steps", 0.0


def trl_losses(samples, folder):
    """SFTTrainer's, in micro-batches of half a step."""
    import datasets
    from trl import SFTConfig, SFTTrainer

    class InOrder(SFTTrainer):
        parts = []

        def _get_train_sampler(self, *arguments):
            return torch.utils.data.SequentialSampler(self.train_dataset)

        def training_step(self, *arguments, **kwargs):
            loss = super().training_step(*arguments, **kwargs)
            self.parts.append(loss.item())  # what is logged is rounded
            return loss

    datasets.disable_progress_bars()
    rows = datasets.Dataset.from_list([sample for step in samples for sample in step])
    config = SFTConfig(
        output_dir=folder, per_device_train_batch_size=BATCH // 2, gradient_accumulation_steps=2, max_steps=len(samples),
        learning_rate=LR, lr_scheduler_type="cosine", warmup_steps=WARMUP, optim="adamw_torch", adam_beta1=BETAS[0],
        adam_beta2=BETAS[1], adam_epsilon=EPS, weight_decay=0.0, max_grad_norm=1.0, bf16=False, use_cpu=True,
        gradient_checkpointing=False, packing=False, max_length=None, report_to=[], save_strategy="no",
        disable_tqdm=True, logging_strategy="no")
    trainer = InOrder(model=base_model(), args=config, train_dataset=rows,
                      processing_class=transformers.AutoTokenizer.from_pretrained(MODEL))
    trainer.train()
    return [sum(pair) for pair in zip(trainer.parts[::2], trainer.parts[1::2], strict=True)]


def load_sampler():
    """mini_trainer.sampler; what it imports and these tests do not run is left out."""
    osft_parity.load_mini_trainer()
    numba = types.ModuleType("numba")
    numba.njit, numba.int64 = (lambda function: function), int
    deprecated = types.ModuleType("deprecated")
    deprecated.deprecated = lambda reason: lambda function: function
    for name, module in (("numba", numba), ("deprecated", deprecated)):
        sys.modules.setdefault(name, module)
    import datasets
    import mini_trainer.sampler
    datasets.disable_progress_bars()
    return mini_trainer.sampler


def read_by_mini_trainer(path):
    """(what, error): its JsonlDataset and its batch against the file."""
    sampler = load_sampler()
    rows, data = read_lines(path), sampler.JsonlDataset(path=path)
    if len(rows) != SAMPLES or len(data) != SAMPLES:
        raise RuntimeError(f"{len(rows)} lines and {len(data)} samples of {SAMPLES}")
    scored = 0
    for place, row in enumerate(rows):
        read, counted = data[place], sum(label != -100 for label in row["labels"][1:])
        for key in ("input_ids", "labels"):
            if read[key].tolist() != row[key]:
                raise RuntimeError(f"sample {place}: other {key}")
        if read["len"] != len(row["input_ids"]) or read["num_loss_counted_tokens"] != counted or counted == 0:
            raise RuntimeError(f"sample {place}: {read['num_loss_counted_tokens']} tokens count, expected {counted}")
        scored += counted
    batch = sampler.mb_collate_fn([data[place] for place in range(SAMPLES)], scored)
    if batch["num_loss_counted_tokens"] != scored or batch["num_samples"] != SAMPLES:
        raise RuntimeError("its batch counts other tokens")
    return f"{SAMPLES} samples, {scored} scored tokens", 0.0


def load_unmask():
    """instructlab-training's function that makes labels, without its module, which imports a training stack; and the
    tokens that it marks texts with."""
    spec = importlib.util.find_spec("instructlab")
    if spec is None:
        raise RuntimeError("instructlab-training is not installed; hint: tests/run.sh --peers installs it")
    path = os.path.join(list(spec.submodule_search_locations)[0], "training/data_process.py")
    with open(path) as file:
        body = ast.parse(file.read()).body
    functions = ("wrap_masked_messages", "unmask_messages")
    kept = [node for node in body if isinstance(node, ast.FunctionDef) and node.name in functions or
            isinstance(node, ast.Assign) and ast.unparse(node.targets[0]).startswith("UNMASK_")]
    names = {"t": typing, "Message": dict, "ProcessedMessagesData": dict, "PreTrainedTokenizer": object}
    exec(compile(ast.Module(kept, []), path, "exec"), names)
    return names["unmask_messages"], [text for name, text in names.items() if name.startswith("UNMASK_")]


def made_by_instructlab(path, conversations, unmask):
    """(what, error): the file against what Training Hub's back end makes of the conversations."""
    unmask_messages, marks = load_unmask()
    tokenizer = transformers.AutoTokenizer.from_pretrained(MODEL)
    tokenizer.eos_token = "<|im_end|>"  # it trains the end of a turn where that is the tokenizer's
    tokenizer.add_special_tokens({"additional_special_tokens": marks})
    rows, scored = read_lines(path), 0
    for place, (row, conversation) in enumerate(zip(rows, read_lines(conversations), strict=True)):
        messages = conversation["messages"]
        roles = {message["role"] for message in messages} - {"system"} if unmask else {"assistant"}
        made = unmask_messages(messages, tokenizer, list(roles))
        # Nothing comes before the first token, so no label of it is ever read.
        if made["input_ids"] != row["input_ids"] or made["labels"][1:] != row["labels"][1:] or \
                made["len"] != row["len"]:
            raise RuntimeError(f"sample {place}: {row}, expected {made}")
        scored += row["num_loss_counted_tokens"]
    return f"{len(rows)} samples, {scored} scored tokens", 0.0


def mini_trainer_losses(samples, total):
    """OSFT by mini_trainer's model and its wrapped optimizer; the loss is the mean of a step's tokens."""
    utils = osft_parity.load_mini_trainer()
    base = base_model()
    model = utils.create_osft_model_class(transformers.LlamaForCausalLM)(
        base.config, osft_config={}, initialize_osft=False, upcast_dtype=torch.float32, output_dtype=torch.float32)
    model.load_state_dict(base.state_dict())
    model.osft_config = utils.auto_generate_target_osft_config(model, model_name_or_class="llama",
                                                               rank_ratio=1.0 - RATIO)
    model.reinitialize_osft(decompose_existing_weights=True)
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = utils.optim_wrapper(torch.optim.AdamW(trained, lr=OSFT_LR, betas=BETAS, eps=EPS, weight_decay=0.0), model)
    schedule = transformers.get_scheduler("cosine", optimizer, WARMUP, total)
    losses = []
    for step in samples:
        count = sum(label != -100 for sample in step for label in sample["labels"][1:])
        mean = 0.0
        for sample in step:
            logits = model(input_ids=torch.tensor([sample["input_ids"]]), use_cache=False).logits[0, :-1]
            labels = torch.tensor(sample["labels"][1:])
            loss = torch.nn.functional.cross_entropy(logits, labels, ignore_index=-100, reduction="sum") / count
            loss.backward()
            mean += loss.item()
        losses.append(mean)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
    return losses


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", required=True, help="the program recipe_run")
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    torch.set_num_threads(1)
    attempts = common.Attempts(TOLERANCE, options.only)
    with tempfile.TemporaryDirectory() as folder:
        runs = Runs(options.run, folder)
        losses = runs("sft", "run", "sft")
        written = os.path.join(folder, "data.jsonl")
        shutil.copy(os.path.join(folder, "sft/data/data.jsonl"), written)
        attempts(f"sft, {STEPS} steps of TRL's SFTTrainer",
                 lambda: worst(losses, trl_losses(runs.samples(STEPS), os.path.join(folder, "trl"))))
        attempts("data.jsonl, made by instructlab-training", lambda: made_by_instructlab(written, runs.data, False))
        runs("unmasked", "run", "sft", steps=1, unmask_messages=True)
        attempts("data.jsonl, made by instructlab-training, unmasked",
                 lambda: made_by_instructlab(os.path.join(folder, "unmasked/data/data.jsonl"), runs.data, True))
        attempts("data.jsonl, read by mini_trainer", lambda: read_by_mini_trainer(written))
        attempts("data.jsonl, read by use_processed_dataset",
                 lambda: exactly(losses, runs("again", "run", "sft", data_path=written, use_processed_dataset=True)))
        attempts("osft, a Trainer with Osft",
                 lambda: exactly(runs("osft", "run", "osft", steps=6, unfreeze_rank_ratio=RATIO),
                                 runs("trainer", "osft_trainer", steps=6, unfreeze_rank_ratio=RATIO)))
        # mini_trainer clips gradients before it projects them, so neither clips here.
        attempts(f"OsftFactored, {OSFT_STEPS} steps of mini_trainer",
                 lambda: worst(runs("reference", "osft_reference", steps=OSFT_STEPS, unfreeze_rank_ratio=RATIO,
                                    max_grad_norm=0.0, learning_rate=OSFT_LR),
                               mini_trainer_losses(runs.samples(OSFT_STEPS), OSFT_STEPS)))
    attempts.finish()


if __name__ == "__main__":
    main()
