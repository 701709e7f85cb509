"""A cost as it is kept with its answer, and as a process sees it."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation, localcontext
from typing import Any, Final

from openai_connector import wording
from openai_connector.money.prices import EXACT, Cost, Unpriced

SHOWN: Final = ("cost", "costReason")
"""Keys of an answer's output."""
PARTS: Final = ("amount", "currency", "priceDate")
"""Keys of its `cost`, where that is known."""


def record_of(cost: Cost | Unpriced) -> dict[str, str]:
    """Return what is kept of a cost: the amount as text, so that no digit is lost."""
    if isinstance(cost, Unpriced):
        return {"reason": cost.reason}
    return {"amount": f"{cost.amount:f}", "currency": cost.currency, "priceDate": cost.price_date}


def cost_of(record: Any) -> Cost | Unpriced:
    """Read what `record_of` has written; anything else is a cost that nobody knows."""
    match record:
        case {"amount": str(amount), "currency": str(currency), "priceDate": str(price_date)}:
            try:
                return Cost(Decimal(amount), currency, price_date)
            except InvalidOperation:
                pass
        case {"reason": str(reason)}:
            return Unpriced(reason)
    return Unpriced(wording.COST_NOT_KEPT())


def both(first: Cost | Unpriced, second: Cost | Unpriced) -> Cost | Unpriced:
    """Return what two calls cost together; the price's date is the older one."""
    if isinstance(first, Unpriced):
        return first
    if isinstance(second, Unpriced):
        return second
    if first.currency != second.currency:
        return Unpriced(wording.CURRENCIES_DIFFER())
    with localcontext(EXACT):
        amount = first.amount + second.amount
    return Cost(amount, first.currency, min(first.price_date, second.price_date))


def shown(record: Any) -> dict[str, Mapping[str, Any] | str | None]:
    """Return the keys `cost` and `costReason` of an answer's output."""
    cost = cost_of(record)
    if isinstance(cost, Unpriced):
        return {"cost": None, "costReason": cost.reason}
    amount = int(cost.amount) if cost.amount == cost.amount.to_integral_value() else float(cost.amount)
    told = {"amount": amount, "currency": cost.currency, "priceDate": cost.price_date}
    return {"cost": told, "costReason": None}
