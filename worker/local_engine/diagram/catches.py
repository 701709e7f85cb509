"""Rules for catch events: in one place, each message, error and link is caught once."""

from __future__ import annotations

from collections.abc import Iterable

from local_engine.diagram.markup import shown
from local_engine.diagram.model import Element, ErrorEvent, Kind, LinkEvent, MessageEvent, Process
from local_engine.diagram.report import Report


def check(process: Process, report: Report) -> None:
    """Check all places of a process, and connect its links; problems go to the report."""
    _check_messages(process.message_starts, report)
    for element in process.elements.values():
        starts = [inner.start for inner in element.event_sub_processes if inner.start is not None]
        for side_by_side in (element.boundary_events, starts):
            _check_errors(side_by_side, report)
        _check_messages([element, *element.boundary_events], report)  # a receive task waits for a message too
        _check_messages(starts, report)
        if element.kind is Kind.EVENT_BASED_GATEWAY:
            _check_messages([flow.target for flow in element.outgoing], report)
    _connect_links(process, report)


def _check_messages(elements: Iterable[Element], report: Report) -> None:
    seen: dict[str, Element] = {}
    for element in elements:
        event = element.event
        if isinstance(event, MessageEvent) and event.name.is_static:
            other = seen.setdefault(event.name.text, element)
            if other is not element:
                report.add(
                    element.id,
                    f"it waits for the message {shown(event.name.text)}, "
                    f"and so does {shown(other.id)} in the same place; use another message.",
                )


def _check_errors(elements: Iterable[Element], report: Report) -> None:
    seen: dict[str | None, Element] = {}
    for element in elements:
        event = element.event
        if isinstance(event, ErrorEvent):
            code = event.code.text if event.code is not None else None
            other = seen.setdefault(code, element)
            if other is not element:
                what = f"the error code {shown(code)}" if code is not None else "all errors"
                report.add(
                    element.id,
                    f"it catches {what}, and so does {shown(other.id)} in the same place; "
                    "use another code, or remove it.",
                )


def _connect_links(process: Process, report: Report) -> None:
    targets: dict[tuple[Element | None, str], Element] = {}
    for element in process.elements.values():
        if element.kind is Kind.CATCH_EVENT and isinstance(element.event, LinkEvent):
            other = targets.setdefault((element.scope, element.event.name), element)
            if other is not element:
                report.add(
                    element.id,
                    f"it catches the link {shown(element.event.name)}, "
                    f"and so does {shown(other.id)} in the same scope; use another name.",
                )
    for element in process.elements.values():
        if element.kind is Kind.THROW_EVENT and isinstance(element.event, LinkEvent):
            element.link_target = targets.get((element.scope, element.event.name))
            if element.link_target is None:
                report.add(
                    element.id,
                    f"its link {shown(element.event.name)} has no catch event in the same scope; add one.",
                )
