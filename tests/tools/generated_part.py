# SPDX-License-Identifier: Apache-2.0
"""Parts of documents that tests write:

    <!-- NAME: the test's path -->
    …
    <!-- /NAME -->

With POSTTRAIN_UPDATE_DOCS=1 in the environment they are rewritten, else compared.
"""

import os

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def table(titles, rows):
    """Lines of a Markdown table; a bar within a cell is written as a character reference."""
    lines = ["| " + " | ".join(titles) + " |", "|" + "---|" * len(titles)]
    for row in rows:
        assert len(row) == len(titles), row
        lines.append("| " + " | ".join(cell.replace("|", "&#124;") for cell in row) + " |")
    return lines


def check(page, name, script, lines):
    """What is wrong with the part of a page, or nothing."""
    path = os.path.join(ROOT, page)
    with open(path) as file:
        text = file.read()
    begin, end, part = f"<!-- {name}: {script} -->\n", f"<!-- /{name} -->\n", "\n".join(lines) + "\n"
    if text.count(begin) != 1 or text.count(end) != 1 or text.index(end) < text.index(begin):
        return f"expected the line {begin.strip()} and the line {end.strip()}, once each"
    head, rest = text.split(begin)
    old, tail = rest.split(end)
    if os.environ.get("POSTTRAIN_UPDATE_DOCS") == "1":
        if old != part:
            with open(path, "w") as file:
                file.write(head + begin + part + end + tail)
        return ""
    if old == part:
        return ""
    lines, now = old.splitlines(), part.splitlines()
    place = next((i for i, pair in enumerate(zip(lines, now)) if pair[0] != pair[1]), min(len(lines), len(now)))
    shown = now[place] if place < len(now) else "its end"
    return f"another line {place + 1} than made from the tables: {shown}; hint: POSTTRAIN_UPDATE_DOCS=1 rewrites it"
