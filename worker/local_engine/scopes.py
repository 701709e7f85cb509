"""Variables: each process instance has one tree of scopes; mappings copy values between them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from local_engine.diagram.model import Mapping
from local_engine.documents import Document, Variable, size_of
from local_engine.errors import ExpressionError, Rejection, Trouble
from local_engine.expressions import MISSING, Evaluator
from local_engine.state import ElementInstance

if TYPE_CHECKING:
    from local_engine.engine import Engine

LARGEST_BATCH: Final = 4 * 1024 * 1024
"""Bytes of one command and the events that follow from it."""


class Scopes:
    """Looks variables up, and writes them into the scope that Zeebe would choose."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def set_local(self, instance: ElementInstance, document: Document) -> None:
        """Write variables into this scope, even if outer scopes have variables of the same name."""
        state, records = self._engine.state, self._engine.records
        for name, variable in document.items():
            is_new = state.set_variable(instance, name, variable)
            if records.wanted:
                records.of_variable(instance, name, variable.text, "CREATED" if is_new else "UPDATED")

    def propagate(self, instance: ElementInstance, document: Document) -> None:
        """Write each variable into the nearest scope that has it, from this one outwards, or the process."""
        instances = self._engine.state.instances
        for name, variable in document.items():
            scope = instance
            while name not in scope.variables and scope.parent:
                scope = instances[scope.parent]
            self.set_local(scope, {name: variable})

    def visible(self, instance: ElementInstance) -> Document:
        """Return all variables that an element instance sees; inner ones shadow outer ones."""
        if not instance.parent:
            return dict(instance.variables)
        chain = [instance]
        while chain[-1].parent:
            chain.append(self._engine.state.instances[chain[-1].parent])
        merged: Document = {}
        for scope in reversed(chain):
            merged.update(scope.variables)
        return merged

    def evaluator(self, instance: ElementInstance) -> Evaluator:
        """Return an evaluator that sees what the element instance sees."""
        return Evaluator(self.lookup(instance), self._engine.clock.local)

    def lookup(self, instance: ElementInstance) -> Callable[[str], Any]:
        """Return a function that returns the value of a variable for the element instance, or `MISSING`."""
        instances = self._engine.state.instances

        def find(name: str) -> Any:
            scope = instance
            while True:
                variable = scope.variables.get(name)
                if variable is not None:
                    return variable.value
                if not scope.parent:
                    return MISSING
                scope = instances[scope.parent]

        return find

    def inputs(self, mappings: Sequence[Mapping], evaluator: Evaluator) -> Document:
        """Return the local variables that input mappings make.

        Raises:
            Trouble: IO_MAPPING_ERROR.
        """
        return self._mapped(mappings, evaluator, lambda _: None)

    def outputs(self, mappings: Sequence[Mapping], evaluator: Evaluator) -> Document:
        """Return the variables that output mappings make; a path is merged into an existing context.

        Raises:
            Trouble: IO_MAPPING_ERROR, or MESSAGE_SIZE_EXCEEDED.
        """
        mapped = self._mapped(mappings, evaluator, evaluator.lookup)
        if 2 * size_of(mapped) > LARGEST_BATCH:
            raise Trouble(
                "MESSAGE_SIZE_EXCEEDED",
                "The output mappings make more than the engine can take at once (4 MB with all its events): "
                "map less.",
            )
        return mapped

    def _mapped(
        self, mappings: Sequence[Mapping], evaluator: Evaluator, base: Callable[[str], Any]
    ) -> Document:
        results: dict[str, Any] = {}
        with trouble("IO_MAPPING_ERROR"):
            for mapping in mappings:
                name, *path = mapping.target
                value = evaluator.json(mapping.source, results)
                if path:
                    value = _nested(results[name] if name in results else base(name), path, value)
                results[name] = value
        return {name: Variable(None, value) for name, value in results.items()}


def check_size(document: Document, command: str) -> None:
    """Check that a command's variables fit, counted twice: in the command's event and in the variables'.

    Raises:
        Rejection: UNKNOWN with EXCEEDED_BATCH_RECORD_SIZE, as the real engine answers.
    """
    if 2 * size_of(document) > LARGEST_BATCH:
        raise Rejection(
            "UNKNOWN",
            f"Command '{command}' rejected with code 'EXCEEDED_BATCH_RECORD_SIZE': the variables are too "
            "large; with all its events a command may have 4 MB",
        )


@contextmanager
def trouble(type: str = "EXTRACT_VALUE_ERROR") -> Iterator[None]:
    """Turn an expression's failure into an incident."""
    try:
        yield
    except ExpressionError as error:
        raise Trouble(type, str(error)) from None


def _nested(base: Any, path: Sequence[str], value: Any) -> Any:
    """Return a copy of a context with the value at a path; other values on the path are replaced."""
    context = dict(base) if isinstance(base, dict) else {}
    first, *rest = path
    context[first] = _nested(context.get(first), rest, value) if rest else value
    return context
