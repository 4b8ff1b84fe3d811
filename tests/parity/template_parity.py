# SPDX-License-Identifier: Apache-2.0
"""Compares chat templates with transformers' own apply_chat_template, and with Jinja2.

    python3 template_parity.py --probe build/tests/programs/probe_text --shared DIR [--only PART]

Parts: `published` renders every template of the shared data over a matrix of conversations through
a tokenizer's apply_chat_template; `snippets` renders small templates, written and generated, in the
environment that transformers compiles; `spans` compares the spans of assistant turns with what
`{% generation %}` marks. Either both give the same text or both refuse. What cannot
be compared (addresses of Python objects, complex
numbers, integers beyond 64 bits) is counted apart. The last line is
"N passed, M failed"; the exit status is 1 on a mismatch and 77 where the shared data is absent.
"""

import argparse
import collections
import copy
import itertools
import json
import os
import pathlib
import random
import re
import shutil
import subprocess
import sys
import tempfile

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")

from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast
from transformers.utils.chat_template_utils import _compile_jinja_template, render_jinja_template

import text_oracle
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

CONTEXT = {
    "s": "Hello, World", "u": "Grüße 你好 ½ ﬁ", "e": "", "n": None, "t": True, "i": 7, "f": 2.5,
    "l": [3, 1, 2], "w": ["b", "A", "a", "B"], "d": {"b": 1, "a": [1, 2], "A": "x"},
    "m": [{"role": "user", "n": 2, "o": {"k": "z"}}, {"role": "Assistant", "n": 1, "o": {}},
          {"role": "user", "n": 3}],
    "lines": "a\n b\r\n\nc \x1c d", "tags": "<b>x &amp; y</b> <!-- c --> 'z'",
    "tpl": "{0} {x:>5}|{x!r}|{y[0]}", "neg": -3, "big": 123456789012, "tiny": 1e-7, "huge": 1e22,
}

VALUES = ["s", "u", "e", "n", "t", "i", "f", "l", "w", "d", "m", "lines", "tags", "neg", "big",
          "tiny", "huge", "missing", "range(4)", "(1, 'a')", "d.items()", "d.keys()", "'42'",
          "' 3.7 '", "'0x1f'", "'1_000'", "[]", "{}", "'don\\'t'", "\"a'b\\\"c\"", "[[1, 2], [3]]",
          "1.0", "true", "0.1 + 0.2", "'ab' * 3", "m|map(attribute='n')|list", "namespace(a=1)",
          "'ǆ ß İ ŉ'", "'x' | safe"]

FILTERS = ["abs", "attr('upper')", "attr('role')", "batch(2)|list", "batch(2, 'x')|list",
           "capitalize", "center(20)", "center(3)", "count", "d('z')", "default('z', true)",
           "dictsort", "dictsort(true)", "dictsort(by='value')", "dictsort(reverse=true)", "e",
           "escape", "filesizeformat", "filesizeformat(true)", "first", "float", "float(1.5)",
           "forceescape", "format(1)", "format(x=1)", "groupby('role')|list",
           "groupby('role', case_sensitive=true)|list", "groupby('o.k', default='q')|list",
           "indent", "indent(2, true)", "indent('> ', blank=true)", "int", "int(5)", "int(0, 16)",
           "items|list", "join", "join(', ')", "join('-', 'role')", "join(attribute='n')", "last",
           "length", "list", "lower", "map('upper')|list", "map(attribute='n')|list",
           "map(attribute='o.k', default='?')|list", "map('int')|list", "map('length')|join", "max",
           "max(attribute='n')", "max(case_sensitive=true)", "min", "min(attribute='n')",
           "reject|list", "reject('odd')|list", "reject('none')|list", "rejectattr('o')|list",
           "rejectattr('role', 'eq', 'user')|list", "replace('l', 'L')", "replace('l', 'L', 1)",
           "replace('', '-')", "reverse|list", "reverse", "round", "round(1)", "round(2, 'floor')",
           "round(-1)", "round(method='ceil')", "safe", "select|list", "select('odd')|list",
           "select('string')|list", "select('gt', 1)|list", "select('in', [1, 2])|list",
           "selectattr('o')|list", "selectattr('n', 'gt', 1)|list", "selectattr('o.k')|list",
           "selectattr('role', 'equalto', 'user')|map(attribute='n')|sum",
           "selectattr('nope', 'defined')|list", "slice(2)|list", "slice(2, 0)|list", "sort",
           "sort(reverse=true)", "sort(case_sensitive=true)", "sort(attribute='n')",
           "sort(attribute='role,n')", "string", "striptags", "sum", "sum(attribute='n')",
           "sum(start=10)", "sum(start='')", "title", "tojson", "tojson(indent=2)",
           "tojson(ensure_ascii=true)", "tojson(separators=(',', ':'))", "tojson(sort_keys=true)",
           "tojson(true, 1)", "tojson(indent='--')", "trim", "trim('H d')", "truncate(5)",
           "truncate(8, true)", "truncate(6, false, '…', 0)", "unique|list",
           "unique(true)|list", "unique(attribute='role')|map(attribute='n')|list", "upper",
           "urlencode", "wordcount", "nope", "map('nope')|list", "join|upper", "first|upper",
           "list|length", "items|first", "length|string"]

TESTS = ["boolean", "callable", "defined", "divisibleby 3", "divisibleby(2)", "eq 7", "eq('')",
         "equalto 2.5", "escaped", "even", "false", "filter", "float", "ge 2", "gt 'a'",
         "greaterthan 2", "in [1, 7]", "in 'Hello, World'", "in d", "integer", "iterable", "le 7",
         "lessthan 3", "lower", "lt 3", "mapping", "ne 7", "none", "number", "odd", "sameas true",
         "sameas none", "sequence", "string", "test", "true", "undefined", "upper", "nope",
         "defined and 1", "not none", "not in [7]", "== 7", "string or 0"]

STRINGS = ["s", "u", "e", "lines", "' a  b '", "'a,b,,c'", "'AbC'", "'123'", "'١٢'", "'½'", "'x1_'",
           "'-7'", "'Title Case'", "'\\t\\n'", "'éÉ'", "tpl", "'aXbXc'"]
METHODS = ["strip()", "strip('a H')", "lstrip()", "rstrip()", "lstrip('H')", "rstrip('dc')",
           "split()", "split(',')", "split(',', 1)", "split(none, 1)", "split('')", "rsplit()",
           "rsplit(',', 1)", "rsplit(none, 1)", "rsplit(maxsplit=1)", "split('X', maxsplit=1)",
           "splitlines()", "splitlines(true)", "replace('a', 'b')", "replace('a', 'b', 1)",
           "replace('a')", "startswith('H')", "startswith(('a', 'H'))", "endswith('d')",
           "startswith('e', 1)", "endswith('l', 0, 4)", "startswith(missing)", "find('l')",
           "find('l', 4)", "find('z')", "rfind('l')", "rfind('o', 0, -3)", "index('o')",
           "index('z')", "rindex('o')", "count('l')", "count('')", "count('l', 3)",
           "join(['x', 'y'])", "join([1])", "join('pq')", "upper()", "lower()", "casefold()",
           "capitalize()", "title()", "swapcase()", "isdigit()", "isdecimal()", "isnumeric()",
           "isalpha()", "isalnum()", "isspace()", "isascii()", "isupper()", "islower()",
           "istitle()", "isidentifier()", "isprintable()", "format(1, x=2, y=['k'])", "format()",
           "format_map({'x': 1})", "partition(',')", "partition('')", "rpartition('X')",
           "removeprefix('He')", "removesuffix('ld')", "zfill(6)", "center(9)", "center(8, '*')",
           "ljust(15, '.')", "rjust(15)", "rjust(3)", "expandtabs()", "expandtabs(2)", "nope()",
           "upper", "__class__", "__len__()", "encode", "split(',')[0]", "strip().split()|last"]

OPERATORS = ["+", "-", "*", "/", "//", "%", "**", "~", "==", "!=", "<", "<=", ">", ">=", "in",
             "not in", "and", "or"]
OPERANDS = ["1", "0", "-3", "2.5", "true", "none", "'a'", "''", "'%s'", "[1, 2]", "[]", "(1,)",
            "{'a': 1}", "missing", "range(3)", "'x'|safe", "7", "-2.0", "d.values()"]

STATEMENTS = [
    "{% for x in l %}{{ x }}{{ ',' if not loop.last }}{% else %}none{% endfor %}",
    "{% for x in [] %}{{ x }}{% else %}none{% endfor %}{% for x in missing %}{% else %}u{% endfor %}",
    "{% for x in l if x > 1 %}{{ loop.index }}/{{ loop.length }}:{{ x }} {% endfor %}",
    "{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}",
    "{% for k, v in d|dictsort %}{{ k }}={{ v }};{% endfor %}",
    "{% for (a, b), c in [((1, 2), 3)] %}{{ a }}{{ b }}{{ c }}{% endfor %}",
    "{% for a, b in [(1, 2, 3)] %}{{ a }}{% endfor %}",
    "{% for x in l %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}"
    "{{ loop.first }}{{ loop.last }}{{ loop.depth }}{{ loop.depth0 }}|{% endfor %}",
    "{% for x in l %}{{ loop.previtem }}<{{ x }}>{{ loop.nextitem }} {% endfor %}",
    "{% for x in l %}{{ loop.previtem is defined }}{{ loop.nextitem is defined }}{% endfor %}",
    "{% for x in [1, 1, 2] %}{{ loop.changed(x) }}{{ loop.cycle('a', 'b') }}{% endfor %}",
    "{% for x in [[1, [2, 3]], [4]] recursive %}{{ loop.depth }}"
    "{{ x if x is number else loop(x) }}{% endfor %}",
    "{% for x in l %}{{ loop(x) }}{% endfor %}", "{{ loop }}",
    "{% for x in l %}{{ loop }}{% endfor %}",
    "{% for x in l %}{% for y in l %}{{ loop.index }}{% endfor %}{{ loop.index }}{% endfor %}",
    "{% for x in l %}{% set outer = loop %}{% for y in l %}{{ outer.index }}{% endfor %}{% endfor %}",
    "{% for x in range(9) %}{% if x == 2 %}{% continue %}{% endif %}{% if x > 4 %}{% break %}"
    "{% endif %}{{ x }}{% endfor %}",
    "{% for x in l %}a{% set y %}b{% break %}{% endset %}{% endfor %}|{{ y }}",
    "{% for x in l %}a{% filter upper %}b{% continue %}{% endfilter %}{% endfor %}",
    "{% for x in l %}{% with %}{% break %}{% endwith %}{{ x }}{% endfor %}",
    "{% break %}", "{% for x in l %}{% macro f() %}{% break %}{% endmacro %}{% endfor %}",
    "{% for x in l %}{% generation %}{% break %}{% endgeneration %}{% endfor %}",
    "{% set a = 1 %}{% for x in l %}{{ a }}{% set a = x %}{% endfor %}{{ a }}",
    "{% set a = 1 %}{% if true %}{% set a = 2 %}{% endif %}{{ a }}",
    "{% set a, b = 1, 2 %}{{ a }}{{ b }}", "{% set (a, b) = (1, 2) %}{{ a }}{{ b }}",
    "{% set a = 1, 2 %}{{ a }}", "{% set a = b = 1 %}", "{% set a.b = 1 %}",
    "{% set ns = namespace(a=1) %}{% for x in l %}{% set ns.a = ns.a + x %}{% endfor %}{{ ns.a }}",
    "{% set ns = namespace({'k': 2}, j=3) %}{{ ns.k }}{{ ns.j }}{{ ns['k'] }}{{ ns.zz }}",
    "{% set ns = namespace(_x=2) %}", "{% set ns = namespace() %}{% set ns._x = 1 %}",
    "{% set ns = namespace(x=1) %}{{ ns }}", "{% set ns = namespace() %}{% set ns.a, b = 1, 2 %}"
    "{{ ns.a }}{{ b }}",
    "{% set x | upper | trim %} ab {% endset %}{{ x }}|", "{% set x %}{% for a in l %}{{ a }}"
    "{% endfor %}{% endset %}{{ x|length }}",
    "{% macro f(a, b='x', c=a) %}{{ a }}{{ b }}{{ c }}{% endmacro %}{{ f(1) }}{{ f(1, c=3) }}"
    "{{ f() }}",
    "{% macro f(a) %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ f(1, 2, 3, k=4) }}",
    "{% macro f(a) %}{{ a }}{% endmacro %}{{ f(1, 2) }}",
    "{% macro f(a) %}{{ a }}{% endmacro %}{{ f(z=2) }}",
    "{% macro f(a=1, b) %}{% endmacro %}", "{% macro f(x) %}{{ f.name }}{% endmacro %}{{ f(1) }}",
    "{% macro f() %}<{{ caller() }}>{% endmacro %}{% call f() %}in{% endcall %}",
    "{% macro f(l) %}{% for x in l %}{{ caller(x) }}{% endfor %}{% endmacro %}"
    "{% call(y) f(l) %}[{{ y }}]{% endcall %}",
    "{% macro f() %}{{ caller is defined }}{% endmacro %}{{ f() }}",
    "{% macro f() %}x{% endmacro %}{% call f() %}in{% endcall %}",
    "{% macro f() %}{{ q }}{% endmacro %}{% set q = 5 %}{{ f() }}",
    "{% macro f(n) %}{{ n }}{% if n %}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(3) }}",
    "{% if true %}{% macro f() %}x{% endmacro %}{% endif %}{{ f() }}",
    "{% for x in l %}{% macro f() %}{{ x }}{% endmacro %}{{ f() }}{% endfor %}",
    "{% with a = 1, b = 2 %}{{ a }}{{ b }}{% endwith %}{{ a }}",
    "{% set a = 5 %}{% with a = 1, b = a %}{{ b }}{% endwith %}{{ a }}",
    "{% filter upper %}a{{ s }}{% endfilter %}", "{% filter replace('a', 'b')|upper %}aa{% endfilter %}",
    "{% generation %}x{{ s }}{% set zz = 1 %}{% endgeneration %}{{ zz }}",
    "{%- generation -%} x {%- endgeneration -%} y",
    "{% raw %}{{ x }}{% if %}{% endraw %}", "{%- raw -%} a {%- endraw -%} b",
    "x\n  {% raw %}\n a \n  {% endraw %}\n y", "{% raw %}x", "{# c #}{#- c -#} x {#+ y +#}\n",
    "{% if a is defined %}1{% elif s %}2{% elif t %}3{% else %}4{% endif %}",
    "{% if not n and (l or e) %}y{% endif %}", "{% if 1, 2 %}y{% endif %}",
    "{% if false %}{{ s|nope }}{% endif %}ok", "{% for x in [] %}{{ s|nope }}{% endfor %}ok",
    "{{ 1 if true else (s|nope) }}", "{{ s|nope if false else 2 }}", "{% if s is nope %}{% endif %}",
    "{% if false %}{% for x in l %}{{ x is nope }}{% endfor %}{% endif %}",
    "{% macro f() %}{{ s|nope }}{% endmacro %}", "{{ [1,2,3][1:] }}{{ 'abc'[::-1] }}{{ l[-1] }}",
    "{{ l[5] }}|{{ l['x'] }}|{{ d['nope'] }}|{{ d.nope }}|{{ s.nope }}", "{{ l[5].x }}",
    "{{ d.nope.x }}", "{{ missing.x }}", "{{ missing[0] }}", "{{ missing() }}", "{{ missing + 1 }}",
    "{{ missing == missing2 }}{{ missing == none }}{{ missing is none }}", "{{ -missing }}",
    "{{ missing[1:] }}", "{{ i[1:] }}", "{{ n[0] }}", "{{ n.x }}", "{{ d[1:] }}", "{{ 5['a'] }}",
    "{{ d.get('b') }}{{ d.get('z') }}{{ d.get('z', 4) }}{{ d.keys() }}{{ d.values() }}{{ d.items() }}",
    "{{ d.items() == d.items() }}{{ d.keys() != d.items() }}{{ d.keys() == d.copy().keys() }}",
    "{{ d.keys()|list }}{{ 'a' in d.keys() }}{{ d.items()|length }}{{ d.keys()[0] }}",
    "{{ d.copy() }}{{ l.copy() }}{{ l.index(1) }}{{ l.count(3) }}{{ l.index(9) }}",
    "{{ l.append(1) }}", "{{ l.append is defined }}{{ d.update }}", "{{ d.pop('a') }}", "{{ l.sort() }}",
    "{% set g = m|selectattr('n') %}{{ g|list|length }}{{ g|list|length }}",
    "{% set g = l|map('string') %}{{ g|first }}{{ g|first }}{{ g|list }}",
    "{% set g = l|select %}{{ 1 in g }}{{ g|list }}", "{% set g = l|select %}{{ g|length }}",
    "{% set g = l|select %}{% if g %}y{% endif %}{% if l|reject|list %}n{% endif %}",
    "{{ range(3) }}{{ range(1, 7, 2) }}{{ range(5)[1:3] }}{{ range(3)|list }}{{ range(0) }}",
    "{{ range(3) == [0, 1, 2] }}{{ range(3)|length }}{{ range(4)[-1] }}{{ range(3) + [1] }}",
    "{{ range(200000)|length }}", "{{ range() }}", "{{ range(1, 5, 0) }}", "{{ range(2.5) }}",
    "{% set c = cycler('a', 'b') %}{{ c.next() }}{{ c.next() }}{{ c.next() }}{{ c.current }}"
    "{{ c.reset() }}{{ c.current }}",
    "{% set j = joiner('|') %}{{ j() }}a{{ j() }}b{{ j() }}", "{{ dict(a=1, b=2) }}{{ dict([(1, 2)]) }}",
    "{{ dict({'a': 1}, b=2) }}", "{{ dict(1) }}", "{{ raise_exception('no') }}", "{{ raise_exception() }}",
    "{{ 1 }}{{ 1.0 }}{{ 1e3 }}{{ 1.5e-7 }}{{ 0x1F }}{{ 0b101 }}{{ 0o17 }}{{ 1_000 }}{{ 1_0.5 }}",
    "{{ 007 }}", "{{ 1.}}", "{{ 1._x }}", "{{ .5 }}", "{{ 1e }}", "{{ 'a' 'b' \"c\" }}",
    r"{{ '\x41\u00e9\n\t\\\'\"\q\101\0' }}", r"{{ '\x4' }}", r"{{ '\u12' }}", r"{{ 'a\
b' }}", "{{ {'a': 1, 'b': [1, {'c': none}]} }}{{ (1,) }}{{ () }}{{ (1, 2) }}", "{{ {[1]: 2} }}",
    "{{ {1: 'a', true: 'b', 1.0: 'c'} }}", "{{ {(1, 2): 3}[1, 2] }}", "{{ [1, 2,] }}{{ {'a': 1,} }}",
    "{{ [,] }}", "{{ }}", "{{ 1, }}{{ 1, 2 }}", "{{ (1 }}", "{{ 1) }}", "{{ a b }}", "{{ a. }}",
    "{{ 1 < 2 < 3 }}{{ 1 < 3 < 2 }}{{ 1 == 1.0 == true }}{{ 3 > 2 >= 2 != 1 }}",
    "{{ not true }}{{ not not 1 }}{{ not 1 == 2 }}", "{{ -2 ** 2 }}{{ 2 ** -1 }}{{ 2 ** 3 ** 2 }}",
    "{{ -2|abs }}{{ (-2)|abs }}{{ - 2 + 3 }}{{ +1 }}{{ --1 }}", "{{ 1 + 2 ~ 3 * 4 }}{{ 1 ~ 2 + 3 }}",
    "{{ 7 // -2 }}{{ -7 % 3 }}{{ 7.5 // 2 }}{{ -7.5 % 2 }}{{ 1 / 3 }}{{ 6 / 2 }}{{ 0.1 + 0.2 }}",
    "{{ 1 if e else 2 if n else 3 }}{{ 1 if e }}|{{ (1 if e) is defined }}", "{{ 1 if }}",
    "{{ s is string is defined }}", "{{ i is divisibleby 7 and s is string }}", "{{ s is not string }}",
    "{{ not s is string }}", "{{ s is defined if t }}", "{{ 'a' is in 'abc' }}{{ 1 is not in l }}",
    "{{ s|upper|lower|title }}{{ s | replace('l', 'x') | length }}", "{{ s|length > 3 }}{{ l|sum / 2 }}",
    "{{ 'x'|upper ~ 'y'|upper }}{{ -1|string }}{{ 1 + 2|string|length }}",
    "{{ s.upper().lower()[0:3].title() }}{{ s['upper']() }}{{ d['get']('b') }}", "{{ m[0].o.k }}{{ m.0.n }}",
    "{{ m[0]['role'] ~ m[-1].n }}{{ m|map(attribute='role')|unique|join('/') }}",
    "{{ '%s=%d %5.2f %-4s| %04d %x %r %c %%' % ('a', 5, 2.5, 'b', 7, 255, 'q', 'z') }}",
    "{{ '%(a)s-%(b)03d' % {'a': 1, 'b': 2} }}", "{{ '%s' % l }}{{ '%s %s' % (1, 2) }}", "{{ '%s %s' % 1 }}",
    "{{ '%d' % 'x' }}", "{{ '%q' % 1 }}", "{{ 'a' % 1 }}", "{{ '%.3s|%5s|%+d|% d|%#x|%e|%g|%G' % "
    "('abcdef', 'é', 3, 4, 255, 12345.678, 1e-10, 1e20) }}", "{{ '%*d' % (5, 42) }}{{ '%i%%' % 3.9 }}",
    "{{ '{} {} {}'.format(1, 'a', none) }}{{ '{1}{0}'.format('a', 'b') }}{{ '{{}}'.format() }}",
    "{{ '{:>6}|{:<6}|{:^6}|{:*^7}|{:06.2f}|{:+d}|{:,}|{:x}|{:#b}|{:%}'.format('a', 'b', 'c', 'd', 3.14159, "
    "5, 1234567, 255, 5, 0.25) }}", "{{ '{:.3}|{:8.3}|{:e}|{:g}|{:_}|{: d}'.format('abcdef', 'xyzw', 12.5, 0.1, 10000, 4) }}",
    "{{ '{0[k]}{1.n}{x!r}'.format({'k': 1}, {'n': 2}, x='q') }}", "{{ '{0[k]}{x!r}'.format({'k': 1}, x='q') }}",
    "{{ '{0.__class__}'.format(1) }}", "{{ '{'.format() }}", "{{ '{} {1}'.format(1, 2) }}", "{{ '{:{}}|'.format('a', 5) }}",
    "{{ s.__class__ }}|{{ s.__class__.__mro__ }}", "{{ l.__len__ }}|",
    "{{ 'a' < 'B' }}{{ [1, 2] < [1, 3] }}{{ (1,) < (1, 2) }}", "{{ [1] < (2,) }}",
    "{{ [1] == (1,) }}{{ [] == [] }}{{ {'a': 1} == {'a': 1.0} }}", "{{ 1 < 'a' }}", "{{ none < 1 }}", "{{ true + true }}",
    "{{ '<a>'|e }}{{ '<a>'|e|e }}{{ '<a>'|safe|e }}{{ '<a>'|forceescape }}{{ ('<a>'|safe) + '<b>' }}",
    "{{ ['<a>'|safe] }}{{ ('<b>'|e).upper() }}{{ ('<b>'|e) ~ '<c>' }}{{ '<b>'|e|length }}",
    "{% set a = 'x' %}{{ a }}\n{% if a %}\n  line\n{% endif %}\n  {{ a }}\n  {%- if a %} y{% endif -%}\n z\n",
    "{% include 'x' %}", "{% import 'x' as y %}", "{% extends 'x' %}", "{% endfor %}", "{% for x in l %}",
    "{% if %}{% endif %}", "{% for in l %}{% endfor %}", "{% set 1 = 2 %}", "{% unknown %}", "{{ 'a }}", "{% if t", "{{ s",
    "{# open", "{{ s } }}", "{% for x in l recursive if x %}{% endfor %}", "{{ s!r }}", "{{ a ? b }}", "{{ l[1 }}", "{{ f(a=1, 2) }}",
    "{{ dict(*[[(1, 2)]]) }}{{ dict(**{'a': 1}) }}", "{{ s.split(*[',']) }}", "{{ dict(**1) }}", "{{ dict(a=1, a=2) }}",
    "{% do l %}", "{% if s == 'Hello, World' and 'role' in m[0] %}y{% endif %}",
    "{{ m|groupby('role')|map('first')|list }}", "{% for g in m|groupby('role') %}{{ g.grouper }}:{{ g.list|length }} {% endfor %}",
    "{% for role, items in m|groupby('role') %}{{ role }}:{{ items|length }} {% endfor %}",
    "{{ m|tojson }}", "{{ {'a': missing}|tojson }}", "{{ {1: 2, none: 3, true: 4, 1.5: 5}|tojson }}", "{{ {(1,): 2}|tojson }}",
    "{{ [1.0, 1e20, 1e-9, 100000000000000000000.0]|tojson }}", "{{ '\\u007f\\u0080é\\u2028🌍</x>'|tojson(ensure_ascii=true) }}",
    "{{ '\\u007f\\u0080é\\u2028🌍</x>&\\'\"'|tojson }}", "{{ []|tojson(indent=2) }}{{ {}|tojson(indent=2) }}{{ [[]]|tojson(indent=0) }}",
    "{{ (1, 2)|tojson }}{{ range(2)|tojson }}", "{{ d.items()|tojson }}", "{{ {'b': 1, 'a': 2}|tojson(sort_keys=true, indent=1) }}",
    "{{ strftime_now('') }}|{{ strftime_now('%%') }}", "{{ strftime_now(1) }}", "{% set x = 1 %}{% set y %}{{ x }}{% set x = 2 %}{% endset %}{{ x }}{{ y }}",
    "{{ caller }}|{{ varargs }}", "{% set loop = 3 %}{{ loop }}{% for loop in l %}{% endfor %}",
    "{{ true }}{{ True }}{{ none }}{{ None }}{{ false }}{{ False }}{{ TRUE }}", "{{ is }}", "{{ in }}", "{{ not }}", "{% set if = 1 %}",
    "{% for x in l -%} {{ x }} {%- endfor %}|", "{% for x in l +%} \n{{ x }}\n {%+ endfor %}|", "\n\n{{ s }}\n\n", " {{- s -}} \n x", "a\r\nb\rc\n",
    "{{ 'a\\r\\nb' }}", "{{ lines|indent }}", "{{ s\n|\nupper }}", "{%\nif t\n%}x{% endif %}", "{{- 1 -}}{{+ 2 }}", "{{ 1 -}}  \n\n {{- 2 }}",
]

PIECES = ["a", " ", "\n", "  \n", "\n  ", "b\n", "\t", "{{ s }}", "{{- i }}", "{{ i -}}", "{{- i -}}",
          "{% if t %}", "{%- if t %}", "{% if t -%}", "{%- if t -%}", "{%+ if t %}", "{% if t +%}",
          "{# c #}", "{#- c #}", "{# c -#}", "{#+ c +#}", "{% set q = 1 %}", "{%- set q = 1 -%}",
          "{% raw %} {{ {% endraw %}", "{%- raw -%} r {%- endraw -%}", "{%+ raw %}\n r\n {% endraw +%}",
          "{% raw %}\n  {%- endraw %}"]
ENDS = ["{% endif %}", "{%- endif %}", "{% endif -%}", "{%- endif -%}", "{%+ endif %}", "{% endif +%}"]


def sources():
    yield from STATEMENTS
    for value, name in itertools.product(VALUES, FILTERS):
        yield "{{ (" + value + ")|" + name + " }}"
    for value, name in itertools.product(VALUES, TESTS):
        yield "{{ (" + value + ") is " + name + " }}"
    for value, name in itertools.product(STRINGS, METHODS):
        yield "{{ (" + value + ")." + name + " }}"
    for a, op, b in itertools.product(OPERANDS, OPERATORS, OPERANDS):
        yield "{{ (" + a + ") " + op + " (" + b + ") }}"
    rng = random.Random(3)
    for _ in range(1500):
        text = ""
        open_ifs = 0
        for _ in range(rng.randint(2, 14)):
            piece = rng.choice(PIECES)
            open_ifs += "if t" in piece
            text += piece
            if open_ifs and rng.random() < 0.3:
                text += rng.choice(ENDS)
                open_ifs -= 1
        yield text + "".join(rng.choice(ENDS) + rng.choice(PIECES[:7]) for _ in range(open_ifs))


def incomparable(text):
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


# ---- spans ----------------------------------------------------------------------------------------


# The model writes this to end a call; its template does not mark it.
ENDS_CALLS = {"diffusion_gemma_training": "<|tool_response>"}


def spans(probe, shared, counts, show):
    """Templates with {% generation %}: what the marks train is what the spans train, except what
    the generation prompt holds already and the white space behind a turn's end. Marked turns may
    lack a span only where training all turns is refused: the template rewrites them."""
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
            if extra or not marks[0] or messages[0]["role"] == "assistant":
                continue  # what comes before a first turn is no prompt that could be rendered
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
                if m and "error" in sample or part == ENDS_CALLS.get(path.stem):
                    continue
                if bool(m) != bool(t) and part and part not in prompt and part != "</s>":
                    left.append((part, "marked" if m else "trained"))
            good = same and not left
            refused = ", of conversations that turns = all refuses" if "error" in sample else ""
            counts["spans, as marked" + refused] += good
            counts["passed" if good else "failed"] += 1
            if not good and counts["failed"] <= show:
                print(f"mismatch: spans {path.stem} {name}: {str(left or answer)[:300]}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--probe", required=True, type=pathlib.Path)
    root = pathlib.Path(__file__).resolve().parents[2]
    parser.add_argument("--shared", type=pathlib.Path, default=pathlib.Path(
        os.environ.get("POSTTRAIN_SHARED") or root.parent / "shared"))
    parser.add_argument("--only", choices=["published", "snippets", "spans"])
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
    if arguments.only in (None, "spans"):
        spans(arguments.probe, shared, counts, arguments.show)
    for name, count in sorted(counts.items()):
        if name not in ("passed", "failed"):
            print(f"{name}: {count}")
    print(f"{counts['passed']} passed, {counts['failed']} failed")
    return 1 if counts["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
