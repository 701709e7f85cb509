"""Numbers as `java.math.BigDecimal` computes them: 34 digits, half-even, trailing zeros kept.

Python's decimal arithmetic follows the same rules; differences are corrected here: there is no negative
zero, scales have 32 bits, powers are computed by repeated squaring, doubles are printed in Java's way.
"""

from __future__ import annotations

import decimal
from decimal import Decimal

from camunda_feel.errors import FeelEvaluationError, FeelLimitError

PRECISION = 34
_MAX_SCALE = 2_147_483_647
# Places by which Java's BigInteger can be shifted before it is too long for it.
_MAX_SHIFT = 646_456_993

# Numbers that lie further apart are not divided digit by digit.
_MAX_REMAINDER_DIGITS = 10_000

ONE = Decimal(1)


def context(precision: int) -> decimal.Context:
    """Return the arithmetic of one precision; overflow and impossible operations raise."""
    return decimal.Context(
        prec=precision,
        rounding=decimal.ROUND_HALF_EVEN,
        Emin=-_MAX_SCALE,
        Emax=_MAX_SCALE,
        capitals=1,
        clamp=0,
        flags=[],
        traps=[decimal.InvalidOperation, decimal.DivisionByZero, decimal.Overflow],
    )


MATH = context(PRECISION)
# For conversions and shifts that must not round.
EXACT = context(1_000_000)


def literal_number(text: str) -> Decimal:
    """Return the exact number for digits; the text must be well-formed."""
    return unsigned_zero(Decimal(text))


def unsigned_zero(number: Decimal) -> Decimal:
    """Remove the sign of a negative zero, which FEEL does not have."""
    return number if number else number.copy_abs()


def precision_of(number: Decimal) -> int:
    """Return the precision for this left operand: longer literals keep their own length."""
    return max(PRECISION, len(number.as_tuple().digits))


def maths_of(number: Decimal) -> decimal.Context:
    """Return the arithmetic for this left operand."""
    precision = precision_of(number)
    return MATH if precision == PRECISION else context(precision)


def from_double(value: float) -> Decimal:
    """Return the decimal of Java's `Double.toString`, with its scale: 25.0 and 1.0E+7, never 25 or 1E+7."""
    if value != value or value in (float("inf"), float("-inf")):
        raise FeelEvaluationError("result is not a finite number")
    sign, digits, exponent = Decimal(repr(value)).as_tuple()
    text = "".join(map(str, digits)).rstrip("0")
    if not text:
        return Decimal("0.0")
    exponent = int(exponent) + len(digits) - len(text)
    magnitude = exponent + len(text) - 1
    # Plain notation from 0.001 to 10,000,000 shows at least one place; so does the mantissa of scientific
    # notation.
    places = 1 if -3 <= magnitude < 7 else 1 - magnitude
    if -exponent < places:
        text += "0" * (places + exponent)
        exponent = -places
    return Decimal((sign, tuple(map(int, text)), exponent))


def to_double(number: Decimal) -> float:
    """Return the nearest double; infinite beyond its range."""
    try:
        return float(number)
    except OverflowError:
        return float("-inf") if number < 0 else float("inf")


def is_whole(number: Decimal) -> bool:
    """Return True if there is no fraction."""
    exponent = number.as_tuple().exponent
    if not isinstance(exponent, int) or exponent >= 0:
        return True
    if number.adjusted() < 0:
        return not number
    return number == number.to_integral_value(decimal.ROUND_DOWN)


def truncated(number: Decimal) -> int:
    """Return the integer part, modulo 2**64 for numbers too large to write out."""
    if number.adjusted() > 400:
        sign, digits, exponent = number.as_tuple()
        shift = int(exponent)
        whole = int("".join(map(str, digits)))
        value = whole * pow(10, shift, 2**64) if shift >= 0 else whole // 10**-shift
        return (-value if sign else value) % 2**64
    return int(number)


def to_int32(number: Decimal) -> int:
    """Return Java's `intValue`: the low 32 bits of the integer part."""
    return (truncated(number) + 2**31) % 2**32 - 2**31


def wrap_int32(value: int) -> int:
    """Wrap an int sum around on overflow, as Java does."""
    return (value + 2**31) % 2**32 - 2**31


def arithmetic_failure(error: decimal.DecimalException) -> FeelEvaluationError:
    """Return the error to raise where Java has an ArithmeticException."""
    return FeelEvaluationError(f"arithmetic failed: {type(error).__name__}")


def power(base: Decimal, exponent: Decimal, maths: decimal.Context = MATH) -> Decimal:
    """Return `base ** exponent`: by squaring for whole exponents (ANSI X3.274), by doubles for others."""
    if not is_whole(exponent):
        try:
            result = to_double(base) ** to_double(exponent)
        except (OverflowError, ZeroDivisionError):
            raise FeelEvaluationError("result is not a finite number") from None
        if isinstance(result, complex):
            raise FeelEvaluationError("power of a negative number is not a real number")
        return from_double(result)
    n = to_int32(exponent)
    magnitude = abs(n)
    if magnitude > 999_999_999:
        raise FeelEvaluationError("exponent is out of range")
    if n == 0:
        return ONE
    wide = context(maths.prec + len(str(magnitude)) + 1)
    result = ONE
    for bit in bin(magnitude)[2:]:
        result = wide.multiply(result, result)
        if bit == "1":
            result = wide.multiply(result, base)
    if n < 0:
        result = wide.divide(ONE, result)
    return unsigned_zero(maths.plus(result))


def remainder(dividend: Decimal, divisor: Decimal, maths: decimal.Context) -> Decimal:
    """Return the remainder of a division to a whole number, not rounded.

    Fails if the whole number has more digits than `maths` allows, zeros at its end aside.
    """
    if dividend.copy_abs() < divisor.copy_abs():
        # Nothing is taken away, so the scale stays too.
        return dividend
    lowest = min(int(number.as_tuple().exponent) for number in (dividend, divisor))
    digits = max(dividend.adjusted(), divisor.adjusted()) - lowest + 2
    if digits <= maths.prec or digits > _MAX_REMAINDER_DIGITS:
        return maths.remainder(dividend, divisor)
    wide = context(digits)
    quotient = wide.normalize(wide.divide_int(dividend, divisor))
    if len(quotient.as_tuple().digits) > maths.prec:
        raise FeelEvaluationError("quotient has too many digits")
    return wide.remainder(dividend, divisor)


def rescale(number: Decimal, scale: int, rounding: str, digits: int) -> Decimal | None:
    """Round to `scale` places at any precision; None if that is impossible or needs too many digits."""
    if not number:
        return Decimal((0, (0,), -scale))
    if not -_MAX_SCALE <= scale <= _MAX_SCALE or abs(int(number.as_tuple().exponent) + scale) > _MAX_SHIFT:
        return None
    if number.adjusted() + scale > digits:
        raise FeelLimitError(f"a number may have {digits} digits at most")
    try:
        return unsigned_zero(number.quantize(Decimal((0, (1,), -scale)), rounding=rounding, context=EXACT))
    except decimal.InvalidOperation:
        return None
