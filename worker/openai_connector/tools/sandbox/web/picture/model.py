"""What is drawn: items with a place, and links between them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from openai_connector.tools.sandbox.web.picture.geometry import Bounds, Point

EVENTS: Final = frozenset(
    {"startEvent", "endEvent", "intermediateCatchEvent", "intermediateThrowEvent", "boundaryEvent"}
)
GATEWAYS: Final = frozenset(
    {"exclusiveGateway", "parallelGateway", "inclusiveGateway", "complexGateway", "eventBasedGateway"}
)
TASKS: Final = frozenset(
    {
        *("task", "serviceTask", "sendTask", "receiveTask", "userTask", "manualTask", "scriptTask"),
        "businessRuleTask",
    }
)
SUB_PROCESSES: Final = frozenset({"subProcess", "transaction", "adHocSubProcess"})
ACTIVITIES: Final = TASKS | SUB_PROCESSES | {"callActivity"}
FLOW_NODES: Final = EVENTS | GATEWAYS | ACTIVITIES
DATA: Final = frozenset({"dataObjectReference", "dataStoreReference", "dataInput", "dataOutput"})
FRAMES: Final = frozenset({"participant", "lane"})
ARTIFACTS: Final = frozenset({"textAnnotation", "group"})
FLOWS: Final = frozenset({"sequenceFlow", "messageFlow"})
ASSOCIATIONS: Final = frozenset({"association", "dataInputAssociation", "dataOutputAssociation"})


@dataclass(eq=False, slots=True)
class Item:
    """Something that has a place: a flow node, a frame, data, or an artifact."""

    id: str
    kind: str
    """BPMN's tag."""
    name: str = ""
    parent: Item | None = None
    """The sub-process that it stands in."""
    process: str = ""
    """Id of the process that it belongs to."""
    bounds: Bounds | None = None
    label: Bounds | None = None
    """Where the diagram places the name, if it does."""
    event: str = ""
    """Of an event: what it is about, such as `timer`; empty for none."""
    throws: bool = False
    interrupting: bool = True
    attached_to: str = ""
    expanded: bool = True
    triggered: bool = False
    """Of a sub-process: whether an event triggers it."""
    loop: str = ""
    """`parallel`, `sequential`, `standard`, or nothing."""
    compensates: bool = False
    icon: str = ""
    """A data: URI of an image."""
    horizontal: bool = True
    """Of a frame."""
    marked: bool = True
    """Of an exclusive gateway: whether it shows its cross."""
    depth: int = 0
    """How many sub-processes it stands in."""


@dataclass(eq=False, slots=True)
class Link:
    """A line between two items."""

    id: str
    kind: str
    """BPMN's tag."""
    source: str
    target: str
    name: str = ""
    points: list[Point] = field(default_factory=list)
    label: Bounds | None = None
    is_default: bool = False
    is_conditional: bool = False
    """A flow with a condition that leaves no gateway."""
    heads: int = 0
    """Of an association: how many of its ends have an arrow."""


@dataclass(slots=True)
class Plane:
    """One drawing area; a collapsed sub-process has one of its own."""

    title: str
    items: list[Item] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)
