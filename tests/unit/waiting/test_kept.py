"""Answers that are kept by the API: bought once, their id kept before anything else, then fetched."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest

from openai_connector.job import Completed, Failed
from openai_connector.observe.events import AnswerAwaited, AnswerFetched, CallFailed, HeldBack
from openai_connector.tasks.task_type import AnswerNeeded
from tests.make import sentences_in
from tests.simulation import clock, simulate
from tests.unit.waiting.fakes import Engine, Responses, Worker, a_job, answer_of

WINDOWS = [
    pytest.param(AnswerNeeded.WITHIN_2H, "2h", id="2h"),
    pytest.param(AnswerNeeded.WITHIN_8H, "8h", id="8h"),
]


def state_of(variables: Any) -> dict[str, Any]:
    """Return the memory in variables."""
    state: dict[str, Any] = json.loads(variables["openai_state"])
    return state


def test_an_answer_that_comes_soon_is_waited_for_in_the_slot() -> None:
    """One purchase, one outcome, and the answer is late by a tenth at most."""

    async def story() -> None:
        api, engine = Responses(seconds=2.0), Engine(a_job())
        worker = Worker(api, engine)
        outcome = await worker.once()
        assert answer_of(outcome) == "answer to this"
        assert clock() <= 2.2
        assert len(api.begun) == 1
        assert worker.told(AnswerFetched) == 1

    simulate(story())


def test_the_request_asks_for_the_background_and_says_whose_it_is() -> None:
    """The response is stored, and its metadata name job and request beside the user's own."""

    async def story() -> None:
        api, engine = Responses(), Engine(a_job())
        engine.set("extraBody", {"metadata": {"team": "a", "job": "mine"}})
        await Worker(api, engine).once()
        _, _, asked = api.requests[0]
        assert (asked["background"], asked["store"]) == (True, True)
        assert "background_options" not in asked
        assert asked["metadata"]["team"] == "a"
        assert asked["metadata"]["job"] == "mine"
        assert asked["metadata"]["connector"]

    simulate(story())


@pytest.mark.parametrize(("needed", "window"), WINDOWS)
def test_a_window_goes_back_at_once_and_comes_back_for_its_answer(needed: AnswerNeeded, window: str) -> None:
    """No look is made before the job goes back; each return costs one, and no retry is lost."""

    async def story() -> None:
        api, engine = Responses(seconds=1800.0), Engine(a_job())
        worker = Worker(api, engine, needed)
        first = await worker.once()
        assert isinstance(first, Failed)
        assert (first.retries, api.asked("GET")) == (3, [])
        assert first.backoff is not None
        assert timedelta(seconds=5) < first.backoff < timedelta(seconds=40)
        assert sentences_in(first.message) == {"STILL_WAITING", "GOES_BACK"}
        assert api.requests[0][2]["background_options"] == {"completion_window": window}
        await asyncio.sleep(first.backoff.total_seconds())
        assert answer_of(await worker.to_the_end()) == "answer to this"
        assert len(api.begun) == 1
        returns = len(engine.outcomes) - 1
        assert len(api.asked("GET")) == returns
        assert returns < 60
        assert clock() < 1800 + 330
        assert all(outcome.retries == 3 for outcome in engine.outcomes if isinstance(outcome, Failed))
        assert worker.told(AnswerAwaited) == returns
        assert worker.told(CallFailed) == worker.told(HeldBack) == 0

    simulate(story())


def test_a_slow_answer_goes_back_after_the_wait_in_the_slot() -> None:
    """Twenty seconds in the slot, then the engine has the job, with what it waits for."""

    async def story() -> None:
        api, engine = Responses(seconds=90.0), Engine(a_job())
        worker = Worker(api, engine)
        first = await worker.once()
        assert isinstance(first, Failed)
        assert 18 < clock() <= 20
        assert len(api.asked("GET")) < 60
        assert state_of(first.variables)["waitingCall"]["id"] == "resp_1"
        assert answer_of(await worker.to_the_end()) == "answer to this"
        assert len(api.begun) == 1

    simulate(story())


def test_the_id_is_kept_before_anything_else_is_done() -> None:
    """A worker that dies after the first look has left the id at the task: another fetches, and buys nothing."""

    async def story() -> None:
        api, engine = Responses(seconds=5.0), Engine(a_job())
        dying = asyncio.create_task(Worker(api, engine).connector.work(engine.job))
        await asyncio.sleep(0.1)
        assert state_of(engine.kept[0])["waitingCall"]["id"] == "resp_1"
        assert api.asked("GET") == []
        dying.cancel()
        await asyncio.wait([dying])
        assert answer_of(await Worker(api, engine).to_the_end()) == "answer to this"
        assert len(api.begun) == 1

    simulate(story())


def test_an_engine_that_is_away_delays_no_answer() -> None:
    """The id is kept as soon as the engine is back; the answer is looked for meanwhile."""

    async def story() -> None:
        api, engine = Responses(seconds=4.0), Engine(a_job(), is_away=True)
        working = asyncio.create_task(Worker(api, engine).once())
        await asyncio.sleep(3.0)
        assert len(api.asked("GET")) > 1
        engine.is_away = False
        await asyncio.sleep(0.8)
        assert engine.kept
        assert answer_of(await working) == "answer to this"

    simulate(story())


def test_a_stopped_worker_gives_the_job_back_with_what_it_waits_for() -> None:
    """Nothing is cancelled at the API, no retry is lost, and the next worker fetches the answer."""

    async def story() -> None:
        api, engine = Responses(seconds=5.0), Engine(a_job(), is_away=True)
        working = asyncio.create_task(Worker(api, engine).connector.work(engine.job))
        await asyncio.sleep(2.0)
        working.cancel()
        outcome = await working
        assert isinstance(outcome, Failed)
        assert (outcome.retries, api.cancelled) == (3, [])
        assert sentences_in(outcome.message) == {"GIVEN_BACK_WAITING"}
        engine.take(outcome)
        assert answer_of(await Worker(api, engine).to_the_end()) == "answer to this"
        assert len(api.begun) == 1

    simulate(story())


def test_a_changed_request_is_bought_anew() -> None:
    """The id belongs to what was asked: a task that is corrected meanwhile gets the answer to the new question."""

    async def story() -> None:
        api, engine = Responses(seconds=60.0), Engine(a_job())
        worker = Worker(api, engine)
        await worker.once()
        engine.set("prompt", "that")
        assert answer_of(await worker.to_the_end()) == "answer to that"
        assert len(api.begun) == 2

    simulate(story())


def test_an_answer_that_comes_with_the_purchase_is_taken() -> None:
    """An API that answers at once is not asked again; what it keeps is deleted like any other."""

    async def story() -> None:
        api, engine = Responses(is_at_once=True), Engine(a_job())
        worker = Worker(api, engine)
        assert answer_of(await worker.once()) == "answer to this"
        await worker.close()
        assert api.asked("GET") == []
        assert api.deleted == ["resp_1"]

    simulate(story())


def test_a_foreground_call_that_is_not_done_is_fetched_in_its_slot() -> None:
    """It is waited for until its timeout; a later attempt goes on fetching and buys nothing."""

    async def story() -> None:
        api, engine = Responses(seconds=250.0), Engine(a_job())
        worker = Worker(api, engine, AnswerNeeded.NOW)
        first = await worker.once()
        assert isinstance(first, Failed)
        assert 170 < clock() <= 181
        assert first.retries == 2
        assert "background" not in api.requests[0][2]
        assert answer_of(await worker.to_the_end()) == "answer to this"
        assert len(api.begun) == 1

    simulate(story())


def test_a_wrong_mapping_keeps_the_answer_and_the_corrected_job_buys_nothing() -> None:
    """The answer goes to the engine with the incident, as any other; there is nothing more to fetch."""

    async def story() -> None:
        api, engine = Responses(), Engine(a_job(resultExpression="={a: assert(null, false)}"))
        worker = Worker(api, engine)
        first = await worker.once()
        assert isinstance(first, Failed)
        assert (first.retries, sentences_in(first.message) & {"IS_KEPT"}) == (0, {"IS_KEPT"})
        looks = len(api.asked("GET"))
        engine.set("resultExpression", "={b: output.text}")
        outcome = await worker.once()
        assert isinstance(outcome, Completed)
        assert outcome.variables["b"] == "answer to this"
        assert (len(api.asked("GET")), len(api.begun)) == (looks, 1)

    simulate(story())


def test_an_answer_too_large_for_the_engine_stays_at_the_api() -> None:
    """The incident says that it is kept there; retried, the job fetches it again and buys nothing."""

    async def story() -> None:
        api = Responses(text="x" * 2_000_000)
        engine = Engine(a_job(resultVariable="", resultExpression="={a: assert(null, false)}"))
        worker = Worker(api, engine)
        first = await worker.once()
        assert isinstance(first, Failed)
        assert "IS_KEPT_BY_API" in sentences_in(first.message)
        assert "IS_TOO_LARGE_TO_KEEP" not in sentences_in(first.message)
        await asyncio.sleep(30)
        assert api.deleted == []
        engine.set("resultExpression", "={b: string length(output.text)}")
        outcome = await worker.once()
        assert isinstance(outcome, Completed)
        assert outcome.variables["b"] == 2_000_000
        assert len(api.begun) == 1
        await worker.close()
        assert api.deleted == ["resp_1"]

    simulate(story())
