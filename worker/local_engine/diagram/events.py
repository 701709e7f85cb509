"""Event definitions: timers, messages, errors, links and terminations, and where each of them is allowed."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Final

from local_engine import schedules
from local_engine.diagram.extensions import Extensions
from local_engine.diagram.markup import BPMN, Node, bpmn_name, child, content_of, shown
from local_engine.diagram.model import (
    Element,
    ErrorEvent,
    Kind,
    LinkEvent,
    MessageEvent,
    TerminateEvent,
    TimerEvent,
    TimerKind,
)
from local_engine.diagram.report import Report


class Place(StrEnum):
    """Where an event stands, as messages name it."""

    PROCESS_START = "start event of a process"
    SUB_PROCESS_START = "start event of a sub-process"
    EVENT_SUB_PROCESS_START = "start event of an event sub-process"
    CATCH = "intermediate catch event"
    THROW = "intermediate throw event"
    END = "end event"
    BOUNDARY = "boundary event"


_NONE: Final = "none"
_POSSIBLE: Final[dict[Place, tuple[str, ...]]] = {
    Place.PROCESS_START: (_NONE, "message", "timer"),
    Place.SUB_PROCESS_START: (_NONE,),
    Place.EVENT_SUB_PROCESS_START: ("error", "message", "timer"),
    Place.CATCH: ("link", "message", "timer"),
    Place.THROW: (_NONE, "link", "message"),
    Place.END: (_NONE, "error", "message", "terminate"),
    Place.BOUNDARY: ("error", "message", "timer"),
}
_PLACES: Final = {
    Kind.CATCH_EVENT: Place.CATCH,
    Kind.THROW_EVENT: Place.THROW,
    Kind.END_EVENT: Place.END,
    Kind.BOUNDARY_EVENT: Place.BOUNDARY,
}
_STARTS: Final = {
    Kind.PROCESS: Place.PROCESS_START,
    Kind.SUB_PROCESS: Place.SUB_PROCESS_START,
    Kind.EVENT_SUB_PROCESS: Place.EVENT_SUB_PROCESS_START,
}
_NOT_SUPPORTED: Final = {
    "signal": "signal events",
    "escalation": "escalation events",
    "compensate": "compensation events",
    "conditional": "conditional events",
    "cancel": "cancel events",
}
_OF_MESSAGES: Final = frozenset({"subscription"})
_REFERENCE: Final = "eventDefinitionRef"
_SUFFIX: Final = "EventDefinition"
_SCHEDULES: Final[dict[TimerKind, Callable[[str], object]]] = {
    TimerKind.DURATION: schedules.duration,
    TimerKind.DATE: schedules.moment,
    TimerKind.CYCLE: schedules.cycle,
}


class Events:
    """Reads the events of one document, whose messages and errors they refer to."""

    def __init__(self, root: Node, report: Report) -> None:
        self._report = report
        self._messages = {node.get("id", ""): node for node in root.findall(f"{BPMN}message")}
        self._errors = {node.get("id", ""): node for node in root.findall(f"{BPMN}error")}

    def read(self, element: Element, node: Node) -> None:
        """Read an event's definition into the event."""
        place = place_of(element)
        self._read_marks(element, node, place)
        definitions = [inner for inner in node if is_definition(inner)]
        if len(definitions) > 1 or any(bpmn_name(inner) == _REFERENCE for inner in definitions):
            self._report.add(
                element.id,
                "it must have one event definition of its own, and no more; split it into several events.",
            )
            return
        type = bpmn_name(definitions[0]).removesuffix(_SUFFIX) if definitions else _NONE
        if type in _NOT_SUPPORTED:
            self._report.add(
                element.id,
                f"{_NOT_SUPPORTED[type]} are not supported by this engine; remove the event.",
            )
        elif type not in _POSSIBLE[place]:
            found = "no event definition" if type == _NONE else _an(f"{type} definition")
            self._report.add(
                element.id,
                f"{_an(place)} cannot have {found}; possible: {', '.join(_POSSIBLE[place])}.",
            )
        elif definitions:
            Extensions(self._report, element.id, definitions[0], frozenset())
            self._read_definition(element, type, definitions[0], place)

    def read_receive_task(self, element: Element, node: Node) -> None:
        """Read the message that a receive task waits for."""
        if self._report.flag(element.id, node, "instantiate", False):
            self._report.add(
                element.id,
                "a receive task cannot start a process here; use a message start event.",
            )
        element.event = self._message(element.id, node.get("messageRef"), with_key=True)

    def _read_marks(self, element: Element, node: Node, place: Place) -> None:
        if self._report.flag(element.id, node, "parallelMultiple", False):
            self._report.add(
                element.id,
                "parallel multiple events are not supported by this engine; use one event.",
            )
        if place is Place.BOUNDARY:
            element.interrupting = self._report.flag(element.id, node, "cancelActivity", True)
        elif place is Place.EVENT_SUB_PROCESS_START:
            element.interrupting = self._report.flag(element.id, node, "isInterrupting", True)

    def _read_definition(self, element: Element, type: str, node: Node, place: Place) -> None:
        if type == "timer":
            element.event = self._timer(element, node, place)
        elif type == "error":
            element.event = self._error(element, node, place)
        elif type == "message" and throws_message(element.kind, node):
            self._check_thrown(element.id, node.get("messageRef"))
        elif type == "message":
            with_key = place is not Place.PROCESS_START
            element.event = self._message(element.id, node.get("messageRef"), with_key=with_key)
        elif type == "link":
            element.event = self._link(element.id, node)
        else:
            element.event = TerminateEvent()

    def _timer(self, element: Element, node: Node, place: Place) -> TimerEvent | None:
        given = [(kind, found) for kind in TimerKind if (found := child(node, kind)) is not None]
        if len(given) != 1 or not content_of(given[0][1]):
            self._report.add(
                element.id,
                "its timer must have one of timeDate, timeDuration and timeCycle; set one.",
            )
            return None
        kind, text = given[0][0], content_of(given[0][1])
        possible = _possible_timers(place, element.interrupting)
        if kind not in possible:
            way = f"{'an interrupting' if element.interrupting else 'a non-interrupting'} {place}"
            where = way if place in (Place.BOUNDARY, Place.EVENT_SUB_PROCESS_START) else _an(place)
            self._report.add(element.id, f"{where} cannot have a {kind}; possible: {', '.join(possible)}.")
            return None
        expression = self._report.expression(element.id, f"its {kind}", text)
        if expression is None:
            return None
        if expression.is_static:
            self._report.schedule(element.id, f"its {kind}", text, _SCHEDULES[kind])
        return TimerEvent(kind, expression)

    def _message(self, element: str, reference: str | None, *, with_key: bool) -> MessageEvent | None:
        if reference is None:
            self._report.add(element, "it refers to no message; choose or create one.")
            return None
        node = _referred(reference, self._messages)
        if node is None:
            self._report.add(element, f"its message {shown(reference)} does not exist; choose or create one.")
            return None
        text = node.get("name", "")
        if not text.strip():
            self._report.add(element, f"its message {shown(reference)} has no name; give it one.")
            return None
        name = self._report.expression(element, "the name of its message", text)
        subscription = Extensions(self._report, element, node, _OF_MESSAGES).get("subscription")
        key_text = subscription.get("correlationKey", "") if subscription is not None else ""
        key = None
        if key_text.strip():
            key = self._report.feel(element, f"the correlation key of its message {shown(text)}", key_text)
        elif with_key:
            self._report.add(
                element,
                f"its message {shown(text)} has no correlation key; add one, such as =orderId.",
            )
        if name is None:
            return None
        return MessageEvent(name, key if with_key else None)

    def _check_thrown(self, element: str, reference: str | None) -> None:
        if reference is not None and _referred(reference, self._messages) is None:
            self._report.add(element, f"its message {shown(reference)} does not exist; choose or create one.")

    def _error(self, element: Element, node: Node, place: Place) -> ErrorEvent | None:
        reference = node.get("errorRef")
        if place is not Place.END and not element.interrupting:
            self._report.add(
                element.id,
                f"{_an(place)} that catches an error must be interrupting; make it so.",
            )
        if reference is None:
            if place is Place.END:
                self._report.add(element.id, "it throws no error; choose or create one with a code.")
            return ErrorEvent(None)
        found = _referred(reference, self._errors)
        if found is None:
            self._report.add(
                element.id,
                f"its error {shown(reference)} does not exist; choose or create one.",
            )
            return None
        text = found.get("errorCode", "")
        if not text.strip():
            self._report.add(element.id, f"its error {shown(reference)} has no code; give it one.")
            return None
        if place is not Place.END and text.startswith("="):
            self._report.add(
                element.id,
                f"the code {shown(text)} of a caught error must be a text; FEEL is for throwing only.",
            )
            return None
        code = self._report.expression(element.id, "the code of its error", text)
        return ErrorEvent(code) if code is not None else None

    def _link(self, element: str, node: Node) -> LinkEvent | None:
        name = node.get("name", "")
        if not name.strip():
            self._report.add(element, "its link has no name; give it the name of the other end.")
            return None
        return LinkEvent(name)


def is_definition(node: Node) -> bool:
    """Return whether the node is an event definition, or refers to one."""
    name = bpmn_name(node)
    return name == _REFERENCE or (node.tag.startswith(BPMN) and name.endswith(_SUFFIX))


def throws_message(kind: Kind, node: Node) -> bool:
    """Return whether an event (or its definition) throws a message, which is a job."""
    name = f"message{_SUFFIX}"
    is_there = bpmn_name(node) == name or child(node, name) is not None
    return is_there and kind in (Kind.THROW_EVENT, Kind.END_EVENT)


def place_of(element: Element) -> Place:
    """Return where an event stands."""
    if element.kind is Kind.START_EVENT:
        return _STARTS[element.scope.kind] if element.scope is not None else Place.PROCESS_START
    return _PLACES[element.kind]


def _possible_timers(place: Place, interrupting: bool) -> tuple[TimerKind, ...]:
    if place is Place.PROCESS_START:
        return (TimerKind.DATE, TimerKind.CYCLE)
    if place is Place.CATCH or interrupting:
        return (TimerKind.DURATION, TimerKind.DATE)
    return tuple(TimerKind)


def _referred(reference: str, known: dict[str, Node]) -> Node | None:
    """Return the target of a reference; it may have the prefix of the document's own namespace."""
    return known.get(reference) or known.get(reference.rpartition(":")[2])


def _an(noun: str) -> str:
    return f"an {noun}" if noun.startswith(("a", "e", "i", "o", "u")) else f"a {noun}"
