"""Times of timers: ISO 8601 durations, dates and repeating intervals, as text or as FEEL values."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import camunda_feel
from camunda_feel import DaysTimeDuration, FunctionLibrary, YearsMonthsDuration
from local_engine.errors import ExpressionError

FOREVER: Final = -1
"""Repetitions of a cycle without end."""

_DURATION = re.compile(
    r"(?P<sign>[+-]?)P(?=[\d+-]|T[\d+-])"
    r"(?:(?P<years>[+-]?\d{1,12})Y)?(?:(?P<months>[+-]?\d{1,12})M)?(?:(?P<weeks>[+-]?\d{1,12})W)?(?:(?P<days>[+-]?\d{1,12})D)?"
    r"(?:T(?=[\d+-])(?:(?P<hours>[+-]?\d{1,12})H)?(?:(?P<minutes>[+-]?\d{1,12})M)?"
    r"(?:(?P<seconds>[+-]?\d{1,12}(?:[.,]\d{1,9})?)S)?)?",
    re.IGNORECASE,
)
_CYCLE = re.compile(r"R(?P<count>\d{0,12})/(?:(?P<start>.+)/)?(?P<every>[+-]?P[^/]+)", re.IGNORECASE)
_DATE = re.compile(
    r"(?P<local>\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(?::\d{2}(?:[.,]\d{1,9})?)?)"
    r"(?P<offset>Z|[+-]\d{2}:?\d{2}(?::?\d{2})?)?(?:\[(?P<zone>[^\]]+)\])?",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Duration:
    """An amount of time. Months are separate, because they have no fixed length."""

    months: int
    milliseconds: int

    def after(self, moment: int) -> int:
        """Return the moment that is this much later, in epoch milliseconds.

        Raises:
            ExpressionError: it lies outside the years 1 to 9999.
        """
        if not self.months:
            return moment + self.milliseconds
        try:
            at = datetime.fromtimestamp(moment / 1000, UTC)
            year, month = divmod(at.year * 12 + at.month - 1 + self.months, 12)
            day = min(at.day, _days_in(year, month + 1))
            at = at.replace(year=year, month=month + 1, day=day)
            return round(at.timestamp() * 1000) + self.milliseconds
        except (ValueError, OverflowError):
            raise ExpressionError("The timer's date is too far away.") from None


@dataclass(frozen=True, slots=True)
class Cycle:
    """A repeating interval."""

    repetitions: int
    """How often it fires in all, or `FOREVER`."""
    every: Duration
    start: int | None
    """Epoch milliseconds of the first time, where one is given."""

    def first(self, now: int) -> int:
        """Return when it fires first, in epoch milliseconds: never before `now`."""
        if self.start is None:
            return self.every.after(now)
        due = self.start
        if due >= now or self.every.after(due) <= due:
            return max(due, now)
        if not self.every.months:  # what lies in the past is left out, not caught up with
            missed = -((due - now) // self.every.milliseconds)
            return due + missed * self.every.milliseconds
        while due < now:
            due = self.every.after(due)
        return due


def duration(value: Any) -> Duration:
    """Return a duration from an ISO 8601 text or a FEEL duration.

    Raises:
        ExpressionError: it is neither.
    """
    if isinstance(value, DaysTimeDuration):
        return Duration(0, int(value.millis))
    if isinstance(value, YearsMonthsDuration):
        return Duration(value.months, 0)
    found = _DURATION.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None:
        raise ExpressionError(
            f"Invalid duration format {_shown(value)}: a duration such as PT30S or P1DT12H is expected."
        )
    part = {name: int(found[name] or 0) for name in ("years", "months", "weeks", "days", "hours", "minutes")}
    days = part["weeks"] * 7 + part["days"]
    seconds = float((found["seconds"] or "0").replace(",", "."))
    milliseconds = ((days * 24 + part["hours"]) * 60 + part["minutes"]) * 60_000 + round(seconds * 1000)
    sign = -1 if found["sign"] == "-" else 1
    try:
        timedelta(milliseconds=milliseconds)  # raises for what no clock reaches
    except OverflowError:
        raise ExpressionError(f"The duration {_shown(value)} is too long.") from None
    return Duration(sign * (part["years"] * 12 + part["months"]), sign * milliseconds)


def moment(value: Any) -> int:
    """Return epoch milliseconds from an ISO 8601 date and time, as text or as a FEEL value.

    A time without offset and zone is in UTC.

    Raises:
        ExpressionError: it is neither.
    """
    text = camunda_feel.to_json(value) if isinstance(value, camunda_feel.Temporal) else value
    found = _DATE.fullmatch(text.strip()) if isinstance(text, str) else None
    try:
        if found is None:
            raise ValueError
        local = datetime.fromisoformat(found["local"].replace(",", ".").upper())
        if found["offset"]:
            offset = found["offset"].upper().replace("Z", "+00:00")
            at = datetime.fromisoformat(f"{local.isoformat()}{offset}")
        else:
            at = local.replace(tzinfo=ZoneInfo(found["zone"]) if found["zone"] else UTC)
        return round(at.timestamp() * 1000)
    except (ValueError, OverflowError, ZoneInfoNotFoundError, OSError):
        raise ExpressionError(
            f"Invalid date-time format {_shown(value)}: a date and time such as 2026-11-26T12:00:00Z is "
            "expected."
        ) from None


def cycle(value: Any) -> Cycle:
    """Return a cycle from an ISO 8601 repeating interval, such as `R3/PT10S` or `R/2026-11-26T12:00:00Z/P1D`.

    Raises:
        ExpressionError: the text is not such an interval.
    """
    found = _CYCLE.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None:
        raise ExpressionError(
            f"Invalid cycle format {_shown(value)}: a repeating interval such as R3/PT10S is expected; "
            "cron expressions are not supported by this engine."
        )
    count = int(found["count"]) if found["count"] else FOREVER
    every = duration(found["every"])
    if every.after(0) <= 0:
        raise ExpressionError(
            f"The cycle {_shown(value)} repeats without a pause: its interval must be above zero."
        )
    return Cycle(count, every, moment(found["start"]) if found["start"] else None)


def feel_functions() -> FunctionLibrary:
    """Return the functions that the engine adds to FEEL: `cycle([repetitions, ]interval)`."""
    library = FunctionLibrary()

    @library.function("cycle(interval: duration)")
    def _endless(interval: Any) -> str:
        return f"R/{camunda_feel.to_json(interval)}"

    @library.function("cycle(repetitions: number?, interval: duration)")
    def _counted(repetitions: Any, interval: Any) -> str:
        count = "" if repetitions is None or repetitions < 0 else str(int(repetitions))
        return f"R{count}/{camunda_feel.to_json(interval)}"

    return library


def _shown(value: Any) -> str:
    if isinstance(value, list | dict):  # may be nested too deep to be shown
        return "(a list)" if isinstance(value, list) else "(a context)"
    text = value if isinstance(value, str) else json.dumps(camunda_feel.to_json(value))
    return f"'{text[:100]}'"


def _days_in(year: int, month: int) -> int:
    following = datetime(year + month // 12, month % 12 + 1, 1, tzinfo=UTC)
    return (following - timedelta(days=1)).day
