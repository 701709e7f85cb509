"""What a worker counts, and what the books of the API say: the same money, on real sockets."""

from __future__ import annotations

import asyncio
import random
import re
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from openai_connector.connector import Connector
from openai_connector.job import Completed, Failed, Job, Outcome
from openai_connector.money import Prices
from openai_connector.observe.events import Event, Events
from openai_connector.observe.metrics import Metrics
from openai_connector.openai_api import ApiClient
from openai_connector.purchases import Purchases
from openai_connector.spending import Spending
from openai_connector.status.board import Board
from openai_connector.status.history import costs
from openai_connector.store import Store, open_store
from openai_connector.store.reading import read_totals
from openai_connector.tasks.allowed_hosts import AllowedHosts
from openai_connector.tasks.openai_task import ApiDefaults, OpenAiTasks
from openai_connector.tasks.secrets import EnvironmentSecrets
from openai_connector.waiting import WaitOptions
from tests.make import job
from tests.openai_stand_in.api import OpenAI
from tests.openai_stand_in.prices import FACTORS, PRICES
from tests.openai_stand_in.world import Pace

MODELS = ("gpt-6-luna", "gpt-6-astra", "gpt-5.4-mini", "gpt-4o-mini")
AGAIN = {"repair": True, "unexpectedAnswer": "complete", "prompt": "[incomplete: max_output_tokens]"}
"""The model is asked again, and paid again, for its first answer is cut off."""
KINDS: tuple[tuple[int, dict[str, Any]], ...] = (
    (20, {}),
    (12, {"api": "responses"}),
    (8, {"extraBody": {"service_tier": "flex"}}),
    (8, {"extraBody": {"service_tier": "priority"}, "api": "responses"}),
    (4, {"extraBody": {"service_tier": "fast"}}),
    (4, {"extraBody": {"service_tier": "auto"}}),
    (8, {"api": "responses", "answerNeeded": "nowKept"}),
    (8, {"api": "responses", "answerNeeded": "2h"}),
    (8, {"api": "responses", "answerNeeded": "8h"}),
    (8, {"answerNeeded": "day"}),
    (6, {"api": "responses", "answerNeeded": "day"}),
    (6, {"choices": 2, "reasoningEffort": "none"}),
    (3, {**AGAIN}),
    (2, {**AGAIN, "api": "responses", "answerNeeded": "nowKept"}),
    (2, {**AGAIN, "api": "responses", "answerNeeded": "2h"}),
    (2, {**AGAIN, "answerNeeded": "day"}),
)


def price_file(folder: Path, host: str) -> Path:
    """Write the prices of the books as an operator does."""
    tiers = ", ".join(f'"{tier}" = {factor}' for tier, factor in FACTORS.items())
    lines = ['currency = "USD"', "date = 2026-11-26", f'[hosts."{host}"]', f"tiers = {{ {tiers} }}"]
    for model, price in PRICES.items():
        lines += [f'[hosts."{host}".models."{model}"]', f"input = {price.input}", f"output = {price.output}"]
    file = folder / "prices.toml"
    file.write_text("\n".join(lines), "utf-8")
    return file


def jobs() -> list[Job]:
    """Make jobs of all kinds, in any order."""
    dice = random.Random(1)
    made: list[Job] = []
    for count, inputs in KINDS:
        for _ in range(count):
            key = len(made) + 1
            given = {"model": dice.choice(MODELS[:2] if "api" in inputs else MODELS), **inputs}
            if "reasoningEffort" in inputs:
                given["model"] = "gpt-5.4-mini"
            words = " ".join(["word"] * dice.randrange(1, 400))
            given["prompt"] = f"{key}: {words} {given.get('prompt', '')}"
            made.append(job({"resultVariable": "r"}, key=key, **given))
    for _ in range(6):
        key = len(made) + 1
        needed = dice.choice(("now", "day"))
        made.append(
            job(
                {"resultVariable": "r"},
                key=key,
                operation="moderation",
                moderationInput=f"Is {key} harmful?",
                moderationModel="omni-moderation-latest",
                answerNeeded=needed,
            )
        )
    dice.shuffle(made)
    return made


class Worker:
    """A worker on the socket of an API, and what it has counted."""

    def __init__(self, api: OpenAI, prices: Prices, store: Store) -> None:
        self.api, self.metrics, self.board, self.events = api, Metrics(), Board(), list[Event]()
        self._client = ApiClient()
        secrets = EnvironmentSecrets("SECRET_", {"SECRET_KEY": "sk-1"})
        tasks = OpenAiTasks(ApiDefaults(api.base_url, "sk-1"), AllowedHosts(["127.0.0.1"]), secrets)
        self._connector = Connector(
            self._client,
            tasks,
            events=Events(self.metrics, self.board, self.events.append),
            files=self._client,
            purchases=Purchases(store),
            spending=Spending(prices, has_store=True),
            wait_options=WaitOptions(
                now=api.world.clock.now,
                batch_size=10,
                batch_pause=timedelta(seconds=0.2),
                batch_look=timedelta(seconds=0.2),
                fleet="books",
            ),
        )

    async def to_the_end(self, given: list[Job]) -> dict[int, Outcome]:
        """Work on jobs until none comes back; the API's time jumps ahead while they wait in the engine."""
        ended: dict[int, Outcome] = {}
        left = list(given)
        while left:
            outcomes = await asyncio.gather(*map(self._connector.work, left))
            back: list[Job] = []
            for one, outcome in zip(left, outcomes, strict=True):
                await self._connector.settled(one, outcome)
                if isinstance(outcome, Failed) and outcome.retries:
                    back.append(replace(one, variables={**one.variables, **outcome.variables}))
                else:
                    ended[one.key] = outcome
            left = back
            self.api.advance(3600)
            await asyncio.sleep(0.3)
        return ended

    async def close(self) -> None:
        """End."""
        await self._connector.aclose(5)
        await self._client.aclose()

    def counted(self, name: str) -> Decimal:
        """Return the sum of a metric over its labels."""
        found = re.findall(rf"^{name}\{{[^}}]*\}} (\S+)$", self.metrics.written(), re.M)
        return sum((Decimal(amount) for amount in found), Decimal(0))


async def test_all_who_count_agree_with_the_books(tmp_path: Path) -> None:
    """All kinds of jobs and tiers: each answer counts once, and to the cent, whoever counts."""
    async with OpenAI(pace=Pace(work=(0.01, 0.05), queue=(0, 0.01))) as api:
        prices = Prices.of_file(price_file(tmp_path, api.origin.removeprefix("http://")))
        store = open_store(str(tmp_path))
        await store.start()
        worker = Worker(api, prices, store)
        given = jobs()
        outcomes = await worker.to_the_end(given)
        await worker.close()
        await store.aclose()
        totals = read_totals(str(tmp_path))

        assert [key for key, outcome in outcomes.items() if not isinstance(outcome, Completed)] == []
        assert api.ledger.count == len(given) + sum(count for count, inputs in KINDS if "repair" in inputs)
        assert set(api.ledger.by(lambda purchase: purchase.tier)) == set(FACTORS)
        booked = api.ledger.cost

    shown = Decimal(0)
    for outcome in outcomes.values():
        assert isinstance(outcome, Completed)
        output = outcome.variables["r"]["output"]
        assert output["costReason"] is None
        assert output["cost"]["currency"] == "USD"
        shown += Decimal(repr(output["cost"]["amount"]))
    assert shown == booked
    for name in ("openai_connector_cost_total", "openai_connector_process_cost_total"):
        assert abs(worker.counted(name) - booked) < Decimal("0.000001")
    assert costs(worker.board.history.last(60, 60)) == {"USD": round(float(booked), 12)}
    assert sum(total.amount for total in totals) == booked
    assert sum(total.calls for total in totals) == api.ledger.count
    assert not any(total.lost or total.unpriced for total in totals)
    tokens = worker.board.history.last(60, 1)[0]
    told = [purchase for purchase in api.ledger if "moderation" not in purchase.model]
    assert tokens["tokensIn"] == sum(purchase.input_tokens for purchase in told)
    assert tokens["tokensOut"] == sum(purchase.output_tokens for purchase in told)
    assert worker.counted("openai_connector_process_tokens_total") == tokens["tokensIn"] + tokens["tokensOut"]
