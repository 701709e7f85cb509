"""From one type to another."""

from __future__ import annotations

import math
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from camunda_feel import hashorder
from camunda_feel.builtins.library import builtin
from camunda_feel.builtins.temporal import DateLike, date_of
from camunda_feel.decimals import MATH, ONE, from_double, to_int32, unsigned_zero
from camunda_feel.errors import FeelLimitError
from camunda_feel.functions import IllegalArgumentError
from camunda_feel.lexer import DIGITS, is_name_part
from camunda_feel.temporal import (
    NANOS_PER_DAY,
    NANOS_PER_SECOND,
    Date,
    DaysTimeDuration,
    LocalDateTime,
    LocalTime,
    OutOfRangeError,
    Temporal,
    YearsMonthsDuration,
    ZonedDateTime,
    ZonedTime,
    parse_date,
    parse_date_time,
    parse_duration,
    parse_time,
)
from camunda_feel.values import CONTEXT_TYPES, Function, Range, lift, to_text

if TYPE_CHECKING:
    from camunda_feel.runtime import Run

_JSON_BLANKS = " \t\r\n"
# Java counts these among the parts of a name, FEEL among its blanks.
_INVISIBLE_LETTERS = "\x85\u180e\u200b\ufeff"
_MAX_OFFSET = 18 * 3600
_BILLION = Decimal(NANOS_PER_SECOND)


def _parsed(found: Temporal | None, kind: str, text: str) -> Temporal:
    if found is None:
        raise IllegalArgumentError(f"failed to parse {kind} from '{text[:60]}'")
    return found


@builtin("date(from: any)")
def date(source: Any) -> Temporal:
    """Return a date from text, or the day of a date and time."""
    if type(source) is str:
        return _parsed(parse_date(source), "date", source)
    if isinstance(source, Date | LocalDateTime | ZonedDateTime):
        return date_of(source)
    raise IllegalArgumentError("date takes a string, a date or a date and time")


@builtin("date(year: number, month: number, day: number)")
def date_of_parts(year: Decimal, month: Decimal, day: Decimal) -> Date:
    """Return a date from year, month and day; fractions are truncated."""
    try:
        return Date.of(to_int32(year), to_int32(month), to_int32(day))
    except OutOfRangeError as error:
        raise IllegalArgumentError(error.message) from None


@builtin("time(from: any)")
def time(source: Any) -> Temporal:
    """Return a time from text, or the time of a date and time; for a date it is midnight in UTC."""
    if type(source) is str:
        return _parsed(parse_time(source), "time", source)
    if isinstance(source, LocalDateTime):
        return LocalTime(source.time_nanos)
    if isinstance(source, ZonedDateTime):
        return ZonedTime(source.local.time_nanos, source.offset, source.zone)
    if isinstance(source, Date):
        return ZonedTime(0, 0)
    raise IllegalArgumentError("time takes a string, a date or a date and time")


def _nanos_of(hour: Decimal, minute: Decimal, second: Decimal) -> int:
    h, m, s = to_int32(hour), to_int32(minute), to_int32(second)
    fraction = int(MATH.multiply(MATH.remainder(second, ONE), _BILLION)) if second.adjusted() < 20 else 0
    if not (0 <= h < 24 and 0 <= m < 60 and 0 <= s < 60 and fraction >= 0):
        raise IllegalArgumentError("hour, minute or second is out of range")
    return ((h * 60 + m) * 60 + s) * NANOS_PER_SECOND + fraction


@builtin("time(hour: number, minute: number, second: number)")
def time_of_parts(hour: Decimal, minute: Decimal, second: Decimal) -> LocalTime:
    """Return a time without offset; the seconds may have a fraction."""
    return LocalTime(_nanos_of(hour, minute, second))


@builtin("time(hour: number, minute: number, second: number, offset: any)")
def time_with_offset(hour: Decimal, minute: Decimal, second: Decimal, offset: Any) -> Temporal:
    """Return a time with an offset of up to 18 hours; without one (null) seconds lose their fraction."""
    if offset is None:
        return LocalTime(_nanos_of(hour, minute, Decimal(to_int32(second))))
    if not isinstance(offset, DaysTimeDuration) or abs(offset.seconds) > _MAX_OFFSET:
        raise IllegalArgumentError("the offset must be a duration of at most 18 hours")
    return ZonedTime(_nanos_of(hour, minute, second), offset.seconds)


@builtin("date and time(from: string)")
def date_and_time(source: str) -> Temporal:
    """Return a date and time from text; a date alone means its midnight."""
    return _parsed(parse_date_time(source), "date and time", source)


@builtin("date and time(date: any, time: any)")
def date_and_time_of(date: Any, time: Any) -> Temporal:
    """Combine a day and a time, or move a date and time to a zone. An unknown zone fails the evaluation."""
    if type(time) is str and isinstance(date, LocalDateTime):
        return ZonedDateTime.of_zone_text(date, time)
    if type(time) is str and isinstance(date, ZonedDateTime):
        return date.with_zone(time)
    if isinstance(date, Date | LocalDateTime | ZonedDateTime) and isinstance(time, LocalTime | ZonedTime):
        local = LocalDateTime(date_of(date).days * NANOS_PER_DAY + time.nanos)
        if isinstance(time, LocalTime):
            return local
        if time.zone is not None:
            return ZonedDateTime.of_local(local, time.zone)
        return ZonedDateTime(local, time.offset)
    raise IllegalArgumentError("date and time takes a date and a time, or a date and time and a zone")


@builtin("duration(from: string)")
def duration(source: str) -> Temporal:
    """Return a duration of either kind from text."""
    return _parsed(parse_duration(source), "duration", source)


@builtin("years and months duration(from: date like, to: date like)")
def years_and_months_duration(start: DateLike, end: DateLike) -> YearsMonthsDuration:
    """Return the whole months between two days."""
    return YearsMonthsDuration(date_of(start).months_until(date_of(end)))


def _are_digits(text: str) -> bool:
    """Check for one digit at least, of any script whose digits are single UTF-16 units."""
    return text.isdecimal() and max(text) <= "\uffff"


def _number(run: Run, text: str) -> Decimal:
    """Read what `new BigDecimal(text)` accepts: sign, digits with a point, exponent; no blanks."""
    if len(text) > run.limits.digits:
        raise FeelLimitError(f"a number may have {run.limits.digits} digits at most")
    mantissa, mark, exponent = text.replace("E", "e").partition("e")
    body = mantissa[1:] if mantissa[:1] in ("+", "-") else mantissa
    whole, _, fraction = body.partition(".")
    power = exponent[1:] if exponent[:1] in ("+", "-") else exponent
    well_formed = _are_digits(whole + fraction) and (not mark or (len(power) <= 10 and _are_digits(power)))
    if well_formed and abs(int(exponent or 0) - len(fraction)) < 2**31:
        try:
            return unsigned_zero(Decimal(text))
        except InvalidOperation:
            pass
    raise IllegalArgumentError(f"can't parse '{text[:60]}' as a number")


@builtin("number(from: string)", takes_run=True)
def number(run: Run, source: str) -> Decimal:
    """Return a number from digits with a decimal point; an exponent is allowed here."""
    return _number(run, source)


@builtin("number(from: string, grouping separator: string)", takes_run=True)
def number_grouped(run: Run, source: str, grouping: str) -> Decimal:
    """Return a number from text; the grouping separator is a blank, a comma or a point."""
    if grouping not in (" ", ",", "."):
        raise IllegalArgumentError("the grouping separator must be one of ' ', ',' or '.'")
    return _number(run, source.replace(grouping, ""))


@builtin("number(from: string, grouping separator: string?, decimal separator: string?)", takes_run=True)
def number_separated(run: Run, source: str, grouping: str | None, point: str | None) -> Decimal:
    """Return a number from text; either separator may be null, but not both."""
    valid = grouping in (None, " ", ",", ".") and point in (None, ",", ".") and grouping != point
    if not valid:
        raise IllegalArgumentError("separators must be ' ' (grouping only), ',' or '.', and differ")
    text = source if grouping is None else source.replace(grouping, "")
    return _number(run, text if point is None else text.replace(point, "."))


@builtin("string(from: any)", takes_run=True)
def string(run: Run, value: Any) -> str | None:
    """Convert to a string: null stays null; strings inside lists and contexts are quoted."""
    return value if value is None or type(value) is str else to_text(value, run)


@builtin("from json(json: string?)", takes_run=True)
def from_json(run: Run, text: str | None) -> Any:
    """Return the first JSON value of a text and ignore the rest. Whole numbers are exact, others doubles."""
    if text is None:
        return None
    import json

    run.charge(len(text) // 100)
    body = text.lstrip(_JSON_BLANKS)
    decoder = json.JSONDecoder(
        parse_int=lambda digits: _number(run, digits),
        parse_float=_double,
        parse_constant=_no_constant,
    )
    try:
        value, end = decoder.raw_decode(body)
    except (ValueError, RecursionError):
        raise IllegalArgumentError(f"failed to parse JSON from '{text[:60]}'") from None
    if not _may_follow(body[end : end + 1], body[end - 1]):
        raise IllegalArgumentError(f"failed to parse JSON from '{text[:60]}'")
    return value


def _may_follow(char: str, last: str) -> bool:
    """Apply Jackson's rule for the next character: a blank after numbers, no letter after words."""
    if last in DIGITS:
        return char in _JSON_BLANKS
    return (
        last in '"]}' or char < "0" or char in "]}" or not (is_name_part(char) or char in _INVISIBLE_LETTERS)
    )


def _double(text: str) -> Decimal | None:
    """Return a double as a number; null beyond the range of doubles."""
    value = float(text)
    return from_double(value) if math.isfinite(value) else None


def _no_constant(name: str) -> Any:
    raise ValueError(name)


@builtin("to json(value: any)", takes_run=True)
def to_json_text(run: Run, value: Any) -> str:
    """Return compact JSON; numbers are written as `string` writes them."""
    parts: list[str] = []
    _write_json(value, parts, run, 0)
    text = "".join(parts)
    run.check_size(len(text))
    return text


def _json_string(text: str) -> str:
    import json
    import re

    written = json.dumps(text, ensure_ascii=False)
    if "\\u00" not in written:
        return written
    # Jackson writes control characters with capital digits.
    return re.sub(
        r"\\(u[0-9a-f]{4}|.)",
        lambda escape: "\\u" + escape[1][1:].upper() if escape[1][1:] else escape[0],
        written,
    )


def _write_json(value: Any, parts: list[str], run: Run, depth: int) -> None:
    import json

    run.charge(1)
    if depth > run.limits.depth:
        raise FeelLimitError(f"data is nested deeper than {run.limits.depth} levels")
    kind = type(value)
    if kind is Decimal:
        parts.append(str(value))
    elif kind is list:
        parts.append("[")
        for index, item in enumerate(value):
            parts.append("," if index else "")
            _write_json(lift(item), parts, run, depth + 1)
        parts.append("]")
    elif kind in CONTEXT_TYPES:
        parts.append("{")
        for index, (key, item) in enumerate(hashorder.entries(value)):
            parts.append(("," if index else "") + _json_string(key) + ":")
            _write_json(lift(item), parts, run, depth + 1)
        parts.append("}")
    elif kind is str:
        parts.append(_json_string(value))
    elif isinstance(value, Temporal):
        parts.append(_json_string(value.to_iso()))
    elif isinstance(value, Function | Range):
        parts.append(_json_string(str(value)))
    else:
        parts.append(json.dumps(value))
