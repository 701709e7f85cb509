"""Price files: TOML, each price with its date, in a currency, for a million tokens."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from difflib import get_close_matches
from typing import Any, Final

STANDARD: Final = "standard"
TIERS: Final = (STANDARD, "2h", "8h", "batch", "flex", "priority")
_RATES: Final = ("input", "cached", "cache_write", "output")
_COMMON: Final = ("currency", "date", "source")
_IN_FILE: Final = (*_COMMON, "hosts")
_IN_HOST: Final = (*_COMMON, "tiers", "models")
_IN_MODEL: Final = (*_COMMON, *_RATES, "tiers", "dated", "long")
_IN_STEP: Final = ("above", *_RATES)
_MOST: Final = 1_000_000
_CURRENCY: Final = re.compile("[A-Z]{3}")
_BARE: Final = re.compile("[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class Rates:
    """What a million tokens of each kind cost; None: not known."""

    input: Decimal
    cached: Decimal | None = None
    cache_write: Decimal | None = None
    output: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Price:
    """What a model costs at a host."""

    currency: str
    date: date
    source: str
    rates: Rates
    tiers: Mapping[str, Decimal]
    """What each tier costs, as a share of the standard price."""
    is_for_dated: bool = False
    """Dated versions, such as `name-2026-11-05`, cost the same."""
    steps: tuple[tuple[int, Rates], ...] = ()
    """The rates of requests with more input tokens than a number, in falling order."""

    def rates_of(self, input_tokens: int | None) -> Rates:
        """Return the rates of a request with this many input tokens."""
        for above, rates in self.steps:
            if input_tokens is not None and input_tokens > above:
                return rates
        return self.rates


@dataclass(frozen=True, slots=True)
class Host:
    """What is known of a host."""

    tiers: Mapping[str, Decimal]
    prices: Mapping[str, Price]


def read_prices(text: str, over: Mapping[str, Host]) -> Mapping[str, Host]:
    """Return the prices of a file, with others below them.

    Raises:
        ValueError: where the file is wrong, and what to do.
    """
    try:
        content = tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"is no TOML: {error}") from None
    _check_keys(content, _IN_FILE, ())
    hosts = dict(over)
    for name, given in _table(content, "hosts", ()).items():
        hosts[name.lower()] = _host(given, name, content, over.get(name.lower()))
    return hosts


def _host(given: Any, name: str, content: Mapping[str, Any], below: Host | None) -> Host:
    place = ("hosts", name)
    if not name or "/" in name or name != name.strip():
        raise _wrong(place, "is no host: write it as in api.example.com or localhost:8000, without https://")
    _check_keys(given, _IN_HOST, place)
    tiers = {STANDARD: Decimal(1), **(below.tiers if below else {}), **_tiers(given, place)}
    common = {**_common(content, ()), **_common(given, place)}
    prices = dict(below.prices) if below else {}
    for model, price in _table(given, "models", place).items():
        prices[model] = _price(price, (*place, "models", model), common, tiers)
    return Host(tiers, prices)


def _price(given: Any, place: tuple[str, ...], common: dict[str, Any], tiers: Mapping[str, Decimal]) -> Price:
    _check_keys(given, _IN_MODEL, place)
    common = {**common, **_common(given, place)}
    for name, example in (("currency", '"USD"'), ("date", "2026-11-05")):
        if name not in common:
            where = "to the top of the file, to the host or to the model"
            raise _wrong(place, f"has no {name}: add {name} = {example} {where}")
    is_dated = given.get("dated", False)
    if not isinstance(is_dated, bool):
        raise _wrong((*place, "dated"), "must be true or false")
    return Price(
        common["currency"],
        common["date"],
        common.get("source", ""),
        _rates(given, place),
        {**tiers, **_tiers(given, place)},
        is_dated,
        _steps(given, place),
    )


def _rates(given: Mapping[str, Any], place: tuple[str, ...]) -> Rates:
    if "input" not in given:
        raise _wrong(place, "has no input: add what a million input tokens cost, such as input = 0.10")
    return Rates(**{name: _amount(given[name], (*place, name)) for name in _RATES if name in given})


def _steps(given: Mapping[str, Any], place: tuple[str, ...]) -> tuple[tuple[int, Rates], ...]:
    place = (*place, "long")
    steps = given.get("long", [])
    if not isinstance(steps, list):
        raise _wrong(place, "must be a list: long = [{ above = 272000, input = 0.20, output = 0.75 }]")
    found: dict[int, Rates] = {}
    for step in steps:
        _check_keys(step, _IN_STEP, place)
        above = step.get("above")
        if isinstance(above, bool) or not isinstance(above, int) or above < 0 or above in found:
            raise _wrong(place, "needs above, a number of input tokens that differs from the other steps'")
        found[above] = _rates(step, place)
    return tuple(sorted(found.items(), reverse=True, key=lambda item: item[0]))


def _tiers(given: Mapping[str, Any], place: tuple[str, ...]) -> dict[str, Decimal]:
    tiers = _table(given, "tiers", place)
    _check_keys(tiers, TIERS, (*place, "tiers"))
    return {name: _amount(share, (*place, "tiers", name)) for name, share in tiers.items()}


def _common(given: Mapping[str, Any], place: tuple[str, ...]) -> dict[str, Any]:
    """Return currency, date and source, as far as they stand here."""
    common = {name: given[name] for name in _COMMON if name in given}
    currency = common.get("currency", "USD")
    if not isinstance(currency, str) or not _CURRENCY.fullmatch(currency):
        raise _wrong((*place, "currency"), 'must be three capital letters in quotes, such as "USD"')
    if "date" in common:
        common["date"] = _date(common["date"], (*place, "date"))
    if not isinstance(common.get("source", ""), str):
        raise _wrong((*place, "source"), "must be text in quotes: where the price was read")
    return common


def _date(value: Any, place: tuple[str, ...]) -> date:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    try:
        return date.fromisoformat(value)
    except (TypeError, ValueError):
        raise _wrong(place, "must be a day, such as 2026-11-05") from None


def _amount(value: Any, place: tuple[str, ...]) -> Decimal:
    is_number = isinstance(value, (int, Decimal)) and not isinstance(value, bool)
    if not is_number or not Decimal(value).is_finite() or not 0 <= value <= _MOST:
        raise _wrong(place, f"must be a number from 0 to {_MOST}, without quotes, such as 0.10")
    amount = Decimal(value)
    if amount and (amount.adjusted() < -12 or len(amount.as_tuple().digits) > 18):
        raise _wrong(place, "has too many digits: at most 12 after the point")
    return amount


def _table(given: Mapping[str, Any], name: str, place: tuple[str, ...]) -> Mapping[str, Any]:
    value = given.get(name, {})
    if not isinstance(value, Mapping):
        raise _wrong((*place, name), "must be a table")
    return value


def _check_keys(given: Any, known: tuple[str, ...], place: tuple[str, ...]) -> None:
    if not isinstance(given, Mapping):
        raise _wrong(place, "must be a table")
    for key in given:
        if key not in known:
            near = get_close_matches(key, known, 1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
            raise _wrong((*place, key), f"is not known here; {hint}")


def _wrong(place: tuple[str, ...], problem: str) -> ValueError:
    path = ".".join(part if _BARE.fullmatch(part) else f'"{part}"' for part in place)
    return ValueError(f"{path} {problem}" if path else problem)
