"""What a task becomes, or why it stays as it is."""

from __future__ import annotations

from dataclasses import dataclass, field

from openai_connector.tasks.operations.chat import CUSTOM
from openai_connector.tools.diagrams.tasks import Input, Task


class NotCarriedError(Exception):
    """A task cannot be carried over to this connector's inputs; the message says why."""


@dataclass(slots=True)
class Carried:
    """What a task becomes."""

    is_azure: bool
    targets: dict[str, str] = field(default_factory=dict)
    """Old to new targets; an old one that is in neither this nor `removed` stays as it is."""
    sources: dict[str, str] = field(default_factory=dict)
    """New targets whose value changes, or that are added."""
    removed: list[str] = field(default_factory=list)
    """Old targets."""
    changes: list[str] = field(default_factory=list)
    """What the person should know of it, a sentence each."""
    warnings: list[str] = field(default_factory=list)
    """What the person should look at."""

    def inputs(self, task: Task) -> dict[str, str]:
        """Return the sources by this connector's targets, hand-made inputs among them."""
        kept = {
            self.targets.get(mapped.target, mapped.target): mapped.source or ""
            for mapped in task.inputs
            if mapped.target not in self.removed
        }
        return kept | self.sources

    def model(self, task: Task) -> str | None:
        """Return the model's name if it is literal."""
        inputs = self.inputs(task)
        model = inputs.get(
            "openai_customModel" if inputs.get("openai_model") == CUSTOM else "openai_model", ""
        )
        return None if not model or model.startswith("=") else model.strip()


def literal(task: Task, target: str) -> str | None:
    """Return an input's value; None for a task without it.

    Raises:
        NotCarriedError: it is an expression.
    """
    mapped = task.input(target)
    if mapped is None or mapped.source is None:
        return None
    if mapped.is_feel:
        raise NotCarriedError(f"the input {target} is an expression: choose a fixed value")
    return mapped.source.strip()


def source_of(task: Task, target: str) -> str:
    """Return an input's value or expression; empty for a task without it."""
    mapped = task.input(target)
    return (mapped.source or "") if mapped else ""


def shown(mapped: Input | None) -> str:
    """Return an input's value or expression, cut for a sentence."""
    text = (mapped.source or "") if mapped else ""
    return text if len(text) <= 60 else text[:59] + "…"
