"""Gateways: they choose flows, or wait for the first of several events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from local_engine.diagram.model import Kind, SequenceFlow
from local_engine.errors import Trouble
from local_engine.events import Wait
from local_engine.scopes import trouble

if TYPE_CHECKING:
    from local_engine.diagram.model import Element
    from local_engine.engine import Engine
    from local_engine.expressions import Evaluator
    from local_engine.state import ElementInstance

_DECIDING: Final = (Kind.EXCLUSIVE_GATEWAY, Kind.INCLUSIVE_GATEWAY)


def chosen_flows(element: Element, evaluator: Evaluator) -> list[SequenceFlow]:
    """Return the flows that a token takes out of an element: all, except at gateways with conditions.

    Raises:
        Trouble: EXTRACT_VALUE_ERROR for a condition that is not true or false, CONDITION_ERROR if none
            is true.
    """
    if element.kind not in _DECIDING or all(flow.condition is None for flow in element.outgoing):
        return element.outgoing
    chosen = []
    with trouble():
        for flow in element.outgoing:
            if flow is element.default_flow or flow.condition is None:
                continue
            if evaluator.boolean(flow.condition):
                chosen.append(flow)
                if element.kind is Kind.EXCLUSIVE_GATEWAY:
                    break
    if not chosen and element.default_flow is not None:
        chosen = [element.default_flow]
    if not chosen:
        raise Trouble(
            "CONDITION_ERROR",
            "Expected at least one condition to evaluate to true, or to have a default flow: correct the "
            "variables that the conditions read.",
        )
    return chosen


class EventBasedGateway:
    """Waits for several events: the first one decides where the process goes on."""

    def prepare(
        self, engine: Engine, instance: ElementInstance, element: Element, evaluator: Evaluator
    ) -> list[Wait]:
        """Return what is to be waited for."""
        return engine.events.waits([flow.target for flow in element.outgoing], evaluator)

    def begin(
        self, engine: Engine, instance: ElementInstance, element: Element, prepared: list[Wait]
    ) -> None:
        """Wait for the first."""
        engine.events.open(instance, prepared)
