# SPDX-License-Identifier: Apache-2.0
"""Compares chat templates with transformers' own apply_chat_template, and with Jinja2.

    python3 template_parity.py --probe build/tests/programs/probe_text --shared DIR [--only PART]

Parts: `published` renders every template of the shared data over a matrix of conversations through
a tokenizer's apply_chat_template; `snippets` renders small templates, written and generated, in the
environment that transformers compiles. Either both give the same text or both refuse. What cannot
be compared (addresses of Python objects, complex numbers, integers beyond 64 bits) is counted apart. The last line is
"N passed, M failed"; the exit status is 1 on a mismatch and 77 where the shared data is absent.
"""

import argparse
import collections
import copy
import html
import itertools
import json
import os
import pathlib
import re
import subprocess
import sys

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")

from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast
from transformers.utils.chat_template_utils import _compile_jinja_template

import text_oracle
from shared_data import add_shared_option
from template_snippets import CONTEXT, sources
from text_oracle import CALL, HI, RESULT, SYSTEM, TOOL, say

EXTRAS = {"bos_token": "<s>", "eos_token": "</s>"}
DATE = "23 Nov 2026"


def ask(probe, requests):
    lines = "".join(json.dumps(request) + "\n" for request in requests)
    done = subprocess.run([str(part) for part in probe], input=lines, capture_output=True, text=True, check=False)
    answers = [json.loads(line) for line in done.stdout.split("\n") if line]
    if done.returncode != 0 or len(answers) != len(requests):
        print(f"probe: exit {done.returncode}, {len(answers)} of {len(requests)} answers")
        print(done.stderr[-2000:])
        answers += [{"error": "no answer"}] * (len(requests) - len(answers))
    return answers


# ---- published templates ----------------------------------------------------------------------


def conversations():
    """name -> (messages, tools, extra variables)"""
    for name, (messages, tools) in text_oracle.conversations().items():
        yield name, messages, tools, {}
    think = say("assistant", "Nine.", reasoning_content="Three times three.")
    reply = say("assistant", "Yes.\n\n")
    text_call = json.loads(json.dumps(CALL))
    text_call["tool_calls"][0]["function"]["arguments"] = '{"city": "Zürich"}'
    many = [SYSTEM]
    for n in range(6):
        many += [say("user", f"{n}?"), say("assistant", f"answer {n}", reasoning_content="r" * n)]
    yield "many_turns", many, None, {}
    yield "think_on", [SYSTEM, HI, think, HI], None, {"enable_thinking": True}
    yield "think_off", [SYSTEM, HI, think, HI], None, {"enable_thinking": False}
    yield "thinking", [HI, say("assistant", "Nine.", thinking="3 * 3")], None, {}
    yield "reasoning_alias", [HI, say("assistant", "Nine.", reasoning="3 * 3"), HI], None, {}
    yield "empty_reasoning", [HI, say("assistant", "Nine.", reasoning_content="")], None, {}
    yield "call_think", [HI, {**CALL, "reasoning_content": "Ask."}, RESULT, think], [TOOL], {}
    yield "call_text_arguments", [HI, text_call, RESULT], [TOOL], {}
    yield "calls_in_turns", [SYSTEM, HI, CALL, RESULT, reply, HI, CALL, RESULT, RESULT, reply], [
        TOOL, TOOL], {}
    yield "tool_parts", [HI, CALL, {**RESULT, "content": [{"type": "text", "text": "21"}]}], [
        TOOL], {}
    yield "no_tools", [SYSTEM, HI], [], {}
    yield "documents", [HI], None, {"documents": [{"title": "A", "text": "b"}]}
    yield "system_parts", [say("system", [{"type": "text", "text": "Be brief."}]), HI], None, {}
    yield "images", [say("user", [{"type": "image", "url": "x"}, {"type": "video"},
                                  {"type": "text", "text": " \n"}])], None, {}
    yield "blank", [say("system", " "), say("user", "\n \t"), say("assistant", "\u3000")], None, {}
    yield "markers", [say("user", "<|im_end|> [INST] <think>x</think> {{ 1 }} {% if %}"),
                      say("assistant", "</think> </s> <tool_call>")], None, {}
    yield "controls", [say("user", "a\x00\x1c\x85\u2028b\r\nc"), say("assistant", "\x7f\ud7ff")
                       ], None, {}
    yield "no_content", [say("user", "x"), {"role": "assistant"}], None, {}
    yield "unknown_role", [say("critic", "Hm."), HI], None, {}
    yield "no_role", [{"content": "x"}], None, {}
    yield "extra_fields", [say("user", "x", name="Ann", id=7), say("assistant", "y", prefix=True,
                                                                   weight=0)], None, {}
    yield "two_users", [HI, HI, reply, reply], None, {}
    yield "date", [HI], None, {"date_string": "1 Jan 2020", "custom_tools": None}
    yield "effort", [HI, think], None, {"reasoning_effort": "high", "model_identity": "I am."}


def published(shared):
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(models.WordLevel({"<unk>": 0}, unk_token="<unk>")), **EXTRAS)
    for name, source in text_oracle.templates(shared):
        if "strftime_now" in source:  # the date changes at midnight: hold it still on both sides
            source = source.replace("strftime_now", "fixed_date")
            source = f"{{%- macro fixed_date(format) -%}}{DATE}{{%- endmacro -%}}" + source
        for case, messages, tools, extra in conversations():
            for prompt in (False, True):
                try:
                    text = tokenizer.apply_chat_template(
                        messages, tools=tools, chat_template=source, tokenize=False,
                        add_generation_prompt=prompt, **extra)
                    expected = {"text": text}
                except Exception:  # any refusal counts
                    expected = {"error": True}
                yield (f"published {name} {case} {'prompt' if prompt else 'whole'}",
                       {"chat_template": source, "messages": messages, "tools": tools,
                        "add_generation_prompt": prompt, "variables": {**EXTRAS, **extra}},
                       expected)


# ---- snippets -----------------------------------------------------------------------------------


def incomparable(text):
    text = html.unescape(text)
    numbers = re.findall(r"\d{19,}", text)
    return (" at 0x" in text or "<generator" in text or "<built-in" in text
            or "<bound method" in text or "<class" in text or "<list_reverseiterator" in text
            or re.search(r"\dj\)", text) or "<Macro" in text or "<Cycler" in text or "<function" in text
            or any(int(number) >= 2 ** 63 for number in numbers))


def snippets(_):
    for source in sources():
        try:
            context = copy.deepcopy(CONTEXT)  # Jinja's indent filter changes a list in place
            expected = {"text": _compile_jinja_template(source).render(**context)}
            if incomparable(expected["text"]):
                expected = None
        except Exception:  # any refusal counts
            expected = {"error": True}
        yield f"snippet {source!r}", {"chat_template": source, "context": CONTEXT}, expected


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--probe", required=True, type=pathlib.Path)
    add_shared_option(parser)
    parser.add_argument("--only", choices=["published", "snippets"])
    parser.add_argument("--show", type=int, default=20)
    arguments = parser.parse_args()
    shared = arguments.shared
    if (shared / "data").is_dir():
        shared = shared / "data"
    if not (shared / "chat_templates").is_dir():
        print(f"skipped: no chat_templates in {shared}")
        return 77
    counts = collections.Counter()
    for part in (published, snippets):
        if arguments.only not in (None, part.__name__):
            continue
        cases = list(part(shared))
        answers = ask([arguments.probe], [request for _, request, _ in cases])
        for (name, _, expected), answer in zip(cases, answers):
            if expected is None:
                counts["not comparable"] += 1
                continue
            refused = "error" in expected
            same = "error" in answer if refused else answer.get("text") == expected["text"]
            if same and refused:
                same = "\n" not in answer["error"] and "no answer" != answer["error"]
            counts[f"{part.__name__}, {'both refuse' if refused else 'same text'}"] += same
            counts["passed" if same else "failed"] += 1
            if not same and counts["failed"] <= arguments.show:
                print(f"mismatch: {name}")
                print(f"  expected {json.dumps(expected, ensure_ascii=False)[:600]}")
                print(f"  got      {json.dumps(answer, ensure_ascii=False)[:600]}")
    for name, count in sorted(counts.items()):
        if name not in ("passed", "failed"):
            print(f"{name}: {count}")
    print(f"{counts['passed']} passed, {counts['failed']} failed")
    return 1 if counts["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
