"""Call activities: another process runs, as an instance of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from local_engine.errors import Trouble
from local_engine.scopes import trouble

if TYPE_CHECKING:
    from local_engine.diagram.model import Element, Process
    from local_engine.engine import Engine
    from local_engine.expressions import Evaluator
    from local_engine.state import ElementInstance

DEEPEST_CALL: Final = 200
"""Levels of processes that call each other: beyond this, a process that calls itself gets an incident."""


class CallActivity:
    """Starts the latest version of the called process, and waits for its end."""

    def prepare(
        self, engine: Engine, instance: ElementInstance, element: Element, evaluator: Evaluator
    ) -> Process:
        """Return the process to be called."""
        assert element.called is not None
        with trouble():
            process_id = evaluator.text(element.called.process_id)
        process = engine.latest.get(process_id)
        if process is None:
            raise Trouble(
                "CALLED_ELEMENT_ERROR",
                f"Expected process with BPMN process id '{process_id}' to be deployed, "
                "but not found: deploy it.",
            )
        if process.root.start is None:
            raise Trouble(
                "CALLED_ELEMENT_ERROR",
                f"Expected process with BPMN process id '{process_id}' to have a none start event, "
                "but it has none.",
            )
        if engine.state.instances[instance.root].depth >= DEEPEST_CALL:
            raise Trouble(
                "CALLED_ELEMENT_ERROR",
                f"The process '{process_id}' is called {DEEPEST_CALL} levels deep: "
                "it calls itself without end.",
            )
        return process

    def begin(self, engine: Engine, instance: ElementInstance, element: Element, prepared: Process) -> None:
        """Start the called process with the variables that the diagram passes to it."""
        assert element.called is not None
        if element.called.propagate_all_parent_variables:
            variables = engine.scopes.visible(instance)
        else:
            variables = dict(instance.variables)
        instance.called = engine.creation.call(prepared, variables, instance).key
