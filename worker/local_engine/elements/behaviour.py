"""What an element does when it is activated, in two parts: `prepare` can fail, and `begin` cannot."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from local_engine.diagram.model import Element
    from local_engine.engine import Engine
    from local_engine.expressions import Evaluator
    from local_engine.state import ElementInstance


class Behaviour(Protocol):
    """How one family of elements behaves. Behaviours hold no state."""

    def prepare(
        self, engine: Engine, instance: ElementInstance, element: Element, evaluator: Evaluator
    ) -> Any:
        """Return what `begin` needs; nothing is changed here.

        Raises:
            Trouble: an expression failed; the activation is tried again when the incident is resolved.
        """

    def begin(self, engine: Engine, instance: ElementInstance, element: Element, prepared: Any) -> None:
        """Do what the element does; its instance is activated. Nothing here fails."""


class PassThrough:
    """Completes the element at once, without waiting."""

    def prepare(
        self, engine: Engine, instance: ElementInstance, element: Element, evaluator: Evaluator
    ) -> None:
        """Return nothing."""

    def begin(self, engine: Engine, instance: ElementInstance, element: Element, prepared: None) -> None:
        """Complete the element in the next step."""
        engine.tokens.done(instance)
