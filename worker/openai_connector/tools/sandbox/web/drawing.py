"""The picture of a process: one SVG, drawn from the places that the diagram itself gives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from openai_connector.look.svg import figure, tag, text
from openai_connector.tools.sandbox.web.picture import edges, shapes
from openai_connector.tools.sandbox.web.picture.geometry import Bounds, Point, united
from openai_connector.tools.sandbox.web.picture.labels import lines_at, wrap
from openai_connector.tools.sandbox.web.picture.model import FRAMES, SUB_PROCESSES, Item, Plane
from openai_connector.tools.sandbox.web.picture.planes import planes_of
from openai_connector.tools.sandbox.web.picture.reading import read
from openai_connector.tools.sandbox.web.picture.symbols import INK, PAPER

MARGIN: Final = 16.0
"""Around the whole picture: room for what a page puts at the corners of elements."""
PLANE_GAP: Final = 44.0
PLANE_PADDING: Final = 20.0


def draw(content: bytes, process_id: str) -> str:
    """Draw the picture of one process of a BPMN file as SVG.

    Each element and flow is a group with `data-element`, its id, and classes of its kind. Colours are
    presentation attributes, so that any style sheet may put its own in their place. The picture holds no
    script, no style sheet and nothing that is fetched from elsewhere.

    Args:
        content: of the file.
        process_id: of the process in it.

    Raises:
        DiagramError: the file is no BPMN diagram.
    """
    file = read(content)
    main, *others = planes_of(file, process_id)
    drawn, place = _plane(main)
    parts = [drawn]
    for plane in others:
        drawn, inner = _plane(plane)
        framed, place = _framed(drawn, inner, plane.title, place)
        parts.append(framed)
    view = place.grown(MARGIN)
    name = file.processes.get(process_id) or process_id
    return tag(
        "svg", tag("title", text(name)), *parts,
        xmlns="http://www.w3.org/2000/svg", class_="bpmn",
        viewBox=" ".join(figure(value) for value in view), width=view.width, height=view.height,
        font_family="Arial, Helvetica, 'Liberation Sans', sans-serif", font_size=12, fill=INK,
    )  # fmt: skip


def _plane(plane: Plane) -> tuple[str, Bounds]:
    """Return a plane's markup, and the place that it takes."""
    drawn: list[str] = []
    places: list[Bounds] = []
    for layer in _LAYERS:
        for item in sorted((item for item in plane.items if layer(item)), key=lambda item: item.depth):
            markup, taken = shapes.draw(item)
            drawn.append(markup)
            places += taken
        if layer is _is_container:  # lines stand above what they run in, and below what they connect
            for link in plane.links:
                markup, taken = edges.draw(link)
                drawn.append(markup)
                places += taken
    return "".join(drawn), united(places) or Bounds(0, 0, 100, 40)


def _is_frame(item: Item) -> bool:
    return item.kind in FRAMES


def _is_container(item: Item) -> bool:
    return item.kind == "group" or (item.kind in SUB_PROCESSES and item.expanded)


def _is_node(item: Item) -> bool:
    return not _is_frame(item) and not _is_container(item) and not _is_on_edge(item)


def _is_on_edge(item: Item) -> bool:
    return item.kind == "boundaryEvent"


_LAYERS: Final[tuple[Callable[[Item], bool], ...]] = (_is_frame, _is_container, _is_node, _is_on_edge)


def _framed(drawn: str, inner: Bounds, title: str, above: Bounds) -> tuple[str, Bounds]:
    """Return the plane of a collapsed sub-process in a frame with its name, below what is drawn already."""
    width = max(inner.width, 120.0)
    frame = Bounds(
        above.x, above.bottom + PLANE_GAP, width + 2 * PLANE_PADDING, inner.height + 2 * PLANE_PADDING + 18
    )
    x, y = frame.x + PLANE_PADDING - inner.x, frame.y + PLANE_PADDING + 18 - inner.y
    border = tag(
        "rect", class_="body", x=frame.x, y=frame.y, width=frame.width, height=frame.height, rx=10,
        fill=PAPER, stroke=INK, stroke_width=1.2, stroke_dasharray="6 4",
    )  # fmt: skip
    heading = lines_at(wrap(title, width, 1), Point(frame.x + PLANE_PADDING, frame.y + 17), anchor="start")
    moved = tag("g", drawn, transform=f"translate({figure(x)} {figure(y)})")
    whole = united([above, frame])
    assert whole is not None
    return tag("g", border, heading, moved, class_="plane"), whole
