"""`+ - * / **` and unary minus over numbers, strings and temporal values.

Each operation returns a value or None for a pair of types that it does not know.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from camunda_feel.decimals import MATH, power, to_int32, unsigned_zero
from camunda_feel.errors import FeelEvaluationError
from camunda_feel.runtime import INVALID_TYPE, Run
from camunda_feel.temporal import (
    NANOS_PER_DAY,
    NANOS_PER_SECOND,
    Date,
    DaysTimeDuration,
    LocalDateTime,
    LocalTime,
    OutOfRangeError,
    YearsMonthsDuration,
    ZonedDateTime,
    ZonedTime,
)
from camunda_feel.values import ErrorValue, brief

if TYPE_CHECKING:
    from collections.abc import Callable
    from decimal import Context as Maths

    Operation = Callable[[Any, Any], Any]


def _date_plus_nanos(date: Date, nanos: int) -> Date:
    return Date((date.days * NANOS_PER_DAY + nanos) // NANOS_PER_DAY)


def _time_plus(time: ZonedTime, nanos: int) -> ZonedTime:
    return ZonedTime(time.nanos + nanos, time.offset, time.zone)


def _add_duration(
    kind: type, months: Operation | None, nanos: Operation
) -> dict[tuple[type, type], Operation]:
    table: dict[tuple[type, type], Operation] = {
        (kind, DaysTimeDuration): lambda x, y: nanos(x, y.nanos),
        (DaysTimeDuration, kind): lambda x, y: nanos(y, x.nanos),
    }
    if months is not None:
        add_months = months
        table[kind, YearsMonthsDuration] = lambda x, y: add_months(x, y.months)
        table[YearsMonthsDuration, kind] = lambda x, y: add_months(y, x.months)
    return table


def _shift(kind: Callable[[int], Any]) -> Operation:
    return lambda value, nanos: kind(value.nanos + nanos)


_SHIFTS: tuple[tuple[type, Operation | None, Operation], ...] = (
    (LocalTime, None, _shift(LocalTime)),
    (ZonedTime, None, _time_plus),
    (LocalDateTime, LocalDateTime.plus_months, _shift(LocalDateTime)),
    (ZonedDateTime, ZonedDateTime.plus_months, ZonedDateTime.plus_nanos),
    (Date, Date.plus_months, _date_plus_nanos),
)

_ADD: dict[tuple[type, type], Operation] = {
    (YearsMonthsDuration, YearsMonthsDuration): lambda x, y: YearsMonthsDuration(x.months + y.months),
    (DaysTimeDuration, DaysTimeDuration): lambda x, y: DaysTimeDuration(x.nanos + y.nanos),
}
_SUBTRACT: dict[tuple[type, type], Operation] = {
    (LocalTime, LocalTime): lambda x, y: DaysTimeDuration(x.nanos - y.nanos),
    # The engine gives the distance of two zoned times, never a negative duration.
    (ZonedTime, ZonedTime): lambda x, y: DaysTimeDuration(abs(x.sort_key() - y.sort_key())),
    (LocalDateTime, LocalDateTime): lambda x, y: DaysTimeDuration(x.nanos - y.nanos),
    (ZonedDateTime, ZonedDateTime): lambda x, y: DaysTimeDuration(x.instant - y.instant),
    (Date, Date): lambda x, y: DaysTimeDuration((x.days - y.days) * NANOS_PER_DAY),
    (YearsMonthsDuration, YearsMonthsDuration): lambda x, y: YearsMonthsDuration(x.months - y.months),
    (DaysTimeDuration, DaysTimeDuration): lambda x, y: DaysTimeDuration(x.nanos - y.nanos),
}


def _subtract_months(shift: Operation) -> Operation:
    return lambda x, y: shift(x, -y.months)


def _subtract_nanos(shift: Operation) -> Operation:
    return lambda x, y: shift(x, -y.nanos)


for _kind, _months, _nanos in _SHIFTS:
    _ADD |= _add_duration(_kind, _months, _nanos)
    _SUBTRACT[_kind, DaysTimeDuration] = _subtract_nanos(_nanos)
    if _months is not None:
        _SUBTRACT[_kind, YearsMonthsDuration] = _subtract_months(_months)


# Durations are multiplied by Java ints: fractions are cut off and large numbers wrap around.
_MULTIPLY: dict[tuple[type, type], Operation] = {
    (Decimal, YearsMonthsDuration): lambda x, y: _times_months(y, x),
    (YearsMonthsDuration, Decimal): lambda x, y: _times_months(x, y),
    (Decimal, DaysTimeDuration): lambda x, y: DaysTimeDuration(y.nanos * to_int32(x)),
    (DaysTimeDuration, Decimal): lambda x, y: DaysTimeDuration(x.nanos * to_int32(y)),
}


def _times_months(duration: YearsMonthsDuration, factor: Decimal) -> YearsMonthsDuration:
    times = to_int32(factor)
    # Java multiplies years and months one by one, and each must fit an int.
    if not all(-(2**31) <= part * times < 2**31 for part in duration.properties().values()):
        raise OutOfRangeError("years and months duration is out of range")
    return YearsMonthsDuration(duration.months * times)


def _whole_ratio(dividend: int, divisor: int) -> Decimal | None:
    """Divide integers as Java does: truncate the result."""
    if divisor == 0:
        raise FeelEvaluationError("division by zero")
    quotient = abs(dividend) // abs(divisor)
    return Decimal(quotient if (dividend < 0) == (divisor < 0) else -quotient)


def _divide_months(duration: YearsMonthsDuration, divisor: Decimal) -> YearsMonthsDuration | None:
    return YearsMonthsDuration(to_int32(MATH.divide(Decimal(duration.months), divisor))) if divisor else None


def _divide_duration(duration: DaysTimeDuration, divisor: Decimal) -> DaysTimeDuration | None:
    if not divisor:
        return None
    millis = to_int32(MATH.divide(Decimal(duration.millis), divisor))
    return DaysTimeDuration(millis * (NANOS_PER_SECOND // 1000))


_DIVIDE: dict[tuple[type, type], Operation] = {
    (YearsMonthsDuration, Decimal): _divide_months,
    (YearsMonthsDuration, YearsMonthsDuration): (
        lambda x, y: _whole_ratio(x.months, y.months) if y.months else None
    ),
    (DaysTimeDuration, DaysTimeDuration): lambda x, y: _whole_ratio(x.millis, y.millis) if y.nanos else None,
    (DaysTimeDuration, Decimal): _divide_duration,
}


def add(x: Any, y: Any, run: Run, maths: Maths) -> Any:
    """Add numbers, strings, or a duration and a temporal value."""
    kind = type(x)
    if kind is Decimal and type(y) is Decimal:
        return maths.add(x, y)
    if kind is str and type(y) is str:
        run.check_size(len(x) + len(y))
        return x + y
    found = _ADD.get((kind, type(y)))
    return None if found is None else found(x, y)


def subtract(x: Any, y: Any, run: Run, maths: Maths) -> Any:
    """Subtract numbers, or two temporal values of one type, or a duration from a temporal value."""
    if type(x) is Decimal and type(y) is Decimal:
        return maths.subtract(x, y)
    found = _SUBTRACT.get((type(x), type(y)))
    return None if found is None else found(x, y)


def multiply(x: Any, y: Any, run: Run, maths: Maths) -> Any:
    """Multiply numbers, or a duration by a number."""
    if type(x) is Decimal and type(y) is Decimal:
        return unsigned_zero(maths.multiply(x, y))
    found = _MULTIPLY.get((type(x), type(y)))
    return None if found is None else found(x, y)


def divide(x: Any, y: Any, run: Run, maths: Maths) -> Any:
    """Divide numbers, a duration by a number, or durations of one kind. A division by zero is null."""
    if type(x) is Decimal and type(y) is Decimal:
        return unsigned_zero(maths.divide(x, y)) if y else None
    found = _DIVIDE.get((type(x), type(y)))
    return None if found is None else found(x, y)


def raise_to(x: Any, y: Any, run: Run, maths: Maths) -> Any:
    """Raise a number to a power."""
    return power(x, y, maths) if type(x) is Decimal and type(y) is Decimal else None


# Of all operators only this one looks at its operands one by one.
_RAISE = "raise {0} to the power of {1}"
OPERATIONS: dict[str, tuple[Callable[[Any, Any, Run, Maths], Any], str]] = {
    "+": (add, "add {1} to {0}"),
    "-": (subtract, "subtract {1} from {0}"),
    "*": (multiply, "multiply {0} by {1}"),
    "/": (divide, "divide {0} by {1}"),
    "**": (raise_to, _RAISE),
}


def undefined(x: Any, y: Any, phrase: str, run: Run, pos: int) -> ErrorValue | None:
    """Return null with a warning for an operation without result; return a fatal error unchanged."""
    for value in (x, y):
        if type(value) is ErrorValue:
            return value if value.fatal else None
        if phrase is _RAISE and type(value) is not Decimal:
            break
    run.warn(INVALID_TYPE, "can't " + phrase.format(brief(x), brief(y)), pos)
    return None
