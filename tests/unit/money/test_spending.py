"""What calls may cost at most, and what is made of how they end."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openai_connector.bills import Bills
from openai_connector.job import Recovery, TaskError
from openai_connector.money import Cost, Prices, Unpriced
from openai_connector.money.budgets import Budgets
from openai_connector.money.price_file import read_prices
from openai_connector.openai_api import ApiConnectionError, ApiResponse, ApiTimeoutError, encode_body
from openai_connector.spending import FILE_TOKENS, IMAGE_TOKENS, Purchase, Spending
from openai_connector.store.charges import Drop, Lose, Pay
from openai_connector.tasks.task_type import Request
from tests.make import job, refused

PRICES = Prices(
    read_prices(
        'currency = "USD"\ndate = 2026-11-01\n[hosts."api.test".models.m]\ninput = 1\noutput = 10\n'
        'cached = 0.1\ncache_write = 1.25\n[hosts."api.test".models.plain]\ninput = 1\noutput = 10\n'
        '[hosts."api.test".models.embed]\ninput = 1\n'
        '[hosts."api.test".models.short]\ninput = 1\noutput = 10\nup_to = 1000\n',
        over={},
    )
)
NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)


def request(content: dict[str, Any], path: str = "chat/completions", **more: Any) -> Request:
    """Make a request."""
    return Request(
        "POST",
        f"https://api.test/v1/{path}",
        {},
        encode_body(content),
        timedelta(seconds=60),
        "f",
        content.get("model", ""),
        content=content,
        **more,
    )


def most(content: dict[str, Any], path: str = "chat/completions", max_tokens: int = 1000) -> Decimal:
    """Return the amount that is reserved, in millionths."""
    cost = Spending(PRICES, max_tokens=max_tokens).most(request(content, path))
    assert isinstance(cost, Cost)
    return cost.amount * 1_000_000


class TestMost:
    """The bound that is reserved."""

    def test_it_is_the_body_and_the_limit_of_the_answer(self) -> None:
        """Bytes count as tokens that are written to a cache, where that is dearer."""
        content = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 7}
        assert most(content) == Decimal("1.25") * len(encode_body(content)) + 70
        content["model"] = "plain"
        assert most(content) == len(encode_body(content)) + 70

    @pytest.mark.parametrize(
        ("given", "tokens"),
        [
            ({}, 1000),
            ({"max_tokens": 5}, 5),
            ({"max_completion_tokens": 5}, 5),
            ({"max_output_tokens": 5}, 5),
            ({"max_completion_tokens": 5, "max_tokens": 9}, 9),
            ({"max_tokens": 5, "n": 3}, 15),
            ({"n": 2}, 2000),
            ({"max_tokens": None}, 1000),
            ({"max_tokens": "5"}, 1000),
            ({"max_tokens": True, "n": 0}, 1000),
        ],
        ids=["none", "max_tokens", "completion", "output", "both", "choices", "choices alone", "null", "text", "odd"],
    )  # fmt: skip
    def test_the_answers_tokens(self, given: dict[str, Any], tokens: int) -> None:
        """The largest limit, for each choice; else the setting."""
        content = {"model": "plain", **given}
        assert most(content) - len(encode_body(content)) == 10 * tokens

    @pytest.mark.parametrize(
        ("content", "tokens"),
        [
            ({"messages": [{"content": [{"type": "image_url", "image_url": {"url": "https://x"}}]}]}, IMAGE_TOKENS),
            ({"input": [{"content": [{"type": "input_image"}, {"type": "input_text"}]}]}, IMAGE_TOKENS),
            ({"input": [{"content": [{"type": "input_file", "file_id": "f"}]}]}, FILE_TOKENS),
            ({"previous_response_id": "resp_1", "input": "Hi"}, FILE_TOKENS),
            ({"conversation": "conv_1", "input": "Hi"}, FILE_TOKENS),
            ({"messages": [{"content": "image_url"}]}, 0),
        ],
        ids=["image", "image of a response", "file", "earlier response", "conversation", "a word"],
    )  # fmt: skip
    def test_what_the_body_only_names(self, content: dict[str, Any], tokens: int) -> None:
        """It may have more tokens than its name has bytes."""
        whole = {"model": "plain", "max_tokens": 0, **content}
        assert most(whole) - len(encode_body(whole)) == tokens

    def test_embeddings_have_no_output(self) -> None:
        """Nothing is reserved for it."""
        content = {"model": "embed", "input": "Hi"}
        assert most(content, "embeddings") == len(encode_body(content))

    @given(st.text(max_size=200), st.integers(0, 50), st.integers(0, 300))
    def test_no_answer_within_its_limits_costs_more(self, text: str, made: int, cached: int) -> None:
        """However the input is counted: at most a token a byte."""
        content = {"model": "m", "messages": [{"role": "user", "content": text}], "max_tokens": 50}
        asked = request(content)
        tokens = len(text.encode("utf-8", "replace")) + 8
        usage = {
            "prompt_tokens": tokens,
            "completion_tokens": made,
            "prompt_tokens_details": {"cached_tokens": min(cached, tokens), "cache_write_tokens": 0},
        }
        bill = Bills(PRICES).of(asked, ApiResponse(200, {}, {"model": "m", "usage": usage}))
        assert bill is not None
        assert isinstance(bill.cost, Cost)
        reserved = Spending(PRICES).most(asked)
        assert isinstance(reserved, Cost)
        assert reserved.amount >= bill.cost.amount

    @pytest.mark.parametrize("size", [10, 900, 1100, 5000], ids=str)
    def test_a_price_that_is_known_up_to_a_length(self, size: int) -> None:
        """A body of more bytes may have fewer tokens: as much is reserved as the longest input costs."""
        content = {"model": "short", "messages": [{"content": "x" * size}], "max_tokens": 0}
        assert most(content) == min(len(encode_body(content)), 1000)

    def test_a_model_without_a_price_has_none(self) -> None:
        """Never a guess."""
        assert isinstance(Spending(PRICES).most(request({"model": "other"})), Unpriced)


class TestCharges:
    """What is made of a request."""

    def spending(self, tmp_path: Path, *budgets: str, has_store: bool = False) -> Spending:
        """Return what knows these budgets, each given by its lines."""
        file = tmp_path / "b.toml"
        file.write_text("".join(f'[[budget]]\nname = "b{n}"\n{lines}\n' for n, lines in enumerate(budgets)))
        return Spending(PRICES, Budgets(file), has_store=has_store, now=lambda: NOW)

    def test_nobody_counts(self) -> None:
        """Without a store and without budgets there is no charge."""
        assert Spending(PRICES).purchase(request({"model": "m"}), job()).charge is None

    @pytest.mark.parametrize(
        ("method", "path"),
        [("GET", "chat/completions"), ("POST", "files"), ("POST", "other"), ("DELETE", "responses")],
        ids=str,
    )
    def test_what_buys_nothing_is_not_counted(self, method: str, path: str) -> None:
        """Any request of a REST task, for example."""
        asked = request({"model": "m"}, path)
        spending = Spending(PRICES, has_store=True)
        object.__setattr__(asked, "method", method)
        assert spending.purchase(asked, job()).charge is None

    def test_it_has_the_names_that_totals_have(self) -> None:
        """And an id of its own."""
        spending = Spending(PRICES, has_store=True)
        one, two = (spending.purchase(request({"model": "m"}), job()).charge for _ in range(2))
        assert one is not None
        assert two is not None
        assert (one.process, one.element, one.model, one.tenant) == ("p", "Ask", "m", "<default>")
        assert one.id != two.id

    def test_it_counts_on_the_budgets_that_are_meant(self, tmp_path: Path) -> None:
        """By process and by credential, each in its period."""
        spending = self.spending(
            tmp_path,
            'amount = 1\nper = "day"',
            'amount = 2\nper = "month"\nprocesses = ["p*"]',
            'amount = 3\nper = "day"\nprocesses = ["q"]',
            'amount = 4\nper = "day"\ncredentials = ["secrets.K"]',
        )
        charge = spending.purchase(request({"model": "m"}, credentials=("secrets.K",)), job()).charge
        assert charge is not None
        assert [limit.key for limit in charge.budgets] == ["b0|2026-11-26", "b1|2026-11", "b3|2026-11-26"]

    @pytest.mark.parametrize(
        ("lines", "model"),
        [("", "other"), ('currency = "EUR"', "m")],
        ids=["no price", "another currency"],
    )
    def test_a_price_that_is_not_known(
        self, tmp_path: Path, lines: str, model: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        """It is let through with one warning a model, or refused where the budget says so."""
        for rule, is_refused in ("count", False), ("refuse", True):
            caplog.clear()
            spending = self.spending(tmp_path, f'amount = 1\nper = "day"\n{lines}\nunpriced = "{rule}"')
            for _ in range(2):
                charge = spending.purchase(request({"model": model}), job()).charge
                assert charge is not None
                assert [(one.is_refused, one.is_reserved) for one in charge.budgets] == [(is_refused, False)]
            assert len(caplog.records) == 1

    @pytest.mark.parametrize(
        ("path", "named"),
        [
            ("openai/deployments/mine%20too/chat/completions", "the deployment mine too"),
            ("chat/completions", "this request"),
            ("openai/deployments//chat/completions", "this request"),
        ],
        ids=["a deployment", "nothing", "an empty deployment"],
    )
    def test_a_request_that_names_no_model(
        self, tmp_path: Path, path: str, named: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        """The warning names what is known of it."""
        spending = self.spending(tmp_path, 'amount = 1\nper = "day"')
        spending.purchase(request({}, path), job())
        assert f"the price of {named}" in caplog.text


def charge_of(purchase: Purchase) -> Purchase:
    """Return a purchase with a charge."""
    purchase.charge = Spending(PRICES, has_store=True).purchase(request({"model": "m"}), job()).charge
    return purchase


def connection_error(reason: str) -> ApiConnectionError:
    """Make what the client raises."""
    return ApiConnectionError("x", code="408", recovery=Recovery.TRANSIENT, reason=reason)


class TestEnds:
    """How a call has ended."""

    @pytest.mark.parametrize(
        ("error", "is_lost"),
        [
            (connection_error("broken"), True),
            (connection_error("no_connection"), False),
            (connection_error("tls"), False),
            (ApiTimeoutError("x", code="408", recovery=Recovery.TRANSIENT, reason="timeout"), True),
            (KeyboardInterrupt(), True),
            (RuntimeError(), True),
            (TaskError(), True),
            (refused(400), False),
            (refused(401), False),
            (refused(429), False),
            (refused(500), False),
            (refused(503), False),
            (refused(502), True),
            (refused(504), True),
            (refused(524), True),
        ],
        ids=[
            "broken", "no connection", "tls", "timeout", "cancelled", "bug", "other", "400", "401", "429",
            "500", "503", "502", "504", "524",
        ],
    )  # fmt: skip
    def test_one_that_was_sent_and_has_no_answer(self, error: BaseException, is_lost: bool) -> None:
        """It may have been paid for, unless that is surely not so."""
        entry = charge_of(Purchase(is_sent=True)).ended(error)
        assert isinstance(entry, Lose if is_lost else Drop)

    @pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500, 503])
    def test_one_that_was_accepted_is_free_of_no_look(self, status: int) -> None:
        """It may have been made, whatever a look at it is told."""
        for error in refused(status), connection_error("no_connection"):
            assert isinstance(charge_of(Purchase(is_sent=True, is_accepted=True)).ended(error), Lose)

    def test_one_that_was_not_sent(self) -> None:
        """Nothing was bought."""
        assert isinstance(charge_of(Purchase()).ended(RuntimeError()), Drop)

    def test_one_that_was_answered_costs_what_it_did(self) -> None:
        """Also where the task can make nothing of the answer."""
        usage = {"prompt_tokens": 10, "completion_tokens": 2}
        bill = Bills(PRICES).of(request({"model": "m"}), ApiResponse(200, {}, {"usage": usage}))
        for error in None, TaskError():
            entry = charge_of(Purchase(is_sent=True, bill=bill)).ended(error)
            assert isinstance(entry, Pay)
            assert entry.charge.amount == Decimal("0.00003")
            assert (entry.input, entry.output) == (10, 2)
