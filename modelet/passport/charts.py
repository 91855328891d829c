"""Plots as SVG, coloured by the page's style sheet so that they fit a light and a dark page."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, floor, log2, log10

_ROW, _LABEL, _PLOT, _AFTER = 26, 190, 400, 120
_TOP, _BOTTOM = 8, 34
_MARK = 12
_TICKS = 5


@dataclass(frozen=True, slots=True)
class Bar:
    """One row of a bar chart.

    Attributes:
        label: What it is of.
        value: Its length; None leaves the row empty.
        text: The value for people.
        kind: `winner`, `reference` or empty: how it is coloured.
        interval: The ends of a whisker.
        inner: A shorter bar within it.
    """

    label: str
    value: float | None
    text: str
    kind: str = ""
    interval: tuple[float, float] | None = None
    inner: float | None = None


def bars(rows: Sequence[Bar], title: str, unit: str, marks: Sequence[tuple[float, str]] = ()) -> str:
    """Horizontal bars from zero.

    Args:
        rows: From top to bottom.
        title: What the chart shows, for those who hear the page.
        unit: Of the axis.
        marks: Values to draw a line at, with what they mean.
    """
    longest = max(
        (end for row in rows for end in (row.value or 0, *(row.interval or ()))),
        default=0,
    )
    longest = max(longest, *(value for value, _ in marks), 1e-12) if marks else max(longest, 1e-12)
    ticks = _ticks(longest)
    scale = _PLOT / ticks[-1]
    bottom = _TOP + _ROW * len(rows)
    parts = [_axis(ticks, scale, bottom, unit)]
    for value, meaning in marks:
        x = _LABEL + value * scale
        parts.append(f'<line class="mark" x1="{x:.1f}" y1="{_TOP}" x2="{x:.1f}" y2="{bottom}"/>')
        if meaning:
            parts.append(f'<text class="mark" x="{x + 6:.1f}" y="{_TOP + 10}">{escape(meaning)}</text>')
    for number, row in enumerate(rows):
        parts.append(_bar(row, _TOP + _ROW * number, scale))
    return _svg(title, _LABEL + _PLOT + _AFTER, bottom + _BOTTOM, parts)


def curve(points: Sequence[tuple[float, float]], title: str, across: str, up: str) -> str:
    """A line over an axis on which each step doubles."""
    width, height, left = 620, 240, 70
    ticks = _ticks(max(y for _, y in points))
    first, last = log2(points[0][0]), log2(points[-1][0])

    def place(x: float, y: float) -> tuple[float, float]:
        share = (log2(x) - first) / (last - first) if last > first else 0.5
        return left + share * (width - left - 30), height - 40 - y / ticks[-1] * (height - 60)

    parts = []
    for tick in ticks:
        _, y = place(points[0][0], tick)
        parts.append(f'<line class="grid" x1="{left}" y1="{y:.1f}" x2="{width - 30}" y2="{y:.1f}"/>')
        parts.append(f'<text class="tick end" x="{left - 8}" y="{y + 4:.1f}">{tick:g}</text>')
    placed = [place(x, y) for x, y in points]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in placed)
    parts.append(f'<polyline class="line" points="{line}"/>')
    for (x, y), (rows, value) in zip(placed, points, strict=True):
        tip = f"<title>{rows:g}: {value:.3g}</title>"
        parts.append(f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="4">{tip}</circle>')
        parts.append(f'<text class="tick mid" x="{x:.1f}" y="{height - 22}">{rows:g}</text>')
    parts.append(
        f'<text class="unit mid" x="{(left + width - 30) / 2}" y="{height - 4}">{escape(across)}</text>'
    )
    parts.append(f'<text class="unit" x="4" y="12">{escape(up)}</text>')
    return _svg(title, width, height, parts)


def _bar(row: Bar, top: float, scale: float) -> str:
    middle = top + _ROW / 2
    parts = [f'<text class="label end" x="{_LABEL - 8}" y="{middle + 4}">{escape(row.label)}</text>']
    if row.value is None:
        parts.append(f'<text class="none" x="{_LABEL + 4}" y="{middle + 4}">{escape(row.text)}</text>')
        return "".join(parts)
    tip = f"<title>{escape(row.label)}: {escape(row.text)}</title>"
    width = max(row.value * scale, 1.5)
    box = f'y="{middle - _MARK / 2}" height="{_MARK}" rx="2"'
    parts.append(f'<rect class="bar {row.kind}" x="{_LABEL}" width="{width:.1f}" {box}>{tip}</rect>')
    if row.inner is not None:
        parts.append(f'<rect class="inner" x="{_LABEL}" width="{row.inner * scale:.1f}" {box}>{tip}</rect>')
    end = width
    if row.interval:
        low, high = (_LABEL + edge * scale for edge in row.interval)
        parts.append(f'<line class="whisker" x1="{low:.1f}" y1="{middle}" x2="{high:.1f}" y2="{middle}"/>')
        end = max(end, high - _LABEL)
    parts.append(f'<text class="value" x="{_LABEL + end + 8:.1f}" y="{middle + 4}">{escape(row.text)}</text>')
    return "".join(parts)


def _axis(ticks: Sequence[float], scale: float, bottom: float, unit: str) -> str:
    parts = []
    for tick in ticks:
        x = _LABEL + tick * scale
        parts.append(f'<line class="grid" x1="{x:.1f}" y1="{_TOP}" x2="{x:.1f}" y2="{bottom}"/>')
        parts.append(f'<text class="tick mid" x="{x:.1f}" y="{bottom + 13}">{tick:g}</text>')
    end = _LABEL + ticks[-1] * scale
    parts.append(f'<text class="unit end" x="{end:.1f}" y="{bottom + 28}">{escape(unit)}</text>')
    return "".join(parts)


def _ticks(longest: float) -> list[float]:
    """Round numbers from zero to beyond the longest value."""
    rough = longest / _TICKS
    power = 10 ** floor(log10(rough))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough)
    return [round(number * step, 12) for number in range(ceil(longest / step - 1e-9) + 1)]


def _svg(title: str, width: float, height: float, parts: Sequence[str]) -> str:
    size, name = f"0 0 {width:g} {height:g}", escape(title)
    return f'<svg viewBox="{size}" role="img" aria-label="{name}">{"".join(parts)}</svg>'
