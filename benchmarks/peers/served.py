# SPDX-License-Identifier: Apache-2.0
"""A peer as a process that answers questions, one JSON line at a time."""

import json
import os
import sys


def own_standard_output():
    """Standard output for answers alone: what libraries print goes to standard error from here on."""
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return out


def serve(out, answer):
    """Prints READY, and answer(question) for each line until `quit`, after which it prints {}."""
    print("READY", file=out, flush=True)
    for line in sys.stdin:
        if line.strip() == "quit":
            break
        print(json.dumps(answer(json.loads(line))), file=out, flush=True)
    print("{}", file=out, flush=True)
