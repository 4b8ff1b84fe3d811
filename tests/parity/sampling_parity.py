# SPDX-License-Identifier: Apache-2.0
"""What is kept by top-k, top-p, min-p and the repetition penalty, against transformers' own warpers.

  python tests/parity/sampling_parity.py --probe build/tests/programs/probe_sampling

Random logits of vocabularies from 1 to 5,000 tokens pass the logits processors of transformers in the
order of its `generate` (repetition penalty, temperature, top-k, top-p, min-p), in float64, and our sampler
in float32 (the kernel) and float64 (plain operations). min-p, which we apply before top-k and top-p, is
combined with all but top-p, where the order matters. The same ids must be kept, with log-probabilities
to 1e-5; presence and frequency penalty, which transformers does not have, are compared with their formula.
Prints one line per failed case and ends with `N passed, M failed`.
"""

import argparse
import itertools
import json
import os
import subprocess
import sys

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")

import torch
from transformers.generation import logits_process

TOLERANCE = 1e-5
SIZES = (1, 2, 3, 5, 17, 128, 129, 1000, 5000)


def options():
    """Each option alone, then together."""
    alone = [dict(temperature=t) for t in (0.3, 0.9, 2.0)]
    alone += [dict(top_k=k) for k in (1, 2, 10, 50, 700, 10000)]
    alone += [dict(top_p=p) for p in (0.05, 0.3, 0.6, 0.9, 0.95, 0.999)]
    alone += [dict(min_p=p) for p in (0.001, 0.05, 0.3, 0.9)]
    alone += [dict(repetition_penalty=r) for r in (0.7, 1.1, 2.0)]
    alone += [dict(presence_penalty=p) for p in (-0.5, 1.5)] + [dict(frequency_penalty=0.4)]
    together = [dict(temperature=t, repetition_penalty=r, top_k=k, top_p=p)
                for t, r, k, p in itertools.product((0.6, 1.3), (1.0, 1.2), (0, 20), (0.5, 0.95))]
    together += [dict(temperature=t, repetition_penalty=r, top_k=k, min_p=p)
                 for t, r, k, p in itertools.product((0.6, 1.3), (1.0, 1.2), (3, 40), (0.02, 0.2))]
    return alone + together


def expected(logits, prompt, sampled, given):
    """The log-probabilities of all ids after transformers' processors; −inf where removed."""
    scores = logits.double().unsqueeze(0)
    ids = torch.tensor([prompt + sampled])
    steps = []
    if given.get("repetition_penalty", 1.0) != 1.0:
        steps.append(logits_process.RepetitionPenaltyLogitsProcessor(given["repetition_penalty"]))
    if given.get("temperature", 1.0) != 1.0:
        steps.append(logits_process.TemperatureLogitsWarper(given["temperature"]))
    if given.get("top_k", 0):
        steps.append(logits_process.TopKLogitsWarper(given["top_k"]))
    if given.get("top_p", 1.0) != 1.0:
        steps.append(logits_process.TopPLogitsWarper(given["top_p"]))
    if given.get("min_p", 0.0):
        steps.append(logits_process.MinPLogitsWarper(given["min_p"]))
    for step in steps:
        scores = step(ids, scores)
    for id in set(sampled):
        scores[0, id] -= given.get("presence_penalty", 0.0)
        scores[0, id] -= given.get("frequency_penalty", 0.0) * sampled.count(id)
    return scores[0].log_softmax(-1)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--probe", required=True, help="the program probe_sampling")
    arguments = parser.parse_args()
    generator = torch.Generator().manual_seed(5)
    cases = []
    for size in SIZES:
        for given in options():
            spread = (1.0, 3.0)[len(cases) % 2]
            logits = spread * torch.randn(size, generator=generator)
            prompt, sampled = torch.randint(0, size, (2, 6), generator=generator).tolist()
            cases.append((logits, prompt, sampled, given))
    requests = [{"logits": logits.tolist(), "prompt": prompt, "sampled": sampled, "dtype": dtype, **given}
                for dtype in ("float32", "float64") for logits, prompt, sampled, given in cases]
    text = "".join(json.dumps(request) + "\n" for request in requests)
    done = subprocess.run([arguments.probe], input=text, capture_output=True, text=True)
    replies = [json.loads(line) for line in done.stdout.splitlines()]
    if done.returncode != 0 or len(replies) != len(requests):
        sys.exit(done.stderr or f"{len(replies)} replies, exit status {done.returncode}")

    passed = failed = 0
    worst = 0.0
    for i, (reply, request) in enumerate(zip(replies, requests)):
        logits, prompt, sampled, given = cases[i % len(cases)]
        theirs = expected(logits, prompt, sampled, given)
        kept = theirs.isfinite().nonzero().flatten().tolist()
        problem = reply.get("error", "")
        if not problem and sorted(reply["ids"]) != kept:
            problem = f"kept {len(reply['ids'])} ids, transformers {len(kept)}"
        if not problem:
            error = (torch.tensor(reply["logps"], dtype=torch.float64) - theirs[reply["ids"]]).abs().max().item()
            worst = max(worst, error)
            if not error <= TOLERANCE:
                problem = f"log-probabilities differ by {error:.1e}"
        if problem:
            failed += 1
            print(f"FAILED {request['dtype']}, {len(logits)} tokens, {given}: {problem}")
        else:
            passed += 1
    print(f"largest difference of a log-probability: {worst:.1e}")
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed or not passed else 0)


if __name__ == "__main__":
    main()
