# SPDX-License-Identifier: Apache-2.0
"""Writes include/posttrain/concepts/impl/near_misses.hpp: misspelt names of optional facets.

A facet that is found by its name is silently off where the name is misspelt, and C++ cannot list a
type's members. So the likely misspellings of each name are listed: one letter left out, one doubled,
two neighbours swapped, camelCase, without underscores. concepts/gate.hpp refuses a type that has one.

    python3 tests/tools/near_misses.py          # compares the file with the list of facets below
    python3 tests/tools/near_misses.py --fix    # writes it
"""

import sys

import repo

FILE = "include/posttrain/concepts/impl/near_misses.hpp"
FACETS = ["virtual_tokens", "prepare", "prompt_ids", "prefix", "after_layer", "critic_values",
          "critic_hidden", "teacher_hidden", "teacher_logits", "begin_batch", "end_batch", "checkpoint_tensors", "release_masters", "reference",
          "weights_version"]
# Words that a type may well have beside a facet.
WORDS = {"refence"}
HEAD = """// SPDX-License-Identifier: Apache-2.0
// Names of the facets of concepts/gate.hpp, and likely misspellings of each. Written by
// tests/tools/near_misses.py.
#pragma once

"""


def near(name):
    """Misspellings, in order of the alphabet."""
    found = set()
    for i in range(len(name)):
        found.add(name[:i] + name[i + 1:])
        found.add(name[:i + 1] + name[i:])
        found.add(name[:i] + name[i + 1:i + 2] + name[i] + name[i + 2:])
    parts = name.split("_")
    found.add(parts[0] + "".join(part.capitalize() for part in parts[1:]))
    found.add("".join(parts))
    return sorted(m for m in found - {name} - WORDS if not m.startswith("_") and not m.endswith("_")
                  and "__" not in m)


def text():
    lines = ["#define POSTTRAIN_FACETS(X) \\"]
    lines += ["  X(" + ") X(".join(FACETS[i:i + 3]) + ") \\" for i in range(0, len(FACETS), 3)]
    lines[-1] = lines[-1][:-2]
    lines += ["", "#define POSTTRAIN_NEAR_MISSES(X) \\"]
    seen = set()
    for facet in FACETS:
        row = "  "
        for miss in near(facet):
            assert miss not in seen and miss not in FACETS, miss
            seen.add(miss)
            item = f"X({miss}, {facet})"
            if len(row) + len(item) > 97:
                lines.append(row.rstrip() + " \\")
                row = "  "
            row += item + " "
        lines.append(row.rstrip() + " \\")
    lines[-1] = lines[-1][:-2]
    return HEAD + "// clang-format off\n" + "\n".join(lines) + "\n"


def main():
    cases = repo.Cases()
    expected = text()
    if "--fix" in sys.argv[1:]:
        with open(repo.os.path.join(repo.ROOT, FILE), "w", encoding="utf-8") as file:
            file.write(expected)
    same = repo.read(FILE) == expected
    cases.case(FILE, [] if same else ["hint: python3 tests/tools/near_misses.py --fix"])
    cases.finish()


if __name__ == "__main__":
    main()
