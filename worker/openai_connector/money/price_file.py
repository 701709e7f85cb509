"""Price files: TOML, each price with its date, in a currency, for a million tokens."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final

from openai_connector.money.toml_file import amount, check_key, content_of, currency

STANDARD: Final = "standard"
TIERS: Final = (STANDARD, "2h", "8h", "batch", "flex", "priority", "ultrafast", "scale")
_RATES: Final = ("input", "cached", "cache_write", "output")
_COMMON: Final = ("currency", "date", "source")
_IN_FILE: Final = (*_COMMON, "hosts")
_IN_HOST: Final = (*_COMMON, "tiers", "models")
_IN_MODEL: Final = (*_COMMON, *_RATES, "tiers", "dated", "up_to", "long")
_IN_STEP: Final = ("above", *_RATES, "tiers")
_MOST: Final = 1_000_000
Place = tuple[str, ...]
_BARE: Final = re.compile("[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class Rates:
    """What a million tokens of each kind cost; None: not known."""

    input: Decimal
    cached: Decimal | None = None
    cache_write: Decimal | None = None
    output: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """What requests with more input tokens than a number cost, from the first token on."""

    above: int
    rates: Rates | None
    """None: not known."""
    tiers: Mapping[str, Decimal]
    """What each tier costs, as a share of the standard price."""


@dataclass(frozen=True, slots=True)
class Price:
    """What a model costs at a host."""

    currency: str
    date: date
    source: str
    steps: tuple[Step, ...]
    """In falling order; the last one is for all requests."""
    is_for_dated: bool = False
    """Dated versions, such as `name-2026-11-05`, cost the same."""

    def step_of(self, input_tokens: int | None) -> Step:
        """Return what counts for a request with this many input tokens."""
        return next(step for step in self.steps if (input_tokens or 0) > step.above)


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
    content = content_of(text)
    _check_keys(content, _IN_FILE, ())
    common = _common(content, ())
    hosts = dict(over)
    for name, given in _table(content, "hosts", ()).items():
        hosts[name.lower()] = _host(given, name, common, over.get(name.lower()))
    return hosts


def _host(given: Any, name: str, common: Mapping[str, Any], below: Host | None) -> Host:
    place = ("hosts", name)
    if not name or "/" in name or name != name.strip():
        raise _wrong(place, "is no host: write it as in api.example.com or localhost:8000, without https://")
    _check_keys(given, _IN_HOST, place)
    tiers = {STANDARD: Decimal(1), **(below.tiers if below else {}), **_tiers(given, place)}
    common = {**common, **_common(given, place)}
    prices = dict(below.prices) if below else {}
    for model, price in _table(given, "models", place).items():
        prices[model] = _price(price, (*place, "models", model), common, tiers)
    return Host(tiers, prices)


def _price(given: Any, place: Place, common: dict[str, Any], tiers: Mapping[str, Decimal]) -> Price:
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
        _steps(given, place, {**tiers, **_tiers(given, place)}),
        is_dated,
    )


def _rates(given: Mapping[str, Any], place: Place) -> Rates:
    if "input" not in given:
        raise _wrong(place, "has no input: add what a million input tokens cost, such as input = 0.10")
    return Rates(**{name: _amount(given[name], (*place, name)) for name in _RATES if name in given})


def _steps(given: Mapping[str, Any], place: Place, tiers: Mapping[str, Decimal]) -> tuple[Step, ...]:
    found = [Step(-1, _rates(given, place), tiers)]
    if "up_to" in given:
        found.append(Step(_tokens(given["up_to"], (*place, "up_to")), None, tiers))
    place = (*place, "long")
    steps = given.get("long", [])
    if not isinstance(steps, list):
        raise _wrong(place, "must be a list: long = [{ above = 272000, input = 0.20, output = 0.75 }]")
    for step in steps:
        _check_keys(step, _IN_STEP, place)
        above = _tokens(step.get("above"), (*place, "above"))
        own = {STANDARD: Decimal(1), **_tiers(step, place)} if "tiers" in step else tiers
        found.append(Step(above, _rates(step, place), own))
    if len({step.above for step in found}) < len(found):
        raise _wrong(place, "has the same number of tokens twice: each step, and up_to, needs its own")
    return tuple(sorted(found, reverse=True, key=lambda step: step.above))


def _tokens(value: Any, place: Place) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise _wrong(place, "must be a number of input tokens, such as 272000")
    return value


def _tiers(given: Mapping[str, Any], place: Place) -> dict[str, Decimal]:
    tiers = _table(given, "tiers", place)
    _check_keys(tiers, TIERS, (*place, "tiers"))
    return {name: _amount(share, (*place, "tiers", name)) for name, share in tiers.items()}


def _common(given: Mapping[str, Any], place: Place) -> dict[str, Any]:
    """Return currency, date and source, as far as they stand here."""
    common = {name: given[name] for name in _COMMON if name in given}
    if "currency" in common:
        currency(common["currency"], _path((*place, "currency")))
    if "date" in common:
        common["date"] = _date(common["date"], (*place, "date"))
    if not isinstance(common.get("source", ""), str):
        raise _wrong((*place, "source"), "must be text in quotes: where the price was read")
    return common


def _date(value: Any, place: Place) -> date:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    try:
        return date.fromisoformat(value)
    except (TypeError, ValueError):
        raise _wrong(place, "must be a day, such as 2026-11-05") from None


def _amount(value: Any, place: Place) -> Decimal:
    return amount(value, _path(place), most=_MOST, example="0.10")


def _table(given: Mapping[str, Any], name: str, place: Place) -> Mapping[str, Any]:
    value = given.get(name, {})
    if not isinstance(value, Mapping):
        raise _wrong((*place, name), "must be a table")
    return value


def _check_keys(given: Any, known: tuple[str, ...], place: Place) -> None:
    if not isinstance(given, Mapping):
        raise _wrong(place, "must be a table")
    for key in given:
        try:
            check_key(key, known, _path((*place, key)))
        except ValueError as error:
            if not isinstance(given[key], Mapping):
                raise
            quoted = 'hosts."api.example.com".models."gpt-5.4"'  # TOML splits a name at each dot
            raise ValueError(f"{error}; a name with a dot stands in quotes, as in {quoted}") from None


def _wrong(place: Place, problem: str) -> ValueError:
    return ValueError(f"{_path(place)} {problem}" if place else problem)


def _path(place: Place) -> str:
    return ".".join(part if _BARE.fullmatch(part) else f'"{part}"' for part in place)
