"""Rules that hold between elements: how they may be connected, and what a scope must have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from local_engine.diagram import catches, endless
from local_engine.diagram.kinds import DECIDING, SCOPES
from local_engine.diagram.markup import shown
from local_engine.diagram.model import (
    Element,
    ErrorEvent,
    Kind,
    LinkEvent,
    Process,
    TerminateEvent,
)
from local_engine.diagram.report import Report


def check(process: Process, report: Report) -> None:
    """Check a process whose elements are linked; problems go to the report."""
    starts: dict[Element | None, int] = {}
    for element in process.elements.values():
        if element.kind is Kind.START_EVENT:
            starts[element.scope] = starts.get(element.scope, 0) + 1
    for element in process.elements.values():
        if element.kind in SCOPES:
            _check_starts(element, starts.get(element, 0), report)
        if (rule := _RULES.get(element.kind)) is not None:
            rule(element, report)
        _check_conditions(element, report)
        _check_mappings(element, report)
    catches.check(process, report)
    endless.check(process, report)


def _check_starts(scope: Element, count: int, report: Report) -> None:
    if scope.kind is Kind.PROCESS:
        if not count:
            report.add(scope.id, "the process has no start event; add one.")
    elif count != 1:
        what = "an event sub-process" if scope.kind is Kind.EVENT_SUB_PROCESS else "a sub-process"
        report.add(scope.id, f"{what} must have exactly one start event, and it has {count}; correct that.")


def _check_start(element: Element, report: Report) -> None:
    _no_incoming(element, "a start event", report)


def _check_end(element: Element, report: Report) -> None:
    _no_outgoing(element, "an end event", report)


def _check_boundary(element: Element, report: Report) -> None:
    _no_incoming(element, "a boundary event", report)
    if not element.outgoing:
        report.add(element.id, "no sequence flow leaves the boundary event; connect it to what happens then.")


def _check_event_sub_process(element: Element, report: Report) -> None:
    _no_incoming(element, "an event sub-process", report)
    _no_outgoing(element, "an event sub-process", report)


def _check_throw(element: Element, report: Report) -> None:
    if isinstance(element.event, LinkEvent):
        _no_outgoing(element, "a link throw event", report)


def _check_catch(element: Element, report: Report) -> None:
    if isinstance(element.event, LinkEvent):
        _no_incoming(element, "a link catch event", report)


def _check_inclusive_gateway(element: Element, report: Report) -> None:
    if len(element.incoming) > 1:
        report.add(
            element.id,
            "an inclusive gateway that joins several flows is not supported by this engine; "
            "join them by parallel and exclusive gateways.",
        )


def _check_event_based_gateway(element: Element, report: Report) -> None:
    if len(element.outgoing) < 2:
        report.add(
            element.id,
            "an event-based gateway must have at least two outgoing sequence flows; add events.",
        )
    for flow in element.outgoing:
        target = flow.target
        if target.kind is not Kind.CATCH_EVENT or isinstance(target.event, LinkEvent):
            report.add(
                element.id,
                "an event-based gateway leads to timer and message catch events only, "
                f"and {shown(target.id)} is none; connect it to such an event.",
            )
            continue
        if len(target.incoming) > 1:
            report.add(
                target.id,
                f"it follows the event-based gateway {shown(element.id)}, "
                "so it cannot have another incoming sequence flow; remove that.",
            )
        if target.inputs:
            report.add(
                target.id,
                f"it follows the event-based gateway {shown(element.id)}, "
                "so it has no input mappings; use output mappings.",
            )


_RULES: Final[dict[Kind, Callable[[Element, Report], None]]] = {
    Kind.START_EVENT: _check_start,
    Kind.END_EVENT: _check_end,
    Kind.BOUNDARY_EVENT: _check_boundary,
    Kind.EVENT_SUB_PROCESS: _check_event_sub_process,
    Kind.THROW_EVENT: _check_throw,
    Kind.CATCH_EVENT: _check_catch,
    Kind.INCLUSIVE_GATEWAY: _check_inclusive_gateway,
    Kind.EVENT_BASED_GATEWAY: _check_event_based_gateway,
}


def _check_conditions(element: Element, report: Report) -> None:
    if element.kind not in DECIDING:
        for flow in element.outgoing:
            if flow.condition is not None:
                report.add(
                    flow.id,
                    f"it has a condition, but leaves {shown(element.id)}; "
                    "remove the condition, or let it leave an exclusive or inclusive gateway.",
                )
    elif len(element.outgoing) > 1:
        for flow in element.outgoing:
            if flow.condition is None and flow is not element.default_flow:
                report.add(
                    flow.id,
                    f"it leaves the gateway {shown(element.id)} without a condition, "
                    "and is not its default flow; add a condition, or make it the default flow.",
                )


def _check_mappings(element: Element, report: Report) -> None:
    if element.inputs and element.kind in (Kind.START_EVENT, Kind.BOUNDARY_EVENT):
        report.add(element.id, "a start or boundary event has no input mappings; use output mappings.")
    ends_otherwise = element.kind is Kind.END_EVENT and isinstance(element.event, ErrorEvent | TerminateEvent)
    if element.outputs and ends_otherwise:
        report.add(element.id, "an error or terminate end event has no output mappings; remove them.")


def _no_incoming(element: Element, what: str, report: Report) -> None:
    for flow in element.incoming:
        report.add(element.id, f"{what} has no incoming sequence flow; remove {shown(flow.id)}.")


def _no_outgoing(element: Element, what: str, report: Report) -> None:
    for flow in element.outgoing:
        report.add(element.id, f"{what} has no outgoing sequence flow; remove {shown(flow.id)}.")
