# SPDX-License-Identifier: Apache-2.0
"""Which expressions MathAnswer takes to be equal, against mpmath with 60 digits.

  python tests/parity/math_identity_parity.py --probe build/tests/programs/probe_verify

Small random expressions of 0 … 6, π, e, i, x and y are evaluated by mpmath at three random points. Pairs
are made of those that look equal there, which happens often in many ways (√4 and 2, x² / x and x,
ln(e) and 1), and of others. A pair that mpmath tells apart must not be credited, not one; of the equal
ones 98 % must be: the rest are roots of zeros that rounding leaves, which are not decided.

Prints one line per failed case and ends with `N passed, M failed`.
"""

import argparse
import random
import sys

import mpmath

from verdicts import math_verdicts

PAIRS = 4000
NOTHING = mpmath.mpf(10) ** -40
mpmath.mp.dps = 60
draw = random.Random(17)
POINTS = [{name: mpmath.mpc(draw.uniform(0.75, 1.45), draw.uniform(-0.1, 0.1)) for name in "xy"}
          for _ in range(3)]


class Undefined(Exception):
    pass


def nonzero(z):
    if abs(z) < NOTHING:
        raise Undefined
    return z


def above_the_cut(z):
    """Negative numbers lie on the cut of roots and logarithms; rounding must not choose a side."""
    return mpmath.mpc(z.real, 0) if abs(z.imag) < NOTHING else z


def cube_root(z):
    z = above_the_cut(z)
    if abs(z) < NOTHING:
        return mpmath.mpc(0)
    if z.imag == 0 and z.real < 0:
        return -mpmath.cbrt(-z.real) + 0j
    return mpmath.exp(mpmath.log(z) / 3)


def function(name, z):
    if name == "ln":
        return mpmath.log(nonzero(above_the_cut(z)))
    if abs(z) > 50:
        raise Undefined
    return getattr(mpmath, name)(z)


def leaf(symbols):
    kind = draw.random()
    if symbols and kind < 0.4:
        name = draw.choice("xy")
        return name, lambda point: point[name], 9
    if kind < 0.8:
        number = draw.randint(0, 6)
        return str(number), lambda point: mpmath.mpc(number), 9
    text, value = draw.choice([("\\pi", mpmath.pi + 0j), ("e", mpmath.e + 0j),
                               ("i", mpmath.mpc(0, 1))])
    return text, lambda point: value, 9


def expression(depth, symbols):
    """(LaTeX, value at a point, how tightly it binds)"""
    if depth == 0 or draw.random() < 0.15:
        return leaf(symbols)
    (a, f, tight), (b, g, tight_b) = expression(depth - 1, symbols), expression(depth - 1, symbols)

    def within(text, binds, least):
        return text if binds >= least else draw.choice(["(%s)", "\\left(%s\\right)"]) % text

    kind = draw.choice(["+", "-", "*", "/", "^", "sqrt", "cube", "function", "frac"])
    if kind == "+":
        return f"{within(a, tight, 1)}+{within(b, tight_b, 2)}", lambda p: f(p) + g(p), 1
    if kind == "-":
        return f"{within(a, tight, 1)}-{within(b, tight_b, 2)}", lambda p: f(p) - g(p), 1
    if kind == "*":
        sign = draw.choice(["\\cdot ", "\\times ", "*"])
        return f"{within(a, tight, 2)}{sign}{within(b, tight_b, 3)}", lambda p: f(p) * g(p), 2
    if kind == "/":
        return (f"{within(a, tight, 2)}/{within(b, tight_b, 3)}",
                lambda p: f(p) / nonzero(g(p)), 2)
    if kind == "frac":
        return f"\\frac{{{a}}}{{{b}}}", lambda p: f(p) / nonzero(g(p)), 9
    if kind == "^":
        n = draw.choice([2, 3, -1, -2])
        return (f"{within(a, tight, 9)}^{{{n}}}",
                lambda p: (nonzero(f(p)) if n < 0 else f(p)) ** n, 5)
    if kind == "sqrt":
        return f"\\sqrt{{{a}}}", lambda p: mpmath.sqrt(above_the_cut(f(p))), 9
    if kind == "cube":
        return f"\\sqrt[3]{{{a}}}", lambda p: cube_root(f(p)), 9
    name = draw.choice(["sin", "cos", "ln", "exp"])
    return f"\\{name}({a})", lambda p: function(name, f(p)), 5


def are_equal(a, b):
    for x, y in zip(a, b):
        size = max(abs(x), abs(y))
        if size > mpmath.mpf(10) ** 200:
            raise Undefined
        if size > NOTHING and abs(x - y) > size * NOTHING:
            return False
    return True


def pairs():
    made, known = [], {}
    while len(made) < PAIRS:
        text, f, _ = expression(draw.randint(1, 3), draw.random() < 0.6)
        try:
            values = [f(point) for point in POINTS]
            key = tuple(mpmath.nstr(value, 25) for value in values)
            alike = [each for each in known.setdefault(key, []) if each[0] != text]
            if alike and draw.random() < 0.9:
                other = draw.choice(alike)
            else:
                other = draw.choice(draw.choice(list(known.values())) or [(text, values)])
            known[key].append((text, values))
            made.append((text, other[0], are_equal(values, other[1])))
        except (Undefined, ZeroDivisionError, OverflowError, ValueError):
            continue
    return made


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--probe", required=True, help="the program probe_verify")
    options = parser.parse_args()
    made = pairs()
    verdicts = math_verdicts(options.probe, [
        {"completion": f"\\boxed{{{a}}}", "answer": b} for a, b, _ in made])
    passed = failed = equal = credited = 0
    for (a, b, want), (verdict, _) in zip(made, verdicts, strict=True):
        equal += want
        credited += want and verdict == "right"
        if verdict == "right" and not want:
            failed += 1
            print(f"FAILED {a} is not {b}, but is credited")
        else:
            passed += 1
    print(f"{equal} of {len(made)} pairs are equal, of which {credited} are credited")
    if credited < 0.98 * equal:
        failed += 1
        print("FAILED too few of the equal pairs are credited")
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
