"""What an answer costs here: the stand-in's own table, in US dollars a million tokens."""

from __future__ import annotations

from decimal import Decimal
from typing import Final, Literal, NamedTuple

Tier = Literal["standard", "2h", "8h", "batch", "flex", "priority"]
"""How an answer was bought."""


class Price(NamedTuple):
    """Dollars a million tokens."""

    input: Decimal
    output: Decimal


FREE: Final = Price(Decimal(0), Decimal(0))
PRICES: Final = {
    "gpt-6-luna": Price(Decimal("0.10"), Decimal("0.50")),
    "gpt-6-astra": Price(Decimal("5.00"), Decimal("30.00")),
    "gpt-6.2-sol": Price(Decimal("1.00"), Decimal("8.00")),
    "gpt-6.1-terra": Price(Decimal("0.40"), Decimal("2.00")),
    "gpt-5.4": Price(Decimal("1.25"), Decimal("10.00")),
    "gpt-5.4-mini": Price(Decimal("0.25"), Decimal("2.00")),
    "gpt-4o-mini": Price(Decimal("0.15"), Decimal("0.60")),
    "text-embedding-3-small": Price(Decimal("0.02"), Decimal(0)),
    "text-embedding-3-large": Price(Decimal("0.13"), Decimal(0)),
    "omni-moderation-latest": FREE,
    "omni-moderation-2024-09-26": FREE,
}
"""The models that there are, for chat if nothing else."""
FACTORS: Final[dict[Tier, Decimal]] = {
    "standard": Decimal(1),
    "2h": Decimal("0.7"),
    "8h": Decimal("0.6"),
    "batch": Decimal("0.5"),
    "flex": Decimal("0.5"),
    "priority": Decimal(2),
}
"""What share of the standard price a tier costs."""


def cost(model: str, tier: Tier, input_tokens: int, output_tokens: int) -> Decimal:
    """Return what an answer costs, in dollars."""
    price = PRICES[model]
    return (price.input * input_tokens + price.output * output_tokens) * FACTORS[tier] / 1_000_000
