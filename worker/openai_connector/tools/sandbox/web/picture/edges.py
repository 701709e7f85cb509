"""Links as SVG: lines with their ends, corners and names."""

from __future__ import annotations

import math
from typing import Final

from openai_connector.look.svg import figure, tag, text
from openai_connector.tools.sandbox.web.picture.geometry import (
    Bounds,
    Point,
    around,
    distance,
    middle,
    towards,
    without_doubles,
)
from openai_connector.tools.sandbox.web.picture.labels import (
    LINE,
    OUTSIDE_WIDTH,
    lines_at,
    outside,
    width_of,
    wrap,
)
from openai_connector.tools.sandbox.web.picture.model import Link
from openai_connector.tools.sandbox.web.picture.symbols import INK, PAPER

CORNER: Final = 6.0
"""Radius of a corner."""
HEAD: Final = 10.0
"""Length of an arrow's head."""


def draw(link: Link) -> tuple[str, list[Bounds]]:
    """Return a link's group, and the places that it takes; one without a line is not drawn."""
    points = without_doubles(link.points)
    place = around(points)
    if len(points) < 2 or place is None:
        return "", []
    label, label_place = _label(link, points)
    title = tag("title", text(link.name)) if link.name else ""
    family = "flow" if link.kind in ("sequenceFlow", "messageFlow") else "association"
    group = tag(
        "g", title, _line(link, points), _ends(link, points), label,
        class_=f"{family} {link.kind}", data_element=link.id,
    )  # fmt: skip
    return group, [place, *([label_place] if label_place is not None else [])]


def _line(link: Link, points: list[Point]) -> str:
    shown = points[:]
    if link.kind == "sequenceFlow":
        # The line ends in the head, so that a thick one does not look out of its tip.
        shown[-1] = towards(points[-1], points[-2], min(HEAD * 0.7, distance(*points[-2:]) / 2))
    dashes = {"sequenceFlow": None, "messageFlow": "9 5"}.get(link.kind, "1 5")
    return tag(
        "path", class_="line", d=_path(shown), fill="none", stroke=INK, stroke_width=1.8,
        stroke_linejoin="round", stroke_linecap="round" if dashes == "1 5" else None, stroke_dasharray=dashes,
    )  # fmt: skip


def _path(points: list[Point]) -> str:
    parts = [f"M{_at(points[0])}"]
    for before, corner, after in zip(points, points[1:], points[2:], strict=False):
        radius = min(CORNER, distance(before, corner) / 2, distance(corner, after) / 2)
        begin, end = towards(corner, before, radius), towards(corner, after, radius)
        parts.append(f"L{_at(begin)}Q{_at(corner)} {_at(end)}")
    parts.append(f"L{_at(points[-1])}")
    return "".join(parts)


def _at(point: Point) -> str:
    return f"{figure(point.x)} {figure(point.y)}"


def _ends(link: Link, points: list[Point]) -> str:
    if link.kind == "messageFlow":
        start = points[0]
        circle = tag(
            "circle", class_="tail", cx=start.x, cy=start.y, r=4, fill=PAPER, stroke=INK, stroke_width=1.5
        )
        return circle + _head(points[-2], points[-1], "head open", fill=PAPER)
    if link.kind == "sequenceFlow":
        return _head(points[-2], points[-1], "head", fill=INK) + _source_sign(link, points)
    drawn = _open_head(points[-2], points[-1]) if link.heads else ""
    return drawn + (_open_head(points[1], points[0]) if link.heads == 2 else "")


def _head(before: Point, tip: Point, kind: str, *, fill: str) -> str:
    corners = (tip, _beside(tip, before, HEAD, 4.6), _beside(tip, before, HEAD, -4.6))
    points = " ".join(f"{figure(corner.x)},{figure(corner.y)}" for corner in corners)
    return tag(
        "polygon", class_=kind, points=points, fill=fill, stroke=INK,
        stroke_width=1.4 if "open" in kind else 0, stroke_linejoin="round",
    )  # fmt: skip


def _open_head(before: Point, tip: Point) -> str:
    path = f"M{_at(_beside(tip, before, 8, 5))}L{_at(tip)}L{_at(_beside(tip, before, 8, -5))}"
    return tag("path", class_="head", d=path, fill="none", stroke=INK, stroke_width=1.5)


def _source_sign(link: Link, points: list[Point]) -> str:
    """Return the slash of a default flow, or the diamond of a condition that leaves no gateway."""
    start, after = points[0], points[1]
    if link.is_default:
        low, high = _beside(start, after, 6, 5), _beside(start, after, 12, -5)
        path = f"M{_at(low)}L{_at(high)}"
        return tag("path", class_="slash", d=path, fill="none", stroke=INK, stroke_width=1.8)
    if link.is_conditional:
        corners = (
            start,
            _beside(start, after, 8, 5),
            _beside(start, after, 16, 0),
            _beside(start, after, 8, -5),
        )
        listed = " ".join(f"{figure(corner.x)},{figure(corner.y)}" for corner in corners)
        return tag("polygon", class_="tail", points=listed, fill=PAPER, stroke=INK, stroke_width=1.5)
    return ""


def _beside(start: Point, end: Point, along: float, aside: float) -> Point:
    """Return the point at a distance along the way from start to end, and at a distance to its side."""
    angle = math.atan2(end.y - start.y, end.x - start.x)
    return Point(
        start.x + along * math.cos(angle) - aside * math.sin(angle),
        start.y + along * math.sin(angle) + aside * math.cos(angle),
    )


def _label(link: Link, points: list[Point]) -> tuple[str, Bounds | None]:
    if link.label is not None or not link.name.strip():
        return outside(link.name, link.label, Bounds(0, 0, 0, 0))
    lines = wrap(link.name, OUTSIDE_WIDTH * 1.4, 4)
    center, is_level = middle(points)
    wide = max(width_of(line) for line in lines)
    if is_level:
        first = Point(center.x, center.y - 10 - LINE * (len(lines) - 1))
        place = Bounds(center.x - wide / 2, first.y - LINE / 2, wide, LINE * len(lines))
        return lines_at(lines, first, kind="label outside"), place
    first = Point(center.x + 7, center.y - LINE * (len(lines) - 1) / 2)
    place = Bounds(first.x, first.y - LINE / 2, wide, LINE * len(lines))
    return lines_at(lines, first, anchor="start", kind="label outside"), place
