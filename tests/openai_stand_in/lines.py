"""What a batch is made of, and how it may end."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol

from tests.openai_stand_in.answers import Asked, Fate
from tests.openai_stand_in.ledger import Buyer, Purchase
from tests.openai_stand_in.prices import Tier

LineWay = Literal["", "400", "500", "null", "zero", "missing"]
"""
* `400`, `500`: the response has that status and an error in its body; the line's own error is null.
* `null`: the response is null, the line's own error is filled.
* `zero`: the status is 0 and the body empty, although the line counts as completed.
* `missing`: the line is in neither file.
"""
BatchWay = Literal["", "expires", "over the limit"]
"""
* `expires`: about half of the lines are not done when the day is over.
* `over the limit`: too many tokens wait already; the batch fails, and nothing was wrong with it.
"""
LINE_WAYS: Final[Mapping[LineWay, int]] = {"400": 1, "500": 1, "null": 2, "zero": 1, "missing": 1}
"""How often which of them happens by seed."""


@dataclass(frozen=True, slots=True)
class Fates:
    """How lines and batches end."""

    line: Callable[[str, int], LineWay] = lambda custom_id, nth: ""
    """By custom id, and how often this one has been run."""
    batch: Callable[[int], BatchWay] = lambda nth: ""
    """By the number of the batch, from 1."""


def lines_by_seed(
    seed: int, share: float, ways: Mapping[LineWay, int] = LINE_WAYS
) -> Callable[[str, int], LineWay]:
    """Return what lets a share of the lines go wrong."""

    def choose(custom_id: str, nth: int) -> LineWay:
        dice = random.Random(f"{seed}/{custom_id}/{nth}")
        return dice.choices(list(ways), list(ways.values()))[0] if dice.random() < share else ""

    return choose


class Endpoint(Protocol):
    """What can be asked for in the foreground and in batches."""

    url: str
    kind: str
    """Of its requests."""
    answer_kind: str

    def check(self, body: dict[str, Any], buyer: Buyer) -> Asked:
        """Return what is asked.

        Raises:
            ApiError: it cannot be.
        """

    def answer(
        self, body: dict[str, Any], asked: Asked, fate: Fate, buyer: Buyer, tier: Tier | None = None
    ) -> tuple[dict[str, Any], Purchase | None]:
        """Return the answer, produced and bought now.

        Raises:
            ApiError: it failed.
        """
