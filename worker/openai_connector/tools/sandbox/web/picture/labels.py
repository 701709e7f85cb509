"""Names in a picture: broken into lines that fit, whatever the browser's font is."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from typing import Final

from openai_connector.look.svg import tag, text
from openai_connector.tools.sandbox.web.picture.geometry import Bounds, Point

SIZE: Final = 12.0
"""Of the letters, in pixels."""
LINE: Final = 14.5
"""From one line to the next."""
LONGEST: Final = 2_000
"""Characters of a name that are looked at."""
OUTSIDE_WIDTH: Final = 90.0
"""Of a name outside of its shape, unless the diagram says more."""
WIDEST_WORD: Final = 140.0
"""Of a word in such a name that is not broken."""
OUTSIDE_LINES: Final = 6

# Shares of the size, a little more than Arial has: some systems have wider letters.
_WIDTHS: Final = {
    **dict.fromkeys("ijl|!.,:;'`", 0.3),
    **dict.fromkeys(' ftrI()[]{}/\\-"*', 0.38),
    **dict.fromkeys("mwMW@%—…", 0.95),
}


def width_of(line: str) -> float:
    """Return about how wide a line is."""
    return SIZE * sum(_width(character) for character in line)


def _width(character: str) -> float:
    known = _WIDTHS.get(character)
    if known is not None:
        return known
    if unicodedata.combining(character):
        return 0.0
    if unicodedata.east_asian_width(character) in "WF":
        return 1.05
    return 0.74 if character.isupper() else 0.62


def wrap(name: str, width: float, lines: int) -> list[str]:
    """Return a name in at most so many lines of this width; what does not fit ends with an ellipsis."""
    wrapped: list[str] = []
    current = ""
    for word in _words(name[:LONGEST], width):
        longer = f"{current} {word}" if current else word
        if not current or width_of(longer) <= width:
            current = longer
        else:
            wrapped.append(current)
            current = word
        if len(wrapped) > lines:
            break
    if current:
        wrapped.append(current)
    if len(wrapped) > lines:
        wrapped = [*wrapped[: lines - 1], _cut(wrapped[lines - 1], width)]
    return wrapped


def _words(name: str, width: float) -> Iterator[str]:
    """Yield the words; one that is too long for a line in parts."""
    for word in name.split():
        if width_of(word) <= width:
            yield word
            continue
        part = ""
        for character in word:
            if part and width_of(part + character) > width:
                yield part
                part = ""
            part += character
        yield part


def _cut(line: str, width: float) -> str:
    while line and width_of(f"{line}…") > width:
        line = line[:-1]
    return f"{line}…"


def lines_at(
    lines: Sequence[str], middle_of_first: Point, anchor: str = "middle", kind: str = "label"
) -> str:
    """Return lines of text below each other, the first around a point."""
    if not lines:
        return ""
    rows = [
        tag("tspan", text(line), x=middle_of_first.x, y=middle_of_first.y + number * LINE + SIZE * 0.36)
        for number, line in enumerate(lines)
    ]
    return tag("text", *rows, class_=kind, text_anchor=None if anchor == "start" else anchor)


def inside(name: str, bounds: Bounds, *, head: float = 0.0) -> str:
    """Return a name in the middle of a rectangle; a long one keeps free its head, as far as there is room."""
    most = max(1, int((bounds.height - 4) // LINE))
    lines = wrap(name, max(bounds.width - 9, SIZE), most)
    height = len(lines) * LINE
    top = bounds.center.y - height / 2
    top = max(top, min(bounds.y + head, bounds.bottom - height - 2))
    return lines_at(lines, Point(bounds.center.x, top + LINE / 2))


def outside(name: str, label: Bounds | None, below: Bounds) -> tuple[str, Bounds | None]:
    """Return a name outside of its shape, and its place: where the diagram says, else below the shape."""
    if not name.strip():
        return "", None
    place = label or Bounds(below.center.x - OUTSIDE_WIDTH / 2, below.bottom + 4, OUTSIDE_WIDTH, LINE)
    longest = max(width_of(word) for word in name[:LONGEST].split())
    lines = wrap(name, max(place.width + 6, OUTSIDE_WIDTH, min(longest, WIDEST_WORD)), OUTSIDE_LINES)
    center = place.center.x
    taken = max(width_of(line) for line in lines)
    drawn = lines_at(lines, Point(center, place.y + LINE / 2), kind="label outside")
    return drawn, Bounds(center - taken / 2, place.y, taken, LINE * len(lines))
