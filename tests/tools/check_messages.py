# SPDX-License-Identifier: Apache-2.0
"""Every message that docs/troubleshooting.md quotes in bold still is one of the library's: each piece of it
between "…" stands in a string of include/."""

import re

import repo

FILE = "docs/troubleshooting.md"
QUOTED = re.compile(r"\*\*((?:`[^`]+`(?:,\s+)?)+)\*\*")
STRING = re.compile(r'"((?:[^"\\\n]|\\.)*)"')


def library_text():
    """All strings of the sources, adjacent ones joined, places of values as …"""
    text = []
    for name in repo.files(".hpp", ".ipp"):
        if name.startswith("include/"):
            source = re.sub(r'"\s*\n\s*"', "", repo.read(name))
            text += [re.sub(r"\{\{", "{", re.sub(r"\{[:\w#.]*\}", "…", string)).replace('\\"', '"')
                     for string in STRING.findall(source)]
    return "\n".join(text)


def pieces(message):
    """The words of a message between values, names of files and keys aside."""
    for piece in message.split("…"):
        piece = " ".join(piece.split()).strip(" '[]():,")
        piece = re.sub(r"^(FILE:LINE: |tokenizer(_config)?\.json: |got )", "", piece)
        if " " in piece:
            yield piece


def main():
    cases = repo.Cases()
    text = library_text()
    quoted = [message for group in QUOTED.findall(repo.read(FILE)) for message in re.findall(r"`([^`]+)`", group)]
    if len(quoted) < 40:
        cases.case(FILE, [f"expected at least 40 quoted messages, found {len(quoted)}"])
    for message in quoted:
        cases.case(message, [f"no message of the library says '{piece}'"
                             for piece in pieces(message) if piece not in text])
    cases.finish()


if __name__ == "__main__":
    main()
