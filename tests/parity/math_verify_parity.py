# SPDX-License-Identifier: Apache-2.0
"""Verdicts of MathAnswer against math-verify 0.9.0 and against sympy.

  python tests/parity/math_verify_parity.py --probe build/tests/programs/probe_verify

Every case of tests/rewards/math_cases.jsonl: ours must be what the case wants, and math-verify's must be
what the case says of it (`peer`; `peer_plain` where it differs with a gold answer as bare text), so that
its known errors are facts and not memories. Then pairs made by sympy: an expression and another form of
it, or a form of another one; ours must be right, math-verify's errors are counted. math-verify gets the
gold answer between dollar signs, as it wants it.

Prints math-verify's errors by case, one line per failed case, and ends with `N passed, M failed`.
"""

import argparse
import json
import logging
import random
import sys
import warnings
from pathlib import Path

import math_verify
import sympy

from verdicts import math_verdicts

CASES = Path(__file__).resolve().parents[1] / "rewards/math_cases.jsonl"
PAIRS = 120


def peer(completion, answer, plain=False):
    try:
        gold = math_verify.parse(answer if plain else f"${answer}$")
        return "right" if math_verify.verify(gold, math_verify.parse(completion)) else "wrong"
    except Exception:  # it has no other way to say that it cannot
        return "wrong"


def sympy_pairs():
    """(text, gold, want): the same number or function in two forms, or two that differ."""
    draw = random.Random(7)
    x, y = sympy.symbols("x y")

    def number():
        return sympy.Rational(draw.randint(-30, 30), draw.randint(1, 12))

    def polynomial():
        return sum(number() * x**i * y**j for i in range(3) for j in range(2))

    def surd():
        return number() + number() * sympy.sqrt(draw.choice([2, 3, 5, 6, 7, 10, 12, 45]))

    kinds = [
        lambda: (lambda a: (a, sympy.factor(a)))(sympy.expand(polynomial() * (x + number()))),
        lambda: (lambda a: (a, sympy.together(a)))(number() / (x + 1) + number() / (x + 2)),
        lambda: (lambda a: (a, sympy.radsimp(1 / (1 / a))))(surd() + 100),
        lambda: (lambda a: (a, sympy.expand(a)))((surd() + 1) ** 2),
        lambda: (lambda a: (a, sympy.expand_trig(a)))(sympy.sin(2 * x) + number()),
        lambda: (lambda a: (a, sympy.expand_log(a, force=True)))(sympy.log(x**2 * 3) + number()),
        lambda: (lambda a: (a, sympy.expand(a)))((number() + sympy.I * number()) ** 2 + 1),
        lambda: (lambda a: (a, sympy.nsimplify(a)))(number()),
    ]
    made = []
    for i in range(PAIRS):
        expression, other = kinds[i % len(kinds)]()
        want = i // len(kinds) % 2 == 0
        if not want:
            other = other + draw.choice([1, sympy.Rational(1, 7), -2])
        made.append((sympy.latex(other), sympy.latex(expression), "right" if want else "wrong"))
    return made


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--probe", required=True, help="the program probe_verify")
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    passed = failed = 0

    def count(name, problem):
        nonlocal passed, failed
        if problem:
            failed += 1
            print(f"FAILED {name}: {problem}")
        else:
            passed += 1

    cases = [json.loads(line) for line in CASES.read_text(encoding="utf-8").splitlines()]
    errors = 0
    for case, (verdict, reason) in zip(cases, math_verdicts(options.probe, cases)):
        name = f"row {case['row']}: {case['completion'][:60]!r} for {case['answer'][:40]!r}"
        problem = "" if verdict == case["want"] else \
            f"expected {case['want']}, got {verdict} ({reason})"
        for key in ("peer", "peer_plain"):
            if key in case and not problem:
                theirs = peer(case["completion"], case["answer"], key == "peer_plain")
                if theirs != case[key]:
                    problem = f"math-verify says {theirs}, the case that it says {case[key]}"
                elif theirs != case["want"]:
                    errors += 1
                    options_text = f" (options {case['options']})" if "options" in case else ""
                    print(f"math-verify: {theirs}, want {case['want']}: {name}{options_text}")
        count(name, problem)

    pairs = sympy_pairs()
    rows = [{"completion": f"\\boxed{{{text}}}", "answer": gold} for text, gold, _ in pairs]
    wrong = 0
    for (text, gold, want), row, (verdict, reason) in zip(pairs, rows, math_verdicts(options.probe, rows)):
        count(f"{text} for {gold}", "" if verdict == want else
              f"expected {want}, got {verdict} ({reason})")
        wrong += peer(row["completion"], gold) != want
    print(f"math-verify differs in {errors} cases of the table and {wrong} of {len(pairs)} pairs")
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
