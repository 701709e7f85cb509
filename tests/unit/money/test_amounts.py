"""Amounts: exact, additive and never negative, and numbers that FEEL and JSON take as they are."""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from camunda_feel import parse
from openai_connector.document import encode_document, parse_json
from openai_connector.money import Cost, Prices, Unpriced, Used, both, cost_of, record_of, shown

TIERS = ("standard", "2h", "8h", "batch", "flex", "priority")
COUNTS = st.integers(0, 10**7)


def luna(tokens: Sequence[int], tier: str) -> Cost:
    """Return what a request of any length costs, whose tokens are so many."""
    input_, cached, written, output = tokens
    used = Used("gpt-6-luna", "api.openai.com", input_ + cached + written, output, cached, written, tier)
    cost = Prices.packaged().cost(used)
    assert isinstance(cost, Cost)
    return cost


@given(st.tuples(COUNTS, COUNTS, COUNTS, COUNTS), st.sampled_from(TIERS))
def test_a_cost_is_never_negative(tokens: tuple[int, int, int, int], tier: str) -> None:
    """Whatever the numbers of tokens and the tier; none cost nothing."""
    cost = luna(tokens, tier)
    assert cost.amount >= 0
    assert (cost.amount == 0) == (not any(tokens))


SMALL = st.integers(0, 30_000)


@given(st.tuples(SMALL, SMALL, SMALL, SMALL), st.tuples(SMALL, SMALL, SMALL, SMALL), st.sampled_from(TIERS))
def test_two_calls_cost_what_both_cost(
    first: tuple[int, int, int, int], second: tuple[int, int, int, int], tier: str
) -> None:
    """The sum of two costs is exactly the cost of all their tokens, below the step for long requests."""
    together = both(luna(first, tier), luna(second, tier))
    assert together == luna([a + b for a, b in zip(first, second, strict=True)], tier)


@given(st.tuples(SMALL, SMALL, SMALL, SMALL), st.sampled_from(TIERS))
def test_a_kept_cost_loses_no_digit(tokens: tuple[int, int, int, int], tier: str) -> None:
    """What is kept with an answer, as JSON, is read as the same cost."""
    cost = luna(tokens, tier)
    assert cost_of(json.loads(json.dumps(record_of(cost)))) == cost


AMOUNTS = ("0", "12", "0.1", "0.00001", "0.0000001", "0.000000005", "0.0000123456789", "123456.000001")


@pytest.mark.parametrize("amount", AMOUNTS)
def test_an_amount_is_a_number_for_feel_and_json(amount: str) -> None:
    """However small, it is written as JSON's number, and FEEL computes with exactly this number."""
    output = shown(record_of(Cost(Decimal(amount), "USD", "2026-11-01")))
    read = parse_json(encode_document({"output": output}))["output"]["cost"]["amount"]
    assert Decimal(repr(read)) == Decimal(amount)
    names = {"output": output}
    assert parse(f"output.cost.amount = {amount}").evaluate(names).value is True
    product = parse("output.cost.amount * 1000000000").evaluate(names).value
    assert product == Decimal(amount) * 1_000_000_000


KNOWN = Cost(Decimal(1), "USD", "2026-11-02")
OTHER = Cost(Decimal(2), "EUR", "2026-11-01")
WHY = Unpriced("Why")


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param(KNOWN, WHY, id="second unknown"),
        pytest.param(WHY, KNOWN, id="first unknown"),
        pytest.param(KNOWN, OTHER, id="two currencies"),
    ],
)
def test_a_sum_with_an_unknown_part_is_not_known(first: Cost | Unpriced, second: Cost | Unpriced) -> None:
    """Half of a cost is no cost."""
    assert isinstance(both(first, second), Unpriced)


@pytest.mark.parametrize(
    "record",
    [None, {}, {"amount": 1}, {"amount": "x", "currency": "USD", "priceDate": "d"}, "text", [1]],
    ids=["nothing", "empty", "a number", "no number", "text", "a list"],
)
def test_a_record_of_something_else_is_an_unknown_cost(record: object) -> None:
    """An answer that was kept without its cost says so; nothing is made up for it."""
    output = shown(record)
    assert output["cost"] is None
    assert output["costReason"]
