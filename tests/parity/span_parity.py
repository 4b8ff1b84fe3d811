# SPDX-License-Identifier: Apache-2.0
"""Compares the spans of assistant turns with what `{% generation %}` blocks mark in transformers.

    python3 span_parity.py --probe build/tests/programs/probe_text --shared DIR [--only PART]

Parts: `spans` compares places in the text, for every published template with such blocks; `masks`
compares token by token with apply_chat_template's return_assistant_tokens_mask, for templates with
the vocabularies that they are made for. transformers trains exactly what stands in a block; here a
turn's terminator is trained wherever it stands. The last line is "N passed, M failed"; the exit
status is 1 on a mismatch and 77 where the shared data is absent.
"""

import argparse
import collections
import contextlib
import itertools
import os
import pathlib
import shutil
import sys
import tempfile

from template_parity import EXTRAS, ask, conversations
from shared_data import add_shared_option
from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerFast
from transformers.utils.chat_template_utils import render_jinja_template

# The model writes this to end a call; its template does not mark it.
ENDS_CALLS = {"diffusion_gemma_training": "<|tool_response>"}

# A turn that goes on behind the tools' answers, which the template writes into it, has no one span;
# training all turns is refused there.
TORN = {("diffusion_gemma_training", "two_calls")}


def spans(probe, shared, counts, show):
    """Published templates with {% generation %}: what the marks train is what the spans train, except
    what the generation prompt holds already and the white space behind a turn's end. Where a template
    rewrites turns, so that training all of them is refused, the spans are those of the marks."""
    folder = shared / "tokenizers" / "qwen2.5"
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    for path in sorted((shared / "chat_templates" / "trl").glob("*_training.jinja")):
        source = path.read_text()
        cases = []
        for name, messages, tools, extra in conversations():
            try:
                messages = [{k: v for k, v in m.items() if v is not None} for m in messages]
                render = lambda chat, **more: render_jinja_template(
                    [chat], tools=tools, chat_template=source, **EXTRAS, **extra, **more)
                texts, marks = render(messages, return_assistant_tokens_mask=True)
                prompt = ""
                for n, message in enumerate(messages):
                    if message["role"] == "assistant" and n > 0:
                        opened = render(messages[:n], add_generation_prompt=True)[0][0]
                        closed = render(messages[:n])[0][0]
                        prompt += opened[len(os.path.commonprefix([opened, closed])):] + "\0"
                        prompt += opened.rstrip()[-24:] + "\0"  # a tool result's end
            except Exception:  # refused there: the published templates' part compares that
                continue
            if extra or not marks[0]:
                continue
            request = {"messages": messages, "tools": tools, "variables": EXTRAS}
            cases.append((name, request, texts[0], marks[0], prompt))
        with tempfile.TemporaryDirectory() as model:
            for name in ("tokenizer.json", "tokenizer_config.json"):
                shutil.copy(folder / name, model)
            pathlib.Path(model, "chat_template.jinja").write_text(source)
            asked = [request for _, request, *_ in cases]
            samples = [{"sample": {k: r[k] for k in ("messages", "tools")}} for r in asked]
            answers = ask([probe, "--model", model], asked + samples)
        for (name, _, text, marks, prompt), answer, sample in zip(cases, answers,
                                                                  answers[len(cases):]):
            if tokenizer.decode(answer.get("ids", []), skip_special_tokens=False) != text:
                counts["not comparable"] += 1  # the tokenizer normalises the text
                continue
            trained = bytearray(len(text))
            same = answer.get("text") == text
            for begin, end in answer.get("assistant_spans", []) if same else []:
                places = [len(tokenizer.decode(answer["ids"][:n], skip_special_tokens=False))
                          for n in (begin, end)]
                trained[places[0]:places[1]] = b"s" * (places[1] - places[0])
            marked = bytearray(len(text))
            for begin, end in marks:
                marked[begin:end] = b"m" * (end - begin)
            left = []
            for (m, t), run in itertools.groupby(range(len(text)), lambda i: (marked[i], trained[i])):
                part = text[(run := list(run))[0]:run[-1] + 1].strip()
                if part == ENDS_CALLS.get(path.stem) or m and (path.stem, name) in TORN:
                    continue
                if bool(m) != bool(t) and part and part not in prompt and part != "</s>":
                    left.append((part, "marked" if m else "trained"))
            good = same and not left
            refused = ", of conversations that turns = all refuses" if "error" in sample else ""
            counts["spans, as marked" + refused] += good
            counts["passed" if good else "failed"] += 1
            if not good and counts["failed"] <= show:
                print(f"mismatch: spans {path.stem} {name}: {str(left or answer)[:300]}")


# ---- masks ----------------------------------------------------------------------------------------

CHATML = """{%- if tools %}<|im_start|>system
{% for tool in tools %}{{ tool | tojson }}
{% endfor %}<|im_end|>
{% endif %}
{%- for message in messages %}
    {%- if message.content is string %}{% set content = message.content %}
    {%- else %}{% set content = message.content | selectattr('type', 'equalto', 'text') | map(attribute='text') | join %}
    {%- endif %}
    {{- '<|im_start|>' + message.role + '\\n' }}
    {%- if message.role == 'assistant' %}
        {%- generation %}
        {%- if message.reasoning_content %}{{ '<think>\\n' + message.reasoning_content + '\\n</think>\\n\\n' }}{% endif %}
        {{- content }}
        {%- for call in message.tool_calls or [] %}
            {{- '\\n<tool_call>\\n' + (call.function | tojson) + '\\n</tool_call>' }}
        {%- endfor %}
        {{- '<|im_end|>' if inside }}
        {%- endgeneration %}
        {{- '<|im_end|>' if not inside }}
    {%- else %}
        {{- content + '<|im_end|>' }}
    {%- endif %}
    {{- '\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"""

LLAMA3 = """{{- bos_token }}
{%- for message in messages %}
    {{- '<|start_header_id|>' + message.role + '<|end_header_id|>\\n\\n' }}
    {%- if message.role == 'assistant' %}
        {%- generation %}
        {%- if message.tool_calls %}
            {{- '{"name": "' + message.tool_calls[0].function.name + '", "parameters": ' }}
            {{- message.tool_calls[0].function.arguments | tojson }}{{ '}' }}
        {%- else %}{{ message.content | trim }}{% endif %}
        {{- '<|eot_id|>' if inside }}
        {%- endgeneration %}
        {{- '<|eot_id|>' if not inside }}
    {%- else %}{{ message.content | trim }}{{ '<|eot_id|>' }}{% endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{% endif %}"""

# name: (template, vocabulary, special tokens, terminator)
MARKED = {
    f"{name}, terminator {'in' if inside else 'behind'} the block": (
        f"{{%- set inside = {str(inside).lower()} %}}" + template, *rest)
    for name, (template, *rest) in {
        "ChatML": (CHATML, "qwen2.5", {"eos_token": "<|im_end|>"}, "<|im_end|>"),
        "Llama 3": (LLAMA3, "llama-3", {"bos_token": "<|begin_of_text|>", "eos_token": "<|eot_id|>"},
                    "<|eot_id|>"),
    }.items() for inside in (True, False)}


def refused_by_rule(kind, name, error):
    """transformers trains on what is left where a template leaves out a field (the short template for
    Llama 3 knows no tools, reasoning or parts) or skips an image; here that is refused."""
    if "images are not supported, only text is" in error:
        return name == "parts"
    return "the chat template does not render" in error and kind.startswith("Llama 3")


def masks(probe, shared, counts, show):
    """Where both tokenise alike (no merge across a turn's start), each token's weight is that of
    transformers' mask, and terminators are trained besides."""
    for kind, (source, vocabulary, special, terminator) in MARKED.items():
        folder = shared / "tokenizers" / vocabulary
        tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(folder / "tokenizer.json"), **special)
        tokenizer.chat_template = source
        end = tokenizer.convert_tokens_to_ids(terminator)
        cases = []
        for name, messages, tools, extra in conversations():
            if extra or not any(message.get("role") == "assistant" for message in messages):
                continue
            # transformers knows no weights of messages, and its mask lacks the last tokens of a turn
            # that ends in a character of several tokens.
            if name in ("extra_fields", "controls"):
                continue
            with contextlib.suppress(Exception):  # refused there
                encoded = tokenizer.apply_chat_template(
                    messages, tools=tools, tokenize=True, return_dict=True,
                    return_assistant_tokens_mask=True)
                cases.append((name, {"messages": messages, "tools": tools}, encoded))
        with tempfile.TemporaryDirectory() as model:
            shutil.copy(folder / "tokenizer.json", model)
            tokenizer.save_pretrained(model)
            shutil.copy(folder / "tokenizer.json", model)
            answers = ask([probe, "--model", model], [{"sample": sample} for _, sample, _ in cases])
        for (name, _, encoded), answer in zip(cases, answers):
            ids, mask = encoded["input_ids"], encoded["assistant_masks"]
            ours = answer.get("sequences", [{"ids": [], "weights": []}])[0]
            if refused_by_rule(kind, name, answer.get("error", "")):
                counts[f"masks, {kind}, refused: the template leaves something out"] += 1
                counts["passed"] += 1
                continue
            if "error" not in answer and ours["ids"] != ids:
                counts[f"masks, {kind}, tokenised otherwise at a turn's start"] += 1
                counts["otherwise"] += 1
                continue
            # A terminator is an assistant's if what stands before it is trained or opens its turn.
            wanted = list(mask)
            for i in range(1, len(ids)):
                header = tokenizer.decode(ids[max(0, i - 6):i])
                if ids[i] == end and (mask[i - 1] or header.endswith(
                        ("<|im_start|>assistant\n", "assistant<|end_header_id|>\n\n"))):
                    wanted[i] = 1
            good = "error" not in answer and [int(w) for w in ours["weights"]] == wanted
            counts[f"masks, {kind}"] += good
            counts["passed" if good else "failed"] += 1
            if not good and counts["failed"] <= show:
                print(f"mismatch: masks {kind} {name}: {str(answer)[:300]}\n  wanted {wanted}")
    if counts["otherwise"] * 2 > counts["passed"]:
        counts["failed"] += 1
        print("masks: too few conversations could be compared")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--probe", required=True, type=pathlib.Path)
    add_shared_option(parser)
    parser.add_argument("--only", choices=["spans", "masks"])
    parser.add_argument("--show", type=int, default=20)
    arguments = parser.parse_args()
    shared = arguments.shared
    if (shared / "data").is_dir():
        shared = shared / "data"
    if not (shared / "chat_templates").is_dir():
        print(f"skipped: no chat_templates in {shared}")
        return 77
    counts = collections.Counter()
    for part in (spans, masks):
        if arguments.only in (None, part.__name__):
            part(arguments.probe, shared, counts, arguments.show)
    for name, count in sorted(counts.items()):
        if name not in ("passed", "failed", "otherwise"):
            print(f"{name}: {count}")
    print(f"{counts['passed']} passed, {counts['failed']} failed")
    return 1 if counts["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
