"""Rounding and some mathematics. Roots, logarithms and exponentials use doubles, as in the engine."""

import decimal
import math
from decimal import Decimal

from camunda_feel.builtins.library import builtin
from camunda_feel.decimals import (
    from_double,
    maths_of,
    remainder,
    rescale,
    to_double,
    to_int32,
    unsigned_zero,
)
from camunda_feel.errors import FeelEvaluationError
from camunda_feel.functions import IllegalArgumentError
from camunda_feel.runtime import Run
from camunda_feel.temporal import DaysTimeDuration, YearsMonthsDuration

# Scala's names of rounding modes; UNNECESSARY fails where it would have to round.
MODES = {
    "UP": decimal.ROUND_UP,
    "DOWN": decimal.ROUND_DOWN,
    "CEILING": decimal.ROUND_CEILING,
    "FLOOR": decimal.ROUND_FLOOR,
    "HALF_UP": decimal.ROUND_HALF_UP,
    "HALF_DOWN": decimal.ROUND_HALF_DOWN,
    "HALF_EVEN": decimal.ROUND_HALF_EVEN,
    "UNNECESSARY": decimal.ROUND_HALF_EVEN,
}
_TWO = Decimal(2)


def _round(run: Run, n: Decimal, scale: Decimal, mode: str) -> Decimal:
    result = rescale(n, to_int32(scale), MODES[mode], run.limits.digits)
    if result is None or (mode == "UNNECESSARY" and result != n):
        raise IllegalArgumentError(f"failed to apply rounding mode {mode}")
    return result


@builtin("decimal(n: number, scale: number)", takes_run=True)
def decimal_places(run: Run, n: Decimal, scale: Decimal) -> Decimal:
    """Round half to even."""
    return _round(run, n, scale, "HALF_EVEN")


@builtin("decimal(n: number, scale: number, mode: string)", takes_run=True)
def decimal_with_mode(run: Run, n: Decimal, scale: Decimal, mode: str) -> Decimal:
    """Round in one of `MODES`; the name may have any case."""
    if mode.upper() not in MODES:
        raise IllegalArgumentError(f"illegal rounding mode; must be one of {', '.join(MODES)}")
    return _round(run, n, scale, mode.upper())


@builtin("floor(n: number)", takes_run=True)
def floor(run: Run, n: Decimal) -> Decimal:
    """Round towards negative infinity."""
    return _round(run, n, Decimal(0), "FLOOR")


# The engine misspells this parameter and the one of `round half down` (seen in the jar of Zeebe 8.6.0).
@builtin("floor(n: number, scala: number)", takes_run=True)
def floor_scale(run: Run, n: Decimal, scale: Decimal) -> Decimal:
    """Round towards negative infinity, to a scale."""
    return _round(run, n, scale, "FLOOR")


@builtin("ceiling(n: number)", takes_run=True)
def ceiling(run: Run, n: Decimal) -> Decimal:
    """Round towards positive infinity."""
    return _round(run, n, Decimal(0), "CEILING")


@builtin("ceiling(n: number, scale: number)", takes_run=True)
def ceiling_scale(run: Run, n: Decimal, scale: Decimal) -> Decimal:
    """Round towards positive infinity, to a scale."""
    return _round(run, n, scale, "CEILING")


@builtin("round up(n: number, scale: number)", takes_run=True)
def round_up(run: Run, n: Decimal, scale: Decimal) -> Decimal:
    """Round away from zero."""
    return _round(run, n, scale, "UP")


@builtin("round down(n: number, scale: number)", takes_run=True)
def round_down(run: Run, n: Decimal, scale: Decimal) -> Decimal:
    """Round towards zero."""
    return _round(run, n, scale, "DOWN")


@builtin("round half up(n: number, scale: number)", takes_run=True)
def round_half_up(run: Run, n: Decimal, scale: Decimal) -> Decimal:
    """Round to the nearest, halves away from zero."""
    return _round(run, n, scale, "HALF_UP")


@builtin("round half down(n: number, scala: number)", takes_run=True)
def round_half_down(run: Run, n: Decimal, scale: Decimal) -> Decimal:
    """Round to the nearest, halves towards zero."""
    return _round(run, n, scale, "HALF_DOWN")


@builtin("abs(number: any)", "abs(n: any)")
def absolute(n: object) -> object:
    """Return the absolute value of a number or a duration."""
    if isinstance(n, Decimal):
        return n.copy_abs()
    if isinstance(n, YearsMonthsDuration):
        return YearsMonthsDuration(abs(n.months))
    if isinstance(n, DaysTimeDuration):
        return DaysTimeDuration(abs(n.nanos))
    raise IllegalArgumentError("abs takes a number or a duration")


@builtin("modulo(dividend: number, divisor: number)")
def modulo(dividend: Decimal, divisor: Decimal) -> Decimal:
    """Return the remainder with the sign of the divisor; a divisor of zero fails the evaluation."""
    if not divisor:
        raise FeelEvaluationError("division by zero")
    maths = maths_of(dividend)
    shifted = maths.add(remainder(dividend, divisor, maths), divisor)
    return unsigned_zero(remainder(shifted, divisor, maths))


@builtin("sqrt(number: number)")
def square_root(number: Decimal) -> Decimal | None:
    """Return the square root; null for negative numbers."""
    return from_double(math.sqrt(to_double(number))) if number >= 0 else None


@builtin("log(number: number)")
def natural_logarithm(number: Decimal) -> Decimal:
    """Return the natural logarithm; fail for numbers without one."""
    double = to_double(number)
    if double <= 0:
        raise FeelEvaluationError("logarithm is not a finite number")
    return from_double(math.log(double))


@builtin("exp(number: number)")
def exponential(number: Decimal) -> Decimal:
    """Return the exponential; fail if a double overflows."""
    try:
        return from_double(math.exp(to_double(number)))
    except OverflowError:
        raise FeelEvaluationError("exponential is not a finite number") from None


@builtin("odd(number: number)")
def odd(number: Decimal) -> bool:
    """Return whether a number is odd; False for fractions."""
    return remainder(number.copy_abs(), _TWO, maths_of(number)) == 1


@builtin("even(number: number)")
def even(number: Decimal) -> bool:
    """Return whether a number is even; False for fractions."""
    return not remainder(number, _TWO, maths_of(number))


@builtin("random number()")
def random_number() -> Decimal:
    """Return a random number from 0 to 1, exclusive."""
    import random

    return from_double(random.random())
