# SPDX-License-Identifier: Apache-2.0
"""Every public header has a test of its path, tests/ROOM/NAME_test.cpp, or stands below with its reason."""

import os

import repo

REASONS = {
    "posttrain/concepts/check.hpp": "Compile errors only: tests/compile_fail has each of its messages.",
    "posttrain/concepts/concepts.hpp": "Concepts only: tests/static/concepts_static_test.cpp.",
    "posttrain/concepts/gate.hpp": "Concepts and compile errors: tests/static, tests/compile_fail/facet*.",
    "posttrain/data/formats/passage.hpp": "Two aggregates that tests/data/formats/messages_test.cpp fills.",
    "posttrain/params/from.hpp": "One declaration; its specialisations are tested with their files.",
    "posttrain/trainer.hpp": "The constructors of what tests/trainer/engine_test.cpp tests.",
}


def main():
    cases = repo.Cases()
    files = set(repo.files("_test.cpp"))
    headers = repo.headers()
    for header in headers:
        inside = header.removeprefix("posttrain/")[:-4]
        tested = f"tests/{inside}_test.cpp" in files
        problems = []
        if not tested and header not in REASONS:
            problems.append(f"add tests/{inside}_test.cpp, or a reason in tests/tools/check_tests.py")
        if tested and header in REASONS:
            problems.append(f"{header} has a test: remove its reason from tests/tools/check_tests.py")
        cases.case("test of " + header, problems)
    for header in sorted(set(REASONS) - set(headers)):
        cases.case("reason for " + header, [f"there is no {header}"])
    cases.finish()


if __name__ == "__main__":
    main()
