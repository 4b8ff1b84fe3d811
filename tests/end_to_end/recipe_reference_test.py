# SPDX-License-Identifier: Apache-2.0
"""docs/recipes.md lists every member of every recipe, made from their tables; one name has one type, unit and line of
help in all of them, and all have one order.

  python tests/end_to_end/recipe_reference_test.py BUILD/tests/programs/recipe_run

POSTTRAIN_UPDATE_DOCS=1 in the environment rewrites the page.
"""

import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "tools"))
import generated_part

SCRIPT, PAGE = "tests/end_to_end/recipe_reference_test.py", "docs/recipes.md"


def shown(value):
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def in_one_order(tables):
    """All members, each behind those that stand before it anywhere."""
    before = {}
    for rows in tables.values():
        names = [row["name"] for row in rows]
        for place, name in enumerate(names):
            before.setdefault(name, set()).update(names[:place])
    order = []
    while len(order) < len(before):
        free = [name for name in before if name not in order and before[name] <= set(order)]
        if not free:
            raise ValueError(f"no order of {', '.join(name for name in before if name not in order)} is that of all")
        order.append(free[0])
    return order


def cells(name, tables):
    """(row of the page, what is wrong)"""
    rows = {function: row for function, table in tables.items() for row in table if row["name"] == name}
    kinds = {(row["type"], row["unit"], row["help"]) for row in rows.values()}
    values = [shown(row["default"]) for row in rows.values()]
    usual = max(values, key=values.count)
    others = [f"`{function}`: {shown(row['default'])}" for function, row in rows.items()
              if shown(row["default"]) != usual]
    functions = "all" if len(rows) == len(tables) else ", ".join(f"`{function}`" for function in rows)
    kind, unit, text = next(iter(kinds))
    wrong = f"{name} has {len(kinds)} meanings: {sorted(kinds)}" if len(kinds) > 1 else ""
    return [f"`{name}`", kind, unit, "; ".join([usual] * bool(usual) + others), functions, text], wrong


def main():
    done = subprocess.run([sys.argv[1], "tables"], capture_output=True, text=True, check=True)
    tables = json.loads(done.stdout)
    results = []

    def case(name, wrong):
        results.append(not wrong)
        print(f"{'FAILED' if wrong else 'ok'} {name}" + (f": {wrong}" if wrong else ""), flush=True)

    try:
        order = in_one_order(tables)
        case("all recipes have one order", "")
    except ValueError as error:
        order = sorted({row["name"] for rows in tables.values() for row in rows})
        case("all recipes have one order", str(error))
    rows = []
    for name in order:
        row, wrong = cells(name, tables)
        rows.append(row)
        case(name, wrong)
    lines = generated_part.table(["member", "type", "unit", "default", "functions", "meaning"], rows)
    case(PAGE, generated_part.check(PAGE, "members", SCRIPT, lines))
    print(f"{sum(results)} passed, {len(results) - sum(results)} failed")
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
