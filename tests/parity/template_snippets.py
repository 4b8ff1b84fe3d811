# SPDX-License-Identifier: Apache-2.0
"""The small templates of template_parity.py: written, combined and generated."""

import itertools
import random

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

# Statements that need a loader, and blocks; Jinja2's environment in transformers has no loader.
BLOCKS = [
    "a{% block x %}b{{ s }}{% endblock %}c", "{% block x %}b{% endblock x %}",
    "{% block x %}b{% endblock y %}", "{% block x %}{% endblock %}{% block x %}{% endblock %}",
    "{% set a = 1 %}{% block x %}{{ a }}{% endblock %}",
    "{% if t %}{% set a = 1 %}{% endif %}{% block x %}{{ a }}{% endblock %}",
    "{% for q in l %}{% block x %}[{{ q }}{{ loop is defined }}]{% endblock %}{% endfor %}",
    "{% for q in l %}{% block x scoped %}[{{ q }}{{ loop.index }}]{% endblock %}{% endfor %}",
    "{% with q = 4 %}{% block x %}{{ q }}{% endblock %}{% endwith %}",
    "{% with q = 4 %}{% block x scoped %}{{ q }}{% endblock %}{% endwith %}",
    "{% block x %}{% set a = 1 %}{{ a }}{% endblock %}|{{ a }}",
    "{% set a = 5 %}{% block x %}{% set a = 1 %}{{ a }}{% endblock %}|{{ a }}",
    "{% block x %}{% set a = 1 %}{% block y %}{{ a }}{% endblock %}{% endblock %}",
    "{% block x %}{% set a = 1 %}{% block y scoped %}{{ a }}{% endblock %}{% endblock %}",
    "{% block x %}a{% endblock %}{{ self.x() }}{{ self.x() }}", "{{ self }}{{ self.x }}|",
    "{% block x %}a{% endblock %}{{ self['x']() }}{{ self.nope is defined }}", "{{ self.nope() }}",
    "{% set self = 3 %}{{ self }}", "{% block x %}{{ super() }}{% endblock %}",
    "{% block x %}{{ super is defined }}{% endblock %}", "{{ super }}|",
    "{% block x %}{{ self.y() }}{% endblock %}{% block y %}Y{% endblock %}",
    "{% block x %}{{ self.x() }}{% endblock %}", "{% macro f() %}{% block x %}{{ s }}{% endblock %}{% endmacro %}{{ f() }}",
    "{% set q = 2 %}{% macro f(q) %}{% block x %}{{ q }}{% endblock %}{% endmacro %}{{ f(1) }}",
    "{% macro f() %}m{{ s }}{% endmacro %}{% block x %}{{ f() }}{% endblock %}",
    "{% set z %}{% block x %}in{% endblock %}{% endset %}<{{ z }}>",
    "{% filter upper %}{% block x %}in{% endblock %}{% endfilter %}",
    "{% block x required %}{% endblock %}", "{% block x required %} {# c #}\n{% endblock %}",
    "{% block x required %}a{% endblock %}", "{% block x scoped required %}{% endblock %}",
    "{% if e %}{% block x required %}{% endblock %}{% endif %}ok", "{% block a-b %}{% endblock %}",
    "{% block %}{% endblock %}", "{% block x %}", "{% for q in l %}{% block x %}{% break %}{% endblock %}{% endfor %}",
    "{% block x %}{% for q in l %}{% break %}{% endfor %}{% endblock %}ok",
    "{% block x %}  \n {% endblock %}\n y", "{%- block x -%} a {%- endblock -%} b",
    "{% include 'x' %}", "{% include 'x' ignore missing %}", "{% include ['x', 'y'] %}",
    "{% include [] ignore missing %}ok", "{% include n ignore missing %}ok", "{% include [] %}",
    "{% include missing ignore missing %}", "{% include '' ignore missing %}", "{% include e ignore missing %}",
    "{% include 'x' with context %}", "{% include 'x' without context %}",
    "{% include 'x' ignore missing with context %}", "{% include 'x' ignore %}", "{% include %}",
    "{% import 'x' as y %}", "{% import 'x' as y with context %}", "{% import 'x' %}", "{% import 'x' as 1 %}",
    "{% from 'x' import a %}", "{% from 'x' import a as b, c with context %}", "{% from 'x' import _a %}",
    "{% from 'x' import %}", "{% from 'x' import a, %}", "{% from 'x' import with context %}",
    "{% extends 'x' %}", "{% extends n %}", "{% extends %}", "{% extends 'x' %}{% extends 'y' %}",
    "{% for q in l %}{% extends 'x' %}{% endfor %}", "{% for q in [] %}{% extends 'x' %}{% endfor %}",
    "{% if t %}{% extends 'x' %}{% endif %}", "{% if e %}{% extends 'x' %}{% endif %}ok",
    "{% if e %}{% extends 'x' %}{% endif %}{% block x %}a{% endblock %}",
    "{% macro f() %}{% extends 'x' %}{% endmacro %}", "{% block x %}{% extends 'x' %}{% endblock %}",
    *("{% if e %}" + tag + "{% endif %}ok" for tag in (
        "{% include 'x' %}", "{% import 'x' as y %}", "{% from 'x' import a %}", "{% include 'x' ignore missing %}",
        "{% from 'x' import a, b as c without context %}", "{% import 'x' as y without context %}",
        "{% include 'x' foo %}", "{% import 'x' %}", "{% from 'x' import _a %}", "{% do l %}", "{% debug %}",
        "{% trans %}x{% endtrans %}", "{% print 1, 2 %}")),
]

# Statements that are rare in chat templates.
RARE = [
    "{% do l.append(1) %}", "{% debug %}", "{% trans %}x{% endtrans %}", "{% print 1 %}", "{% print s, i %}",
    "{% print %}|", "{% print (1, 2) %}", "{% print 1, %}",
    "{% if t: %}y{% endif %}", "{% for x in l: %}{{ x }}{% else: %}n{% endfor %}",
    "{% for x in []: %}{{ x }}{% else: %}n{% endfor %}", "{% if e: %}a{% elif e: %}b{% else: %}c{% endif %}",
    "{% macro f(): %}x{% endmacro %}{{ f() }}", "{% filter upper: %}x{% endfilter %}", "{% with: %}x{% endwith %}",
    "{% with a = 1: %}x{% endwith %}", "{% generation: %}x{% endgeneration %}", "{% set x: %}y{% endset %}",
    "{% block x: %}y{% endblock %}", "{% autoescape true: %}y{% endautoescape %}", "{% raw: %}y{% endraw %}",
    "{% call: f() %}{% endcall %}", "{% if t %}y{% endif: %}", "{% with %}{% set a = 1 %}{{ a }}{% endwith %}{{ a }}",
    "{% with a, b = (1, 2) %}{{ a }}{{ b }}{% endwith %}", "{% with a, b = 1, 2 %}{{ a }}{% endwith %}",
    "{% with a = 1, b = a %}{{ b }}{% endwith %}", "{% with a %}{% endwith %}", "{% with 1 = 2 %}{% endwith %}",
    "{% with a = 1 b = 2 %}{% endwith %}", "{% with (a, b) = (1, 2) %}{{ b }}{% endwith %}",
    "{% set ns = namespace(x=1) %}{% with ns.x = 2 %}{{ ns.x }}{% endwith %}",
    "{% filter length %}abc{% endfilter %}", "{% filter list %}abc{% endfilter %}", "{% filter first %}abc{% endfilter %}",
    "{% filter safe %}<b>{% endfilter %}", "{% filter e %}<b>{% endfilter %}", "{% filter %}x{% endfilter %}",
    "{% filter trim|upper %} a {% endfilter %}", "{% filter nope %}x{% endfilter %}", "{% filter upper() %}x{% endfilter %}",
    "{% filter indent(2) %}a\nb{% endfilter %}", "{% filter default('x', true) %}{% endfilter %}",
    "{% macro f() %}{{ caller() }}{{ caller() }}{% endmacro %}{% call f() %}{{ s }}{% endcall %}",
    "{% macro f() %}{{ caller(1, b=2) }}{% endmacro %}{% call(a, b=3) f() %}{{ a }}{{ b }}{% endcall %}",
    "{% macro f() %}{{ caller(1, 2) }}{% endmacro %}{% call(a) f() %}{{ a }}{% endcall %}",
    "{% call s %}{% endcall %}", "{% call s.upper() %}{% endcall %}", "{% call dict() %}x{% endcall %}",
    "{% call(a, a) f() %}{% endcall %}", "{% macro f(a, a) %}{% endmacro %}",
    "{% for x in l %}{% call f() %}{% break %}{% endcall %}{% endfor %}",
    "{% macro f() %}{{ caller.name }}|{{ caller.arguments }}{% endmacro %}{% call(a, b) f() %}{% endcall %}",
    "{% macro f(a, b=2) %}{{ f.arguments }}{{ f.catch_kwargs }}{{ f.catch_varargs }}{{ f.caller }}{% endmacro %}{{ f(1) }}",
    "{% macro f(caller) %}{{ caller() }}{% endmacro %}{% call f() %}x{% endcall %}",
    "{% macro f(caller=3) %}{{ caller }}{% endmacro %}{{ f() }}", "{% raw -%}  a {%- endraw %}", "{% raw %}{% raw %}{% endraw %}",
    "{% raw %}{{ 'x' }}{# c #}{% endraw %}", "{% endraw %}", "{% generation %}{% generation %}x{% endgeneration %}{% endgeneration %}",
    "{% generation %}x", "{% endgeneration %}", "{% generation x %}{% endgeneration %}", "{% for x in l %}{% generation %}{{ x }}"
    "{{ loop.index }}{% endgeneration %}{% endfor %}", "{% set a = 1 %}{% generation %}{{ a }}{% endgeneration %}",
    "{% macro f() %}{% generation %}x{% endgeneration %}{% endmacro %}{{ f() }}",
    "{% for x in [1, 1, 2, 2, 1] %}{% if loop.changed(x) %}{{ x }}{% endif %}{% endfor %}",
    "{% for x in l %}{% if loop.changed() %}{{ x }}{% endif %}{% endfor %}", "{% for x in l %}{{ loop.cycle() }}{% endfor %}",
    "{% for x in l %}{% for y in l %}{{ loop.depth }}{{ loop.depth0 }}{% endfor %}{% endfor %}",
    "{% for x in [[1, [2]], [3]] recursive %}{{ loop.depth }}{% if x is iterable %}{{ loop(x) }}{% else %}{{ x }}{% endif %}"
    "{{ loop.depth0 }}{% endfor %}", "{% for x in l %}{{ loop.nope }}{% endfor %}", "{% for x in l %}{{ loop['index'] }}{% endfor %}",
    "{% for x in l|map('string') %}{{ loop.length }}{{ loop.last }}{{ loop.revindex }}{% endfor %}",
    "{% for x in 'héy' %}{{ x }}{{ loop.nextitem }},{% endfor %}", "{% for k in d %}{{ k }}{{ d[k] }}{% endfor %}",
    "{% for x in range(3) if x is odd %}{{ loop.index }}{{ x }}{% else %}n{% endfor %}",
    "{% for x in l if loop.index > 1 %}{{ x }}{% endfor %}", "{% for x in 5 %}{% endfor %}", "{% for x in n %}{% endfor %}",
    "{{ lipsum is defined }}{{ lipsum is callable }}{{ 'random' is filter }}{{ 'urlize' is filter }}{{ 'do' is test }}",
    "{% if e %}{{ lipsum() }}{{ l|random }}{% endif %}ok", "{{ joiner }}{{ cycler is callable }}{{ namespace is defined }}",
    "{% set j = joiner() %}{{ j() }}{{ j() }}{{ j(1) }}", "{% set j = joiner(sep='-') %}{{ j() }}{{ j() }}{{ j.sep }}{{ j.used }}",
    "{% set c = cycler(1, 2) %}{{ c.items }}{{ c.pos }}{{ c.next() }}{{ c.pos }}", "{{ cycler() }}",
    "{{ dict.fromkeys(['a', 'b'], 1) }}", "{{ dict.fromkeys('ab') }}", "{{ namespace(a=1).a }}{{ namespace([('b', 2)]).b }}",
    "{{ range.start }}|", "{{ range(5).start }}{{ range(1, 7, 2).stop }}{{ range(1, 7, 2).step }}", "{{ range(5, 2) }}{{ range(0, 5, 2) }}{{ range(9, 0, -3) }}{{ range(10)[2:8:3] }}{{ range(10)[::-2] }}{{ range(1, 10, 3)[1:] }}",
    "{{ range(5).index(3) }}{{ range(5).count(9) }}",
    "{{ 3 in range(5) }}{{ range(5)[::2] }}{{ range(5)[::-1]|list }}{{ range(3)|sum }}",
    "{{ ''.join(l|map('string')) }}{{ ','.join('abc') }}{{ '-'.join(d) }}", "{{ 'a'.join({'x': 1}.keys()) }}",
    "{{ (1, 2, 1).count(1) }}{{ (1, 2).index(2) }}{{ (1, 2) + (3,) }}{{ (1, 2) * 2 }}", "{{ l.extend([1]) }}", "{{ l.clear() }}", "{{ d.setdefault('q', 1) }}",
    "{{ l.__class__ }}|{{ d.__len__() }}", "{{ l.reverse() }}", "{{ d.fromkeys(['a']) }}", "{{ d | items | list }}{{ d.items() | list | first }}",
    "{{ 'abcdef'[1:4] }}{{ 'abcdef'[::2] }}{{ 'abcdef'[-3:] }}{{ 'abcdef'[10:] }}{{ 'abcdef'[4:1:-1] }}", "{{ l[::0] }}", "{{ (1, 2, 3)[1:] }}{{ l[:-1] }}{{ l['1'] }}",
    "{{ '%s and %r' % ('a', 'b') }}{{ '%%' % () }}{{ '%(a)s' % d }}", "{{ '%s' % (1,) }}{{ '%05.1f|%-6d|%+.2e' % (3.14159, 42, 12345.678) }}",
    "{{ '%s %s'|format('a', 1) }}{{ '%(x)s'|format(x=2) }}{{ '%d%%'|format(5) }}", "{{ '{:>{w}}'.format('a', w=4) }}{{ '{a[0]}{b.x}'.format(a=[1], b={'x': 2}) }}",
    "{{ 'a'|attr('nope') is defined }}{{ m[0]|attr('role') is defined }}", "{{ strftime_now('%Y') == strftime_now('%Y') }}",
]

# What autoescape does to everything that prints or joins.
MARKED = ["s", "tags", "'<b>'", "'<b>'|safe", "['<', '>'|safe]", "['<', '>']", "i", "n", "missing", "[]", "{'<': '>'|safe}",
          "m", "' <x> '|safe", "'<'|e"]
AUTOESCAPE = [
    "{% autoescape true %}{{ tags }}{{ tags|safe }}{{ '<' }}{{ 1 }}{{ n }}<b>{% endautoescape %}{{ '<' }}",
    "{% autoescape false %}{{ tags }}{% endautoescape %}", "{% autoescape t %}{{ '<' ~ '>' }}{{ '<' ~ '>'|safe }}{% endautoescape %}",
    "{% autoescape true %}{{ '<' ~ '>' }}{{ '<' ~ '>'|safe }}{{ '<' + '>' }}{{ ('<' ~ '>') is escaped }}{% endautoescape %}",
    "{% autoescape true %}{% set x %}<b>{{ '<' }}{% endset %}{{ x }}{% endautoescape %}{{ x is defined }}",
    "{% autoescape true %}{% set x | upper %}<b>{{ '<' }}{% endset %}{{ x }}{% endautoescape %}",
    "{% autoescape true %}{% filter upper %}<b>{{ '<' }}{% endfilter %}{% endautoescape %}",
    "{% macro f(x) %}<i>{{ x }}{% endmacro %}{% autoescape true %}{{ f('<') }}{{ f('<'|safe) }}{{ f('<')|e }}{% endautoescape %}{{ f('<') }}",
    "{% autoescape true %}{% macro f(x) %}<i>{{ x }}{% endmacro %}{{ f('<') }}{% endautoescape %}",
    "{% set ns = namespace() %}{% autoescape true %}{% macro f(x) %}<i>{{ x }}{% endmacro %}{% set ns.f = f %}{% endautoescape %}{{ ns.f('<') }}",
    "{% macro f() %}{{ caller() }}{{ '<' }}{% endmacro %}{% autoescape true %}{% call f() %}<b>{{ '<' }}{% endcall %}{% endautoescape %}",
    "{% autoescape true %}{% block x %}{{ '<' }}{% endblock %}{{ self.x() }}{% endautoescape %}{{ self.x() }}",
    "{% autoescape t %}{{ tags }}{% autoescape false %}{{ '<' }}{% endautoescape %}{{ '<' }}{% endautoescape %}",
    "{% autoescape true %}{% autoescape t %}{{ '<' }}{{ ('<' ~ '>'|safe) is escaped }}{% endautoescape %}{{ ('<' ~ '>'|safe) is escaped }}{% endautoescape %}",
    "{% for x in l %}{% autoescape true %}{% break %}{% endautoescape %}{% endfor %}{{ '<' }}{{ ['<', '>'|safe]|join }}",
    "{% for x in l %}{% autoescape true %}{% continue %}{% endautoescape %}{% endfor %}{{ {'a': '<'}|xmlattr is escaped }}",
    "{% autoescape true %}{% for x in [[1, []], []] recursive %}<{{ loop(x) if x is iterable else '<' }}{% endfor %}{% endautoescape %}",
    "{% autoescape true %}{% generation %}{{ '<' }}{% endgeneration %}{% endautoescape %}", "{% autoescape %}{% endautoescape %}",
    "{% autoescape true %}{{ '<a>'.upper() }}{{ '<a>'|upper|safe }}{{ '%s'|format('<') }}{{ '%s'|safe|format('<') }}{% endautoescape %}",
    "{% autoescape true %}{{ ['<', '>'|safe]|join('&') }}{{ ['<']|join('&'|safe) }}{{ ['<']|join('&') }}{% endautoescape %}",
    "{% autoescape true %}{{ '<a>'|replace('a', '&') }}{{ '<a>'|safe|replace('a', '&') }}{{ '<a>'|replace('a'|safe, '&') }}"
    "{{ '<a>'|replace('a', '&'|safe) }}{% endautoescape %}", "{% autoescape true %}{{ {'<': '>'}|tojson }}{{ d|string }}{{ l }}{% endautoescape %}",
    "{% autoescape true %}{{ {'a': '<', 'b': '<'|safe, 'c': none}|xmlattr }}{{ 'http://a.b'|urlize }}{% endautoescape %}",
    "{% for x in l %}{% autoescape true %}{% break %}{% endautoescape %}{% endfor %}{{ [tags, '>'|safe]|join }}",
    "{% for x in l %}{% autoescape true %}{% continue %}{% endautoescape %}{% endfor %}{{ {'a': tags}|xmlattr is escaped }}",
    "{% macro f() %}{{ ['<', '>'|safe]|join }}{{ [s, '<', '>'|safe]|join }}{% endmacro %}{% autoescape true %}{{ f() }}{% endautoescape %}",
    "{% autoescape t %}{{ '<' }}{{ s ~ '<' }}{{ '<'|upper }}{{ ['<']|first }}{{ '<'.upper() }}{{ '<' if t else '>' }}{% endautoescape %}",
    "{% autoescape true %}{{ '<' ~ s ~ '>'|safe }}{{ '<' ~ '>'|safe ~ s }}{{ s ~ ('<'|safe ~ '>') }}{{ s ~ tags ~ '>' }}{% endautoescape %}",
    "{{ ('%s'|safe) % '<' }}{{ ('%s %s'|safe) % ('<', 1) }}{{ ('%(a)s'|safe) % {'a': '<'} }}{{ '%s'|safe|format('<') }}",
    "{{ ('{}'|safe).format('<') }}{{ ('<b>'|safe).replace('b', '<') }}{{ ('-'|safe).join(['<', '>'|safe]) }}",
    "{{ ('a b'|safe).split()[0] is escaped }}{{ ('<b>'|safe).strip('<') }}{{ ('a&b'|safe).split('&') }}{{ ('a<b'|safe).partition('<') }}",
    "{{ ('<'|safe)|title is escaped }}{{ ('<'|safe)|last is escaped }}{{ ('<'|safe)|first is escaped }}{{ ('<'|safe)|reverse is escaped }}"
    "{{ ('<'|safe)|center is escaped }}{{ ('<'|safe)|string is escaped }}{{ ('<'|safe)|trim is escaped }}{{ ('<'|safe)|indent is escaped }}",
    "{% autoescape missing %}{{ '<' }}{% endautoescape %}", "{% autoescape 1 == 1 %}{{ ('<' ~ '>'|safe) }}{% endautoescape %}",
    "{% autoescape not t %}{{ '<' }}{% endautoescape %}", "{% autoescape 'x'|upper == 'X' %}{{ '<' ~ '>'|safe }}{% endautoescape %}",
    "{% autoescape true %}{% if t %}{{ '<' }}{% endif %}{% with a = '<' %}{{ a }}{% endwith %}{% print '<' %}{% endautoescape %}",
    "{{ ('<a>'|safe|replace('a', 'b')) is escaped }}{{ (['<'|safe]|join) is escaped }}{{ ('<'|safe ~ '>') is escaped }}",
]

# The filters that Jinja has for web pages and for looking at values.
PRETTY = [
    "l", "d", "m", "s", "u", "n", "f", "missing", "range(4)", "d.items()", "'x'|safe", "[]", "{}", "()", "(1,)", "m + m + m", "d.keys()",
    "'word ' * 40", "['word ' * 40]", "('word ' * 40,)", "{'k': 'word ' * 40, 'a': 1}", "'a' * 100", "('a' * 100, 'b')", "[['a' * 30] * 3] * 3",
    "'line one is long enough\nand two\n' * 4", "['line one is long enough\nand two\n' * 4]", "' lead ' * 30", "{2: 'b', 'x': 1, none: 3, 1.5: 4}",
    "{'b' * 50: 'c' * 50, 'a' * 50: ['d' * 20] * 4}", "{(2, 1): 3, (1, 2): 4}", "['word ' * 40]|map('upper')|list", "m|groupby('role')|list",
    "{'nested': {'deep': {'deeper': ['x' * 20] * 5, 'y': ('z ' * 40, 1)}}, 'a': range(5)}", "namespace(a='x' * 90)", "('long ' * 30)|safe",
    "[missing, none, true, 1.0, 1e22]", "['é' * 50, '你' * 50]", "'\t tab\r\nand more of it \x1c sep ' * 6", "{'z': {'b': 1, 'a': 2}, 'y': [{'d': 1, 'c': 2}]}",
    "['a ' * 34]", "['a ' * 36]", "'a ' * 38", "'a ' * 40", "('ab ' * 24, 1)", "{'a': 'ab ' * 23}", "{'a': 'ab ' * 24, 'b': 1}", "[[[[['ab ' * 30]]]]]",
]
WRAPPED = [
    "s", "u", "e", "lines", "n", "i", "missing", "l", "'word ' * 30", "'a' * 200", "'Look, goof-ball -- use the -b option!' * 3", "tags",
    "'one\n\ntwo three\n'", "'a-b-c-d-e-f-g-h'", "'well-known long-standing state-of-the-art x-ray--ed'", "'  lead and trail  '", "'a   b   c'",
    "'--------------'", "'ab--cd---ef'", "'e.g.--such, \'x\'--y \"z\"--w'", "'x1-y2-ab-cd'", "'\u3000\u3000 wide \u3000 x'", "'a\tb\tc d'", "'你好-世界 Grüße-gott'",
    "('<b> & c ' * 9)|safe", "'12-34-56 ab-12 a-bc-d'", "'word    ' * 12", "'-a -b --c a-'", "'abc- def -ghi j-k'",
]
WRAPS = ["wordwrap", "wordwrap(20)", "wordwrap(5)", "wordwrap(1)", "wordwrap(7, false)", "wordwrap(6, true, '|')", "wordwrap(6, break_on_hyphens=false)",
         "wordwrap(0)", "wordwrap(-1)", "wordwrap(10, wrapstring='<br>'|safe)", "wordwrap('5')", "wordwrap(4, wrapstring='')", "wordwrap(none)",
         "wordwrap(12, false, none, false)", "wordwrap(8, break_on_hyphens=1)", "wordwrap(3, wrapstring=4)", "wordwrap(2, false)", "wordwrap(width=9)"]
LINKED = [
    "'see http://a.b/c?d=e&f=g#h and https://x.y.'", "'(http://a.com)'", "'<http://a.com>'", "'http://a.com/x_(y)'", "'(http://a.com/x_(y))'", "'www.example.org, www.a'",
    "'mail me@x.org or mailto:you@y.com, @a@b x@y @z'", "'example.com foo.net/bar a.b.info:80/x x.edu. a.mil b.xyz'", "'http://127.0.0.1:8000/ http://[::1]:80/ http://[fe80::1]/x'",
    "'ftp://a.b/c ftp: tel:123 HTTP://A.COM Https://b.c'", "'http:// https:// http://a http://a.b-c http://-a.com http://xn--abc'", "'a\n http://b.c \t\n d.com\n'",
    "tags", "s", "u", "i", "n", "missing", "l", "'http://a.com/\"x\"&lt;y&gt;'", "'http://a.com&gt;'|safe", "('http://a.com/' + 'x' * 50)", "'http://ü.de/ö www.日本.jp'",
    "'http://a.b:123456 http://a.b:99999/x http://a_b.c/ http://a%20b.c'", "'a@b.c. (d@e.f) <g@h.i>, a@b a@b. a@.c a:b@c.d www.a@b.c'", "'((http://a.com))))'", "'http://a.com).,>'",
    "'mailto:a@b.c?x=y mailto: mailto:x'", "'http://256.1.1.1 http://1.2.3 http://1.2.3.4.5 http://1.2.3.4x'", "'http://a.com\x1chttp://b.com'", "'...()'", "'http://[1:2] http://[::] http://[a:b:c:d:e:f:1:2]'",
]
LINKS = ["urlize", "urlize(10)", "urlize(10, true)", "urlize(nofollow=true)", "urlize(target='_blank')", "urlize(rel='b a noopener')", "urlize(rel='\"<')", "urlize(target='<x>')",
         "urlize(extra_schemes=['ftp:', 'tel:'])", "urlize(extra_schemes=['x'])", "urlize(extra_schemes=[1])", "urlize(-3)", "urlize('3')", "urlize(0)", "urlize(extra_schemes=['ftp://'], target='q')",
         "urlize(rel=1)", "urlize(extra_schemes='ab')", "urlize(extra_schemes=[])"]
ATTRIBUTES = ["d", "{}", "{'a': none, 'b': missing}", "{'class': 'x y', 'id': 3}", "{'a': '<\'\"&>'}", "{'a': '<'|safe}", "{'a b': 1}", "{'a b': none}", "{'a/b': 1}", "{'a=': 1}", "{'a>': 1}",
              "{'<': 1}", "{1: 2}", "{1: none}", "s", "n", "missing", "l", "{'a\x1cb': 1, 'é': true}", "{'a': [1, '<']}", "namespace(a=1)", "{'a'|safe: 1}", "{('x&'|safe): 'x&'|safe}"]


def calls(values, filters):
    for value, name in itertools.product(values, filters):
        yield "{{ (" + value + ")|" + name + " }}"


def rare():
    yield from BLOCKS + RARE + AUTOESCAPE
    yield from calls(PRETTY, ["pprint"])
    yield from calls(WRAPPED, WRAPS)
    yield from calls(LINKED, LINKS)
    yield from calls(ATTRIBUTES, ["xmlattr", "xmlattr(false)", "xmlattr(autospace=true)"])
    yield from ("{% autoescape true %}" + call + "{% endautoescape %}" for call in calls(MARKED, FILTERS))


def sources():
    yield from STATEMENTS
    yield from rare()
    yield from calls(VALUES, FILTERS)
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
