"""Scopes: processes, embedded sub-processes and event sub-processes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from local_engine.diagram.model import Kind
from local_engine.events import Wait

if TYPE_CHECKING:
    from local_engine.diagram.model import Element
    from local_engine.engine import Engine
    from local_engine.expressions import Evaluator
    from local_engine.state import ElementInstance


class SubProcess:
    """A scope. It begins at its start event, or at an inner element if it is entered there."""

    def prepare(
        self, engine: Engine, instance: ElementInstance, element: Element, evaluator: Evaluator
    ) -> list[Wait]:
        """Return what its event sub-processes wait for, unless its start event opens these waits."""
        elements = engine.processes[instance.process].elements
        entry = instance.entry
        if entry is None or any(elements[inner].kind is Kind.START_EVENT for inner in entry):
            return []
        return engine.events.scope_waits(element, evaluator)

    def begin(
        self, engine: Engine, instance: ElementInstance, element: Element, prepared: list[Wait]
    ) -> None:
        """Enter the scope."""
        elements = engine.processes[instance.process].elements
        entry = instance.entry
        if entry is None:
            assert element.start is not None
            entry = {element.start.id: None}
        carried, instance.event_variables, instance.entry = instance.event_variables, "", None
        for element_id, inner in entry.items():
            engine.tokens.enter(instance, elements[element_id], event_variables=carried, entry=inner or None)
        engine.events.open(instance, prepared)
