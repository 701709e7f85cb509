"""The state of one evaluation: the scope, the warnings, and what is left of the limits."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Any, NamedTuple

from camunda_feel.errors import FeelLimitError
from camunda_feel.values import ErrorValue, brief

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from camunda_feel.limits import Limits
    from camunda_feel.values import Function

MISSING = object()

NO_VARIABLE_FOUND = "NO_VARIABLE_FOUND"
NO_CONTEXT_ENTRY_FOUND = "NO_CONTEXT_ENTRY_FOUND"
NO_PROPERTY_FOUND = "NO_PROPERTY_FOUND"
NO_FUNCTION_FOUND = "NO_FUNCTION_FOUND"
FUNCTION_INVOCATION_FAILURE = "FUNCTION_INVOCATION_FAILURE"
NOT_COMPARABLE = "NOT_COMPARABLE"
INVALID_TYPE = "INVALID_TYPE"


class FeelWarning(NamedTuple):
    """Why something became null. `type` is one of the engine's names, e.g. NO_VARIABLE_FOUND."""

    type: str
    message: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.type}: {self.message} (line {self.line}, column {self.column})"


class Run:
    """One evaluation."""

    __slots__ = ("clock", "deadline", "functions", "limits", "steps", "warned")

    def __init__(
        self,
        limits: Limits,
        functions: dict[str, list[Function]] | None,
        clock: Callable[[], datetime] | None,
    ) -> None:
        self.limits = limits
        self.functions = functions
        self.clock = clock
        self.steps = limits.steps
        self.deadline = perf_counter() + limits.seconds
        self.warned: list[tuple[str, str, int]] = []

    def charge(self, steps: int) -> None:
        """Pay for the work that follows; raise FeelLimitError when the budget is spent."""
        self.steps -= steps
        if self.steps < 0:
            raise FeelLimitError(f"evaluation needs more than {self.limits.steps} steps")
        if perf_counter() > self.deadline:
            raise FeelLimitError(f"evaluation needs more than {self.limits.seconds:g} seconds")

    def check_size(self, size: int) -> None:
        """Check that a string or list of this size may be built; raise FeelLimitError otherwise."""
        if size > self.limits.size:
            raise FeelLimitError(f"a string or list may have a size of {self.limits.size} at most")

    def warn(self, kind: str, message: str, pos: int) -> None:
        """Add a warning: why a value is null."""
        if len(self.warned) < self.limits.warnings:
            self.warned.append((kind, message, pos))

    def fail(self, kind: str, message: str, pos: int) -> ErrorValue:
        """Add a warning, and return the error that the expression carries on."""
        self.warn(kind, message, pos)
        return ErrorValue(message)

    def invalid(self, expected: str, value: Any, pos: int) -> ErrorValue:
        """Return the error for a value of the wrong type; errors are returned as they are."""
        if type(value) is ErrorValue:
            return value
        return self.fail(INVALID_TYPE, f"expected {expected} but found {brief(value)}", pos)


class Scope:
    """Variables and functions of one level. Functions live in a name space of their own."""

    __slots__ = ("functions", "names", "parent", "run")

    def __init__(
        self,
        run: Run,
        names: dict[str, Any],
        parent: Scope | None,
        functions: Mapping[str, list[Function]] | None = None,
    ) -> None:
        self.run = run
        self.names = names
        self.parent = parent
        self.functions = functions

    def find(self, name: str) -> Any:
        """Return the raw value of a variable, or MISSING."""
        scope: Scope | None = self
        while scope is not None:
            value = scope.names.get(name, MISSING)
            if value is not MISSING:
                return value
            scope = scope.parent
        return MISSING
