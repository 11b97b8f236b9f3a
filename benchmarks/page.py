"""The page of results, and the plot of how each cost grows."""

from __future__ import annotations

from html import escape
from math import log10
from typing import TYPE_CHECKING

from benchmarks.figures import machine, today

if TYPE_CHECKING:
    from benchmarks.figures import Figure, Report

INTRODUCTION = """# Benchmarks

`make bench` measures every figure beside its floor, in the same run, and writes this page; `python -m benchmarks NAME`
runs one benchmark. The floor is the least that the work could cost: the same requests made directly with the same SDKs,
the fewest operations that the protocol needs, the imports alone. Traffic stays on the machine: stand-ins for Key Vault
and the clusters run in a process of their own, Azurite is the storage. With everything on a few cores, absolute figures
say little about Azure; the ratios show what our code adds.
"""
_MARKS = {True: "yes", False: "**no**", None: ""}
_COLOURS = ("#1f6feb", "#d1242f", "#1a7f37")
_WIDTH, _HEIGHT, _LEFT, _TOP, _RIGHT, _BOTTOM = 760, 420, 70, 30, 30, 60


def markdown(reports: list[Report], remarks: str) -> str:
    """The whole page."""
    lines = [
        INTRODUCTION,
        f"Measured on {today()}: {machine()}.\n",
        "| bench | floor | ours | ratio | goal | met |",
        "|---|---|---|---|---|---|",
    ]
    lines += [_row(figure) for report in reports for figure in report.figures]
    lines += ["", "## How each cost grows", "", "![how each cost grows](benchmarks-growth.svg)", "", *_growth(reports)]
    lines += [
        "",
        "## Beside the figures",
        "",
        *(f"- {report.name}: {note}" for report in reports for note in report.notes),
    ]
    return "\n".join(lines) + "\n" + remarks


def _row(figure: Figure) -> str:
    cells = (figure.bench, figure.floor, figure.ours, figure.ratio, figure.goal, _MARKS[figure.met])
    return "| " + " | ".join(cells) + " |"


def _growth(reports: list[Report]) -> list[str]:
    series = {name: points for report in reports for name, points in report.growth.items()}
    sizes = sorted({int(size) for points in series.values() for size in points})
    if not sizes:
        return []
    head = "| clusters | " + " | ".join(f"{size:,}" for size in sizes) + " |"
    rows = [
        f"| {name} | " + " | ".join(_number(points.get(size)) for size in sizes) + " |"
        for name, points in series.items()
    ]
    return [head, "|---" * (len(sizes) + 1) + "|", *rows]


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f}" if value >= 10 else f"{value:.2f}"


def svg(reports: list[Report]) -> str:
    """Lines over the number of clusters, both axes logarithmic: what rises a decade in a decade is linear."""
    series = {name: points for report in reports for name, points in report.growth.items()}
    xs = sorted({size for points in series.values() for size in points})
    values = [value for points in series.values() for value in points.values()]
    left, right = log10(xs[0]), log10(xs[-1])
    low, high = _floor(min(values)), -_floor(1 / max(values))

    def at(x: float, y: float) -> tuple[float, float]:
        across = (log10(x) - left) / (right - left) * (_WIDTH - _LEFT - _RIGHT)
        up = (log10(y) - low) / (high - low) * (_HEIGHT - _TOP - _BOTTOM)
        return round(_LEFT + across, 1), round(_HEIGHT - _BOTTOM - up, 1)

    parts = [_line(at(xs[0], 10**power), at(xs[-1], 10**power), "#d0d7de") for power in range(low, high + 1)]
    parts += [_text(_LEFT - 8, at(xs[0], 10**power)[1] + 4, _power(power), "end") for power in range(low, high + 1)]
    parts += [_text(at(x, 10**low)[0], _HEIGHT - _BOTTOM + 18, f"{x:,}", "middle") for x in xs]
    parts.append(_text((_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - _BOTTOM + 36, "clusters", "middle"))
    for place, ((name, points), colour) in enumerate(zip(series.items(), _COLOURS, strict=False)):
        spots = [at(x, points[x]) for x in sorted(points)]
        path = " ".join(f"{x},{y}" for x, y in spots)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x}" cy="{y}" r="3" fill="{colour}"/>' for x, y in spots]
        parts.append(_text(_LEFT + 10, _TOP + 14 + 18 * place, name, "start", colour))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        'font-family="sans-serif" font-size="12">'
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>\n' + "\n".join(parts) + "\n</svg>\n"
    )


def _floor(value: float) -> int:
    """The power of ten at or below."""
    return int(log10(value) // 1)


def _power(power: int) -> str:
    return f"{10**power:,}" if power >= 0 else f"{10.0**power:g}"


def _line(start: tuple[float, float], end: tuple[float, float], colour: str) -> str:
    return f'<line x1="{start[0]}" y1="{start[1]}" x2="{end[0]}" y2="{end[1]}" stroke="{colour}"/>'


def _text(x: float, y: float, text: str, anchor: str, colour: str = "#24292f") -> str:
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}" fill="{colour}">{escape(text)}</text>'
