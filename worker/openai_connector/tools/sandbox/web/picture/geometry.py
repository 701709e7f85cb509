"""Places in the plane of a diagram: points, bounds, and lines between them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

FARTHEST: Final = 100_000.0
"""No coordinate is farther from the origin: a diagram that says so is cut there."""


class Point(NamedTuple):
    """A place."""

    x: float
    y: float


class Bounds(NamedTuple):
    """A rectangle."""

    x: float
    y: float
    width: float
    height: float

    @property
    def right(self) -> float:
        """The right edge."""
        return self.x + self.width

    @property
    def bottom(self) -> float:
        """The lower edge."""
        return self.y + self.height

    @property
    def center(self) -> Point:
        """The middle."""
        return Point(self.x + self.width / 2, self.y + self.height / 2)

    def moved(self, x: float, y: float) -> Bounds:
        """Return the same rectangle elsewhere."""
        return Bounds(self.x + x, self.y + y, self.width, self.height)

    def grown(self, margin: float) -> Bounds:
        """Return a rectangle that is larger on all sides."""
        return Bounds(self.x - margin, self.y - margin, self.width + 2 * margin, self.height + 2 * margin)


def united(all_bounds: Iterable[Bounds]) -> Bounds | None:
    """Return the smallest rectangle around all; None for none."""
    found = list(all_bounds)
    if not found:
        return None
    left, top = min(each.x for each in found), min(each.y for each in found)
    return Bounds(left, top, max(e.right for e in found) - left, max(e.bottom for e in found) - top)


def around(points: Iterable[Point]) -> Bounds | None:
    """Return the smallest rectangle around points; None for none."""
    return united(Bounds(point.x, point.y, 0, 0) for point in points)


def number(text: str | None) -> float | None:
    """Return a coordinate as a diagram writes it; None for what is no finite number."""
    try:
        value = float(text or "")
    except ValueError:
        return None
    if not math.isfinite(value):
        return None
    return max(-FARTHEST, min(FARTHEST, value))


def without_doubles(points: Sequence[Point]) -> list[Point]:
    """Return points without those that stand where the one before stands."""
    kept: list[Point] = []
    for point in points:
        if not kept or distance(kept[-1], point) > 0.5:
            kept.append(point)
    return kept


def distance(first: Point, second: Point) -> float:
    """Return how far two points are apart."""
    return math.hypot(second.x - first.x, second.y - first.y)


def towards(start: Point, end: Point, length: float) -> Point:
    """Return the point on the way from start to end, at this distance from the start."""
    whole = distance(start, end)
    share = length / whole if whole else 0.0
    return Point(start.x + (end.x - start.x) * share, start.y + (end.y - start.y) * share)


def middle(points: Sequence[Point]) -> tuple[Point, bool]:
    """Return the middle of a line by its length, and whether the line is level there."""
    lengths = [distance(a, b) for a, b in pairwise(points)]
    left = sum(lengths) / 2
    for (start, end), length in zip(pairwise(points), lengths, strict=True):
        if left <= length:
            return towards(start, end, left), abs(end.y - start.y) < abs(end.x - start.x)
        left -= length
    return points[0], True
