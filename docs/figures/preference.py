# SPDX-License-Identifier: Apache-2.0
"""Draws the implicit rewards of held-out pairs over the steps of a run, a panel for each run.

usage: preference.py FIGURE.svg LABEL=RUN_FOLDER...

RUN_FOLDER is what `08_dpo --output DIR` leaves as DIR-run: its metrics.jsonl has the validation.
"""

import json
import os
import sys

import figure

COLOURS = {"rewards/chosen": "#1b6ca8", "rewards/rejected": "#c8553d"}
WIDTH, HEIGHT, LEFT, TOP, GAP = 240, 150, 44, 34, 44


def validation(folder):
    """(step, metrics) of each validation."""
    points = [(0, {name: 0.0 for name in COLOURS})]  # policy and reference are the same
    with open(os.path.join(folder, "metrics.jsonl"), encoding="utf-8") as file:
        for line in file:
            record = json.loads(line)
            if "val_loss" in record:
                points.append((record["step"], {
                    name: record[f"val_{name}"] for name in COLOURS}))
    return points


def main():
    target, runs = sys.argv[1], [run.split("=", 1) for run in sys.argv[2:]]
    curves = {label: validation(folder) for label, folder in runs}
    values = [value for points in curves.values() for _, metrics in points
              for value in metrics.values()]
    low, high = min(values), max(values)
    parts = []
    for number, (label, points) in enumerate(curves.items()):
        left, last = LEFT + number * (WIDTH + GAP), points[-1][0]
        place = lambda step, value: (left + WIDTH * step / last,
                                     TOP + HEIGHT * (high - value) / (high - low))
        parts.append(f'<text x="{left}" y="{TOP - 14}" font-weight="bold">{label}</text>')
        for value in range(int(low), int(high) + 1):
            y = place(0, value)[1]
            parts.append(f'<line x1="{left}" y1="{y:.1f}" x2="{left + WIDTH}" y2="{y:.1f}" '
                         'stroke="#ddd"/>')
            parts.append(f'<text x="{left - 8}" y="{y + 4:.1f}" text-anchor="end">{value}</text>')
        for name, colour in COLOURS.items():
            path = " ".join("{:.1f},{:.1f}".format(*place(step, metrics[name]))
                            for step, metrics in points)
            parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" '
                         'stroke-width="2"/>')
        parts.append(f'<text x="{left + WIDTH}" y="{TOP + HEIGHT + 18}" text-anchor="end">'
                     f'step {last}</text>')
    parts += figure.legend(COLOURS.items(), LEFT, TOP + HEIGHT + 42, 150)
    figure.write(target, LEFT + len(curves) * (WIDTH + GAP), TOP + HEIGHT + 54, parts)


if __name__ == "__main__":
    main()
