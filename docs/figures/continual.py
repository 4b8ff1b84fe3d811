# SPDX-License-Identifier: Apache-2.0
"""Draws what 06_continual measured: exact matches of every task after every stage, mean of all seeds.

usage: continual.py MEASUREMENTS.jsonl FIGURE.svg

MEASUREMENTS.jsonl is what `06_continual --output` appended for each method and seed. Also prints the
means, and the least and the most of all seeds, as a table in Markdown.
"""

import json
import sys
from collections import defaultdict

import figure

COLOURS = ["#1b6ca8", "#c8553d", "#588157"]
WIDTH, HEIGHT, LEFT, TOP, GAP = 220, 150, 44, 34, 36


def mean(values):
    return sum(values) / len(values)


def main():
    source, target = sys.argv[1:3]
    runs = defaultdict(list)
    with open(source, encoding="utf-8") as file:
        for line in file:
            record = json.loads(line)
            runs[record["method"]].append(record)
    some = next(iter(runs.values()))[0]
    tasks = some["tasks"]
    stages = [stage["stage"] for stage in some["stages"]]

    print("| method | seeds | " + " | ".join(f"{t} at the end" for t in tasks)
          + " | forgotten on average | KL to the base |")
    print("|---|---|" + "---|" * (len(tasks) + 2))
    panels = []
    for number, (label, records) in enumerate(runs.items()):
        left = LEFT + number * (WIDTH + GAP)
        parts = [f'<text x="{left}" y="{TOP - 14}" font-weight="bold">{label}</text>']
        for share in (0, 50, 100):
            y = TOP + HEIGHT * (1 - share / 100)
            parts.append(f'<line x1="{left}" y1="{y}" x2="{left + WIDTH}" y2="{y}" stroke="#ddd"/>')
            if number == 0:
                parts.append(f'<text x="{left - 8}" y="{y + 4}" text-anchor="end">{share} %</text>')
        ends, spans = [], []
        for index, task in enumerate(tasks):
            points = []
            for place in range(len(stages)):
                value = mean([r["stages"][place]["exact_match"][index] for r in records])
                x = left + WIDTH * (place + 0.25) / (len(stages) - 0.5)
                points.append((x, TOP + HEIGHT * (1 - value)))
            ends.append(100 * value)
            spans.append([100 * r["stages"][-1]["exact_match"][index] for r in records])
            path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
            parts.append(f'<polyline points="{path}" fill="none" stroke="{COLOURS[index]}" '
                         'stroke-width="2"/>')
            parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{COLOURS[index]}"/>'
                      for x, y in points]
        for place, stage in enumerate(stages):
            x = left + WIDTH * (place + 0.25) / (len(stages) - 0.5)
            parts.append(f'<text x="{x:.1f}" y="{TOP + HEIGHT + 18}" text-anchor="middle">'
                         f'{stage}</text>')
        panels += parts
        forgetting = 100 * mean([r["average_forgetting"] for r in records])
        kl = mean([mean(r["stages"][-1]["kl"]) for r in records])
        cells = [f"{end:.1f} % ({min(s):.0f}-{max(s):.0f})" for end, s in zip(ends, spans)]
        print(f"| {label} | {len(records)} | " + " | ".join(cells)
              + f" | {forgetting:.1f} points | {kl:.2f} |")
    panels += figure.legend([(f"task {task}", COLOURS[i]) for i, task in enumerate(tasks)], LEFT,
                            TOP + HEIGHT + 42, 90)
    figure.write(target, LEFT + len(runs) * (WIDTH + GAP), TOP + HEIGHT + 54, panels)


if __name__ == "__main__":
    main()
