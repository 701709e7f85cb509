"""The books."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.openai_stand_in.api import OpenAI
from tests.openai_stand_in.asking import Asker, chat_line, windowed
from tests.openai_stand_in.prices import FACTORS, Tier, cost
from tests.openai_stand_in.world import DAY


@pytest.mark.parametrize("tier", [pytest.param(tier, id=tier) for tier in FACTORS])
def test_a_tier_costs_its_share(tier: Tier) -> None:
    """Proves the arithmetic, without any rounding."""
    assert cost("gpt-6-luna", tier, 1_000_000, 2_000_000) == Decimal("1.10") * FACTORS[tier]


def test_waiting_makes_the_same_answer_cheaper() -> None:
    """Proves that each way of buying is paid as published: 30, 40 and 50 % below standard."""
    asker = Asker(OpenAI(scale=0))
    asker.post("/responses", {"model": "gpt-6-luna", "input": "Same"})
    asker.post("/responses", windowed("Same", "2h"))
    asker.post("/responses", windowed("Same", "8h"))
    line = {
        "custom_id": "1",
        "method": "POST",
        "url": "/v1/responses",
        "body": {"model": "gpt-6-luna", "input": "Same"},
    }
    asker.batch([line], "/v1/responses")
    asker.api.advance(DAY)

    costs = {purchase.tier: purchase.cost for purchase in asker.api.ledger}

    full = costs["standard"]
    assert [costs[tier] / full for tier in ("2h", "8h", "batch")] == [
        Decimal("0.7"),
        Decimal("0.6"),
        Decimal("0.5"),
    ]
    assert asker.api.ledger.cost == sum(costs.values())
    assert asker.api.ledger.duplicates() == {"Same": 4}


def test_purchases_are_found_by_who_bought_them() -> None:
    """Proves that metadata, custom ids and batches are kept with each answer."""
    asker = Asker(OpenAI(scale=0))
    asker.post("/responses", windowed("Window", "2h", metadata={"job": "7"}))
    batch = asker.batch([chat_line("job-8", "Line")])["id"]
    asker.api.advance(DAY)

    ledger = asker.api.ledger
    [line], [window] = ledger.of_custom_id("job-8"), ledger.of_prompt("Window")

    assert (line.prompt, line.buyer.batch_id) == ("Line", batch)
    assert window.buyer.metadata == {"job": "7"}
    assert set(ledger.by(lambda purchase: purchase.buyer.metadata.get("job", ""))) == {"7", ""}
    assert ledger.duplicates() == {}


def test_what_is_bought_does_not_depend_on_who_looks_when() -> None:
    """Proves that two runs of a seed buy the same, one looked at often and one once."""

    def run(looks: int) -> list[tuple[str, float]]:
        api = OpenAI(scale=0, seed=5)
        asker = Asker(api)
        begin = api.world.now
        for number in range(20):
            asker.post("/responses", windowed(f"Question {number}", "8h"))
        for _ in range(looks):
            api.advance(DAY / looks)
            _ = api.ledger.count
        return [(purchase.prompt, purchase.at - begin) for purchase in api.ledger]

    assert run(1) == run(64)
