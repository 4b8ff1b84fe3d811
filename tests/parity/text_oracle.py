# SPDX-License-Identifier: Apache-2.0
"""What transformers and tokenizers say about text: requests for probe_text with expected answers.

Prints JSON lines {"name", "model", "request", "expected"}; `model` is a folder for --model and
`expected` holds the fields to compare ({"error": true} where the original refuses). Needs only
transformers and tokenizers, and a folder with chat_templates, tokenizers and goldens.

    python3 text_oracle.py --shared DIR [--only tokenizer|template|span]
"""

import argparse
import json
import pathlib
import random
import sys

SYSTEM = {"role": "system", "content": "You are a helpful assistant."}
HI = {"role": "user", "content": "Hi there!"}
TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Current weather of a <place> & more",
        "parameters": {
            "type": "object",
            "properties": {
                "city": {"type": "string", "description": "The city's name"},
                "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
                "days": {"type": "integer"},
            },
            "required": ["city"],
        },
    },
}
CALL = {
    "role": "assistant",
    "content": "",
    "tool_calls": [
        {
            "id": "call12345",
            "type": "function",
            "function": {
                "name": "get_weather",
                "arguments": {"city": "Zürich", "unit": "celsius", "days": 3, "x": [1, 2.5, None]},
            },
        }
    ],
}
RESULT = {
    "role": "tool",
    "name": "get_weather",
    "tool_call_id": "call12345",
    "content": '{"temperature": 21.5, "sky": "☀"}',
}


def say(role, content, **more):
    return {"role": role, "content": content, **more}


def conversations():
    """name -> (messages, tools)"""
    think = say("assistant", "The answer is 4.", reasoning_content="2 + 2 is 4.")
    inline = say("assistant", "<think>\nLet me see.\n</think>\n\nIt is 9.")
    return {
        "user": ([HI], None),
        "system": ([SYSTEM, HI], None),
        "turn": ([HI, say("assistant", "Hello! How can I help?")], None),
        "system_turn": ([SYSTEM, HI, say("assistant", "Hello! How can I help?")], None),
        "turns": (
            [HI, say("assistant", "Hello!"), say("user", "2 + 2?"), say("assistant", "4"),
             say("user", "Thanks")],
            None,
        ),
        "system_turns": (
            [SYSTEM, HI, say("assistant", " Hello! "), say("user", "And 3*3?\n"),
             say("assistant", "\n9\n")],
            None,
        ),
        "empty": ([say("user", ""), say("assistant", "")], None),
        "unicode": (
            [say("user", "Grüße 你好 🌍 e\u0301 \u200b \"quoted\" <b>&amp;</b> 'x'\\n"),
             say("assistant", "Ça va — мир ½ ﬁ\u00a0\u3000end")],
            None,
        ),
        "reasoning": ([HI, think], None),
        "reasoning_turns": ([HI, think, say("user", "3*3?"), think], None),
        "inline_reasoning": ([HI, inline, say("user", "again"), inline], None),
        "tools": ([say("user", "Weather in Zürich?")], [TOOL]),
        "system_tools": ([SYSTEM, say("user", "Weather?")], [TOOL, TOOL]),
        "call": ([say("user", "Weather in Zürich?"), CALL], [TOOL]),
        "result": ([say("user", "Weather in Zürich?"), CALL, RESULT], [TOOL]),
        "answered": (
            [SYSTEM, say("user", "Weather?"), CALL, RESULT, say("assistant", "21.5 degrees."),
             say("user", "Thanks!")],
            [TOOL],
        ),
        "two_calls": (
            [say("user", "Weather?"),
             {**CALL, "content": "I look.", "tool_calls": CALL["tool_calls"] * 2},
             RESULT, RESULT],
            [TOOL],
        ),
        "parts": (
            [say("user", [{"type": "text", "text": "Look:"}, {"type": "image"},
                          {"type": "text", "text": "nice"}]),
             say("assistant", [{"type": "text", "text": "Indeed."}])],
            None,
        ),
        "null_content": ([say("user", "Weather?"), {**CALL, "content": None}], [TOOL]),
        "odd_order": ([say("assistant", "I start."), HI, say("assistant", "Go on.")], None),
        "system_only": ([SYSTEM], None),
        "developer": ([say("developer", "Be brief."), HI], None),
    }


def templates(shared):
    for path in sorted((shared / "chat_templates").glob("*/*.jinja")):
        yield f"{path.parent.name}/{path.stem}", path.read_text()


def template_cases(shared):
    from transformers.utils.chat_template_utils import render_jinja_template

    extras = {"bos_token": "<s>", "eos_token": "</s>"}
    for name, source in templates(shared):
        if "strftime_now" in source:
            # the date changes at midnight: hold it still on both sides
            source = source.replace("strftime_now", "fixed_date")
            source = "{%- macro fixed_date(format) -%}23 Nov 2026{%- endmacro -%}" + source
        for case, (messages, tools) in conversations().items():
            for prompt in (False, True):
                messages_in = [{k: v for k, v in m.items() if v is not None} for m in messages]
                try:
                    text = render_jinja_template(
                        conversations=[messages_in], tools=tools, chat_template=source,
                        add_generation_prompt=prompt, **extras)[0][0]
                    expected = {"text": text}
                except Exception:  # any refusal counts
                    expected = {"error": True}
                yield {
                    "name": f"template {name} {case} {'prompt' if prompt else 'whole'}",
                    "model": "",
                    "request": {"chat_template": source, "messages": messages_in, "tools": tools,
                                "add_generation_prompt": prompt, "variables": extras},
                    "expected": expected,
                }


def golden_cases(shared):
    path = shared / "goldens" / "chat_templates_huggingface_js.json"
    if not path.exists():
        return
    for name, case in json.loads(path.read_text()).items():
        if "strftime_now" in case["chat_template"] and "SmolLM3" in name:
            continue  # written on another day
        yield {
            "name": f"golden {name}",
            "model": "",
            "request": {"chat_template": case["chat_template"], "context": case["data"]},
            "expected": {"text": case["target"]},
        }


def random_texts(seed, count):
    rng = random.Random(seed)
    words = ["hello", " world", "\n", "\n\n", "  ", "\t", "'s", "'LL", "123456", "1.5", "don't",
             "Ünï", "你好", "世界", "🌍👩‍👩‍👧", "e\u0301\u0327", "\u0301", "ﬁ", "½", "\u200b", "\u00a0",
             "\u3000", "\u2028", "\u0085", "\u180e", "_x", "http://a.b/c?d=1", "{}", "()->", "\r\n",
             "<s>", "</s>", "<|im_end|>", "<|endoftext|>", " <|im_start|> ", "<0x41>", "▁", "ſ", "K"]
    for n in range(count):
        kind = n % 3
        if kind == 0:
            yield "".join(rng.choice(words) for _ in range(rng.randint(1, 30)))
        elif kind == 1:
            yield "".join(chr(rng.choice([rng.randint(0, 0x7f), rng.randint(0x80, 0x2fff)]))
                          for _ in range(rng.randint(1, 40)))
        else:
            yield "".join(rng.choice(words) + chr(rng.choice(
                [rng.randint(0x20, 0xd7ff), rng.randint(0xe000, 0xffff),
                 rng.randint(0x10000, 0x1ffff)])) for _ in range(rng.randint(1, 20)))


def folders(shared):
    for base in ("tokenizers", "models"):
        for path in sorted((shared / base).glob("*/tokenizer.json")):
            yield path.parent


def tokenizer_cases(shared):
    from tokenizers import Tokenizer

    shakespeare = shared / "datasets" / "tinyshakespeare" / "input.txt"
    excerpt = shakespeare.read_text()[:20000] if shakespeare.exists() else ""
    for folder in folders(shared):
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        tokenizer.no_truncation()
        tokenizer.no_padding()
        texts = ["", " ", "a", excerpt, pathlib.Path(__file__).read_text(), "a" * 5000, " " * 3000]
        texts += list(random_texts(7, 240))
        golden = shared / "goldens" / "tokenizers_llama_cpp.json"
        if golden.exists():
            for case in json.loads(golden.read_text()).get(folder.name, []):
                texts.append(case["text"])
        for n, text in enumerate(texts):
            special = n % 2 == 1
            ids = tokenizer.encode(text, add_special_tokens=special).ids
            yield {
                "name": f"tokenizer {folder.name} {n}",
                "model": str(folder),
                "request": {"text": text, "add_special_tokens": special},
                "expected": {"ids": ids,
                             "decoded": tokenizer.decode(ids, skip_special_tokens=False)},
            }


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--shared", required=True, type=pathlib.Path)
    parser.add_argument("--only", choices=["tokenizer", "template", "golden"])
    arguments = parser.parse_args()
    parts = {"golden": golden_cases, "template": template_cases, "tokenizer": tokenizer_cases}
    for name, part in parts.items():
        if arguments.only in (None, name):
            for case in part(arguments.shared):
                sys.stdout.write(json.dumps(case) + "\n")


if __name__ == "__main__":
    main()
