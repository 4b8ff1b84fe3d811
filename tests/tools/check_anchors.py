# SPDX-License-Identifier: Apache-2.0
"""Every `docs/FILE.md#anchor` in a source, and every relative link between documents, exists.

The messages of concepts/check.hpp and friends point into docs/concepts.md; a heading's anchor is its
text in lower case with dashes, as renderers of Markdown make it.
"""

import os
import re

import repo

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
MENTION = re.compile(r"\b(docs/[\w.-]+\.md)(#[\w-]+)?")
HEADING = re.compile(r"^#{1,6} +(.+?) *#*$", re.MULTILINE)


def without_code(text):
    text = re.sub(r"^([ \t]*)```.*?^\1```", "", text, flags=re.MULTILINE | re.DOTALL)
    return text


def anchors(path):
    """The anchors of a Markdown file, or nothing if there is no such file."""
    if not os.path.isfile(os.path.join(repo.ROOT, path)):
        return None
    found = set()
    for heading in HEADING.findall(without_code(repo.read(path))):
        text = re.sub(r"[^\w\- ]", "", heading.strip().lower())
        found.add(text.replace(" ", "-"))
    return found


def problem(path, anchor):
    known = anchors(path) if path.endswith(".md") else set()
    if not os.path.exists(os.path.join(repo.ROOT, path)):
        return f"no file {path}"
    if anchor and anchor not in known:
        return f"{path} has no heading for #{anchor}"
    return None


def main():
    cases = repo.Cases()
    for name in repo.files(".hpp", ".cpp", ".py", ".sh", ".md", ".build"):
        if name == "tests/tools/check_anchors.py":
            continue
        text = repo.read(name)
        wanted = {(path, (anchor or "")[1:]) for path, anchor in MENTION.findall(text)}
        if name.endswith(".md"):
            for target in LINK.findall(without_code(text)):
                if "://" in target or target.startswith("mailto:"):
                    continue
                path, _, anchor = target.partition("#")
                path = os.path.normpath(os.path.join(os.path.dirname(name), path)) if path else name
                wanted.add((path, anchor))
        problems = sorted({p for p in (problem(*w) for w in wanted) if p})
        if wanted:
            cases.case(name, problems)
    cases.finish()


if __name__ == "__main__":
    main()
