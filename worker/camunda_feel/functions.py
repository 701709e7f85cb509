"""Declaring functions: a signature in FEEL's own notation, checked before the body runs.

    library = FunctionLibrary()

    @library.function("half(n: number)")
    def half(n: Decimal) -> Decimal:
        return n / 2

A parameter's type is `any` or one of `TYPES`; `?` after it allows null; `...` after the last one collects any
number of arguments (a single list argument stands for all of them). Overloads are declarations of the same
name, tried in order; one body may have several signatures. Any callable can be a body: `str.upper`, a
partial, or an object with `__call__`.
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


_VARIABLE = 0x04
"""Flag of code with `*arguments`."""


class IllegalArgumentError(Exception):
    """Raised by a function's body to yield null with a warning that carries the message."""


Body = TypeVar("Body", bound="Callable[..., Any]")


class FunctionLibrary:
    """Functions by name, in the order of declaration."""

    def __init__(self) -> None:
        self.by_name: dict[str, list[Function]] = {}

    def function(self, *signatures: str, takes_run: bool = False) -> Callable[[Body], Body]:
        """Declare the decorated callable under signatures like `"substring(string: string, start: number)"`.

        Args:
            *signatures: one overload each, tried in the order of their declaration.
            takes_run: whether the body takes the evaluation's state before its arguments.

        Raises:
            ValueError: at decoration: a signature cannot be read, or the body cannot take its arguments.
        """

        def declare(body: Body) -> Body:
            for signature in signatures:
                self._declare(signature, body, takes_run)
            return body

        return declare

    def _declare(self, signature: str, body: Callable[..., Any], takes_run: bool) -> None:
        name, names, types, var_args = _parsed(signature)
        given = len(names) + takes_run
        if not callable(body):
            raise ValueError(f"{signature}: {body!r} cannot be called")
        if not _takes(body, given):
            raise ValueError(f"{signature}: {body!r} cannot be called with {given} arguments")
        invoke = _checked(signature, tuple(map(_accepted, types)), body, takes_run)
        self.by_name.setdefault(name, []).append(Function(names, invoke, var_args=var_args))


def _parsed(signature: str) -> tuple[str, tuple[str, ...], list[str], bool]:
    """Return the function's name, its parameters (names, types), and whether the last one is variadic."""
    name, opening, rest = signature.partition("(")
    if not name.strip() or not opening or not rest.endswith(")"):
        raise ValueError(f'{signature!r} is no signature: write it as "name(parameter: type, other: type?)"')
    parameters = [part.partition(":") for part in rest[:-1].split(", ")] if rest != ")" else []
    names = tuple(part[0] for part in parameters)
    types = [part[2].strip() for part in parameters]
    var_args = bool(types) and types[-1].endswith("...")
    if var_args:
        types[-1] = types[-1][:-3]
    for place, (parameter, type_name) in enumerate(zip(names, types, strict=True), 1):
        if not parameter.strip() or names.count(parameter) > 1:
            raise ValueError(f"{signature}: parameter {place} needs a name of its own")
        if type_name != "any" and type_name.removesuffix("?") not in TYPES:
            known = ", ".join(("any", *TYPES))
            raise ValueError(
                f"{signature}: parameter {place}, {parameter}, has no known type; there are {known}"
            )
    return name, names, types, var_args


def _takes(body: Callable[..., Any], count: int) -> bool:
    """Return whether a callable accepts that many arguments; True if its signature is unknown."""
    code = getattr(body, "__code__", None)
    if code is not None and not code.co_flags & _VARIABLE and not code.co_kwonlyargcount:
        defaults = len(getattr(body, "__defaults__", None) or ())
        return int(code.co_argcount) - defaults <= count <= int(code.co_argcount)
    import inspect  # takes longer to import than this package: only odd bodies need it

    try:
        inspect.signature(body).bind(*range(count))
    except TypeError:
        return False
    except ValueError:
        return True
    return True


def _accepted(type_name: str) -> frozenset[type] | None:
    """Return the Python types that a parameter accepts; None for any."""
    if type_name == "any":
        return None
    accepted = TYPES[type_name.removesuffix("?")]
    return accepted | {type(None)} if type_name.endswith("?") else accepted


def _checked(
    signature: str, types: tuple[frozenset[type] | None, ...], body: Callable[..., Any], takes_run: bool
) -> Callable[[Run, list[Any]], Any]:
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
            return lift(body(run, *arguments) if takes_run else body(*arguments))
        except IllegalArgumentError as error:
            return ErrorValue(str(error))
        except (FeelError, DecimalException, RecursionError):
            raise
        except Exception as error:
            raise FeelEvaluationError(f"{signature} failed: {error!r}") from error

    return invoke
