"""Jobs that are gone, and what is left at the API: cancelled where it is still made, deleted in the end."""

from __future__ import annotations

import asyncio

import pytest

from openai_connector.job import BpmnError, Failed
from openai_connector.observe.events import CallAbandoned, NotRemoved
from openai_connector.tasks.task_type import AnswerNeeded
from tests.simulation import clock, connection_failed, simulate
from tests.unit.waiting.fakes import Engine, Fault, Responses, Worker, a_job, answer_of, status


def test_what_is_kept_is_deleted_once_the_engine_has_the_outcome() -> None:
    """Not before: a worker that is killed in between must find the answer again."""

    async def story() -> None:
        api, engine = Responses(), Engine(a_job())
        worker = Worker(api, engine)
        outcome = await worker.connector.work(engine.job)
        await asyncio.sleep(5)
        assert api.deleted == []
        await worker.connector.settled(engine.job, outcome)
        await worker.close()
        assert api.deleted == ["resp_1"]
        assert api.cancelled == []
        assert api.asked("POST") == [""]

    simulate(story())


def test_nothing_is_deleted_where_the_operator_wants_it_kept() -> None:
    """The setting leaves the responses to the API's own retention."""

    async def story() -> None:
        api, engine = Responses(), Engine(a_job())
        worker = Worker(api, engine, is_deleting=False)
        await worker.once()
        await worker.close()
        assert api.asked("DELETE") == []

    simulate(story())


@pytest.mark.parametrize(
    "expression",
    [
        pytest.param('=bpmnError("NO", "no")', id="bpmn_error"),
        pytest.param('=jobError("no", {}, 0)', id="incident"),
    ],
)
def test_an_answer_that_goes_to_the_engine_in_another_way_is_deleted_too(expression: str) -> None:
    """A thrown error or an incident takes the answer along in the task's state."""

    async def story() -> None:
        api, engine = Responses(), Engine(a_job(errorExpression=expression))
        worker = Worker(api, engine)
        outcome = await worker.once()
        assert isinstance(outcome, BpmnError | Failed)
        await worker.close()
        assert api.deleted == ["resp_1"]

    simulate(story())


def test_a_job_that_is_gone_from_its_slot_has_its_call_cancelled() -> None:
    """The work was stopped, the engine has the job no more: nobody needs the answer."""

    async def story() -> None:
        api, engine = Responses(seconds=15), Engine(a_job())
        worker = Worker(api, engine)
        working = asyncio.create_task(worker.connector.work(engine.job))
        await asyncio.sleep(3)
        working.cancel()
        await working
        await worker.connector.settled(engine.job, None)
        await worker.close()
        assert (api.cancelled, api.deleted) == (["resp_1"], ["resp_1"])
        assert worker.told(CallAbandoned) == 1

    simulate(story())


def test_a_held_job_that_is_cancelled_is_missed() -> None:
    """It does not come back; a harmless command tells that its task is gone, and the call is cancelled."""

    async def story() -> None:
        api, engine = Responses(seconds=7000), Engine(a_job(), is_there_=False)
        worker = Worker(api, engine, AnswerNeeded.WITHIN_2H)
        outcome = await worker.once()
        assert isinstance(outcome, Failed)
        assert outcome.backoff is not None
        back_at = clock() + outcome.backoff.total_seconds()
        await asyncio.sleep(outcome.backoff.total_seconds() + 120)
        assert [at - back_at for at in engine.probes] == pytest.approx([60], abs=2)
        await worker.close()
        assert (api.cancelled, api.deleted) == (["resp_1"], ["resp_1"])
        assert worker.told(CallAbandoned) == 1

    simulate(story())


def test_a_held_job_that_is_only_late_is_asked_for_less_and_less() -> None:
    """Other workers may have it, or none: its call goes on."""

    async def story() -> None:
        api, engine = Responses(seconds=7000), Engine(a_job())
        worker = Worker(api, engine, AnswerNeeded.WITHIN_2H)
        await worker.once()
        await asyncio.sleep(4 * 3600)
        pauses = [b - a for a, b in zip(engine.probes, engine.probes[1:], strict=False)]
        assert pauses[:3] == pytest.approx([120, 240, 480], abs=2)
        assert max(pauses) < 3700
        assert len(engine.probes) < 12
        assert api.cancelled == []

    simulate(story())


def test_an_engine_that_is_away_says_nothing_of_its_jobs() -> None:
    """Whoever cannot be asked is asked again; when the engine is back, the missing job is found."""

    async def story() -> None:
        api, engine = Responses(seconds=7000), Engine(a_job(), is_there_=None)
        worker = Worker(api, engine, AnswerNeeded.WITHIN_2H)
        await worker.once()
        await asyncio.sleep(300)
        assert len(engine.probes) > 5
        assert api.cancelled == []
        engine.is_there_ = False
        await asyncio.sleep(30)
        assert api.cancelled == ["resp_1"]

    simulate(story())


def test_a_job_that_is_back_is_not_missed() -> None:
    """Each return begins the time anew."""

    async def story() -> None:
        api, engine = Responses(seconds=7000), Engine(a_job(), is_there_=False)
        worker = Worker(api, engine, AnswerNeeded.WITHIN_2H)
        assert answer_of(await worker.to_the_end()) == "answer to this"
        await asyncio.sleep(10_000)
        assert engine.probes == []
        assert api.cancelled == []

    simulate(story())


FAULTS = [
    pytest.param(lambda: status(500), id="500"),
    pytest.param(lambda: status(429), id="429"),
    pytest.param(connection_failed, id="no_connection"),
    pytest.param(lambda: RuntimeError("a bug"), id="a_bug"),
]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_removal_that_fails_is_tried_once_more(fault: type[Fault]) -> None:
    """It is told each time; after the second the API's own retention has the word."""

    async def story() -> None:
        api, engine = Responses(faults={"DELETE": [fault()]}), Engine(a_job())  # type: ignore[call-arg]
        worker = Worker(api, engine)
        given = engine.job
        await worker.once()
        await asyncio.sleep(30)
        assert worker.told(NotRemoved) == 1
        await asyncio.sleep(60)
        assert api.deleted == ["resp_1"]
        api.faults["DELETE"] = [fault() for _ in range(5)]  # type: ignore[call-arg]
        engine.job = given
        await worker.once()
        await asyncio.sleep(1000)
        assert worker.told(NotRemoved) == 3
        assert len(api.asked("DELETE")) == 4

    simulate(story())


def test_a_response_that_is_deleted_already_is_no_trouble() -> None:
    """Somebody else was faster."""

    async def story() -> None:
        api, engine = Responses(faults={"DELETE": [status(404)]}), Engine(a_job())
        worker = Worker(api, engine)
        await worker.once()
        await asyncio.sleep(100)
        assert worker.told(NotRemoved) == 0
        assert len(api.asked("DELETE")) == 1

    simulate(story())
