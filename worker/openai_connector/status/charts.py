"""Small charts as SVG: bars of time, stacked; their colours are those of the page."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from openai_connector.look.svg import tag, text

WIDTH: Final = 480.0
HEIGHT: Final = 96.0
FLOOR: Final = 18.0
"""Below the bars: room for the times."""


@dataclass(frozen=True, slots=True)
class Layer:
    """What is stacked."""

    name: str
    """In the data."""
    label: str
    """For people."""
    style: str
    """Class of the style sheet."""


def bars(
    title: str,
    parts: Sequence[Mapping[str, float]],
    layers: Sequence[Layer],
    ends: tuple[str, str],
    shown: Callable[[float], str] | None = None,
) -> str:
    """Draw a chart with a legend.

    Args:
        title: what is counted, and when.
        parts: the counts, the oldest first.
        layers: what is stacked, from the bottom.
        ends: what stands below the first bar and below the last.
        shown: writes a number.
    """
    shown = shown or amount
    most = max((sum(part[layer.name] for layer in layers) for part in parts), default=0) or 1
    step = WIDTH / len(parts)
    drawn = [
        bar
        for number, part in enumerate(parts)
        for bar in _column(part, layers, x=number * step, width=max(step - 1.5, 1.0), scale=HEIGHT / most)
    ]
    sums = [f"{layer.label} {shown(sum(part[layer.name] for part in parts))}" for layer in layers]
    picture = tag(
        "svg", tag("title", text(f"{title}: {', '.join(sums)}")),
        tag("line", class_="floor", x1=0, y1=HEIGHT + .5, x2=WIDTH, y2=HEIGHT + .5),
        *drawn,
        tag("text", text(ends[0]), x=0, y=HEIGHT + 13),
        tag("text", text(ends[1]), x=WIDTH, y=HEIGHT + 13, class_="end"),
        viewBox=f"0 -2 {WIDTH:g} {HEIGHT + FLOOR + 2:g}", role="img", class_="chart",
    )  # fmt: skip
    peak = tag("span", text(f"highest bar {shown(most)}" if any(drawn) else "nothing yet"), class_="dim")
    keys = [
        tag("span", text(label), class_=f"key {layer.style}")
        for layer, label in zip(layers, sums, strict=True)
    ]
    return tag(
        "figure",
        tag("figcaption", text(title), " ", peak),
        picture,
        tag("div", *keys, class_="legend"),
        class_="card",
    )


def amount(value: float) -> str:
    """Return a number as people read it at a glance."""
    for limit, unit in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if value >= limit:
            return f"{value / (1e3 if unit == 'k' else limit):.1f} {unit}"
    return f"{value:.0f}"


def money(value: float) -> str:
    """Return an amount of money with the digits that tell something: two, or more where it is small."""
    if value >= 1 or not value:
        return f"{value:,.2f}" if value else "0"
    return f"{value:.{2 - math.floor(math.log10(value))}f}".rstrip("0")


def _column(
    part: Mapping[str, float], layers: Sequence[Layer], *, x: float, width: float, scale: float
) -> list[str]:
    drawn: list[str] = []
    top = HEIGHT
    for layer in layers:
        height = part[layer.name] * scale
        if height > 0:
            height = max(height, 1.0)
            top -= height
            drawn.append(tag("rect", class_=layer.style, x=x, y=top, width=width, height=height))
    return drawn
