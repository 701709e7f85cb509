"""Loops that never wait: one token in such a loop would keep the engine busy forever."""

from __future__ import annotations

from typing import Final

from local_engine.diagram.markup import shown
from local_engine.diagram.model import Element, Kind, LinkEvent, Process
from local_engine.diagram.report import Report

_PASSES: Final = frozenset({Kind.UNDEFINED_TASK, Kind.MANUAL_TASK, Kind.THROW_EVENT})
_GATEWAYS: Final = frozenset({Kind.EXCLUSIVE_GATEWAY, Kind.INCLUSIVE_GATEWAY, Kind.PARALLEL_GATEWAY})


def check(process: Process, report: Report) -> None:
    """Check that no token can circle forever: each loop waits somewhere, or has a way out."""
    done: set[Element] = set()
    for first in process.elements.values():
        if first not in done and (loop := _loop_from(first, done)):
            names = ", ".join(shown(element.id) for element in loop[:5])
            report.add(
                loop[0].id,
                f"it is in a loop that never waits ({names}); add a condition, an event or a job.",
            )


def _loop_from(first: Element, done: set[Element]) -> list[Element]:
    """Return a loop that a token from this element cannot avoid, or nothing; `done` has those checked."""
    path: dict[Element, list[Element]] = {first: _always_next(first)}  # with the ways that are left to try
    while path:
        element, ways = next(reversed(path.items()))
        if not ways:
            done.add(element)
            del path[element]
            continue
        following = ways.pop()
        if following in path:
            done.update(path)
            members = list(path)
            return members[members.index(following) :]
        if following not in done:
            path[following] = _always_next(following)
    return []


def _always_next(element: Element) -> list[Element]:
    """Return where a token goes from here at once, whatever the variables are."""
    if element.link_target is not None:
        return [element.link_target]
    if element.kind in _GATEWAYS:
        passes = _has_one_way(element)
    elif element.kind is Kind.CATCH_EVENT:
        passes = isinstance(element.event, LinkEvent)
    else:
        passes = element.script is not None or (element.kind in _PASSES and element.job is None)
    return [flow.target for flow in element.outgoing] if passes else []


def _has_one_way(element: Element) -> bool:
    """Return whether a gateway neither decides nor waits for other tokens."""
    if element.kind is Kind.PARALLEL_GATEWAY:
        return len(element.incoming) < 2
    return len(element.outgoing) == 1 and element.outgoing[0].condition is None
