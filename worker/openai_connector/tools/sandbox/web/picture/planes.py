"""Which parts of a file make the picture of one process, and where each of them stands."""

from __future__ import annotations

from typing import Final

from openai_connector.tools.sandbox.web.picture import layout
from openai_connector.tools.sandbox.web.picture.geometry import Point, united
from openai_connector.tools.sandbox.web.picture.model import FLOW_NODES, SUB_PROCESSES, Item, Link, Plane
from openai_connector.tools.sandbox.web.picture.reading import DrawnPlane, File

GAP: Final = 60.0
"""Between what the diagram places and what it forgot."""


def planes_of(file: File, process_id: str) -> list[Plane]:
    """Return the planes of a process: its own, then those of its collapsed sub-processes.

    What the file places nowhere is laid out below the rest.
    """
    main = _main(file, process_id)
    planes = [Plane("")]
    if main is not None:
        _fill(planes[0], file, main)
    for drawn in file.planes:
        owner = file.items.get(drawn.element)
        if (
            drawn is not main
            and owner is not None
            and owner.kind in SUB_PROCESSES
            and owner.process == process_id
        ):
            plane = Plane(owner.name or owner.id)
            _fill(plane, file, drawn)
            planes.append(plane)
    _add_forgotten(planes[0], file, process_id)
    for plane in planes:
        _add_links(plane, file)
    return [planes[0], *(plane for plane in planes[1:] if plane.items)]


def _main(file: File, process_id: str) -> DrawnPlane | None:
    """Return the plane that shows the most of a process, and is not that of a sub-process."""
    best, most = None, 0
    for plane in file.planes:
        owner = file.items.get(plane.element)
        if owner is not None and owner.kind in SUB_PROCESSES:
            continue
        shown = sum(1 for key in plane.shapes if key in file.items and file.items[key].process == process_id)
        if shown > most:
            best, most = plane, shown
    return best


def _fill(plane: Plane, file: File, drawn: DrawnPlane) -> None:
    owners = {
        item.parent.id
        for key in drawn.shapes
        if (item := file.items.get(key)) is not None and item.parent is not None
    }
    for key, shape in drawn.shapes.items():
        item = file.items.get(key)
        if item is None or item.bounds is not None:
            continue
        if item.kind in SUB_PROCESSES:
            item.expanded = key in owners if shape.expanded is None else shape.expanded
        item.bounds, item.label = shape.bounds, shape.label
        item.horizontal, item.marked = shape.horizontal, shape.marked
        plane.items.append(item)
    plane.items = [item for item in plane.items if not _is_hidden(item, drawn)]
    for key, edge in drawn.edges.items():
        link = file.links.get(key)
        if link is not None and not link.points:
            link.points, link.label = edge.points, edge.label


def _is_hidden(item: Item, drawn: DrawnPlane) -> bool:
    """Check whether a sub-process around an item is collapsed in the same plane."""
    scope = item.parent
    while scope is not None:
        if scope.id in drawn.shapes and not scope.expanded:
            return True
        scope = scope.parent
    return False


def _add_forgotten(plane: Plane, file: File, process_id: str) -> None:
    forgotten = [
        item
        for item in file.items.values()
        if item.process == process_id
        and item.kind in FLOW_NODES
        and item.bounds is None
        and not _is_inside(item)
    ]
    if not forgotten:
        return
    place = united(item.bounds for item in plane.items if item.bounds is not None)
    corner = Point(place.x, place.bottom + GAP) if place is not None else Point(0, 0)
    layout.arrange(forgotten, file.links.values(), corner)
    plane.items += [item for item in forgotten if not _is_inside(item)]


def _is_inside(item: Item) -> bool:
    """Check whether an item stands in a sub-process that is drawn, and drawn collapsed."""
    scope = item.parent
    while scope is not None:
        if scope.bounds is not None and not scope.expanded:
            return True
        scope = scope.parent
    return False


def _add_links(plane: Plane, file: File) -> None:
    drawn = {item.id: item for item in plane.items}
    for link in file.links.values():
        source, target = drawn.get(link.source), drawn.get(link.target)
        if not link.points and link.kind == "sequenceFlow" and source is not None and target is not None:
            link.points = layout.route(source, target)
        if link.points and _belongs(link, file, drawn):
            plane.links.append(link)


def _belongs(link: Link, file: File, drawn: dict[str, Item]) -> bool:
    """Check that all items at the ends of a link are in this plane; an association may end at a flow too."""
    ends = [end for end in (link.source, link.target) if end in file.items]
    return bool(ends) and all(end in drawn for end in ends)
