"""How long an API asks to wait: in headers of all spellings, in the body, in the words of a message."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Any, Final, NamedTuple

from openai_connector.openai_api.words import Said

LONGEST_WAIT: Final = timedelta(days=365)  # a longer one counts as this

NEAR: Final = timedelta(days=2 * 365)  # a number of seconds since 1970 is a moment as near as this

MOST_VALUES: Final = 20  # of one header
MOST_CHARACTERS: Final = 1000  # of one value

MILLISECONDS: Final = ("retry-after-ms", "x-ms-retry-after-ms", "x-retry-after-ms")
SECONDS: Final = ("retry-after", "x-retry-after")

_NUMBER = re.compile(r"\+?(\d{1,90}(?:\.\d{1,90})?(?:e[-+]?\d{1,3})?)", re.ASCII | re.IGNORECASE)
_UNITS: Final[Mapping[str, float]] = {
    "ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1, "m": 60, "h": 3600, "d": 86400,
}  # fmt: skip
_GO = re.compile(r"(\d{1,12}(?:\.\d{1,9})?)(ns|us|µs|μs|ms|s|m|h|d)", re.ASCII)
_ISO = re.compile(
    r"P(?:(\d{1,6})D)?(?:T(?:(\d{1,9})H)?(?:(\d{1,9})M)?(?:(\d{1,9}(?:\.\d{1,9})?)S)?)?", re.ASCII
)
_WRITTEN: Final = r"\d{1,3}(?:,\d{3}){1,4}(?:\.\d{1,9})?|\d{1,9}(?:\.\d{1,9}|,\d{1,2}(?!\d))?"
"""A number in words: 1,500 are thousands, 1,5 is one and a half."""
_SPOKEN: Final = (
    rf"({_WRITTEN})\s{{0,2}}"
    r"(milliseconds?|millis|msecs?|ms|seconds?|secs?|s|minutes?|mins?|m|hours?|hrs?|h|days?|d)(?![a-z])"
)
_PHRASE = re.compile(
    r"(?:\b(?:try|retry|retrying|available|resets?|wait|retry[-_ ]after)\b[^.!?;\d]{0,60}?"
    r"\b(?:in|after|for|wait|least)\b[\s:=]{1,3}(?:about |approximately |at least |another )?"
    r"|\bretry[-_ ]after[\"']?[\s:=]{1,3}|\b(?:wait|retrydelay)[\"']?[\s:=]{1,3}[\"']?)"
    rf"((?:{_SPOKEN}(?:\s|,|\band\b){{0,5}}){{1,4}}|(?:{_WRITTEN})(?!,?\d)(?=[\s)\"']*(?:[.,;)]|$)))",
    re.IGNORECASE,
)
_SPOKEN_PART = re.compile(_SPOKEN.replace("(?![a-z])", ""), re.IGNORECASE)
_SPOKEN_ALONE = re.compile(rf"(?:{_SPOKEN}(?:\s|,|\band\b){{0,5}}){{1,4}}", re.IGNORECASE | re.ASCII)


def wait_asked(
    headers: Mapping[str, Any], said: Said | None = None, now: datetime | None = None
) -> timedelta | None:
    """Return how long the API asks to wait; None where it says nothing that can be read.

    `Retry-After` has the first word, then the body, then its words, then the limits that are used up. Of
    several at one place the longest counts: nobody comes back earlier than asked. A hint of 0 gives way to
    one that says more.

    Args:
        headers: of the response.
        said: what its body says.
        now: for moments of time.
    """
    now = now or datetime.now(UTC)
    waits = list(_hints(headers, Said() if said is None else said, now))
    longest = next((wait for wait in waits if wait), None)
    return longest or (waits[0] if waits else None)


def _hints(headers: Mapping[str, Any], said: Said, now: datetime) -> Iterator[timedelta]:
    behind = [_lower(given) for given in (headers, *said.headers)]
    for lower in behind:
        yield from _retry_after(lower, now)
    yield from sorted(_lengths(said.waits, now), reverse=True)
    for text in said.texts:
        yield from spoken_waits(text)
    for lower in behind:
        yield from _used_up({name: ", ".join(values) for name, values in lower.items()}, now)


def _lower(headers: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the values of headers by their names in small letters."""
    lower: dict[str, list[str]] = {}
    for name, value in headers.items():
        for one in value[:MOST_VALUES] if isinstance(value, list) else (value,):
            if isinstance(one, (str, int, float)):
                lower.setdefault(str(name).lower(), []).append(_bare(str(one)[:MOST_CHARACTERS]))
    return lower


def _bare(text: str) -> str:
    """Return a value without quotes around it and without what ends it."""
    return text.strip().rstrip(";, ").strip("\"' ")


def _retry_after(lower: Mapping[str, list[str]], now: datetime) -> Iterator[timedelta]:
    for names, unit in ((MILLISECONDS, 0.001), (SECONDS, 1)):
        values = (value for name in names for value in lower.get(name, ()))
        given = [(part, unit) for value in values for part in _parts(value, now)]
        yield from sorted(_lengths(given, now), reverse=True)


def _parts(text: str, now: datetime) -> list[str]:
    """Return the values of a header that a proxy has joined; a date has a comma of its own."""
    return [text] if _length(text, now) is not None else text.split(",")[:MOST_VALUES]


def _lengths(given: Iterable[tuple[Any, float]], now: datetime) -> Iterator[timedelta]:
    for value, unit in given:
        yield from _present(_length(value, now, unit))


def _used_up(lower: Mapping[str, str], now: datetime) -> Iterator[timedelta]:
    """Yield when the limits with nothing left are full again, the longest first.

    The names are many: `x-ratelimit-reset-tokens`, `ratelimit-reset`, `anthropic-ratelimit-tokens-reset`.
    """
    used_up: list[timedelta] = []
    limits = list(_limits(lower))
    for _, given in limits:
        if _is_zero(given.get("remaining", "")):
            used_up += _present(_reset(given, now))
    if "ratelimit-reset" in lower and not any("remaining" in given for _, given in limits):
        used_up += _present(_length(lower["ratelimit-reset"], now))
    yield from sorted(used_up, reverse=True)


def _reset(given: Mapping[str, str], now: datetime) -> timedelta | None:
    """Return after how long a limit is whole again; of several moments, the last."""
    text = given.get("reset", "")
    if not text:
        return None
    alone = _length(text, now)
    if alone is not None:
        return alone
    return max(_lengths([(part, 1) for part in text.split(",")[:MOST_VALUES]], now), default=None)


class Allowance(NamedTuple):
    """What the API says is left of one of its limits."""

    is_tokens: bool
    """It counts tokens; otherwise requests."""
    limit: float | None
    """The whole of it; None where it is not told."""
    remaining: float
    reset: timedelta
    """After which it is whole again."""


def allowances(headers: Mapping[str, str | list[str]], now: datetime | None = None) -> list[Allowance]:
    """Return what the API says is left of its limits; what cannot be read, -1 among it, is unknown."""
    told = {name: value for name, value in headers.items() if "limit" in name.lower()}
    if not told:  # most compatible servers tell of none
        return []
    now = now or datetime.now(UTC)
    found = []
    for name, given in _limits({name: ", ".join(values) for name, values in _lower(told).items()}):
        remaining = _count(given.get("remaining", ""))
        reset = None if remaining is None else _reset(given, now)
        if remaining is not None and reset is not None:
            found.append(Allowance("token" in name, _count(given.get("limit", "")), remaining, reset))
    return found


def _count(text: str) -> float | None:
    """Read a number of requests or tokens; of a list, as some proxies send it, the first."""
    number = re.split(r"[,;]", text, maxsplit=1)[0].strip()
    return float(number) if _NUMBER.fullmatch(number) else None


LONGEST_NAME: Final = 200  # of a header about a limit: these names are remembered
_PART_OF_LIMIT: Final = ("remaining", "reset", "limit")


def _limits(lower: Mapping[str, str]) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield each limit that headers tell of: its name, and its limit, remaining and reset as they stand."""
    limits: dict[str, dict[str, str]] = {}
    for name, value in lower.items():
        part = _part_of_limit(name) if "limit" in name and len(name) <= LONGEST_NAME else None
        if part is not None:
            limits.setdefault(part[0], {})[part[1]] = value
    yield from limits.items()
    if "ratelimit" not in lower:
        return
    for fields in re.split(r"[,]\s*(?=\")", lower["ratelimit"]):  # the IETF's: "name";r=0;t=5
        given: dict[str, str] = dict(re.findall(r"\b(r|t|remaining|reset)\s*=\s*(\d{1,12})", fields))
        if given:
            remaining, reset = (
                given.get("r", given.get("remaining", "")),
                given.get("t", given.get("reset", "")),
            )
            yield fields.partition(";")[0], {"remaining": remaining, "reset": reset}


@lru_cache(maxsize=1000)
def _part_of_limit(name: str) -> tuple[str, str] | None:
    """Return the limit that a header tells of, and what of it; the same few names come with every answer."""
    parts = re.split(r"[-_]", name.replace("rate-limit", "ratelimit"))
    what = next((part for part in _PART_OF_LIMIT if part in parts), None)
    if what is None or "ratelimit" not in parts:
        return None
    return "-".join(part for part in parts if part not in (*_PART_OF_LIMIT, "after", "ratelimit")), what


def _is_zero(text: str) -> bool:
    """Check whether nothing is left, of one of several limits at least: `0`, `0;w=60`, `0, 5`."""
    return any(re.fullmatch(r"\s*[\"']?0+(?:\.0+)?[\"']?\s*(?:;.*)?", one) for one in text.split(","))


def spoken_waits(text: str) -> Iterator[timedelta]:
    """Yield the waits that a sentence asks for: "Please try again in 1m2s", "retry after 30 seconds"."""
    for found in _PHRASE.finditer(text):
        parts = _SPOKEN_PART.findall(found[1])
        yield _spoken_length(parts) if parts else _bounded(_number(found[1]))


def _spoken_length(parts: Iterable[tuple[str, str]]) -> timedelta:
    return _bounded(sum(_number(number) * _unit(name.lower()) for number, name in parts))


def _number(written: str) -> float:
    is_half = re.fullmatch(r"\d+,\d{1,2}", written)
    return float(written.replace(",", "." if is_half else ""))


def _unit(name: str) -> float:
    if name.startswith(("ms", "milli")):
        return 0.001
    return _UNITS[name[0]]


def _present(wait: timedelta | None) -> Iterable[timedelta]:
    return () if wait is None else (wait,)


def _length(value: Any, now: datetime, unit: float = 1) -> timedelta | None:
    """Read a wait: a number, a duration of Go, ISO 8601 or google.protobuf, or a moment.

    A moment that has passed is no wait at all, so 0; what is negative or cannot be read is unknown.
    """
    if isinstance(value, Mapping):  # google.protobuf.Duration as an object
        seconds, nanos = value.get("seconds", 0), value.get("nanos", 0)
        value = f"{seconds}.{nanos:09d}" if isinstance(nanos, int) and nanos >= 0 else seconds
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return None
    text = _bare(str(value)[:100])
    if found := _NUMBER.fullmatch(text):
        number = float(found[1])
        for moment in (number - now.timestamp(), number / 1000 - now.timestamp()):
            if abs(moment) < NEAR.total_seconds() < number:  # a moment, in seconds or milliseconds
                return _bounded(max(moment, 0))
        return _bounded(number * unit)
    if (parts := _GO.findall(text)) and _GO.sub("", text) == "":
        return _bounded(sum(float(number) * _UNITS[name] for number, name in parts))
    if (iso := _ISO.fullmatch(text)) and any(iso.groups()):
        lengths = zip(iso.groups(default="0"), (86400, 3600, 60, 1), strict=True)
        return _bounded(sum(float(number) * seconds for number, seconds in lengths))
    if _SPOKEN_ALONE.fullmatch(text):
        return _spoken_length(_SPOKEN_PART.findall(text))
    return _until_date(text, now)


def _until_date(text: str, now: datetime) -> timedelta | None:
    for read in (parsedate_to_datetime, datetime.fromisoformat):
        try:
            moment = read(text)
        except (ValueError, OverflowError, TypeError):
            continue
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return min(max(moment - now, timedelta(0)), LONGEST_WAIT)
    return None


def _bounded(seconds: float) -> timedelta:
    if not math.isfinite(seconds) or seconds > LONGEST_WAIT.total_seconds():
        return LONGEST_WAIT
    return timedelta(seconds=seconds)
