"""The prices that come with the worker: dated, with a source, and as they are told in public."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from importlib.resources import files

import pytest

from openai_connector import money
from openai_connector.money import Cost, Prices, Unpriced, Used
from openai_connector.money.price_file import Price, read_prices
from openai_connector.tasks.operations.models import CHAT_MODEL_CHOICES

OPENAI = "api.openai.com"
UNKNOWN = {"gpt-5.6-sol"}
"""Models to choose from whose price is not known today."""
FILE = files(money.__package__).joinpath("prices.toml").read_text("utf-8")
PRICES = read_prices(FILE, over={})[OPENAI].prices


def cost(model: str, tier: str = "standard", *, input_: int = 1000, output: int = 1000) -> Decimal | None:
    """Return the packaged cost of some tokens."""
    found = Prices.packaged().cost(Used(model, OPENAI, input_, output, 0, 0, tier))
    return found.amount if isinstance(found, Cost) else None


@pytest.mark.parametrize("price", PRICES.values(), ids=PRICES)
def test_each_price_tells_where_it_is_from(price: Price) -> None:
    """Each price has a page that states it, and a day that has been."""
    assert price.source.startswith("https://")
    assert date(2026, 1, 1) <= price.date <= date.today()
    assert price.currency == "USD"


@pytest.mark.parametrize("model", CHAT_MODEL_CHOICES)
def test_the_models_to_choose_from_are_priced(model: str) -> None:
    """Each model of the panel has a price, or stands in the list of those whose price is not known."""
    assert (cost(model) is None) == (model in UNKNOWN)


@pytest.mark.parametrize(
    ("model", "tier", "amount"),
    [
        pytest.param("gpt-6-luna", "standard", "0.0006", id="standard"),
        pytest.param("gpt-6-luna", "batch", "0.0003", id="batch, as a user measured it"),
        pytest.param("gpt-6-luna", "flex", "0.0003", id="flex"),
        pytest.param("gpt-6-luna", "2h", "0.00042", id="30 % off"),
        pytest.param("gpt-6-luna", "8h", "0.00036", id="40 % off"),
        pytest.param("gpt-6-luna", "priority", "0.0012", id="fast mode"),
        pytest.param("gpt-5.5", "priority", "0.0875", id="fast mode of another generation"),
        pytest.param("gpt-5.4-2026-03-05", "standard", "0.0175", id="dated name of a family"),
        pytest.param("gpt-4o-2024-05-13", "standard", "0.02", id="dated name with a price of its own"),
        pytest.param("omni-moderation-latest", "batch", "0", id="moderation"),
    ],
)
def test_the_amounts_are_those_told_in_public(model: str, tier: str, amount: str) -> None:
    """A thousand tokens in and a thousand out cost what the sources say, at each tier."""
    assert cost(model, tier) == Decimal(amount)


def test_long_requests_cost_more_from_the_first_token_on() -> None:
    """Above 272,000 input tokens all of them cost twice as much; where no source tells, there is no amount."""
    assert cost("gpt-6-luna", input_=272_000, output=0) == Decimal("0.0272")
    assert cost("gpt-6-luna", input_=272_001, output=0) == Decimal("0.0544002")
    assert cost("gpt-5.4", input_=272_001) is None


@pytest.mark.parametrize(
    "host", ["eu.api.openai.com", "mine.openai.azure.com", "llm.example.com", "localhost:11434"]
)
def test_other_hosts_are_not_priced(host: str) -> None:
    """A model of OpenAI's name costs something else elsewhere."""
    assert isinstance(Prices.packaged().cost(Used("gpt-6-luna", host, 1, 1)), Unpriced)
