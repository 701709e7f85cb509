"""Items as SVG: each a group that names its element, so that a page can colour what has happened there."""

from __future__ import annotations

from typing import Final

from openai_connector.look.svg import figure, tag, text
from openai_connector.tools.sandbox.web.picture import symbols
from openai_connector.tools.sandbox.web.picture.geometry import Bounds, Point
from openai_connector.tools.sandbox.web.picture.labels import LINE, inside, lines_at, outside, wrap
from openai_connector.tools.sandbox.web.picture.model import (
    ACTIVITIES,
    DATA,
    EVENTS,
    FRAMES,
    GATEWAYS,
    SUB_PROCESSES,
    TASKS,
    Item,
)
from openai_connector.tools.sandbox.web.picture.symbols import INK, PAPER

BAND: Final = 30.0
"""Of a pool or lane: where its name stands."""
SIGN: Final = 14.0
"""Size of the signs at the lower edge of an activity."""


def draw(item: Item) -> tuple[str, list[Bounds]]:
    """Return an item's group, and the places that it takes; an item without a place is not drawn."""
    bounds = item.bounds
    if bounds is None:
        return "", []
    taken = [bounds]
    if item.kind in EVENTS or item.kind in GATEWAYS or item.kind in DATA:
        drawer = _event if item.kind in EVENTS else _gateway
        drawn = _data(item, bounds) if item.kind in DATA else drawer(item, bounds)
        label, place = outside(item.name, item.label, bounds)
        drawn += label
        taken += [place] if place is not None else []
    elif item.kind in ACTIVITIES:
        drawn = _activity(item, bounds)
    elif item.kind in FRAMES:
        drawn = _frame(item, bounds)
    else:
        drawn = _artifact(item, bounds)
    title = tag("title", text(item.name or item.id))
    return tag("g", title, drawn, class_=_classes(item), data_element=item.id), taken


def _classes(item: Item) -> str:
    if item.kind in EVENTS:
        family = "event"
    elif item.kind in GATEWAYS:
        family = "gateway"
    elif item.kind in ACTIVITIES:
        family = "activity"
    elif item.kind in FRAMES:
        family = "frame"
    else:
        family = "data" if item.kind in DATA else "artifact"
    opened = " expanded" if item.kind in SUB_PROCESSES and item.expanded else ""
    return f"element {family} {item.kind}{opened}"


def _event(item: Item, bounds: Bounds) -> str:
    center, radius = bounds.center, min(bounds.width, bounds.height) / 2
    is_end = item.kind == "endEvent"
    dashes = None if item.interrupting else "5 3.2"
    body = tag(
        "circle", class_="body", cx=center.x, cy=center.y, r=radius, fill=PAPER, stroke=INK,
        stroke_width=4 if is_end else 2, stroke_dasharray=dashes,
    )  # fmt: skip
    if item.kind not in ("startEvent", "endEvent"):
        body += tag(
            "circle", class_="inner", cx=center.x, cy=center.y, r=max(radius - 3.5, 1), fill="none",
            stroke=INK, stroke_width=1.4, stroke_dasharray=dashes,
        )  # fmt: skip
    return body + _placed(symbols.event(item.event, item.throws), center, radius / 18)


def _gateway(item: Item, bounds: Bounds) -> str:
    center = bounds.center
    corners = (
        (center.x, bounds.y),
        (bounds.right, center.y),
        (center.x, bounds.bottom),
        (bounds.x, center.y),
    )
    points = " ".join(f"{figure(x)},{figure(y)}" for x, y in corners)
    body = tag("polygon", class_="body", points=points, fill=PAPER, stroke=INK, stroke_width=2)
    sign = symbols.gateway(item.kind) if item.marked else ""
    return body + _placed(sign, center, min(bounds.width, bounds.height) / 50)


def _activity(item: Item, bounds: Bounds) -> str:
    is_triggered = item.triggered
    body = tag(
        "rect", class_="body", x=bounds.x, y=bounds.y, width=bounds.width, height=bounds.height, rx=10,
        fill=PAPER, stroke=INK, stroke_width=4.5 if item.kind == "callActivity" else 2,
        stroke_dasharray="1 5" if is_triggered else None, stroke_linecap="round" if is_triggered else None,
    )  # fmt: skip
    if item.kind == "transaction":
        body += tag(
            "rect", class_="inner", x=bounds.x + 3, y=bounds.y + 3, width=max(bounds.width - 6, 1),
            height=max(bounds.height - 6, 1), rx=8, fill="none", stroke=INK, stroke_width=1.4,
        )  # fmt: skip
    below = _signs_below(item)
    if item.kind in SUB_PROCESSES and item.expanded:
        most = max(int(bounds.height // LINE) - 1, 1)
        lines = wrap(item.name, bounds.width - 24, min(most, 2))
        drawn = lines_at(lines, Point(bounds.center.x, bounds.y + 14))
    else:
        room = bounds.height - (SIGN if below else 0)
        head = 22 if item.icon or symbols.task(item.kind) else 0
        drawn = inside(item.name, Bounds(bounds.x, bounds.y, bounds.width, room), head=head)
    return body + _sign_of_task(item, bounds) + drawn + _row_of_signs(below, bounds)


def _sign_of_task(item: Item, bounds: Bounds) -> str:
    corner = Point(bounds.x + 6, bounds.y + 6)
    if item.icon:
        plate = tag(
            "rect", class_="plate", x=corner.x - 1, y=corner.y - 1, width=20, height=20, rx=4, fill="none"
        )
        return plate + tag(
            "image", class_="icon", x=corner.x, y=corner.y, width=18, height=18, href=item.icon
        )
    return _placed(symbols.task(item.kind), corner, 1) if item.kind in TASKS else ""


def _signs_below(item: Item) -> list[str]:
    signs = ["compensation"] if item.compensates else []
    signs += [item.loop] if item.loop else []
    is_collapsed = item.kind in SUB_PROCESSES and not item.expanded
    signs += ["collapsed"] if is_collapsed or item.kind == "callActivity" else []
    return [*signs, "adHoc"] if item.kind == "adHocSubProcess" else signs


def _row_of_signs(signs: list[str], bounds: Bounds) -> str:
    step = SIGN + 4
    left = bounds.center.x - (len(signs) * step - 4) / 2
    top = bounds.bottom - SIGN - 3
    return "".join(
        _placed(symbols.below(sign), Point(left + number * step, top), 1) for number, sign in enumerate(signs)
    )


def _frame(item: Item, bounds: Bounds) -> str:
    body = tag(
        "rect", class_="body", x=bounds.x, y=bounds.y, width=bounds.width, height=bounds.height,
        fill=PAPER if item.kind == "participant" else "none", stroke=INK, stroke_width=1.4,
    )  # fmt: skip
    if item.kind == "participant" and not item.expanded:
        return body + inside(item.name, bounds)
    if not item.horizontal:
        edge = bounds.y + BAND
        band = (
            _edge(f"M{figure(bounds.x)} {figure(edge)}H{figure(bounds.right)}") if item.kind != "lane" else ""
        )
        return body + band + inside(item.name, Bounds(bounds.x, bounds.y, bounds.width, BAND))
    edge = bounds.x + BAND
    band = _edge(f"M{figure(edge)} {figure(bounds.y)}V{figure(bounds.bottom)}") if item.kind != "lane" else ""
    center = Point(bounds.x + BAND / 2, bounds.center.y)
    lines = wrap(item.name, max(bounds.height - 12, 20), 1)
    turned = tag(
        "g",
        lines_at(lines, Point(0, 0)),
        transform=f"translate({figure(center.x)} {figure(center.y)}) rotate(-90)",
    )
    return body + band + turned


def _edge(path: str) -> str:
    return tag("path", class_="inner", d=path, fill="none", stroke=INK, stroke_width=1.4)


def _data(item: Item, bounds: Bounds) -> str:
    x, y, right, bottom = (figure(v) for v in (bounds.x, bounds.y, bounds.right, bounds.bottom))
    if item.kind == "dataStoreReference":
        lid = figure(bounds.y + 7)
        arc = f"A{figure(bounds.width / 2)} 7 0 0"
        bottom = figure(bounds.bottom - 7)
        path = f"M{x} {lid}{arc} 1 {right} {lid}V{bottom}{arc} 1 {x} {bottom}Z"
        path += f"M{x} {lid}{arc} 0 {right} {lid}"
    else:
        fold = min(10.0, bounds.width / 3)
        cut, low = figure(bounds.right - fold), figure(bounds.y + fold)
        path = f"M{x} {y}H{cut}L{right} {low}V{bottom}H{x}ZM{cut} {y}V{low}H{right}"
    return tag(
        "path", class_="body", d=path, fill=PAPER, stroke=INK, stroke_width=1.5, stroke_linejoin="round"
    )


def _artifact(item: Item, bounds: Bounds) -> str:
    if item.kind == "group":
        body = tag(
            "rect", class_="body", x=bounds.x, y=bounds.y, width=bounds.width, height=bounds.height, rx=10,
            fill="none", stroke=INK, stroke_width=1.5, stroke_dasharray="10 4 2 4",
        )  # fmt: skip
        lines = wrap(item.name, bounds.width - 16, 1)
        return body + lines_at(lines, Point(bounds.center.x, bounds.y + 12))
    x, y, bottom = figure(bounds.x), figure(bounds.y), figure(bounds.bottom)
    arm = figure(bounds.x + min(10.0, bounds.width))
    bracket = tag(
        "path", class_="body", d=f"M{arm} {y}H{x}V{bottom}H{arm}", fill="none", stroke=INK, stroke_width=1.5
    )
    lines = wrap(item.name, max(bounds.width - 12, 20), max(int((bounds.height - 4) // LINE), 1))
    return bracket + lines_at(lines, Point(bounds.x + 7, bounds.y + 12), anchor="start")


def _placed(sign: str, at: Point, scale: float) -> str:
    if not sign:
        return ""
    scaled = f" scale({figure(scale)})" if abs(scale - 1) > 0.01 else ""
    return tag("g", sign, class_="sign", transform=f"translate({figure(at.x)} {figure(at.y)}){scaled}")
