"""The small signs: what an event is about, what kind a task is, how an activity repeats."""

from __future__ import annotations

import math
from typing import Final

from openai_connector.look.svg import figure, tag

INK: Final = "#22242a"
PAPER: Final = "#ffffff"


def _line(path: str, width: float = 1.6) -> str:
    return tag(
        "path", class_="mark", d=path, fill="none", stroke=INK, stroke_width=width,
        stroke_linecap="round", stroke_linejoin="round",
    )  # fmt: skip


def _solid(path: str) -> str:
    return tag(
        "path", class_="mark solid", d=path, fill=INK, stroke=INK, stroke_width=1, stroke_linejoin="round"
    )


def _gap(path: str, width: float = 1.4) -> str:
    """Return a line in the paper's colour, to be drawn over something solid."""
    return tag("path", class_="mark gap", d=path, fill="none", stroke=PAPER, stroke_width=width)


def _circle(radius: float, width: float = 1.5) -> str:
    return tag("circle", class_="mark", cx=0, cy=0, r=radius, fill="none", stroke=INK, stroke_width=width)


# Events: around the origin, for a circle of radius 18

_OUTLINES: Final = {
    "error": "M-9 8.5L-3.6-8.2 2.6 1.6 9-9 4.4 8.4-2.4-1.4Z",
    "link": "M-10-3.8H1.5V-9L11 0 1.5 9V3.8H-10Z",
    "signal": "M0-10L9.8 7H-9.8Z",
    "escalation": "M0-10L8 9 0 1.2-8 9Z",
    "compensation": "M-1 0L8-7V7ZM-10 0L-1-7V7Z",
    "cancel": "M-8-5.2L-5.2-8 0-2.8 5.2-8 8-5.2 2.8 0 8 5.2 5.2 8 0 2.8-5.2 8-8 5.2-2.8 0Z",
    "multiple": "M0-10L9.6-3 6 8.4H-6L-9.6-3Z",
    "parallelMultiple": "M-3-10H3V-3H10V3H3V10H-3V3H-10V-3H-3Z",
}
_TICKS: Final = "".join(
    f"M{figure(8.6 * math.sin(n * math.pi / 6))} {figure(-8.6 * math.cos(n * math.pi / 6))}"
    f"L{figure(11 * math.sin(n * math.pi / 6))} {figure(-11 * math.cos(n * math.pi / 6))}"
    for n in range(12)
)
_ENVELOPE: Final = "M-9.5-6.5H9.5V6.5H-9.5Z"
_FLAP: Final = "M-9.5-6.5L0 1.5 9.5-6.5"


def event(kind: str, throws: bool) -> str:
    """Return the sign of an event; that of one that throws is filled."""
    if kind == "timer":
        return _circle(11) + _line(_TICKS, 1.1) + _line("M1.6-7.6L0 0 5 2.6", 1.5)
    if kind == "terminate":
        return _solid("M-10.5 0A10.5 10.5 0 1 1 10.5 0A10.5 10.5 0 1 1-10.5 0Z")
    if kind == "conditional":
        return _line("M-7-9.5H7V9.5H-7Z") + _line("M-4.5-6H4.5M-4.5-2H4.5M-4.5 2H4.5M-4.5 6H4.5", 1.1)
    if kind == "message":
        return _solid(_ENVELOPE) + _gap(_FLAP) if throws else _line(_ENVELOPE) + _line(_FLAP)
    outline = _OUTLINES.get(kind)
    if outline is None:
        return ""
    return _solid(outline) if throws else _line(outline, 1.5)


# Gateways: around the origin, for a diamond of 50 by 50

_GATEWAYS: Final = {
    "exclusiveGateway": _line("M-7-8.5L7 8.5M7-8.5L-7 8.5", 3.4),
    "parallelGateway": _line("M0-12V12M-12 0H12", 3.6),
    "inclusiveGateway": _circle(11, 2.8),
    "complexGateway": _line("M0-12V12M-12 0H12M-8.5-8.5L8.5 8.5M8.5-8.5L-8.5 8.5", 2.6),
    "eventBasedGateway": _circle(14, 1)
    + _circle(11.2, 1)
    + _line("M0-7L6.7-2.1 4.2 5.8H-4.2L-6.7-2.1Z", 1.3),
}


def gateway(kind: str) -> str:
    """Return the sign of a gateway."""
    return _GATEWAYS.get(kind, "")


# Tasks: in a square of 18 by 18


def _gear() -> str:
    points = []
    for tooth in range(8):
        for radius, turn in ((5.6, -0.26), (8, -0.17), (8, 0.17), (5.6, 0.26)):
            angle = tooth * math.pi / 4 + turn
            points.append(f"{figure(9 + radius * math.sin(angle))} {figure(9 - radius * math.cos(angle))}")
    return f"M{'L'.join(points)}Z"


_TASKS: Final = {
    "serviceTask": _line(_gear(), 1.2) + _line("M6.4 9A2.6 2.6 0 1 1 11.6 9A2.6 2.6 0 1 1 6.4 9Z", 1.2),
    "userTask": _line("M5.6 5.4A3.4 3.4 0 1 1 12.4 5.4A3.4 3.4 0 1 1 5.6 5.4Z", 1.2)
    + _line("M2 16.6C2 12.2 5 10.4 9 10.4S16 12.2 16 16.6Z", 1.2),
    "sendTask": _solid("M1 4H17V15H1Z") + _gap("M1 4L9 10.6 17 4"),
    "receiveTask": _line("M1 4H17V15H1Z", 1.2) + _line("M1 4L9 10.6 17 4", 1.2),
    "scriptTask": _line(
        "M5.4 2H15.4C12.4 4.8 12.2 7 13.8 9.4S15 14 12 16.4H2C5 14 5 12 3.6 9.6S2.6 4.4 5.4 2Z", 1.2
    )
    + _line("M5.6 5.6H10.6M6.2 9H11.4M6.8 12.6H11.8", 1.1),
    "businessRuleTask": _line("M1.4 3H16.6V15.4H1.4Z", 1.2)
    + _solid("M1.4 3H16.6V6H1.4Z")
    + _line("M1.4 10.6H16.6M6 6V15.4", 1.1),
    "manualTask": _line(
        "M1.6 8.6L7.4 4C8.8 3.2 9.9 4.4 9 5.5L7.8 7H15.2C16.8 7 16.8 9.2 15.2 9.2 16.6 9.2 16.6 11.3 15 11.3 "
        "16 11.3 16 13.3 14.4 13.3 15.2 13.3 15 15.2 13.6 15.2H5.4C3 15.2 1.6 13.8 1.6 12Z",
        1.2,
    ),
}


def task(kind: str) -> str:
    """Return the sign of a task; a plain task has none."""
    return _TASKS.get(kind, "")


# Below an activity's name: each in a square of 14 by 14

_BELOW: Final = {
    "parallel": _line("M3 1.5V12.5M7 1.5V12.5M11 1.5V12.5", 2.2),
    "sequential": _line("M1.5 3H12.5M1.5 7H12.5M1.5 11H12.5", 2.2),
    "standard": _line("M5 12.4A5.4 5.4 0 1 1 9.2 12.2M5.2 9V12.6H1.6", 1.5),
    "compensation": _line("M7 7L13 2.6V11.4ZM1 7L7 2.6V11.4Z", 1.2),
    "collapsed": _line("M.7.7H13.3V13.3H.7Z", 1.2) + _line("M7 3V11M3 7H11", 1.3),
    "adHoc": _line("M1.5 8.4C3.5 4 5.6 5.4 7 7S10.6 10 12.5 5.6", 1.9),
}


def below(kind: str) -> str:
    """Return a sign at an activity's lower edge: `parallel`, `sequential`, `standard`, `collapsed` ..."""
    return _BELOW[kind]
