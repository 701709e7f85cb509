"""What the store knows of a waiting call, the second call for an answer, and results that the engine refuses."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from openai_connector.job import Completed, Failed
from openai_connector.observe.events import AnswerReused
from openai_connector.purchases import Purchases
from openai_connector.store import Change, Claim, Owed, StoreError
from openai_connector.store.charges import Charge, Entry
from openai_connector.tasks.task_type import AnswerNeeded
from tests.make import sentences_in
from tests.simulation import clock, simulate
from tests.unit.waiting.fakes import Engine, Responses, Worker, a_job, answer_of


@dataclass
class Memory:
    """A store of a few lines."""

    is_healthy: bool = True
    is_full: bool = False
    is_shared: bool = False
    answers: dict[tuple[int, str], Mapping[str, Any]] = field(default_factory=dict)
    kept: list[Mapping[str, Any]] = field(default_factory=list)
    released: int = 0
    is_away: bool = False

    async def claim(self, job_key: int, fingerprint: str, charge: Charge | None = None) -> Claim:
        """Return what is stored."""
        if self.is_away:
            raise StoreError("away")
        return Claim(self.answers.get((job_key, fingerprint)))

    async def confirm(self, job_key: int, fingerprint: str, charge: Charge | None = None) -> Claim:
        """Return what is stored."""
        return await self.claim(job_key, fingerprint)

    async def keep(
        self, job_key: int, fingerprint: str, answer: Mapping[str, Any], entry: Entry | None = None
    ) -> None:
        """Keep it."""
        if self.is_away:
            raise StoreError("away")
        self.answers[job_key, fingerprint] = answer
        self.kept.append(answer)

    async def release(self, job_key: int, fingerprint: str, entry: Entry | None = None) -> None:
        """Count."""
        self.released += 1

    async def enter(self, job_key: int, entry: Entry) -> Claim:
        """Do nothing."""
        return Claim()

    async def budgets(self, keys: Sequence[str]) -> Mapping[str, Decimal]:
        """Return nothing."""
        return {}

    async def start(self) -> None:
        """Do nothing."""

    async def aclose(self) -> None:
        """Do nothing."""

    async def owe(self, job_key: int, variables_json: str) -> None:
        """Do nothing."""

    async def owed(self) -> list[Owed]:
        """Return nothing."""
        return []

    async def shared(self, name: str) -> Mapping[str, Any] | None:
        """Return nothing."""
        return None

    async def update(self, name: str, change: Change) -> Mapping[str, Any]:
        """Return what the change makes of nothing."""
        return change(None)

    async def forget(self, job_key: int) -> None:
        """Forget."""
        self.answers = {call: answer for call, answer in self.answers.items() if call[0] != job_key}


def test_an_id_that_only_the_store_knows_is_fetched() -> None:
    """The engine was away when the worker died: the next one asks the store first, and buys nothing."""

    async def story() -> None:
        api, engine, store = Responses(seconds=5), Engine(a_job(), is_away=True), Memory()
        dying = asyncio.create_task(
            Worker(api, engine, purchases=Purchases(store)).connector.work(engine.job)
        )
        await asyncio.sleep(1)
        dying.cancel()
        await asyncio.wait([dying])
        assert engine.kept == []
        engine.is_away = False
        worker = Worker(api, engine, purchases=Purchases(store))
        assert answer_of(await worker.to_the_end()) == "answer to this"
        assert len(api.begun) == 1
        assert worker.told(AnswerReused) == 0
        assert store.answers == {}

    simulate(story())


def test_the_store_has_the_id_and_then_the_answer() -> None:
    """The call is not given back in between: nobody else may buy it."""

    async def story() -> None:
        api, engine, store = Responses(), Engine(a_job()), Memory()
        await Worker(api, engine, purchases=Purchases(store)).once()
        first, second = store.kept
        assert first["waitingCall"]["id"] == "resp_1"
        assert second["status"] == 200
        assert store.released == 0

    simulate(story())


def test_a_store_that_is_away_delays_nothing() -> None:
    """The id is at the task; the answer comes as it would without a store."""

    async def story() -> None:
        api, engine, store = Responses(), Engine(a_job()), Memory(is_away=True)
        assert answer_of(await Worker(api, engine, purchases=Purchases(store)).once()) == "answer to this"
        assert engine.kept
        assert clock() < 2.2

    simulate(story())


def test_a_call_that_failed_is_forgotten_by_the_store() -> None:
    """Else the next attempt would fetch the failure again."""

    async def story() -> None:
        failed = {"status": "failed", "error": {"code": "server_error", "message": "m"}}
        api, engine, store = Responses(final=failed), Engine(a_job()), Memory()
        worker = Worker(api, engine, purchases=Purchases(store))
        await worker.once()
        assert store.answers == {}

    simulate(story())


def test_the_model_is_asked_again_in_the_foreground() -> None:
    """The second call for an answer is a plain one; one that is not done then is waited for in the slot."""

    async def story() -> None:
        api, engine = Responses(text="no JSON"), Engine(a_job())
        for name, value in {"responseFormat": "json_object", "prompt": "Give JSON", "repair": "true"}.items():
            engine.set(name, value)
        worker = Worker(api, engine)
        given, working = engine.job, asyncio.create_task(worker.once())
        await asyncio.sleep(1)
        api.text = '{"a": 1}'
        outcome = await working
        assert isinstance(outcome, Completed), given
        assert outcome.variables["answer"]["output"]["json"] == {"a": 1}
        first, second = (asked for made, _, asked in api.requests if made == "POST")
        assert first["background"] is True
        assert "background" not in second
        assert api.asked("GET")[-1] == "/resp_2"

    simulate(story())


def test_a_result_that_the_engine_refuses_stays_at_the_api_where_nobody_else_keeps_it() -> None:
    """Neither the result nor the incident's variables could be stored: the id is at the task, the answer there."""

    async def story() -> None:
        api, engine = Responses(), Engine(a_job())
        worker = Worker(api, engine)
        given = engine.job
        outcome = await worker.connector.work(given)
        incident = worker.connector.refused(given, outcome, "too large")
        assert isinstance(incident, Failed)
        bare = worker.connector.refused(given, incident, "too large")
        assert isinstance(bare, Failed)
        assert bare.variables == {}
        await worker.connector.settled(given, bare)
        await asyncio.sleep(30)
        assert api.deleted == []
        assert answer_of(await worker.once()) == "answer to this"
        assert len(api.begun) == 1

    simulate(story())


def test_a_result_that_the_engine_refuses_goes_with_the_incident() -> None:
    """The answer is in the engine then, and is deleted at the API."""

    async def story() -> None:
        api, engine = Responses(), Engine(a_job())
        worker = Worker(api, engine)
        outcome = await worker.connector.work(engine.job)
        incident = worker.connector.refused(engine.job, outcome, "a bad name")
        assert isinstance(incident, Failed)
        assert "IS_KEPT" in sentences_in(incident.message)
        await worker.connector.settled(engine.job, incident)
        await worker.close()
        assert api.deleted == ["resp_1"]

    simulate(story())


def test_every_window_comes_back_in_its_own_time() -> None:
    """The longer the window, the later the first look; no window is looked at more often than needed."""

    async def story() -> None:
        looks = {}
        for needed in (AnswerNeeded.WITHIN_2H, AnswerNeeded.WITHIN_8H):
            api, engine = Responses(seconds=7000), Engine(a_job())
            await Worker(api, engine, needed).to_the_end()
            looks[needed] = len(api.asked("GET"))
        assert looks[AnswerNeeded.WITHIN_8H] < looks[AnswerNeeded.WITHIN_2H] < 100

    simulate(story())
