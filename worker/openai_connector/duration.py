"""Durations as people write them: ISO 8601 (`PT30S`) or plain seconds (`30`)."""

from __future__ import annotations

import re
from datetime import timedelta
from functools import lru_cache

_ISO = re.compile(
    r"P(?:(?P<weeks>\d+)W)?(?:(?P<days>\d+)D)?"
    r"(?:T(?:(?P<hours>\d+)H)?(?:(?P<minutes>\d+)M)?(?:(?P<seconds>\d+(?:[.,]\d{1,9})?)S)?)?",
    re.IGNORECASE | re.ASCII,
)
_SECONDS = re.compile(r"\d{1,12}(?:\.\d{1,9})?", re.ASCII)
MAXIMUM = timedelta(days=3650)
"""The longest duration taken: the engine counts in signed 64-bit milliseconds, people do not wait for ten
years."""


def parse_duration(text: str | int | float | timedelta) -> timedelta:
    """Read a duration of 0 or more.

    Years and months are refused: their length depends on the calendar (`java.time.Duration.parse`,
    which reads these headers in Camunda's runtime, refuses them too).

    Raises:
        ValueError: the text is neither an ISO 8601 duration nor a number of seconds, or is too long.
    """
    if isinstance(text, timedelta):
        duration: timedelta | None = text
    elif isinstance(text, bool):
        duration = None
    else:
        duration = _read(str(text).strip())
    if duration is not None and duration > MAXIMUM:
        raise ValueError(f"must be at most {MAXIMUM.days} days")
    if duration is None or duration < timedelta(0):
        raise ValueError("must be an ISO 8601 duration such as PT30S or PT5M, or a number of seconds")
    return duration


@lru_cache(maxsize=1000)
def _read(text: str) -> timedelta | None:
    if len(text) > 64:
        return None
    if _SECONDS.fullmatch(text):
        return timedelta(seconds=float(text))
    match = _ISO.fullmatch(text)
    if match is None or text[-1] in "PpTt":
        return None
    parts = {unit: float(number.replace(",", ".")) for unit, number in match.groupdict().items() if number}
    try:
        return timedelta(**parts)
    except OverflowError:
        return None


def format_duration(duration: timedelta) -> str:
    """Write a duration the way Camunda shows it.

    Hours, minutes and seconds, never days (`PT36H`, `PT0.5S`).
    """
    microseconds = round(duration / timedelta(microseconds=1))
    seconds, fraction = divmod(microseconds, 1_000_000)
    hours, seconds = divmod(seconds, 3600)
    minutes, seconds = divmod(seconds, 60)
    text = f"{hours}H" if hours else ""
    text += f"{minutes}M" if minutes else ""
    if seconds or fraction or not text:
        text += f"{seconds}" + (f".{fraction:06d}".rstrip("0") if fraction else "") + "S"
    return "PT" + text


def spoken_duration(duration: timedelta) -> str:
    """Write a duration for people, in its two largest units (`1 d 2 h`, `90 s` as `1 min 30 s`, `0.5 s`)."""
    seconds = duration.total_seconds()
    if seconds < 60:
        return f"{seconds:.3g} s"
    parts: list[str] = []
    rest = round(seconds)
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        count, rest = divmod(rest, length)
        parts += [f"{count} {unit}"] if count else []
    return " ".join(parts[:2])
