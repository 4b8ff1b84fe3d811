# SPDX-License-Identifier: Apache-2.0
"""What the scripts that draw the figures of the documentation share: legend and file."""


def legend(entries, left, y, step):
    """Coloured names in a row: entries of (name, colour)."""
    parts = []
    for index, (name, colour) in enumerate(entries):
        x = left + index * step
        parts.append(f'<line x1="{x}" y1="{y - 4}" x2="{x + 18}" y2="{y - 4}" stroke="{colour}" '
                     'stroke-width="3"/>')
        parts.append(f'<text x="{x + 24}" y="{y}">{name}</text>')
    return parts


def write(path, width, height, parts):
    with open(path, "w", encoding="utf-8") as file:
        file.write(f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
                   'font-family="sans-serif" font-size="11">\n'
                   f'<rect width="{width}" height="{height}" fill="#fff"/>\n'
                   + "\n".join(parts) + "\n</svg>\n")
