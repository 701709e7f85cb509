"""What connects the elements of a process: sequence flows, default flows, boundary events and starts."""

from __future__ import annotations

from dataclasses import dataclass, field

from local_engine.diagram.events import is_definition
from local_engine.diagram.extensions import Extensions
from local_engine.diagram.kinds import DECIDING, EVENTS, GATEWAYS
from local_engine.diagram.markup import Node, child, content_of, shown
from local_engine.diagram.model import Element, Kind, MessageEvent, Process, SequenceFlow, TimerEvent
from local_engine.diagram.report import Report


@dataclass(slots=True)
class Found:
    """What was found while the elements of a process were read: it is needed to connect them."""

    nodes: dict[str, Node] = field(default_factory=dict)
    """Of the elements, by id."""
    flows: list[Node] = field(default_factory=list)
    """Sequence flows in the order of the document."""
    refused: set[str] = field(default_factory=set)
    """Ids of elements with a reported problem: a reference to one of these is not a problem of its own."""


def connect(process: Process, found: Found, report: Report) -> None:
    """Connect the elements of a process; problems go to the report."""
    connector = _Connector(process, found, report)
    for flow in found.flows:
        connector.read_flow(flow)
    for element in process.elements.values():
        if element.scope is not None:
            connector.place(element, element.scope, found.nodes[element.id])


class _Connector:
    """Connects elements by the ids that their XML names."""

    def __init__(self, process: Process, found: Found, report: Report) -> None:
        self._process = process
        self._found = found
        self._report = report

    def read_flow(self, node: Node) -> None:
        """Read a sequence flow, and connect what is at its ends."""
        flow_id = node.get("id", "")
        Extensions(self._report, flow_id, node, frozenset())
        condition = child(node, "conditionExpression")
        expression = None
        if condition is not None and content_of(condition):
            expression = self._report.feel(flow_id, "the condition", content_of(condition))
        source, target = self._end(flow_id, node, "sourceRef"), self._end(flow_id, node, "targetRef")
        if source is None or target is None:
            return
        if source.scope is not target.scope:
            self._report.add(
                flow_id,
                f"it leads from {shown(source.id)} into another scope, to {shown(target.id)}; redraw it.",
            )
            return
        flow = SequenceFlow(flow_id, source, target, expression)
        source.outgoing.append(flow)
        target.incoming.append(flow)

    def _end(self, flow: str, node: Node, attribute: str) -> Element | None:
        name = node.get(attribute, "")
        element = self._process.elements.get(name)
        if element is not None and element.kind is not Kind.PROCESS:
            return element
        if not name:
            self._report.add(flow, f"the sequence flow has no {attribute}; connect it.")
        elif name not in self._found.refused:
            self._report.add(
                flow,
                f"its {attribute} {shown(name)} is no element of the process; connect it again.",
            )
        return None

    def place(self, element: Element, scope: Element, node: Node) -> None:
        """Connect an element with its default flow, its activity, or the scope that it starts."""
        if (default := node.get("default")) is not None:
            flow = next((flow for flow in element.outgoing if flow.id == default), None)
            if flow is None:
                self._report.add(
                    element.id,
                    f"its default flow {shown(default)} does not leave it; choose another.",
                )
            elif element.kind in DECIDING:
                element.default_flow = flow
        if element.kind is Kind.EVENT_SUB_PROCESS:
            scope.event_sub_processes.append(element)
        elif element.kind is Kind.START_EVENT:
            self._link_start(element, scope)
        elif element.kind is Kind.BOUNDARY_EVENT:
            self._attach(element, node.get("attachedToRef", ""))

    def _link_start(self, element: Element, scope: Element) -> None:
        if scope.kind is not Kind.PROCESS:
            scope.start = scope.start or element
        elif isinstance(element.event, MessageEvent):
            self._process.message_starts.append(element)
        elif isinstance(element.event, TimerEvent):
            self._process.timer_starts.append(element)
        elif not any(is_definition(inner) for inner in self._found.nodes[element.id]):
            if scope.start is not None:
                self._report.add(
                    element.id,
                    "a process has one none start event at most; remove this or the other.",
                )
            scope.start = scope.start or element

    def _attach(self, element: Element, reference: str) -> None:
        activity = self._process.elements.get(reference)
        if activity is None:
            if reference not in self._found.refused:
                self._report.add(
                    element.id,
                    f"it is attached to {shown(reference)}, which does not exist; attach it to an activity.",
                )
        elif activity.scope is not element.scope:
            self._report.add(
                element.id,
                f"it is attached to {shown(reference)}, which is in another scope; move it there.",
            )
        elif activity.kind in EVENTS | GATEWAYS or activity.kind is Kind.EVENT_SUB_PROCESS:
            self._report.add(
                element.id,
                f"it cannot be attached to {shown(reference)}; attach it to an activity.",
            )
        else:
            element.attached_to = activity
            activity.boundary_events.append(element)
