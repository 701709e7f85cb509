"""A BPMN file read for drawing: what its elements are, and where its diagram interchange places them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from local_engine.diagram.markup import BPMN, ZEEBE, Node, bpmn_name, parse
from openai_connector.tools.sandbox.web.picture.geometry import Bounds, Point, number, without_doubles
from openai_connector.tools.sandbox.web.picture.model import (
    ACTIVITIES,
    ARTIFACTS,
    ASSOCIATIONS,
    DATA,
    EVENTS,
    FLOW_NODES,
    FLOWS,
    SUB_PROCESSES,
    Item,
    Link,
)

DI: Final = "{http://www.omg.org/spec/BPMN/20100524/DI}"
DC: Final = "{http://www.omg.org/spec/DD/20100524/DC}"
OMG_DI: Final = "{http://www.omg.org/spec/DD/20100524/DI}"
MOST: Final = 20_000
"""Items, and links, that are drawn of one file."""
LARGEST_ICON: Final = 200_000
"""Characters of an icon's URI."""

_ICON: Final = re.compile(r"data:image/(?:png|jpeg|gif|webp|svg\+xml)[;,]", re.IGNORECASE)
_DEFINITIONS: Final = {
    "messageEventDefinition": "message",
    "timerEventDefinition": "timer",
    "errorEventDefinition": "error",
    "terminateEventDefinition": "terminate",
    "linkEventDefinition": "link",
    "signalEventDefinition": "signal",
    "escalationEventDefinition": "escalation",
    "compensateEventDefinition": "compensation",
    "conditionalEventDefinition": "conditional",
    "cancelEventDefinition": "cancel",
}


@dataclass(frozen=True, slots=True)
class Shape:
    """Where one plane places an item."""

    bounds: Bounds
    label: Bounds | None
    expanded: bool | None
    horizontal: bool
    marked: bool


@dataclass(frozen=True, slots=True)
class Edge:
    """Where one plane draws a link."""

    points: list[Point]
    label: Bounds | None


@dataclass(slots=True)
class DrawnPlane:
    """What one plane of the file holds, by the ids of the elements."""

    element: str
    shapes: dict[str, Shape] = field(default_factory=dict)
    edges: dict[str, Edge] = field(default_factory=dict)


@dataclass(slots=True)
class File:
    """All of a file that can be drawn."""

    items: dict[str, Item] = field(default_factory=dict)
    links: dict[str, Link] = field(default_factory=dict)
    processes: dict[str, str] = field(default_factory=dict)
    """Id of each process -> its name."""
    collaborations: dict[str, set[str]] = field(default_factory=dict)
    """Id of each collaboration -> ids of the processes that take part."""
    planes: list[DrawnPlane] = field(default_factory=list)


def read(content: bytes) -> File:
    """Read a BPMN file.

    Raises:
        DiagramError: it is no BPMN diagram, or has a document type.
    """
    root = parse(content)
    file = File()
    categories = _categories(root)
    for node in root.findall(f"{BPMN}process"):
        process_id = node.get("id", "")
        file.processes[process_id] = node.get("name", "")
        _read_scope(file, node, process_id, categories)
    for node in root.findall(f"{BPMN}collaboration"):
        _read_collaboration(file, node, categories)
    for link in file.links.values():
        source = file.items.get(link.source)
        link.is_conditional = link.is_conditional and source is not None and source.kind in ACTIVITIES
    file.planes = [_plane(node) for node in root.iter(f"{DI}BPMNPlane")]
    return file


# Elements


def _read_scope(file: File, process: Node, process_id: str, categories: dict[str, str]) -> None:
    """Read a process with all its sub-processes, without recursion: files may be nested very deep."""
    waiting: list[tuple[Node, Item | None]] = [(process, None)]
    while waiting:
        scope, parent = waiting.pop()
        defaults = _defaults(scope)
        for node in scope:
            kind = bpmn_name(node)
            if kind in FLOW_NODES or kind in DATA or kind in ARTIFACTS:
                item = _item(node, kind, parent, process_id, categories)
                _add(file.items, item.id, item)
                if kind in SUB_PROCESSES:
                    waiting.append((node, item))
            elif kind == "laneSet":
                _read_lanes(file, node, process_id)
            elif kind in FLOWS or kind in ASSOCIATIONS:
                _read_link(file, node, kind, defaults)
            if kind in ACTIVITIES or kind in EVENTS:
                _read_data_links(file, node)


def _defaults(scope: Node) -> set[str]:
    return {node.get("default", "") for node in scope} - {""}


def _item(node: Node, kind: str, parent: Item | None, process_id: str, categories: dict[str, str]) -> Item:
    item = Item(node.get("id", ""), kind, _name(node, kind, categories), parent, process_id)
    item.depth = parent.depth + 1 if parent is not None else 0
    if kind in EVENTS:
        item.event = _event(node)
        item.throws = kind in ("endEvent", "intermediateThrowEvent")
        item.attached_to = node.get("attachedToRef", "")
        flag = "cancelActivity" if kind == "boundaryEvent" else "isInterrupting"
        item.interrupting = node.get(flag, "true") != "false"
    elif kind in ACTIVITIES:
        item.loop = _loop(node)
        item.compensates = node.get("isForCompensation") == "true"
        item.triggered = node.get("triggeredByEvent") == "true"
        icon = node.get(f"{ZEEBE}modelerTemplateIcon", "").strip()
        item.icon = icon if len(icon) <= LARGEST_ICON and _ICON.match(icon) else ""
    return item


def _name(node: Node, kind: str, categories: dict[str, str]) -> str:
    if kind == "textAnnotation":
        return "".join("".join(part.itertext()) for part in node.findall(f"{BPMN}text"))
    if kind == "group":
        return categories.get(node.get("categoryValueRef", ""), "")
    return node.get("name", "")


def _event(node: Node) -> str:
    found = [_DEFINITIONS[kind] for child in node if (kind := bpmn_name(child)) in _DEFINITIONS]
    found += ["multiple" for _ in node.findall(f"{BPMN}eventDefinitionRef")]
    if len(found) > 1:
        return "parallelMultiple" if node.get("parallelMultiple") == "true" else "multiple"
    return found[0] if found else ""


def _loop(node: Node) -> str:
    rounds = node.find(f"{BPMN}multiInstanceLoopCharacteristics")
    if rounds is not None:
        return "sequential" if rounds.get("isSequential") == "true" else "parallel"
    return "standard" if node.find(f"{BPMN}standardLoopCharacteristics") is not None else ""


def _read_lanes(file: File, lane_set: Node, process_id: str) -> None:
    for node in lane_set.iter(f"{BPMN}lane"):
        lane = Item(node.get("id", ""), "lane", node.get("name", ""), None, process_id)
        _add(file.items, lane.id, lane)


def _read_link(file: File, node: Node, kind: str, defaults: set[str]) -> None:
    link = Link(
        node.get("id", ""), kind, node.get("sourceRef", ""), node.get("targetRef", ""), node.get("name", "")
    )
    if kind == "sequenceFlow":
        link.is_default = link.id in defaults
        link.is_conditional = node.find(f"{BPMN}conditionExpression") is not None
    elif kind == "association":
        link.heads = {"One": 1, "Both": 2}.get(node.get("associationDirection", ""), 0)
    _add(file.links, link.id, link)


def _read_data_links(file: File, owner: Node) -> None:
    for node in owner:
        kind = bpmn_name(node)
        if kind in ("dataInputAssociation", "dataOutputAssociation"):
            inwards = kind == "dataInputAssociation"
            other = node.findtext(f"{BPMN}{'sourceRef' if inwards else 'targetRef'}", "").strip()
            ends = (other, owner.get("id", "")) if inwards else (owner.get("id", ""), other)
            link = Link(node.get("id", ""), kind, *ends, heads=1)
            _add(file.links, link.id, link)


def _read_collaboration(file: File, collaboration: Node, categories: dict[str, str]) -> None:
    taking_part = file.collaborations.setdefault(collaboration.get("id", ""), set())
    for node in collaboration:
        kind = bpmn_name(node)
        if kind == "participant":
            process_id = node.get("processRef", "").rpartition(":")[2]
            taking_part.add(process_id)
            name = node.get("name", "")
            pool = Item(node.get("id", ""), kind, name, None, process_id)
            pool.expanded = process_id in file.processes
            _add(file.items, pool.id, pool)
        elif kind in ARTIFACTS:
            item = _item(node, kind, None, "", categories)
            _add(file.items, item.id, item)
        elif kind in FLOWS or kind in ASSOCIATIONS:
            _read_link(file, node, kind, set())


def _categories(root: Node) -> dict[str, str]:
    return {node.get("id", ""): node.get("value", "") for node in root.iter(f"{BPMN}categoryValue")}


def _add(kept: dict[str, Item] | dict[str, Link], element_id: str, element: Item | Link) -> None:
    if element_id and element_id not in kept and len(kept) < MOST:
        kept[element_id] = element  # type: ignore[assignment]


# Places


def _plane(node: Node) -> DrawnPlane:
    plane = DrawnPlane(_reference(node))
    for child in node:
        if child.tag == f"{DI}BPMNShape" and (shape := _shape(child)) is not None:
            plane.shapes.setdefault(_reference(child), shape)
        elif child.tag == f"{DI}BPMNEdge":
            points = without_doubles([*_points(child)])
            if len(points) > 1:
                plane.edges.setdefault(_reference(child), Edge(points, _label(child)))
    return plane


def _reference(node: Node) -> str:
    return node.get("bpmnElement", "").rpartition(":")[2]


def _shape(node: Node) -> Shape | None:
    bounds = _bounds(node)
    if bounds is None:
        return None
    expanded = node.get("isExpanded")
    return Shape(
        bounds,
        _label(node),
        expanded == "true" if expanded is not None else None,
        node.get("isHorizontal", "true") != "false",
        node.get("isMarkerVisible", "true") != "false",
    )


def _label(node: Node) -> Bounds | None:
    label = node.find(f"{DI}BPMNLabel")
    return _bounds(label) if label is not None else None


def _bounds(node: Node) -> Bounds | None:
    found = node.find(f"{DC}Bounds")
    if found is None:
        return None
    x, y = number(found.get("x")), number(found.get("y"))
    width, height = number(found.get("width")), number(found.get("height"))
    if x is None or y is None or not width or not height or width < 0 or height < 0:
        return None
    return Bounds(x, y, width, height)


def _points(node: Node) -> Iterator[Point]:
    for found in node.findall(f"{OMG_DI}waypoint"):
        x, y = number(found.get("x")), number(found.get("y"))
        if x is not None and y is not None:
            yield Point(x, y)
