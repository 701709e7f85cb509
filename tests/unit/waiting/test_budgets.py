"""Answers that are made elsewhere count on budgets: reserved when they are bought, settled when they are fetched."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from openai_connector.job import BpmnError, Completed, Failed
from openai_connector.money import Prices
from openai_connector.money.budgets import Budgets
from openai_connector.money.price_file import read_prices
from openai_connector.purchases import Purchases
from openai_connector.spending import Spending
from openai_connector.store import NoStore
from openai_connector.tasks.task_type import AnswerNeeded
from tests.make import sentences_in
from tests.openai_stand_in.lines import Fates
from tests.simulation import simulate
from tests.unit.waiting import days, fakes

PRICES = Prices(
    read_prices(
        'currency = "USD"\ndate = 2026-11-01\n[hosts."llm.example.com"]\ntiers = { "2h" = 0.5, batch = 0.5 }\n'
        '[hosts."llm.example.com".models.m]\ninput = 0\noutput = 1\n'
        '[hosts."llm.example.com".models.gpt-6-luna]\ninput = 0\noutput = 1\n',
        over={},
    )
)
NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
KEY = "team|2026-11-26"
MILLIONTH = Decimal("0.000001")
DONE = {"status": "completed", "usage": {"input_tokens": 10, "output_tokens": 100, "total_tokens": 110}}
MOST = {"maxTokens": 1000}
"""Costs 500 millionths at most, at half the price."""


class Account:
    """One budget, and what is spent of it."""

    def __init__(self, folder: Path, amount: int = 100_000) -> None:
        file = folder / "budgets.toml"
        file.write_text(f'[[budget]]\nname = "team"\nper = "day"\namount = {amount * MILLIONTH:f}\n')
        self.store = NoStore()
        self.options: dict[str, Any] = {
            "purchases": Purchases(self.store),
            "spending": Spending(PRICES, Budgets(file), now=lambda: NOW),
        }

    async def spent(self) -> Decimal:
        """Return what is spent and reserved, in millionths."""
        return (await self.store.budgets([KEY])).get(KEY, Decimal(0)) / MILLIONTH


class TestBackground:
    """Answers that OpenAI makes in the background."""

    def worker(self, account: Account, api: fakes.Responses, **inputs: Any) -> fakes.Worker:
        """Return a worker whose job can wait for two hours."""
        engine = fakes.Engine(fakes.a_job())
        for name, value in (MOST | inputs).items():
            engine.set(name, value)
        return fakes.Worker(api, engine, AnswerNeeded.WITHIN_2H, **account.options)

    def test_it_is_reserved_until_it_is_fetched(self, tmp_path: Path) -> None:
        """Then it costs what the window costs."""

        async def story() -> None:
            account = Account(tmp_path)
            worker = self.worker(account, fakes.Responses(seconds=90, final=DONE))
            assert isinstance(await worker.once(), Failed)
            assert await account.spent() == 500
            assert isinstance(await worker.to_the_end(), Completed)
            assert await account.spent() == 50

        simulate(story())

    @pytest.mark.parametrize(
        ("final", "spent"),
        [
            ({"status": "failed", "usage": DONE["usage"], "error": {"code": "x", "message": "y"}}, 50),
            ({"status": "cancelled"}, 500),
        ],
        ids=["failed, with its tokens", "cancelled, without"],
    )
    def test_one_that_ends_without_an_answer(self, tmp_path: Path, final: Any, spent: int) -> None:
        """It costs what it tells; else it may have cost all that was reserved."""

        async def story() -> None:
            account = Account(tmp_path)
            worker = self.worker(account, fakes.Responses(seconds=1, final=final))
            await worker.once()
            await asyncio.sleep(60)
            await worker.once()
            assert await account.spent() == spent

        simulate(story())

    def test_one_that_is_not_known_any_more(self, tmp_path: Path) -> None:
        """It may have been paid for."""

        async def story() -> None:
            account, api = Account(tmp_path), fakes.Responses(seconds=90, final=DONE)
            worker = self.worker(account, api)
            await worker.once()
            await asyncio.sleep(300)
            api.responses.clear()
            outcome = await worker.once()
            assert isinstance(outcome, Failed)
            assert "ANSWER_EXPIRED" in sentences_in(outcome.message)
            assert await account.spent() == 500

        simulate(story())

    def test_one_that_does_not_fit_is_not_begun(self, tmp_path: Path) -> None:
        """The task decides what becomes of its job."""

        async def story() -> None:
            api = fakes.Responses()
            outcome = await self.worker(Account(tmp_path, 400), api, budgetExceeded="bpmnError").once()
            assert isinstance(outcome, BpmnError)
            assert outcome.code == "BUDGET_EXCEEDED"
            assert api.requests == []

        simulate(story())


class TestSecondAnswer:
    """*Ask again once*, where the second answer is not there at once."""

    @pytest.mark.parametrize(
        "fault",
        [fakes.status(401), fakes.status(403), fakes.status(400), fakes.status(404), fakes.status(429)],
        ids=["the key", "no permission", "refused", "not known", "too many"],
    )
    def test_a_look_that_fails_makes_it_not_free(self, tmp_path: Path, fault: Any) -> None:
        """It was accepted, and may have cost all that was reserved."""

        async def story() -> None:
            account, api = Account(tmp_path), fakes.Responses(text="no JSON", final=DONE)
            engine = fakes.Engine(fakes.a_job())
            for name, value in (MOST | {"responseFormat": "json_object", "repair": "true"}).items():
                engine.set(name, value)
            worker = fakes.Worker(api, engine, AnswerNeeded.NOW, **account.options)
            working = asyncio.create_task(worker.once())
            while len(api.begun) < 2:
                await asyncio.sleep(0.01)
            first = await account.spent()
            api.faults["GET"] = [fault] * 1000
            await working
            assert await account.spent() == first

        simulate(story())


class TestByDay:
    """Lines of batches."""

    def test_a_line_is_reserved_from_its_gathering_until_it_is_fetched(self, tmp_path: Path) -> None:
        """It costs half of the price."""

        async def story() -> None:
            account, api, jobs = Account(tmp_path), days.BatchHost(), days.some(3, **MOST)
            worker = days.Worker(api, size=3, **account.options)
            outcomes = await worker.once(*jobs)
            assert await account.spent() == 3 * 500
            returned = [days.back(*pair) for pair in zip(jobs, outcomes, strict=True)]
            assert days.all_answered(returned, await worker.to_the_end(*returned))
            made = sum(purchase.output_tokens for purchase in api.openai.ledger)
            assert await account.spent() == Decimal(made) / 2

        simulate(story())

    @pytest.mark.parametrize(
        ("fates", "spent"),
        [
            (Fates(batch=lambda _: "over the limit"), 0),
            (Fates(line=lambda *_: "null"), 0),
            (Fates(line=lambda *_: "500"), 0),
            (Fates(line=lambda *_: "missing"), 0),
        ],
        ids=["the batch is not taken", "refused", "failed", "missing"],
    )
    def test_a_line_that_was_not_run_costs_nothing(self, tmp_path: Path, fates: Fates, spent: int) -> None:
        """What was reserved is free again."""

        async def story() -> None:
            account, given = Account(tmp_path), days.a_job(1, **MOST)
            worker = days.Worker(days.BatchHost(fates), size=1, **account.options)
            [outcome] = await worker.once(given)
            assert await account.spent() == 500
            await asyncio.sleep(4000)
            await worker.once(days.back(given, outcome))
            assert await account.spent() == spent

        simulate(story())

    @pytest.mark.parametrize(
        "trouble",
        [
            lambda api: api.faults.update({days.UPLOAD: [days.refused(400)]}),
            lambda api: api.faults.update({days.SUBMIT: [days.refused(401)]}),
            lambda api: api.faults.update({days.LIST: [days.refused(500)]}),
        ],
        ids=["its file is refused", "it is refused", "it cannot be told"],
    )
    def test_a_line_that_is_not_submitted_costs_nothing(
        self, tmp_path: Path, trouble: Callable[[days.BatchHost], None]
    ) -> None:
        """Its job goes back, or is an incident."""

        async def story() -> None:
            account, api = Account(tmp_path), days.BatchHost()
            trouble(api)
            [outcome] = await days.Worker(api, size=1, **account.options).once(days.a_job(1, **MOST))
            assert isinstance(outcome, Failed)
            assert await account.spent() == 0

        simulate(story())

    def test_lines_that_do_not_fit_are_not_gathered(self, tmp_path: Path) -> None:
        """Only as many as do."""

        async def story() -> None:
            api, jobs = days.BatchHost(), days.some(5, **MOST)
            outcomes = await days.Worker(api, size=2, **Account(tmp_path, 1200).options).once(*jobs)
            refused = [one for one in outcomes if isinstance(one, Failed) and not one.retries]
            assert len(refused) == 3
            assert all("BUDGET_EXCEEDED" in sentences_in(one.message) for one in refused)
            assert list(days.spread(outcomes).values()) == [2]

        simulate(story())
