"""How long an API asks to wait: in headers of all spellings, in the body, in the words of a message."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Final, NamedTuple

from openai_connector.openai_api.words import Said

LONGEST_WAIT: Final = timedelta(days=365)  # a longer one counts as this

NEAR: Final = timedelta(days=2 * 365)  # a number of seconds since 1970 is a moment as near as this

MILLISECONDS: Final = ("retry-after-ms", "x-ms-retry-after-ms", "x-retry-after-ms")
SECONDS: Final = ("retry-after", "x-retry-after")

_NUMBER = re.compile(r"\d{1,15}(?:\.\d{1,9})?", re.ASCII)
_UNITS: Final[Mapping[str, float]] = {
    "ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1, "m": 60, "h": 3600, "d": 86400,
}  # fmt: skip
_GO = re.compile(r"(\d{1,12}(?:\.\d{1,9})?)(ns|us|µs|μs|ms|s|m|h|d)", re.ASCII)
_ISO = re.compile(
    r"P(?:(\d{1,6})D)?(?:T(?:(\d{1,9})H)?(?:(\d{1,9})M)?(?:(\d{1,9}(?:\.\d{1,9})?)S)?)?", re.ASCII
)
_SPOKEN: Final = (
    r"(\d{1,9}(?:\.\d{1,9})?)\s{0,2}"
    r"(milliseconds?|millis|msecs?|ms|seconds?|secs?|s|minutes?|mins?|m|hours?|hrs?|h|days?|d)(?![a-z])"
)
_PHRASE = re.compile(
    r"(?:\b(?:try|retry|retrying|available|resets?|wait|retry[-_ ]after)\b[^.!?;\d]{0,60}?"
    r"\b(?:in|after|for|wait|least)\b[\s:=]{1,3}(?:about |approximately |at least |another )?"
    r"|\bretry[-_ ]after[\"']?[\s:=]{1,3}|\b(?:wait|retrydelay)[\"']?[\s:=]{1,3}[\"']?)"
    rf"((?:{_SPOKEN}(?:\s|,|\band\b){{0,5}}){{1,4}}|\d{{1,7}}(?:\.\d{{1,9}})?(?=[\s)\"']*(?:[.,;)]|$)))",
    re.IGNORECASE,
)
_SPOKEN_PART = re.compile(_SPOKEN.replace("(?![a-z])", ""), re.IGNORECASE)


def wait_asked(
    headers: Mapping[str, str | list[str]], said: Said | None = None, now: datetime | None = None
) -> timedelta | None:
    """Return how long the API asks to wait; None where it says nothing that can be read.

    `Retry-After` has the first word, then the body, then its words, then the limits that are used up. A hint
    of 0 gives way to one that says more.

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
    for value, unit in said.waits:
        yield from _present(_length(value, now, unit))
    for text in said.texts:
        yield from spoken_waits(text)
    for lower in behind:
        yield from _used_up(lower, now)


def _lower(headers: Mapping[str, Any]) -> dict[str, str]:
    """Return headers by their names in small letters; of a repeated one the first."""
    lower: dict[str, str] = {}
    for name, value in headers.items():
        first = value[0] if isinstance(value, list) and value else value
        if isinstance(first, (str, int)):
            lower[str(name).lower()] = str(first).strip()
    return lower


def _retry_after(lower: Mapping[str, str], now: datetime) -> Iterator[timedelta]:
    for names, unit in ((MILLISECONDS, 0.001), (SECONDS, 1)):
        for name in names:
            text = lower.get(name, "")
            first, comma, _ = text.partition(",")
            if comma and _NUMBER.fullmatch(first.strip()):  # repeated, and joined by a proxy
                text = first.strip()
            yield from _present(_length(text, now, unit))


def _used_up(lower: Mapping[str, str], now: datetime) -> Iterator[timedelta]:
    """Yield when the limits with nothing left are full again, the longest first.

    The names are many: `x-ratelimit-reset-tokens`, `ratelimit-reset`, `anthropic-ratelimit-tokens-reset`.
    """
    used_up: list[timedelta] = []
    limits = list(_limits(lower))
    for _, given in limits:
        if _is_zero(given.get("remaining", "")):
            used_up += _present(_length(given.get("reset", ""), now))
    if "ratelimit-reset" in lower and not any("remaining" in given for _, given in limits):
        used_up += _present(_length(lower["ratelimit-reset"], now))
    yield from sorted(used_up, reverse=True)


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
    now = now or datetime.now(UTC)
    found = []
    for name, given in _limits(_lower(headers)):
        limit, remaining = _count(given.get("limit", "")), _count(given.get("remaining", ""))
        reset = _length(given.get("reset", ""), now)
        if remaining is not None and reset is not None:
            found.append(Allowance("token" in name, limit, remaining, reset))
    return found


def _count(text: str) -> float | None:
    """Read a number of requests or tokens; of a list, as some proxies send it, the first."""
    number = re.split(r"[,;]", text, maxsplit=1)[0].strip()
    return float(number) if _NUMBER.fullmatch(number) else None


_PART_OF_LIMIT: Final = ("remaining", "reset", "limit")


def _limits(lower: Mapping[str, str]) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield each limit that headers tell of: its name, and its limit, remaining and reset as they stand."""
    limits: dict[str, dict[str, str]] = {}
    for name, value in lower.items():
        parts = re.split(r"[-_]", name.replace("rate-limit", "ratelimit"))
        what = next((part for part in _PART_OF_LIMIT if part in parts), None)
        if what is not None and "ratelimit" in parts:
            key = "-".join(part for part in parts if part not in (*_PART_OF_LIMIT, "after", "ratelimit"))
            limits.setdefault(key, {})[what] = value
    yield from limits.items()
    for fields in re.split(r"[,]\s*(?=\")", lower.get("ratelimit", "")):  # the IETF's: "name";r=0;t=5
        given: dict[str, str] = dict(re.findall(r"\b(r|t|remaining|reset)\s*=\s*(\d{1,12})", fields))
        if given:
            remaining, reset = (
                given.get("r", given.get("remaining", "")),
                given.get("t", given.get("reset", "")),
            )
            yield fields.partition(";")[0], {"remaining": remaining, "reset": reset}


def _is_zero(text: str) -> bool:
    return bool(re.fullmatch(r"0+(?:\.0+)?", text, re.ASCII))


def spoken_waits(text: str) -> Iterator[timedelta]:
    """Yield the waits that a sentence asks for: "Please try again in 1m2s", "retry after 30 seconds"."""
    for found in _PHRASE.finditer(text):
        parts = _SPOKEN_PART.findall(found[1])
        seconds = sum(float(number) * _unit(name.lower()) for number, name in parts)
        yield _bounded(seconds if parts else float(found[1]))


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
    text = str(value).strip()[:100]
    if _NUMBER.fullmatch(text):
        number = float(text)
        for moment in (number - now.timestamp(), number / 1000 - now.timestamp()):
            if abs(moment) < NEAR.total_seconds() < number:  # a moment, in seconds or milliseconds
                return _bounded(max(moment, 0))
        return _bounded(number * unit)
    if (parts := _GO.findall(text)) and _GO.sub("", text) == "":
        return _bounded(sum(float(number) * _UNITS[name] for number, name in parts))
    if (iso := _ISO.fullmatch(text)) and any(iso.groups()):
        lengths = zip(iso.groups(default="0"), (86400, 3600, 60, 1), strict=True)
        return _bounded(sum(float(number) * seconds for number, seconds in lengths))
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
