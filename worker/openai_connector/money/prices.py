"""What an answer costs: its tokens, at the price of its model, host and tier."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Context, Decimal
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Final

from openai_connector import wording
from openai_connector.money.price_file import STANDARD, Host, Price, Rates, read_prices
from openai_connector.money.toml_file import text_of

EXACT: Final = Context(prec=100)
"""Amounts are never rounded: enough digits for any number of tokens at any price."""
_ANY: Final = "*"
_MILLIONTH: Final = Decimal("0.000001")
_MOST_FOUND: Final = 1000
_DATED: Final = re.compile(r"-\d{4}-\d{2}-\d{2}$", re.ASCII)


@dataclass(frozen=True, slots=True)
class Used:
    """What was used, or may be used at most: plain values."""

    model: str
    """The one that answered, else the one that is asked."""
    host: str
    """With its port, where one is given."""
    input: int | None
    """All input tokens; None: the answer does not tell."""
    output: int | None
    """All output tokens, reasoning included."""
    cached: int | None = None
    """Those of the input that were read from a cache."""
    cache_write: int | None = None
    """Those of the input that were written to a cache."""
    tier: str = STANDARD
    """How it was served: `standard`, `2h`, `8h`, `batch`, `flex` or `priority`."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What an answer costs, exactly."""

    amount: Decimal
    currency: str
    price_date: str
    """The day on which the price was read at its source."""


@dataclass(frozen=True, slots=True)
class Unpriced:
    """Why the cost of an answer is not known."""

    reason: str


class Prices:
    """All prices that are known, by host and model."""

    def __init__(self, hosts: Mapping[str, Host]) -> None:
        self._hosts = hosts
        self._found: dict[tuple[str, str], Price | Unpriced] = {}

    @classmethod
    def packaged(cls) -> Prices:
        """Return the prices that come with the worker."""
        return cls(_packaged())

    @classmethod
    def of_file(cls, path: Path | str) -> Prices:
        """Return the prices of an operator's file; what it does not name is as packaged.

        Raises:
            ValueError: the file cannot be read or is wrong: which key or line, and what to do.
        """
        return cls(read_prices(text_of(Path(path)), over=_packaged()))

    def cost(self, used: Used) -> Cost | Unpriced:
        """Return what tokens cost, or why that is not known."""
        price = self._price(used.host, used.model)
        if isinstance(price, Unpriced):
            return price
        step = price.step_of(used.input)
        if step.rates is None:
            return Unpriced(wording.LENGTH_UNPRICED(model=used.model, number=step.above))
        factor = step.tiers.get(used.tier)
        if factor is None:
            return Unpriced(wording.TIER_UNPRICED(model=used.model, tier=used.tier))
        amount = _amount(step.rates, used)
        return amount if isinstance(amount, Unpriced) else _cost(price, EXACT.multiply(amount, factor))

    def _price(self, host: str, model: str) -> Price | Unpriced:
        """Return the price of a model at a host, found once for all answers that share it."""
        found = self._found.get((host, model))
        if found is None:
            if len(self._found) >= _MOST_FOUND:
                self._found.clear()
            found = self._found[(host, model)] = self._search(host, model)
        return found

    def _search(self, name: str, model: str) -> Price | Unpriced:
        host = self._host(name)
        if host is None:
            return Unpriced(wording.HOST_UNPRICED(host=name))
        price = _price(host.prices, model)
        return price or Unpriced(wording.MODEL_UNPRICED(model=model, host=name))

    def _host(self, name: str) -> Host | None:
        """Return the prices of a host: by its name with its port or without, else its domain's, or any's."""
        name = name.lower()
        plain = re.sub(r":\d+$", "", name)
        labels = plain.split(".")
        domains = [f"*.{'.'.join(labels[index:])}" for index in range(1, len(labels))]
        return next((self._hosts[key] for key in (name, plain, *domains, _ANY) if key in self._hosts), None)


@cache
def _packaged() -> Mapping[str, Host]:
    text = files(__package__).joinpath("prices.toml").read_text("utf-8")
    return read_prices(text, over={})


def _price(prices: Mapping[str, Price], model: str) -> Price | None:
    """Return a model's price; a dated version has its family's where that says so."""
    if model in prices:
        return prices[model]
    family = prices.get(_DATED.sub("", model))
    return family if family is not None and family.is_for_dated else prices.get(_ANY)


def _cost(price: Price, amount: Decimal) -> Cost:
    """Return a cost whose amount is told for a million tokens."""
    exact = EXACT.normalize(EXACT.multiply(amount, _MILLIONTH)) if amount else Decimal(0)
    return Cost(exact, price.currency, price.date.isoformat())


def _amount(rates: Rates, used: Used) -> Decimal | Unpriced:
    """Return what tokens cost at the standard price, times a million."""
    cached, written = used.cached or 0, used.cache_write or 0
    if min(used.input or 0, used.output or 0, cached, written) < 0:
        return Unpriced(wording.TOKENS_CONTRADICTORY())
    if used.input is not None and cached + written > used.input:
        return Unpriced(wording.TOKENS_CONTRADICTORY())
    plain = None if used.input is None else used.input - cached - written
    parts = (
        (plain, rates.input, "input"),
        (cached, rates.cached, "cached input"),
        (written, rates.cache_write, "cache write"),
        (used.output, rates.output, "output"),
    )
    total = Decimal(0)
    for tokens, rate, name in parts:
        if tokens == 0 or (tokens is None and rate == 0):
            continue
        if rate is None:
            return Unpriced(wording.TOKENS_UNPRICED(model=used.model, tokens=name))
        if tokens is None:
            return Unpriced(wording.TOKENS_UNKNOWN(tokens=name))
        total = EXACT.add(total, EXACT.multiply(tokens, rate))
    return total
