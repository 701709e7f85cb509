"""FEEL values in Python: what they are, how they compare, how they print.

| FEEL | Python |
|---|---|
| null, boolean, string | None, bool, str |
| number | Decimal (an int or float inside input data, until it is read) |
| list, context | list, dict (`Context` if written in FEEL) |
| dates, times, durations | the types of `temporal` |
| function, range | Function, Range |

Input data is never copied: lists and dicts are used as they are and their members are converted when an
expression reads them (`lift`), so an answer of a megabyte costs nothing if one field of it is read.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from camunda_feel.decimals import from_double
from camunda_feel.errors import FeelEvaluationError, FeelLimitError
from camunda_feel.hashorder import entries
from camunda_feel.temporal import (
    Date,
    DaysTimeDuration,
    LocalDateTime,
    LocalTime,
    Temporal,
    YearsMonthsDuration,
    ZonedDateTime,
    ZonedTime,
    from_python,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from camunda_feel.runtime import Run


class ErrorValue:
    """A failure inside an expression: most operators turn it into null, a few pass it on.

    A fatal one (`?` where there is no input) is never turned into null.
    """

    __slots__ = ("fatal", "message")

    def __init__(self, message: str, *, fatal: bool = False) -> None:
        self.message = message
        self.fatal = fatal

    def __str__(self) -> str:
        return f'{"fatal " if self.fatal else ""}error("{self.message}")'

    def feel_encode(self) -> None:
        """Return null: an error that is left in a list is no value to a caller."""


class Function:
    """A function value: built in, registered by the caller, or written in FEEL."""

    __slots__ = ("invoke", "names", "parameters", "var_args")

    def __init__(
        self,
        parameters: tuple[str, ...],
        invoke: Callable[[Run, list[Any]], Any],
        *,
        var_args: bool = False,
    ) -> None:
        self.parameters = parameters
        self.names = frozenset(parameters)
        self.invoke = invoke
        self.var_args = var_args

    def __str__(self) -> str:
        return f"function({', '.join(self.parameters)})"

    def feel_encode(self) -> dict[str, str]:
        """Return a tagged form for tests and tools."""
        return {"@type": "function"}


class Range:
    """A range value; it exists only as an argument of a function."""

    __slots__ = ("end", "end_closed", "start", "start_closed")

    def __init__(self, start: Any, end: Any, start_closed: bool, end_closed: bool) -> None:
        self.start = start
        self.end = end
        self.start_closed = start_closed
        self.end_closed = end_closed

    def __str__(self) -> str:
        left, right = "[" if self.start_closed else "(", "]" if self.end_closed else ")"
        return f"{left}{self.start}..{self.end}{right}"

    def feel_encode(self) -> dict[str, str]:
        """Return a tagged form for tests and tools."""
        return {"@type": "range", "value": str(self)}


class Context(dict[str, Any]):
    """A context written in FEEL. It may hold functions, which can be called but are not entries."""

    functions: Mapping[str, list[Function]] = MappingProxyType({})


TEMPORAL_TYPES = (
    Date,
    LocalTime,
    ZonedTime,
    LocalDateTime,
    ZonedDateTime,
    YearsMonthsDuration,
    DaysTimeDuration,
)
_NAMES: dict[type, str] = {
    type(None): "null",
    bool: "boolean",
    str: "string",
    Decimal: "number",
    list: "list",
    dict: "context",
    Context: "context",
    Function: "function",
    Range: "range",
    Date: "date",
    LocalTime: "time",
    ZonedTime: "time",
    LocalDateTime: "date and time",
    ZonedDateTime: "date and time",
    YearsMonthsDuration: "years and months duration",
    DaysTimeDuration: "days and time duration",
}
_LIFTED = frozenset((*_NAMES, ErrorValue))
_SCALARS = frozenset((bool, str, Decimal, *TEMPORAL_TYPES))
_ORDERED = frozenset((str, Decimal, *TEMPORAL_TYPES))
# Points of a range; strings can be compared but not ranged over.
RANGE_POINTS = frozenset((Decimal, *TEMPORAL_TYPES))
CONTEXT_TYPES = (dict, Context)


def type_name(value: Any) -> str:
    """Return the name after `instance of`."""
    return _NAMES.get(type(value), "error")


def lift(raw: Any) -> Any:
    """Return the FEEL value of any data; lists and dicts stay as they are, their members unlifted.

    Raises FeelEvaluationError for objects that have no FEEL value.
    """
    kind = type(raw)
    if kind in _LIFTED:
        return raw
    if kind is int:
        return Decimal(raw)
    if kind is float:
        # Here repr and Java's Double.toString agree; elsewhere Java writes an exponent.
        if 0.001 <= raw < 10_000_000.0:
            return Decimal(repr(raw))
        return from_double(raw)
    return _lift_other(raw)


def _lift_other(raw: Any) -> Any:
    if isinstance(raw, Temporal):
        return raw
    if isinstance(raw, bool):
        return bool(raw)
    if isinstance(raw, int):
        return Decimal(int(raw))
    if isinstance(raw, float):
        return from_double(float(raw))
    if isinstance(raw, Decimal):
        return Decimal(raw)
    if isinstance(raw, str):
        return str.__str__(raw)
    if isinstance(raw, Mapping):
        return {str(key): value for key, value in raw.items()}
    if isinstance(raw, list | tuple):
        return list(raw)
    found = from_python(raw)
    if found is None:
        raise FeelEvaluationError(f"a {type(raw).__name__} has no FEEL value")
    return found


def equals(x: Any, y: Any, run: Run, depth: int = 0) -> bool | None:
    """Return `=` of two lifted values; None if their types cannot be compared. Other member types differ."""
    if x is None or y is None:
        return x is y
    kind = type(x)
    if kind in _SCALARS:
        return bool(x == y) if kind is type(y) else None
    if kind is list and type(y) is list:
        if len(x) != len(y):
            return False
        _descend(run, depth, len(x))
        return all(equals(lift(a), lift(b), run, depth + 1) for a, b in zip(x, y, strict=True))
    if kind in CONTEXT_TYPES and type(y) in CONTEXT_TYPES:
        if x.keys() != y.keys():
            return False
        _descend(run, depth, len(x))
        return all(equals(lift(a), lift(y[key]), run, depth + 1) for key, a in x.items())
    return None


def contains(items: list[Any], value: Any, run: Run) -> bool:
    """Return membership as `in` sees it: two contexts written in FEEL differ here, as in the engine."""
    run.charge(len(items))
    return any(_same(lift(item), value, run) for item in items)


def _same(x: Any, y: Any, run: Run, depth: int = 0) -> bool:
    if type(x) is Context or type(y) is Context:
        return x is y
    if type(x) is list and type(y) is list:
        if len(x) != len(y):
            return False
        _descend(run, depth, len(x))
        return all(_same(lift(a), lift(b), run, depth + 1) for a, b in zip(x, y, strict=True))
    return equals(x, y, run) is True


def _descend(run: Run, depth: int, members: int) -> None:
    run.charge(members)
    if depth >= run.limits.depth:
        raise FeelLimitError(f"data is nested deeper than {run.limits.depth} levels")


def is_comparable(value: Any) -> bool:
    """Return True for values that `<` accepts. That includes lists, although comparing them then fails."""
    kind = type(value)
    if kind in _ORDERED:
        return True
    if kind is not list or not value:
        return False
    head = lift(value[0])
    head_kind = type(head)
    return is_comparable(head) and all(type(lift(item)) is head_kind for item in value)


def order(x: Any, y: Any) -> int:
    """Return -1, 0 or 1 for two comparable values of one type.

    Raises FeelEvaluationError for lists: the engine thinks them comparable and then fails to compare.
    """
    kind = type(x)
    if kind is Decimal:
        return -1 if x < y else int(x > y)
    if kind is str:
        if not (x.isascii() and y.isascii()):
            # Java orders UTF-16 units, which differs from code points beyond U+FFFF.
            x, y = x.encode("utf-16-be", "surrogatepass"), y.encode("utf-16-be", "surrogatepass")
        return -1 if x < y else int(x > y)
    if kind is list:
        raise FeelEvaluationError("lists can not be compared by order")
    a, b = x.sort_key(), y.sort_key()
    return -1 if a < b else int(a > b)


def property_of(value: Any, name: str) -> Any:
    """Return a temporal value's property, lifted; raise KeyError if it does not exist."""
    if isinstance(value, Temporal):
        return lift(value.properties()[name])
    raise KeyError(name)


def to_text(value: Any, run: Run) -> str:
    """Return what the function `string` returns for anything but a string itself."""
    parts: list[str] = []
    _write(value, parts, run, 0)
    text = "".join(parts)
    run.check_size(len(text))
    return text


def _write(value: Any, parts: list[str], run: Run, depth: int) -> None:
    kind = type(value)
    if kind is str:
        parts.append(f'"{value}"')
    elif value is None:
        parts.append("null")
    elif kind is bool:
        parts.append("true" if value else "false")
    elif kind is list:
        _descend(run, depth, len(value))
        parts.append("[")
        for index, item in enumerate(value):
            parts.append(", " if index else "")
            _write(lift(item), parts, run, depth + 1)
        parts.append("]")
    elif kind in CONTEXT_TYPES:
        _descend(run, depth, len(value))
        parts.append("{")
        for index, (key, item) in enumerate(entries(value)):
            parts.append(f"{', ' if index else ''}{key}:")
            _write(lift(item), parts, run, depth + 1)
        parts.append("}")
    else:
        parts.append(str(value))


def brief(value: Any) -> str:
    """Return a value for a message: short whatever its size."""
    kind = type(value)
    if kind is str:
        return f'"{value[:60]}"' + ("..." if len(value) > 60 else "")
    if kind is list:
        return f"list of {len(value)}"
    if kind in CONTEXT_TYPES:
        return f"context of {len(value)}"
    if value is None:
        return "null"
    if kind is bool:
        return "true" if value else "false"
    text = str(value.message if kind is ErrorValue else value)
    return text if len(text) <= 60 else text[:60] + "..."
