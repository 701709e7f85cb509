"""Dates, times and durations with the range, precision and zone rules of `java.time`.

Python's datetime ends at the year 9999 and at microseconds; FEEL's years have nine digits and its seconds
nine places. All arithmetic here is on integers: days since 1970-01-01 and nanoseconds. Zone rules come from
`zoneinfo`, asked for an equivalent year of the 400-year cycle where Python's years end.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from camunda_feel.errors import FeelEvaluationError

if TYPE_CHECKING:
    import datetime
    from zoneinfo import ZoneInfo

NANOS_PER_SECOND = 1_000_000_000
SECONDS_PER_DAY = 86_400
NANOS_PER_DAY = SECONDS_PER_DAY * NANOS_PER_SECOND
MAX_YEAR = 999_999_999
MAX_DURATION = 2**63 * NANOS_PER_SECOND

_DAYS_PER_CYCLE = 146_097  # 400 years


class OutOfRangeError(FeelEvaluationError):
    """A temporal value that java.time cannot hold: the engine fails with an exception of its own."""


# ---- calendar


def days_from_civil(year: int, month: int, day: int) -> int:
    """Return days since 1970-01-01 in the proleptic Gregorian calendar."""
    shifted = year - (month <= 2)
    cycle, of_cycle = divmod(shifted, 400)
    day_of_year = (153 * (month + (-3 if month > 2 else 9)) + 2) // 5 + day - 1
    return cycle * _DAYS_PER_CYCLE + of_cycle * 365 + of_cycle // 4 - of_cycle // 100 + day_of_year - 719_468


def civil_from_days(days: int) -> tuple[int, int, int]:
    """Return year, month and day of a number of days since 1970-01-01."""
    cycle, of_cycle = divmod(days + 719_468, _DAYS_PER_CYCLE)
    year = (of_cycle - of_cycle // 1460 + of_cycle // 36524 - of_cycle // 146_096) // 365
    day_of_year = of_cycle - (365 * year + year // 4 - year // 100)
    shifted_month = (5 * day_of_year + 2) // 153
    day = day_of_year - (153 * shifted_month + 2) // 5 + 1
    month = shifted_month + (3 if shifted_month < 10 else -9)
    return year + cycle * 400 + (month <= 2), month, day


def is_leap_year(year: int) -> bool:
    """Return True for years with a 29th of February."""
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def days_in_month(year: int, month: int) -> int:
    """Return the length of a month: 28 to 31."""
    if month == 2:
        return 29 if is_leap_year(year) else 28
    return 30 if month in (4, 6, 9, 11) else 31


def _year_text(year: int) -> str:
    return f"-{-year:04}" if year < 0 else f"{year:04}"


def _time_text(nanos: int) -> str:
    seconds, fraction = divmod(nanos, NANOS_PER_SECOND)
    minutes, second = divmod(seconds, 60)
    hour, minute = divmod(minutes, 60)
    text = f"{hour:02}:{minute:02}:{second:02}"
    return f"{text}.{fraction:09}".rstrip("0") if fraction else text


def offset_text(offset: int) -> str:
    """Return `Z`, `+02:00` or `+00:53:28` for an offset in seconds."""
    if offset == 0:
        return "Z"
    minutes, second = divmod(abs(offset), 60)
    text = f"{'-' if offset < 0 else '+'}{minutes // 60:02}:{minutes % 60:02}"
    return f"{text}:{second:02}" if second else text


def _quotient(value: int, divisor: int) -> int:
    """Divide integers as Java does: truncate the result."""
    return -(-value // divisor) if value < 0 else value // divisor


class Temporal:
    """Base of all temporal values: immutable, equal by type and fields, ordered within one type."""

    __slots__ = ()
    type_name = ""

    def _key(self) -> tuple[Any, ...]:
        raise NotImplementedError

    def sort_key(self) -> Any:
        """Return what `<` compares."""
        return self._key()

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other._key() == self._key()

    def __hash__(self) -> int:
        return hash((type(self), self._key()))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"

    def properties(self) -> dict[str, Any]:
        """Return what `.name` reads, as integers, strings, durations or None."""
        raise NotImplementedError

    def to_json(self) -> str:
        """Return what Camunda's connector runtime writes into process variables."""
        return str(self)

    def to_iso(self) -> str:
        """Return what the FEEL function `to json` writes."""
        return self.to_json()

    def feel_encode(self) -> dict[str, str]:
        """Return a tagged form that keeps the type: for tests and for tools that compare engines."""
        return {"@type": self.type_name, "value": self.to_iso()}


# ---- durations


class YearsMonthsDuration(Temporal):
    """Years and months, held as `months`."""

    __slots__ = ("months",)
    type_name = "years-months-duration"

    def __init__(self, months: int) -> None:
        if not -(2**31) <= _quotient(months, 12) < 2**31:
            raise OutOfRangeError("years and months duration is out of range")
        self.months = months

    def _key(self) -> tuple[int]:
        return (self.months,)

    def properties(self) -> dict[str, Any]:
        """Return the properties that FEEL reads."""
        years = _quotient(self.months, 12)
        return {"years": years, "months": self.months - 12 * years}

    def _text(self, zero: str) -> str:
        if not self.months:
            return zero
        years, months = divmod(abs(self.months), 12)
        sign = "-" if self.months < 0 else ""
        return f"{sign}P" + (f"{years}Y" if years else "") + (f"{months}M" if months else "")

    def __str__(self) -> str:
        return self._text("P0Y")

    def to_json(self) -> str:
        """Return Java's `Period.toString`, where each number has the sign."""
        if not self.months:
            return "P0D"
        years = _quotient(self.months, 12)
        months = self.months - 12 * years
        return "P" + (f"{years}Y" if years else "") + (f"{months}M" if months else "")

    def feel_encode(self) -> dict[str, str]:
        """Return a tagged form that keeps the type."""
        return {"@type": self.type_name, "value": self._text("P0M")}


class DaysTimeDuration(Temporal):
    """Days, hours, minutes and seconds, held as `nanos`."""

    __slots__ = ("nanos",)
    type_name = "days-time-duration"

    def __init__(self, nanos: int) -> None:
        if not -MAX_DURATION <= nanos < MAX_DURATION:
            raise OutOfRangeError("days and time duration is out of range")
        self.nanos = nanos

    def _key(self) -> tuple[int]:
        return (self.nanos,)

    @property
    def seconds(self) -> int:
        """Whole seconds, rounded down."""
        return self.nanos // NANOS_PER_SECOND

    @property
    def millis(self) -> int:
        """Whole milliseconds, truncated; raise OutOfRangeError if a Java long cannot hold them."""
        millis = _quotient(self.nanos, 1_000_000)
        if not -(2**63) <= millis < 2**63:
            raise OutOfRangeError("days and time duration is out of range")
        return millis

    def _parts(self) -> tuple[int, int, int, int]:
        seconds = self.seconds
        days, hours, minutes = (_quotient(seconds, unit) for unit in (86_400, 3_600, 60))
        return (
            days,
            hours - 24 * _quotient(hours, 24),
            minutes - 60 * _quotient(minutes, 60),
            seconds - 60 * _quotient(seconds, 60),
        )

    def properties(self) -> dict[str, Any]:
        """Return the properties that FEEL reads."""
        return dict(zip(("days", "hours", "minutes", "seconds"), self._parts(), strict=True))

    def __str__(self) -> str:
        """Return the text with whole seconds only, as the engine prints it."""
        parts = self._parts()
        if not any(parts):
            return "P0D"
        sign = ""
        if all(part <= 0 for part in parts):
            sign, parts = "-", (-parts[0], -parts[1], -parts[2], -parts[3])
        days, hours, minutes, seconds = (
            f"{part}{unit}" if part else "" for part, unit in zip(parts, "DHMS", strict=True)
        )
        time = hours + minutes + seconds
        return f"{sign}P{days}" + (f"T{time}" if time else "")

    def to_json(self) -> str:
        """Return Java's `Duration.toString`: hours, never days."""
        if not self.nanos:
            return "PT0S"
        seconds, fraction = self.seconds, self.nanos % NANOS_PER_SECOND
        effective = seconds + 1 if seconds < 0 and fraction else seconds
        hours = _quotient(effective, 3600)
        minutes = _quotient(effective - hours * 3600, 60)
        rest = effective - hours * 3600 - minutes * 60
        text = "PT" + (f"{hours}H" if hours else "") + (f"{minutes}M" if minutes else "")
        if not rest and not fraction and len(text) > 2:
            return text
        if not fraction:
            return f"{text}{rest}S"
        if seconds < 0:
            fraction = NANOS_PER_SECOND - fraction
        shown = "-0" if seconds < 0 and rest == 0 else str(rest)
        return f"{text}{shown}." + f"{fraction:09}".rstrip("0") + "S"


# ---- dates and times


class Date(Temporal):
    """A calendar day, held as `days` since 1970-01-01."""

    __slots__ = ("days",)
    type_name = "date"

    def __init__(self, days: int) -> None:
        if not _MIN_DAYS <= days <= _MAX_DAYS:
            raise OutOfRangeError("date is out of range")
        self.days = days

    @classmethod
    def of(cls, year: int, month: int, day: int) -> Date:
        """Return the day for a year, month and day; raise OutOfRangeError if it does not exist."""
        if abs(year) > MAX_YEAR or not 1 <= month <= 12 or not 1 <= day <= days_in_month(year, month):
            raise OutOfRangeError(f"there is no date {_year_text(year)}-{month}-{day}")
        return cls(days_from_civil(year, month, day))

    def _key(self) -> tuple[int]:
        return (self.days,)

    @property
    def civil(self) -> tuple[int, int, int]:
        """Year, month, day."""
        return civil_from_days(self.days)

    @property
    def weekday(self) -> int:
        """Monday is 1."""
        return (self.days + 3) % 7 + 1

    @property
    def day_of_year(self) -> int:
        """1 to 366."""
        return self.days - days_from_civil(self.civil[0], 1, 1) + 1

    @property
    def week_of_year(self) -> int:
        """The ISO week, 1 to 53."""
        thursday = Date(min(max(self.days + 4 - self.weekday, _MIN_DAYS), _MAX_DAYS))
        return (thursday.day_of_year - 1) // 7 + 1

    def plus_months(self, months: int) -> Date:
        """Return the same day some months later, or the last day if the month is shorter."""
        year, month, day = self.civil
        total = year * 12 + month - 1 + months
        year, month = total // 12, total % 12 + 1
        if abs(year) > MAX_YEAR:
            raise OutOfRangeError("date is out of range")
        return Date.of(year, month, min(day, days_in_month(year, month)))

    def months_until(self, end: Date) -> int:
        """Return the whole months from here to `end`, negative if that is earlier."""
        (year1, month1, day1), (year2, month2, day2) = self.civil, end.civil
        months = (year2 - year1) * 12 + month2 - month1
        if months > 0 and day2 < day1:
            months -= 1
        elif months < 0 and day2 > day1:
            months += 1
        return months

    def properties(self) -> dict[str, Any]:
        """Return the properties that FEEL reads."""
        year, month, day = self.civil
        return {"year": year, "month": month, "day": day, "weekday": self.weekday}

    def __str__(self) -> str:
        year, month, day = self.civil
        return f"{'+' if year > 9999 else ''}{_year_text(year)}-{month:02}-{day:02}"


def _clock_properties(nanos: int) -> dict[str, Any]:
    seconds = nanos // NANOS_PER_SECOND
    return {"hour": seconds // 3600, "minute": seconds // 60 % 60, "second": seconds % 60}


class LocalTime(Temporal):
    """A time of day without offset, held as `nanos` since midnight."""

    __slots__ = ("nanos",)
    type_name = "time"

    def __init__(self, nanos: int) -> None:
        self.nanos = nanos % NANOS_PER_DAY

    def _key(self) -> tuple[int]:
        return (self.nanos,)

    def properties(self) -> dict[str, Any]:
        """Return the properties that FEEL reads."""
        return {**_clock_properties(self.nanos), "time offset": None, "timezone": None}

    def __str__(self) -> str:
        return _time_text(self.nanos)


class ZonedTime(Temporal):
    """A time of day with an offset (seconds) and perhaps the zone that it is the standard offset of."""

    __slots__ = ("nanos", "offset", "zone")
    type_name = "time"

    def __init__(self, nanos: int, offset: int, zone: str | None = None) -> None:
        self.nanos = nanos % NANOS_PER_DAY
        self.offset = offset
        self.zone = zone

    def _key(self) -> tuple[int, int, str | None]:
        return (self.nanos, self.offset, self.zone)

    def sort_key(self) -> int:
        """Return what `<` compares."""
        return self.nanos - self.offset * NANOS_PER_SECOND

    def properties(self) -> dict[str, Any]:
        """Return the properties that FEEL reads."""
        offset = DaysTimeDuration(self.offset * NANOS_PER_SECOND)
        return {**_clock_properties(self.nanos), "time offset": offset, "timezone": self.zone}

    def __str__(self) -> str:
        return _time_text(self.nanos) + (f"@{self.zone}" if self.zone else offset_text(self.offset))

    def to_iso(self) -> str:
        """Return what the FEEL function `to json` writes."""
        return _time_text(self.nanos) + offset_text(self.offset)

    def to_json(self) -> str:
        """Return Java's `OffsetTime.toString`: no zero seconds, fractions of three, six or nine digits."""
        time = _time_text(self.nanos)
        if self.nanos % (60 * NANOS_PER_SECOND) == 0:
            time = time[:5]
        whole, point, fraction = time.partition(".")
        return whole + point + fraction + "0" * (-len(fraction) % 3) + offset_text(self.offset)

    def feel_encode(self) -> dict[str, str]:
        """Return a tagged form that keeps the type."""
        return {"@type": self.type_name, "value": str(self)}


class LocalDateTime(Temporal):
    """A date and time without offset, held as `nanos` since 1970-01-01T00:00."""

    __slots__ = ("nanos",)
    type_name = "date time"

    def __init__(self, nanos: int) -> None:
        if not _MIN_DAYS <= nanos // NANOS_PER_DAY <= _MAX_DAYS:
            raise OutOfRangeError("date and time is out of range")
        self.nanos = nanos

    def _key(self) -> tuple[int]:
        return (self.nanos,)

    @property
    def date(self) -> Date:
        """The day."""
        return Date(self.nanos // NANOS_PER_DAY)

    @property
    def time_nanos(self) -> int:
        """Nanoseconds since midnight."""
        return self.nanos % NANOS_PER_DAY

    def plus_months(self, months: int) -> LocalDateTime:
        """Return the same time of day some months later."""
        return LocalDateTime(self.date.plus_months(months).days * NANOS_PER_DAY + self.time_nanos)

    def properties(self) -> dict[str, Any]:
        """Return the properties that FEEL reads."""
        clock = _clock_properties(self.time_nanos)
        return {**self.date.properties(), **clock, "time offset": None, "timezone": None}

    def __str__(self) -> str:
        return self.to_json().removeprefix("+")

    def to_json(self) -> str:
        """Return the text with a plus sign for years beyond 9999, which `string` does not have."""
        return f"{self.date}T{_time_text(self.time_nanos)}"


class ZonedDateTime(Temporal):
    """A local date and time with its offset (seconds) and, unless the offset is all there is, a zone."""

    __slots__ = ("local", "offset", "zone")
    type_name = "date time"

    def __init__(self, local: LocalDateTime, offset: int, zone: str | None = None) -> None:
        self.local = local
        self.offset = offset
        self.zone = zone

    @classmethod
    def of_local(cls, local: LocalDateTime, zone: str, preferred: int | None = None) -> ZonedDateTime:
        """Resolve a local time: in a gap, shift it by the gap; in an overlap, use the earlier offset."""
        offsets = local_offsets(local, zone)
        if preferred in offsets:
            return cls(local, preferred, zone)
        instant = local.nanos - offsets[0] * NANOS_PER_SECOND
        return cls.of_instant(instant, zone)

    @classmethod
    def of_instant(cls, instant: int, zone: str) -> ZonedDateTime:
        """Return the zone's local time at an instant (nanoseconds since 1970 in UTC)."""
        offset = offset_at(instant, zone)
        return cls(LocalDateTime(instant + offset * NANOS_PER_SECOND), offset, zone)

    @classmethod
    def of_zone_text(cls, local: LocalDateTime, zone: str, *, inside_text: bool = False) -> ZonedDateTime:
        """Return a local time in a zone, which may be an offset such as `+02:00`."""
        offset, region = parse_zone(zone, inside_text=inside_text)
        return cls(local, offset or 0) if region is None else cls.of_local(local, region)

    @property
    def instant(self) -> int:
        """Nanoseconds since 1970 in UTC."""
        return self.local.nanos - self.offset * NANOS_PER_SECOND

    def _key(self) -> tuple[int, int, str | None]:
        return (self.local.nanos, self.offset, self.zone)

    def sort_key(self) -> tuple[int, int, str]:
        """Return what `<` compares."""
        # java.time orders equal instants by local time and zone.
        return (self.instant, self.local.nanos, self.zone or offset_text(self.offset))

    def with_zone(self, zone: str, *, inside_text: bool = False) -> ZonedDateTime:
        """Return the same instant in another zone."""
        offset, region = parse_zone(zone, inside_text=inside_text)
        if region is not None:
            return ZonedDateTime.of_instant(self.instant, region)
        offset = offset or 0
        return ZonedDateTime(LocalDateTime(self.instant + offset * NANOS_PER_SECOND), offset)

    def plus_months(self, months: int) -> ZonedDateTime:
        """Return the same local time some months later, as far as the zone has it."""
        local = self.local.plus_months(months)
        if self.zone is None:
            return ZonedDateTime(local, self.offset)
        return ZonedDateTime.of_local(local, self.zone, self.offset)

    def plus_nanos(self, nanos: int) -> ZonedDateTime:
        """Return the moment some time later on the time line."""
        if self.zone is None:
            return ZonedDateTime(LocalDateTime(self.local.nanos + nanos), self.offset)
        return ZonedDateTime.of_instant(self.instant + nanos, self.zone)

    def properties(self) -> dict[str, Any]:
        """Return the properties that FEEL reads."""
        offset = DaysTimeDuration(self.offset * NANOS_PER_SECOND)
        return {**self.local.properties(), "time offset": offset, "timezone": self.zone}

    def __str__(self) -> str:
        return str(self.local) + (f"@{self.zone}" if self.zone else offset_text(self.offset))

    def to_json(self) -> str:
        """Return the text without the zone id."""
        return self.local.to_json() + offset_text(self.offset)

    def to_iso(self) -> str:
        """Return what the FEEL function `to json` writes."""
        return self.to_json() + (f"[{self.zone}]" if self.zone else "")


_MIN_DAYS = days_from_civil(-MAX_YEAR, 1, 1)
_MAX_DAYS = days_from_civil(MAX_YEAR, 12, 31)


# ---- zones


@lru_cache(maxsize=64)
def _zone_info(zone: str) -> ZoneInfo | None:
    from zoneinfo import ZoneInfo

    # "UTC+01:00" is a region of its own to Java; those are handled by their offset.
    if not zone or zone.startswith(("/", ".")) or ".." in zone or not zone.isascii():
        return None
    try:
        return ZoneInfo(zone)
    except (KeyError, OSError, ValueError):
        return None


# Names in the zone data that Java's list of regions lacks.
_NO_JAVA_ZONES = frozenset(("EST", "HST", "MST", "ROC", "GMT+0", "GMT-0", "Factory", "localtime"))


@lru_cache(maxsize=1)
def _zone_names() -> frozenset[str]:
    from zoneinfo import available_timezones

    return frozenset(available_timezones()) - _NO_JAVA_ZONES


def _prefixed_offset(zone: str) -> tuple[str, int] | None:
    """Read `UTC+01:00` and similar ids: Java keeps prefix and offset as the id."""
    for prefix in ("UTC", "GMT", "UT"):
        if zone.startswith(prefix):
            rest = zone[len(prefix) :]
            if not rest:
                return prefix, 0
            offset = parse_offset(rest) if rest[0] in "+-" else None
            if offset is None:
                return None
            return (prefix + (offset_text(offset) if offset else "")), offset
    return None


def parse_offset(text: str) -> int | None:
    """Return the seconds of `Z`, `+2`, `+02`, `+02:00`, `+0200`, `+02:00:00` (up to 18 hours), or None."""
    if text == "Z":
        return 0
    if len(text) < 2 or text[0] not in "+-":
        return None
    body = text[1:]
    parts = body.split(":") if ":" in body else [body[i : i + 2] for i in range(0, len(body), 2)]
    if not 1 <= len(parts) <= 3 or not all(part.isascii() and part.isdigit() for part in parts):
        return None
    if (
        any(len(part) != 2 for part in parts[1:])
        or len(parts[0]) > 2
        or (len(parts) > 1 and len(parts[0]) != 2)
    ):
        return None
    hours, minutes, seconds = (*map(int, parts), 0, 0)[:3]
    total = hours * 3600 + minutes * 60 + seconds
    if minutes > 59 or seconds > 59 or total > 18 * 3600:
        return None
    return -total if text[0] == "-" else total


def _is_full_offset(text: str) -> bool:
    return len(text) in (6, 9) and text[0] in "+-" and text[3] == ":"


def parse_zone(zone: str, *, inside_text: bool = False) -> tuple[int | None, str | None]:
    """Read as Java's `ZoneId.of`: an offset or a region's canonical name; else raise OutOfRangeError.

    Inside the text of a time, offsets must have hours and minutes, as in `+02:00` or `UTC+02:00`.
    """
    rest = zone.lstrip("UTCGM") if inside_text else zone
    if inside_text and rest[:1] in ("+", "-") and not _is_full_offset(rest):
        raise OutOfRangeError(f"unknown time zone {zone[:60]!r}")
    offset = parse_offset(zone)
    if offset is not None:
        return offset, None
    prefixed = _prefixed_offset(zone)
    if prefixed is not None:
        return None, prefixed[0]
    if zone in _zone_names() and _zone_info(zone) is not None:
        return None, zone
    raise OutOfRangeError(f"unknown time zone {zone[:60]!r}")


def _in_python_years(nanos: int) -> datetime.datetime:
    """Return a datetime (to the second) of the same date in a year of Python's that has the same rules."""
    import datetime

    days, rest = divmod(nanos, NANOS_PER_DAY)
    first, last = days_from_civil(2, 1, 1), days_from_civil(9998, 1, 1)
    if days >= last:
        days -= -((last - 1 - days) // _DAYS_PER_CYCLE) * _DAYS_PER_CYCLE
    elif days < first:
        days = first
    seconds = rest // NANOS_PER_SECOND
    year, month, day = civil_from_days(days)
    return datetime.datetime(year, month, day, seconds // 3600, seconds // 60 % 60, seconds % 60)


def local_offsets(local: LocalDateTime, zone: str) -> tuple[int, int]:
    """Return the possible offsets (seconds) of a local time; the first is the one before a transition."""
    fixed = _prefixed_offset(zone)
    if fixed is not None:
        return fixed[1], fixed[1]
    info = _zone_info(zone)
    moment = _in_python_years(local.nanos)
    before = _seconds(info, moment)
    after = _seconds(info, moment.replace(fold=1))
    if before < after:
        # A gap: neither offset is valid, the first one leads to the shifted time.
        return before, before
    return before, after


def offset_at(instant: int, zone: str) -> int:
    """Return the offset (seconds) of a zone at an instant (nanoseconds since 1970 in UTC)."""
    import datetime

    fixed = _prefixed_offset(zone)
    if fixed is not None:
        return fixed[1]
    info = _zone_info(zone)
    moment = _in_python_years(instant).replace(tzinfo=datetime.UTC)
    found = moment.astimezone(info).utcoffset()
    return int(found.total_seconds()) if found is not None else 0


def _seconds(info: ZoneInfo | None, moment: datetime.datetime) -> int:
    offset = moment.replace(tzinfo=info).utcoffset()
    return int(offset.total_seconds()) if offset is not None else 0


@lru_cache(maxsize=64)
def standard_offset(zone: str) -> int:
    """Return the offset (seconds) of a zone without daylight saving time, in the current year.

    Taken as the smallest offset of the year: Java compiles its zone data so that saving time is always
    ahead, also where the law says otherwise (Dublin's winter, Casablanca's Ramadan).
    """
    import datetime

    fixed = _prefixed_offset(zone)
    if fixed is not None:
        return fixed[1]
    info = _zone_info(zone)
    start = datetime.datetime(datetime.datetime.now(datetime.UTC).year, 1, 1)
    return min(_seconds(info, start + datetime.timedelta(days=day)) for day in range(0, 365, 7))


# ---- reading text


def _digits(text: str, start: int, count: int) -> int | None:
    part = text[start : start + count]
    return int(part) if len(part) == count and part.isascii() and part.isdigit() else None


def is_date(text: str) -> bool:
    """Check the form of a date: years have four digits, or up to nine without leading zero."""
    body = text.removeprefix("-")
    year, _, rest = body.partition("-")
    return (
        4 <= len(year) <= 9
        and (len(year) == 4 or year[0] != "0")
        and len(rest) == 5
        and rest[2] == "-"
        and all(part.isascii() and part.isdigit() for part in (year, rest[:2], rest[3:]))
        and rest[0] in "01"
        and rest[3] in "0123"
    )


def parse_date(text: str, *, leading_zeros: bool = False) -> Date | None:
    """Return a date, or None if the text is not a date."""
    sign = -1 if text.startswith("-") else 1
    body = text.removeprefix("-")
    if leading_zeros and len(body) <= 15:
        # java.time itself takes `01211-12-31`; the engine's own check of the shape is not made everywhere.
        body = body[:-10].lstrip("0") + body[-10:]
    if body.startswith("-") or not is_date(body):
        return None
    year = int(body[:-6])
    if sign < 0 and year == 0:
        return None
    try:
        return Date.of(sign * year, int(body[-5:-3]), int(body[-2:]))
    except OutOfRangeError:
        return None


def _clock(text: str, *, strict: bool) -> int | None:
    """Return the nanoseconds of `HH:mm[:ss[.fraction]]`; if lenient, 24:00 is midnight."""
    hour, minute = _digits(text, 0, 2), _digits(text, 3, 2)
    if hour is None or minute is None or text[2] != ":":
        return None
    second, end = 0, 5
    if text[5:6] == ":":
        found = _digits(text, 6, 2)
        if found is None:
            return None
        second, end = found, 8
    nanos = 0
    if end == 8 and text[8:9] == ".":
        fraction = text[end + 1 :]
        if len(fraction) > 9 or (fraction and not (fraction.isascii() and fraction.isdigit())):
            return None
        nanos = int(fraction.ljust(9, "0"))
    elif end != len(text):
        return None
    if not strict and hour == 24 and minute == second == nanos == 0:
        return 0
    if hour > 23 or minute > 59 or second > 59:
        return None
    return ((hour * 60 + minute) * 60 + second) * NANOS_PER_SECOND + nanos


def _split_zone(text: str) -> tuple[str, str, str]:
    """Split a time into its clock part, its offset and its zone (the last two may be empty)."""
    clock, at, zone = text.partition("@")
    if at:
        return clock, "", zone
    if clock.endswith("]") and "[" in clock:
        # A zone in brackets only follows an offset.
        before, _, zone = clock[:-1].partition("[")
        if not zone or not _ends_with_offset(before):
            return clock, "", ""
        clock = before
    if clock.endswith("Z"):
        return clock[:-1], "Z", zone
    if _ends_with_offset(clock):
        return clock[:-6], clock[-6:], zone
    return clock, "", zone


def _ends_with_offset(clock: str) -> bool:
    return clock.endswith("Z") or (len(clock) > 6 and clock[-6] in "+-" and clock[-3] == ":")


def parse_time(text: str) -> LocalTime | ZonedTime | None:
    """Return a time, or None if the text is not a time. An offset or zone must follow written seconds."""
    body = text.removeprefix("T")
    clock, offset_part, zone = _split_zone(body)
    if (offset_part or "@" in body) and "[" not in body and _has_seconds(clock):
        nanos = _clock(clock, strict=False)
        if nanos is None:
            return None
        return _zoned_time(nanos, offset_part, zone)
    nanos = _clock(body, strict=False)
    return None if nanos is None else LocalTime(nanos)


def _has_seconds(clock: str) -> bool:
    return len(clock) >= 8 and clock[5] == ":" and (len(clock) == 8 or (clock[8] == "." and len(clock) > 9))


def _zoned_time(nanos: int, offset_part: str, zone: str) -> ZonedTime | None:
    if offset_part:
        offset = parse_offset(offset_part)
        return None if offset is None else ZonedTime(nanos, offset)
    try:
        offset, region = parse_zone(zone, inside_text=True)
    except OutOfRangeError:
        return None
    if region is None:
        return ZonedTime(nanos, offset or 0)
    return ZonedTime(nanos, standard_offset(region), region)


def parse_date_time(text: str, *, literal: bool = False) -> LocalDateTime | ZonedDateTime | None:
    """Return a date and time, or a date at midnight; None if the text is neither.

    Literals without offset are read a little more freely than strings: the year may have leading zeros and
    the fraction may lack its digits.
    """
    day, marker, rest = text.partition("T")
    clock, offset_part, zone = _split_zone(rest)
    lenient = literal and bool(marker) and clock == rest
    date = parse_date(day, leading_zeros=lenient)
    if date is None:
        return None
    if not marker:
        return LocalDateTime(date.days * NANOS_PER_DAY)
    if clock.endswith(".") and not lenient:
        return None
    nanos = _clock(clock, strict=True)
    if nanos is None:
        return None
    local = LocalDateTime(date.days * NANOS_PER_DAY + nanos)
    if not offset_part and not zone:
        return local if clock == rest else None
    try:
        return _zoned_date_time(local, offset_part, zone)
    except OutOfRangeError:
        return None


def _zoned_date_time(local: LocalDateTime, offset_part: str, zone: str) -> ZonedDateTime | None:
    if not offset_part:
        return ZonedDateTime.of_zone_text(local, zone, inside_text=True)
    offset = parse_offset(offset_part)
    if offset is None:
        return None
    if not zone:
        return ZonedDateTime(local, offset)
    # With both, the offset determines the instant, and the zone the local time.
    return ZonedDateTime(local, offset).with_zone(zone, inside_text=True)


def _amounts(text: str, units: str) -> dict[str, str] | None:
    """Split `1Y-2M` into signed numbers by unit; units must be in order and at most once."""
    found: dict[str, str] = {}
    start = 0
    remaining = units
    for index, char in enumerate(text):
        if char.isascii() and (char.isdigit() or char in "+-.,"):
            continue
        place = remaining.find(char)
        number = text[start:index]
        if place < 0 or not number:
            return None
        found[char] = number
        remaining = remaining[place + 1 :]
        start = index + 1
    return found if start == len(text) else None


def _signed(number: str) -> int | None:
    digits = number[1:] if number[:1] in ("+", "-") else number
    return int(number) if digits.isascii() and digits.isdigit() and len(digits) <= 19 else None


def _seconds_amount(number: str) -> int | None:
    """Return the nanoseconds of a decimal number of seconds, which has nine places at most."""
    whole, dot, fraction = number.replace(",", ".").partition(".")
    seconds = _signed(whole)
    if seconds is None or len(fraction) > 9 or (fraction and not (fraction.isascii() and fraction.isdigit())):
        return None
    nanos = int(fraction.ljust(9, "0")) if dot else 0
    return seconds * NANOS_PER_SECOND + (-nanos if whole.startswith("-") else nanos)


def parse_java_duration(text: str) -> DaysTimeDuration | None:
    """Read as Java's `Duration.parse`: any case, signs and a decimal comma are allowed, weeks are not."""
    upper = text.upper() if text.isascii() else ""
    sign = -1 if upper.startswith("-") else 1
    body = upper[1:] if upper[:1] in ("+", "-") else upper
    if not body.startswith("P"):
        return None
    day_part, marker, time_part = body[1:].partition("T")
    days, times = _amounts(day_part, "D"), _amounts(time_part, "HMS")
    if days is None or times is None or (marker and not times) or not (days or times):
        return None
    total = 0
    for amounts, units in ((days, {"D": 86_400}), (times, {"H": 3_600, "M": 60})):
        for unit, seconds in units.items():
            if unit in amounts:
                value = _signed(amounts[unit])
                if value is None:
                    return None
                total += value * seconds * NANOS_PER_SECOND
    if "S" in times:
        nanos = _seconds_amount(times["S"])
        if nanos is None:
            return None
        total += nanos
    # The sign in front is applied last.
    fits = -MAX_DURATION <= total < MAX_DURATION and -MAX_DURATION <= sign * total < MAX_DURATION
    return DaysTimeDuration(sign * total) if fits else None


def _is_years_months(text: str) -> bool:
    body = text.removeprefix("-")
    if not body.startswith("P"):
        return False
    return all((char.isdigit() and char.isascii()) or char in "-YM" for char in body[1:]) and (
        _amounts(body[1:], "YM") is not None
    )


def parse_years_months(text: str) -> YearsMonthsDuration | None:
    """Read `P1Y2M` with optional minus signs; None if the text is not such a duration."""
    sign = -1 if text.startswith("-") else 1
    amounts = _amounts(text.removeprefix("-")[1:], "YM")
    if not amounts:
        return None
    years, months = (_signed(amounts.get(unit, "0")) for unit in "YM")
    if years is None or months is None or not all(-(2**31) <= part < 2**31 for part in (years, months)):
        return None
    try:
        return YearsMonthsDuration(sign * (years * 12 + months))
    except OutOfRangeError:
        return None


def _looks_like_days_time(text: str) -> bool:
    """Apply the engine's stricter test for strings: capitals and minus signs only."""
    return all(char in "-PTDHMS.,0123456789" for char in text)


def parse_duration(text: str, *, literal: bool = False) -> YearsMonthsDuration | DaysTimeDuration | None:
    """Return either kind of duration, or None. Mixed ones such as `P1Y2D` do not exist in FEEL."""
    if _is_years_months(text):
        return parse_years_months(text)
    return parse_java_duration(text) if literal or _looks_like_days_time(text) else None


def parse_literal(word: str, text: str) -> Temporal | None:
    """Return the value of `date("..")`, `time("..")`, .. or `@".."`; null without warning if malformed."""
    if word == "date":
        return parse_date(text)
    if word == "time":
        return parse_time(text)
    if word == "date and time":
        return parse_date_time(text, literal=True)
    if word == "duration":
        return parse_duration(text, literal=True)
    if is_date(text):
        return parse_date(text)
    if text.startswith(("P", "-P")):
        return parse_duration(text)
    return parse_date_time(text) if is_date(text.partition("T")[0]) else parse_time(text)


# ---- from Python


def from_python(value: Any) -> Temporal | None:
    """Return the FEEL value of a `datetime` object, or None for any other object."""
    import datetime

    if isinstance(value, datetime.timedelta):
        micros = (value.days * SECONDS_PER_DAY + value.seconds) * 1_000_000 + value.microseconds
        return DaysTimeDuration(micros * 1000)
    if isinstance(value, datetime.datetime):
        days = days_from_civil(value.year, value.month, value.day)
        local = LocalDateTime(days * NANOS_PER_DAY + _python_clock(value))
        offset = value.utcoffset()
        if offset is None:
            return local
        zone = getattr(value.tzinfo, "key", None)
        return ZonedDateTime(local, int(offset.total_seconds()), zone)
    if isinstance(value, datetime.date):
        return Date.of(value.year, value.month, value.day)
    if isinstance(value, datetime.time):
        offset = value.utcoffset()
        if offset is not None:
            return ZonedTime(_python_clock(value), int(offset.total_seconds()))
        zone = getattr(value.tzinfo, "key", None)
        if zone:
            return ZonedTime(_python_clock(value), standard_offset(zone), zone)
        return LocalTime(_python_clock(value))
    return None


def _python_clock(value: datetime.datetime | datetime.time) -> int:
    seconds = (value.hour * 60 + value.minute) * 60 + value.second
    return seconds * NANOS_PER_SECOND + value.microsecond * 1000
