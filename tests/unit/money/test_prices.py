"""What tokens cost, with each kind of token, tier and step."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from openai_connector.money import Cost, Prices, Unpriced, Used

FILE = """
currency = "EUR"
date = 2026-11-01

[hosts."ai.example.com"]
tiers = { batch = 0.5, "2h" = 0.7 }

[hosts."ai.example.com".models.family]
input = 1.00
cached = 0.10
cache_write = 1.25
output = 8
dated = true
long = [
  { above = 1000, input = 2, cached = 0.2, cache_write = 2.5, output = 12 },
  { above = 5000, input = 3, output = 20, tiers = { batch = 0.4 } },
]
tiers = { priority = 2 }

[hosts."ai.example.com".models.plain]
input = 1.00
output = 8.00
up_to = 1000

[hosts."*.azure.example".models."*"]
currency = "USD"
date = 2026-10-01
input = 3
output = 4

[hosts."*".models.anywhere]
input = 1
output = 1

[hosts."localhost:8000".models."*"]
input = 0
output = 0
"""
USED = Used("family", "ai.example.com", 100, 10)


@pytest.fixture
def prices(tmp_path: Path) -> Prices:
    """Return the prices of a file like an operator's."""
    file = tmp_path / "prices.toml"
    file.write_text(FILE, "utf-8")
    return Prices.of_file(file)


@pytest.mark.parametrize(
    ("used", "amount"),
    [
        pytest.param(USED, "0.00018", id="input and output"),
        pytest.param(replace(USED, cached=50), "0.000135", id="cached input is cheaper"),
        pytest.param(replace(USED, cached=50, cache_write=50), "0.0001475", id="nothing but cache"),
        pytest.param(replace(USED, tier="batch"), "0.00009", id="batch"),
        pytest.param(replace(USED, tier="2h"), "0.000126", id="window"),
        pytest.param(replace(USED, tier="priority"), "0.00036", id="priority, of the model itself"),
        pytest.param(replace(USED, input=1000), "0.00108", id="just below the step"),
        pytest.param(replace(USED, input=1001), "0.002122", id="all at the step's price"),
        pytest.param(replace(USED, input=1001, tier="priority"), "0.004244", id="a step at its tier"),
        pytest.param(replace(USED, input=5001, tier="batch"), "0.0060812", id="a step with tiers of its own"),
        pytest.param(replace(USED, model="family-2026-01-31"), "0.00018", id="dated name"),
        pytest.param(replace(USED, host="AI.example.com:443"), "0.00018", id="host with a port"),
        pytest.param(replace(USED, host="mine.azure.example", model="x"), "0.00034", id="host of a domain"),
        pytest.param(replace(USED, host="any.where", model="anywhere"), "0.00011", id="any host"),
        pytest.param(replace(USED, host="localhost:8000", input=None, output=None), "0", id="free"),
        pytest.param(replace(USED, input=0, output=0), "0", id="no tokens"),
    ],
)
def test_each_token_has_its_price(prices: Prices, used: Used, amount: str) -> None:
    """Input, cache and output are priced each, at the tier that served and the step that was reached."""
    cost = prices.cost(used)
    assert isinstance(cost, Cost)
    assert cost.amount == Decimal(amount)


@pytest.mark.parametrize(
    ("used", "word"),
    [
        pytest.param(replace(USED, host="other.example.com"), "other.example.com", id="host"),
        pytest.param(replace(USED, host="localhost:8001"), "localhost:8001", id="another port"),
        pytest.param(replace(USED, model="familiar"), "familiar", id="model"),
        pytest.param(replace(USED, model="plain-2026-01-31"), "plain-2026-01-31", id="dated, not said so"),
        pytest.param(replace(USED, model="family-mini"), "family-mini", id="another of its name"),
        pytest.param(replace(USED, tier="8h"), "8h", id="tier"),
        pytest.param(replace(USED, tier="scale"), "scale", id="tier that nobody knows"),
        pytest.param(replace(USED, model="plain", cached=1), "cached input", id="cached input"),
        pytest.param(replace(USED, model="plain", cache_write=1), "cache write", id="cache write"),
        pytest.param(replace(USED, model="plain", input=1001), "1000 input tokens", id="longer than known"),
        pytest.param(replace(USED, input=5001, tier="priority"), "priority", id="no such tier for long ones"),
        pytest.param(replace(USED, input=5001, cached=1), "cached input", id="no such rate for long ones"),
        pytest.param(replace(USED, input=None), "input", id="input not told"),
        pytest.param(replace(USED, output=None), "output", id="output not told"),
        pytest.param(replace(USED, cached=60, cache_write=41), "contradict", id="more cached than sent"),
    ],
)
def test_what_is_not_known_is_not_guessed(prices: Prices, used: Used, word: str) -> None:
    """A price or a number that is missing gives a reason which names it, never an amount."""
    cost = prices.cost(used)
    assert isinstance(cost, Unpriced)
    assert word in cost.reason


def test_an_operator_replaces_what_is_packaged(tmp_path: Path) -> None:
    """A file's price of a model counts instead of the packaged one; the other models stay priced."""
    file = tmp_path / "prices.toml"
    file.write_text(
        'currency = "USD"\ndate = 2026-12-01\n[hosts."api.openai.com".models.gpt-mine]\ninput = 7\noutput = 9',
        "utf-8",
    )
    prices = Prices.of_file(file)
    mine = prices.cost(Used("gpt-mine", "api.openai.com", 1_000_000, 0, tier="batch"))
    assert mine == Cost(Decimal("3.5"), "USD", "2026-12-01")
    luna = Used("gpt-6-luna", "api.openai.com", 1_000_000, 1_000_000)
    assert prices.cost(luna) == Prices.packaged().cost(luna)
    assert isinstance(Prices.packaged().cost(Used("gpt-mine", "api.openai.com", 1, 1)), Unpriced)
