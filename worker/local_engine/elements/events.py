"""Catch events and receive tasks, error and terminate end events."""

from __future__ import annotations

from typing import TYPE_CHECKING

from local_engine.events import Wait

if TYPE_CHECKING:
    from local_engine.diagram.model import Element
    from local_engine.engine import Engine
    from local_engine.expressions import Evaluator
    from local_engine.state import ElementInstance


class CatchEvent:
    """Waits for a timer or a message; receive tasks wait for a message in the same way."""

    def prepare(
        self, engine: Engine, instance: ElementInstance, element: Element, evaluator: Evaluator
    ) -> list[Wait]:
        """Return what is to be waited for."""
        return engine.events.waits([element], evaluator)

    def begin(
        self, engine: Engine, instance: ElementInstance, element: Element, prepared: list[Wait]
    ) -> None:
        """Begin to wait."""
        engine.events.open(instance, prepared)


class ErrorEnd:
    """Throws an error."""

    def prepare(
        self, engine: Engine, instance: ElementInstance, element: Element, evaluator: Evaluator
    ) -> None:
        """Return nothing: the code is evaluated each time that the throw is tried."""

    def begin(self, engine: Engine, instance: ElementInstance, element: Element, prepared: None) -> None:
        """Throw the error in the next step."""
        engine.push("throw", instance.key)


class TerminateEnd:
    """Ends everything else in the same scope."""

    def prepare(
        self, engine: Engine, instance: ElementInstance, element: Element, evaluator: Evaluator
    ) -> None:
        """Return nothing."""

    def begin(self, engine: Engine, instance: ElementInstance, element: Element, prepared: None) -> None:
        """End the scope's other instances and the tokens at its joins."""
        scope = engine.state.instances[instance.parent]
        for key in [*scope.kids]:
            if key != instance.key:
                engine.tokens.terminate(engine.state.instances[key])
        scope.joins = {}
        engine.state.touch(scope)
        engine.tokens.done(instance)
