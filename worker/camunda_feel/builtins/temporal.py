"""The calendar and the clock."""

from __future__ import annotations

from typing import TYPE_CHECKING

from camunda_feel.builtins.library import builtin
from camunda_feel.errors import FeelEvaluationError
from camunda_feel.temporal import Date, LocalDateTime, ZonedDateTime, days_in_month, from_python

if TYPE_CHECKING:
    from camunda_feel.runtime import Run

DateLike = Date | LocalDateTime | ZonedDateTime
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)


def date_of(value: DateLike) -> Date:
    """Return the local day of any value that has one."""
    if isinstance(value, ZonedDateTime):
        return value.local.date
    return value.date if isinstance(value, LocalDateTime) else value


@builtin("now()", takes_run=True)
def now(run: Run) -> ZonedDateTime:
    """Return the clock's time with its offset or zone."""
    import datetime

    moment = run.clock() if run.clock is not None else datetime.datetime.now().astimezone()
    value = from_python(moment)
    if not isinstance(value, ZonedDateTime):
        raise FeelEvaluationError("the clock must give aware datetimes")
    return value


@builtin("today()", takes_run=True)
def today(run: Run) -> Date:
    """Return the clock's local day."""
    return now(run).local.date


@builtin("day of year(date: date like)")
def day_of_year(date: DateLike) -> int:
    """Return the day of the year, 1 to 366."""
    return date_of(date).day_of_year


@builtin("day of week(date: date like)")
def day_of_week(date: DateLike) -> str:
    """Return the English name of the weekday."""
    return WEEKDAYS[date_of(date).weekday - 1]


@builtin("month of year(date: date like)")
def month_of_year(date: DateLike) -> str:
    """Return the English name of the month."""
    return MONTHS[date_of(date).civil[1] - 1]


@builtin("week of year(date: date like)")
def week_of_year(date: DateLike) -> int:
    """Return the ISO week."""
    return date_of(date).week_of_year


@builtin("last day of month(date: date like)")
def last_day_of_month(date: DateLike) -> Date:
    """Return the last day of the month as a date."""
    year, month, _ = date_of(date).civil
    return Date.of(year, month, days_in_month(year, month))
