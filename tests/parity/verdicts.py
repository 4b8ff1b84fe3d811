# SPDX-License-Identifier: Apache-2.0
"""Our verdicts for parity scripts, by the program probe_verify."""

import json
import subprocess
import sys


def math_verdicts(program, rows):
    """(right | wrong | not_applicable, reason) of MathAnswer for each {"completion", "answer", "options"?}."""
    requests = ({"verifier": "math", "completion": row["completion"], "answer": row["answer"],
                 **row.get("options", {})} for row in rows)
    text = "".join(json.dumps(request) + "\n" for request in requests)
    done = subprocess.run([program], input=text, capture_output=True, text=True)
    replies = [json.loads(line) for line in done.stdout.splitlines()]
    if done.returncode != 0 or len(replies) != len(rows):
        sys.exit(done.stderr or f"{len(replies)} replies, exit status {done.returncode}")
    for reply in replies:
        if "error" in reply:
            sys.exit(reply["error"])
    words = {1.0: "right", 0.0: "wrong", None: "not_applicable"}
    return [(words[reply["value"]], reply["reason"]) for reply in replies]
