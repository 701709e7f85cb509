"""Declaring functions: a signature in FEEL's own notation, checked before the body runs.

    library = FunctionLibrary()

    @library.function("half(n: number)")
    def half(n: Decimal) -> Decimal:
        return n / 2

A parameter's type is `any` or one of `TYPES`; `?` after it admits null; `...` after the last one collects any
number of arguments (one list given alone is taken for all of them). Overloads are declarations of the same
name, tried in order; one body may have several signatures. A body whose first parameter is called `run` is handed
the evaluation's state.
"""

from __future__ import annotations

from decimal import Decimal, DecimalException
from typing import TYPE_CHECKING, Any, TypeVar

from camunda_feel.errors import FeelError, FeelEvaluationError
from camunda_feel.temporal import (
    Date,
    DaysTimeDuration,
    LocalDateTime,
    YearsMonthsDuration,
    ZonedDateTime,
)
from camunda_feel.values import CONTEXT_TYPES, ErrorValue, Function, brief, lift

if TYPE_CHECKING:
    from collections.abc import Callable

    from camunda_feel.runtime import Run

TYPES: dict[str, frozenset[type]] = {
    "number": frozenset((Decimal,)),
    "string": frozenset((str,)),
    "boolean": frozenset((bool,)),
    "list": frozenset((list,)),
    "context": frozenset(CONTEXT_TYPES),
    "function": frozenset((Function,)),
    "date like": frozenset((Date, LocalDateTime, ZonedDateTime)),
    "duration": frozenset((YearsMonthsDuration, DaysTimeDuration)),
    "days and time duration": frozenset((DaysTimeDuration,)),
}


class IllegalArgumentError(Exception):
    """Raised by a function's body to yield null with a warning that carries the message."""


Body = TypeVar("Body", bound="Callable[..., Any]")


class FunctionLibrary:
    """Functions by name, in the order of declaration."""

    def __init__(self) -> None:
        self.by_name: dict[str, list[Function]] = {}

    def function(self, *signatures: str) -> Callable[[Body], Body]:
        """Declare the decorated callable under signatures like `"substring(string: string, start: number)"`."""

        def declare(body: Body) -> Body:
            for signature in signatures:
                self._declare(signature, body)
            return body

        return declare

    def _declare(self, signature: str, body: Callable[..., Any]) -> None:
        name, _, rest = signature.partition("(")
        parameters = [part.partition(":") for part in rest[:-1].split(", ")] if rest != ")" else []
        names = tuple(part[0] for part in parameters)
        types = [part[2].strip() for part in parameters]
        var_args = bool(types) and types[-1].endswith("...")
        if var_args:
            types[-1] = types[-1][:-3]
        invoke = _checked(signature, tuple(map(_accepted, types)), body)
        self.by_name.setdefault(name, []).append(Function(names, invoke, var_args=var_args))


def _accepted(type_name: str) -> frozenset[type] | None:
    """The Python types that a parameter takes; None for any."""
    if type_name == "any":
        return None
    accepted = TYPES[type_name.removesuffix("?")]
    return accepted | {type(None)} if type_name.endswith("?") else accepted


def _checked(
    signature: str, types: tuple[frozenset[type] | None, ...], body: Callable[..., Any]
) -> Callable[[Run, list[Any]], Any]:
    wants_run = body.__code__.co_varnames[:1] == ("run",)

    def invoke(run: Run, arguments: list[Any]) -> Any:
        for index, accepted in enumerate(types):
            argument = arguments[index]
            if accepted is None:
                continue
            if type(argument) not in accepted:
                return ErrorValue(f"{signature} does not take {', '.join(map(brief, arguments))}")
            if type(argument) is list:
                run.charge(len(argument))
                arguments[index] = [lift(item) for item in argument]
        try:
            return lift(body(run, *arguments) if wants_run else body(*arguments))
        except IllegalArgumentError as error:
            return ErrorValue(str(error))
        except (FeelError, DecimalException, RecursionError):
            raise
        except Exception as error:
            raise FeelEvaluationError(f"{signature} failed: {error!r}") from error

    return invoke
