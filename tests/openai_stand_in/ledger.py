"""The books: each answer that was produced is a purchase, whoever gets it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from tests.openai_stand_in.prices import Tier, cost


@dataclass(frozen=True, slots=True)
class Buyer:
    """Who asks."""

    project: str = ""
    key: str = ""
    """The API key."""
    request_id: str = ""
    """The caller's own, as `X-Client-Request-Id` has it."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    """Of the response, or of the batch."""
    custom_id: str = ""
    """Of a batch's line."""
    batch_id: str = ""


@dataclass(slots=True)
class Purchase:
    """One answer."""

    at: float
    """When it was produced, by the API's clock."""
    endpoint: str
    model: str
    prompt: str
    tier: Tier
    input_tokens: int
    output_tokens: int
    buyer: Buyer
    answer_id: str
    handed_out: int = 0
    """How often it was sent whole to somebody who was still there."""

    @property
    def cost(self) -> Decimal:
        """What it cost, in dollars."""
        return cost(self.model, self.tier, self.input_tokens, self.output_tokens)


class Ledger:
    """All purchases.

    Args:
        settle: brings everything up to the present before the books are looked at.
    """

    def __init__(self, settle: Callable[[], object] = lambda: None) -> None:
        self._settle = settle
        self._purchases: list[Purchase] = []

    def add(self, purchase: Purchase) -> Purchase:
        """Write one down."""
        self._purchases.append(purchase)
        return purchase

    def __iter__(self) -> Iterator[Purchase]:
        self._settle()
        return iter(list(self._purchases))

    @property
    def count(self) -> int:
        """How many there are."""
        return sum(1 for _ in self)

    @property
    def cost(self) -> Decimal:
        """What they all cost, in dollars."""
        return sum((purchase.cost for purchase in self), Decimal(0))

    def of_prompt(self, prompt: str) -> list[Purchase]:
        """Return what was bought for a prompt."""
        return [purchase for purchase in self if purchase.prompt == prompt]

    def of_custom_id(self, custom_id: str) -> list[Purchase]:
        """Return what was bought for a batch's line."""
        return [purchase for purchase in self if purchase.buyer.custom_id == custom_id]

    def by(self, key: Callable[[Purchase], str]) -> dict[str, list[Purchase]]:
        """Return purchases grouped by something."""
        groups: defaultdict[str, list[Purchase]] = defaultdict(list)
        for purchase in self:
            groups[key(purchase)].append(purchase)
        return dict(groups)

    def duplicates(self, key: Callable[[Purchase], str] = lambda purchase: purchase.prompt) -> dict[str, int]:
        """Return what was bought more than once, by its prompt or by something else, and how often."""
        return {name: len(group) for name, group in self.by(key).items() if len(group) > 1}

    def never_handed_out(self) -> list[Purchase]:
        """Return what was bought and never sent to anybody."""
        return [purchase for purchase in self if not purchase.handed_out]

    def summary(self) -> dict[str, Any]:
        """Return the figures, as JSON has them."""
        purchases = list(self)
        return {
            "count": len(purchases),
            "cost": str(self.cost),
            "duplicates": self.duplicates(),
            "never_handed_out": sum(not purchase.handed_out for purchase in purchases),
            "by_tier": _counted([purchase.tier for purchase in purchases]),
            "by_endpoint": _counted([purchase.endpoint for purchase in purchases]),
        }


def _counted(names: Sequence[str]) -> dict[str, int]:
    return {name: names.count(name) for name in sorted(set(names))}
