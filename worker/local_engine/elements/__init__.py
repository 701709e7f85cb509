"""What elements do: one module for each family of elements."""

from __future__ import annotations

from typing import Final

from local_engine.diagram.model import Element, ErrorEvent, Kind, LinkEvent, TerminateEvent
from local_engine.elements.behaviour import Behaviour, PassThrough
from local_engine.elements.calls import CallActivity
from local_engine.elements.events import CatchEvent, ErrorEnd, TerminateEnd
from local_engine.elements.gateways import EventBasedGateway
from local_engine.elements.sub_processes import SubProcess
from local_engine.elements.tasks import JobTask, ScriptTask

__all__ = ["Behaviour", "behaviour_of"]

_BY_KIND: Final[dict[Kind, Behaviour]] = {
    Kind.CATCH_EVENT: CatchEvent(),
    Kind.RECEIVE_TASK: CatchEvent(),
    Kind.EVENT_BASED_GATEWAY: EventBasedGateway(),
    Kind.PROCESS: SubProcess(),
    Kind.SUB_PROCESS: SubProcess(),
    Kind.EVENT_SUB_PROCESS: SubProcess(),
    Kind.CALL_ACTIVITY: CallActivity(),
}


def behaviour_of(element: Element) -> Behaviour:
    """Return what an element does when it is activated."""
    if element.job is not None:
        return JobTask()
    if element.script is not None:
        return ScriptTask()
    if element.kind is Kind.END_EVENT and isinstance(element.event, ErrorEvent):
        return ErrorEnd()
    if element.kind is Kind.END_EVENT and isinstance(element.event, TerminateEvent):
        return TerminateEnd()
    if isinstance(element.event, LinkEvent):
        return PassThrough()
    return _BY_KIND.get(element.kind, PassThrough())
