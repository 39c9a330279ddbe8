# SPDX-License-Identifier: Apache-2.0
"""plot.py - panels of curves as one SVG, both axes logarithmic; legible on white and on black, with no font but the reader's.

    panel = Panel("CPU time", "targets", "CPU-s per million samples", [Curve("strata", [(10, 1.5), (100, 1.2)])])
    text = svg("What it shows", [panel], columns=2)

A curve has the colour and mark of its name: of the first name, the second, ... in all panels.  A thin curve is dashed and
has no marks.  Values that are not above 0 have no place on such an axis and are left out.
"""
import math
from dataclasses import dataclass
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 460, 300                   # of a panel, its labels included
LEFT, RIGHT, TOP, BOTTOM = 66, 28, 34, 48  # what its labels take
HEAD = 40                                  # above all panels: the legend
MARKS = 3                                  # kinds of them
STYLE = """
  text { font: 12px system-ui, sans-serif; fill: #24292f }
  .title { font-weight: 600; font-size: 13px }
  .page { fill: #ffffff } .grid { stroke: #d8dee4 } .fine { stroke: #eff2f5 } .axis { stroke: #6e7781 }
  .curve { fill: none; stroke-width: 2 } .thin { stroke-width: 1.2; stroke-dasharray: 5 4 }
  .c0 { stroke: #0b5fcc; color: #0b5fcc } .c1 { stroke: #b34700; color: #b34700 } .c2 { stroke: #1a7f37; color: #1a7f37 }
  .mark { fill: currentColor }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 }
    .page { fill: #0d1117 } .grid { stroke: #30363d } .fine { stroke: #1c2128 } .axis { stroke: #8b949e }
    .c0 { stroke: #79b8ff; color: #79b8ff } .c1 { stroke: #ffa657; color: #ffa657 } .c2 { stroke: #7ee787; color: #7ee787 }
  }
"""


@dataclass
class Curve:
    name: str
    points: list    # of (x, y)
    thin: bool = False


@dataclass
class Panel:
    title: str
    x: str
    y: str
    curves: list


def steps(low, high):
    """From a step of 1, 2, 5, 10, ... at or below low to one at or above high: two at least."""
    out, exponent, factors = [], math.floor(math.log10(low)), (1, 2, 5)
    at = 3 * exponent
    while factors[(at + 1) % 3] * 10.0 ** ((at + 1) // 3) <= low * 1.0001:
        at += 1
    while not out or out[-1] < high * 0.9999 or len(out) < 2:
        out.append(factors[at % 3] * 10.0 ** (at // 3))
        at += 1
    return out


def label(value):
    """1,000 and 0.05; nothing in between has more digits than it needs."""
    return f"{value:,.0f}" if value >= 1 else f"{value:.10f}".rstrip("0")


class Axis:
    """Values to places between two ends; the ticks that have labels, and those that have none."""

    def __init__(self, values, start, end):
        values = [v for v in values if v > 0] or [1]
        self.ticks = steps(min(values), max(values))
        self.low, self.high = math.log10(self.ticks[0]), math.log10(self.ticks[-1])
        self.start, self.end = start, end
        tens = [t for t in self.ticks if self.is_ten(t)]
        self.named = tens if len(tens) > 2 else self.ticks
        if self.ticks[-1] >= 5 * self.named[-1]:    # there is room
            self.named = [*self.named, self.ticks[-1]]

    @staticmethod
    def is_ten(value):
        return abs(math.log10(value) - round(math.log10(value))) < 1e-9

    def place(self, value):
        part = (math.log10(value) - self.low) / (self.high - self.low)
        return self.start + part * (self.end - self.start)


def mark(kind, x, y):
    shapes = (f'<circle class="mark c0" cx="{x:.1f}" cy="{y:.1f}" r="3.5"/>',
              f'<rect class="mark c1" x="{x - 3.2:.1f}" y="{y - 3.2:.1f}" width="6.4" height="6.4"/>',
              f'<path class="mark c2" d="M{x:.1f} {y - 4.4:.1f}l4 7.4h-8z"/>')
    return shapes[kind % MARKS]


def put(x, y, text, anchor="middle", more=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{more}>{escape(text)}</text>'


def grid(axis, across, vertical):
    """Its lines and labels; across: from where to where the lines go."""
    for tick in axis.ticks:
        at, named = axis.place(tick), tick in axis.named
        kind = "grid" if named else "fine"
        if vertical:
            yield f'<path class="{kind}" d="M{at:.1f} {across[0]}V{across[1]}"/>'
        else:
            yield f'<path class="{kind}" d="M{across[0]} {at:.1f}H{across[1]}"/>'
        if named and vertical:
            yield put(at, across[1] + 16, label(tick))
        elif named:
            yield put(across[0] - 6, at + 4, label(tick), "end")


def draw_curve(curve, kind, x, y):
    points = [(x.place(a), y.place(b)) for a, b in sorted(curve.points) if a > 0 and b > 0]
    if not points:
        return
    way = "L".join(f"{a:.1f} {b:.1f}" for a, b in points)
    yield f'<path class="curve {"thin " * curve.thin}c{kind % MARKS}" d="M{way}"/>'
    if not curve.thin:
        yield from (mark(kind, a, b) for a, b in points)


def draw_panel(panel, names, left, top):
    x0, x1, y0, y1 = left + LEFT, left + WIDTH - RIGHT, top + TOP, top + HEIGHT - BOTTOM
    points = [p for c in panel.curves for p in c.points if p[0] > 0 and p[1] > 0]
    x, y = Axis([p[0] for p in points], x0, x1), Axis([p[1] for p in points], y1, y0)
    yield put(x0, top + 20, panel.title, "start", ' class="title"')
    yield from grid(x, (y0, y1), True)
    yield from grid(y, (x0, x1), False)
    yield f'<path class="axis" fill="none" d="M{x0} {y0}V{y1}H{x1}"/>'
    yield put((x0 + x1) / 2, y1 + 36, panel.x)
    middle = (y0 + y1) / 2
    yield put(left + 14, middle, panel.y, more=f' transform="rotate(-90 {left + 14} {middle:.1f})"')
    for curve in panel.curves:
        yield from draw_curve(curve, names.index(curve.name), x, y)


def legend(curves, names):
    """One entry for each name, with or without marks as it is drawn."""
    at = LEFT
    for curve in curves:
        kind = names.index(curve.name)
        yield f'<path class="curve {"thin " * curve.thin}c{kind % MARKS}" d="M{at} 22H{at + 28}"/>'
        if not curve.thin:
            yield mark(kind, at + 14, 22)
        text = curve.name + ", modelled" * curve.thin
        yield put(at + 34, 26, text, "start")
        at += 34 + 7 * len(text) + 24


def svg(title, panels, columns=2):
    curves = list({(c.name, c.thin): c for p in panels for c in p.curves}.values())
    names = list(dict.fromkeys(c.name for c in curves))
    rows = -(-len(panels) // columns)
    width, height = columns * WIDTH, HEAD + rows * HEIGHT
    lines = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
             'role="img">', f"<title>{escape(title)}</title>", f"<style>{STYLE}</style>",
             f'<rect class="page" width="{width}" height="{height}"/>', *legend(curves, names)]
    for at, panel in enumerate(panels):
        lines += draw_panel(panel, names, at % columns * WIDTH, HEAD + at // columns * HEIGHT)
    return "\n".join([*lines, "</svg>", ""])
