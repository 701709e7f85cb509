"""What may go wrong while an answer is made elsewhere: no look ever buys, and each end says what it means."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from openai_connector.contract import ANSWER_EXPIRED, ANSWER_OVERDUE
from openai_connector.job import Completed, Failed
from openai_connector.openai_api import ApiResponse
from openai_connector.tasks.task_type import AnswerNeeded
from tests.make import sentences_in
from tests.simulation import clock, connection_failed, simulate
from tests.unit.waiting.fakes import Engine, Fault, Responses, Worker, a_job, answer_of, output, status

PASSING = [
    pytest.param(lambda: status(429, {"Retry-After": "2"}), id="429"),
    pytest.param(lambda: status(429, words="insufficient_quota"), id="quota"),
    pytest.param(lambda: status(500), id="500"),
    pytest.param(lambda: status(503), id="503"),
    pytest.param(lambda: status(529), id="overloaded"),
    pytest.param(lambda: status(408), id="408"),
    pytest.param(connection_failed, id="no_connection"),
    pytest.param(lambda: ApiResponse(200, {}, "<html>"), id="a_page"),
    pytest.param(lambda: ApiResponse(200, {}, None), id="nothing"),
    pytest.param(lambda: ApiResponse(200, {}, {"object": "response"}), id="no_status"),
    pytest.param(lambda: ApiResponse(200, {}, {"id": "resp_1", "status": "resting"}), id="unknown_status"),
    pytest.param(lambda: status(404), id="not_known_yet"),
]
STOPPING = [
    pytest.param(status(401), id="401"),
    pytest.param(status(403), id="403"),
    pytest.param(status(400), id="400"),
    pytest.param(ApiResponse(404, {}, "<html>not here</html>"), id="404_of_a_proxy"),
    pytest.param(ApiResponse(302, {"Location": "/login"}, None), id="redirect"),
]


@pytest.mark.parametrize("fault", PASSING)
@pytest.mark.parametrize("needed", [AnswerNeeded.NOW_KEPT, AnswerNeeded.WITHIN_2H], ids=["nowKept", "2h"])
def test_a_look_that_fails_is_made_again(fault: Any, needed: AnswerNeeded) -> None:
    """It costs no retry and buys nothing; the answer is fetched later."""

    async def story() -> None:
        api, engine = Responses(faults={"GET": [fault() for _ in range(4)]}), Engine(a_job())
        worker = Worker(api, engine, needed)
        assert answer_of(await worker.to_the_end()) == "answer to this"
        assert len(api.begun) == 1
        assert all(outcome.retries == 3 for outcome in engine.outcomes if isinstance(outcome, Failed))

    simulate(story())


def test_a_job_that_goes_back_says_what_went_wrong_with_the_last_look() -> None:
    """And comes back after what the API asks for, where that is longer."""

    async def story() -> None:
        faults: dict[str, list[Fault]] = {"GET": [status(429, {"Retry-After": "120"})]}
        api, engine = Responses(faults=faults), Engine(a_job())
        worker = Worker(api, engine, AnswerNeeded.WITHIN_2H)
        await worker.once()
        outcome = await worker.once()
        assert isinstance(outcome, Failed)
        assert sentences_in(outcome.message) >= {"STILL_WAITING", "LOOK_FAILED", "GOES_BACK"}
        assert outcome.backoff is not None
        assert outcome.backoff.total_seconds() > 100

    simulate(story())


@pytest.mark.parametrize("fault", STOPPING)
def test_what_a_person_must_mend_is_an_incident_that_keeps_the_id(fault: ApiResponse) -> None:
    """The message says that nothing is lost; retried, the job fetches what was bought."""

    async def story() -> None:
        api, engine = Responses(faults={"GET": [fault]}), Engine(a_job())
        worker = Worker(api, engine)
        first = await worker.once()
        assert isinstance(first, Failed)
        assert first.retries == 0
        assert "FETCHED_AGAIN" in sentences_in(first.message)
        assert "resp_1" in first.message
        assert answer_of(await worker.once()) == "answer to this"
        assert len(api.begun) == 1

    simulate(story())


def test_an_unknown_id_is_an_incident_and_a_retry_buys_anew() -> None:
    """Expired or deleted: the message says so, and the memory of it is gone from the engine too."""

    async def story() -> None:
        api, engine = Responses(seconds=300), Engine(a_job())
        worker = Worker(api, engine)
        await worker.once()
        api.responses.clear()
        await asyncio.sleep(60)
        outcome = await worker.once()
        assert isinstance(outcome, Failed)
        assert outcome.retries == 0
        assert "ANSWER_EXPIRED" in sentences_in(outcome.message)
        assert json.loads(engine.job.variables["openai_state"])["request"] is None
        api.seconds = 1
        assert answer_of(await worker.once()) == "answer to this"
        assert len(api.begun) == 2

    simulate(story())


def test_an_expired_answer_reaches_the_error_expression() -> None:
    """A modeler may decide what becomes of it, by its code."""

    async def story() -> None:
        expression = f'=if error.code = "{ANSWER_EXPIRED}" then bpmnError("LOST", "lost") else null'
        api, engine = Responses(seconds=300), Engine(a_job(errorExpression=expression))
        worker = Worker(api, engine)
        await worker.once()
        api.responses.clear()
        await asyncio.sleep(60)
        assert getattr(await worker.once(), "code", None) == "LOST"

    simulate(story())


@pytest.mark.parametrize(
    ("needed", "hours"),
    [
        pytest.param(AnswerNeeded.NOW_KEPT, 2, id="nowKept"),
        pytest.param(AnswerNeeded.WITHIN_2H, 24, id="2h"),
        pytest.param(AnswerNeeded.WITHIN_8H, 48, id="8h"),
    ],
)
def test_an_answer_that_does_not_come_is_an_incident_in_the_end(needed: AnswerNeeded, hours: int) -> None:
    """It names the id; retried, the job waits as long again, and still buys nothing."""

    async def story() -> None:
        api, engine = Responses(seconds=1e9), Engine(a_job())
        worker = Worker(api, engine, needed)
        for round_ in (1, 2):
            outcome = await worker.to_the_end(2000)
            assert isinstance(outcome, Failed)
            assert "ANSWER_OVERDUE" in sentences_in(outcome.message)
            assert "resp_1" in outcome.message
            assert round_ * hours * 3600 <= clock() < round_ * (hours * 3600 + 340)
        error = outcome.variables["error"]
        assert (error["type"], error["code"]) == ("AnswerOverdueError", ANSWER_OVERDUE)
        api.responses["resp_1"] = (0.0, {"id": "resp_1", "status": "completed", "output": output("late")})
        assert answer_of(await worker.once()) == "late"
        assert len(api.begun) == 1

    simulate(story())


def test_a_response_that_failed_for_a_while_is_bought_anew_within_the_retries() -> None:
    """It costs one retry; the failed one is deleted, and its id is forgotten."""

    async def story() -> None:
        failed = {"status": "failed", "error": {"code": "server_error", "message": "m"}}
        api, engine = Responses(final=failed), Engine(a_job())
        worker = Worker(api, engine)
        first = await worker.once()
        assert isinstance(first, Failed)
        assert first.retries == 2
        assert json.loads(first.variables["openai_state"])["request"] is None
        api.final = {"status": "completed"}
        assert answer_of(await worker.to_the_end()) == "answer to this"
        assert len(api.begun) == 2
        await worker.close()
        assert sorted(api.deleted) == ["resp_1", "resp_2"]

    simulate(story())


@pytest.mark.parametrize(
    "final",
    [
        pytest.param({"status": "failed", "error": {"code": "invalid_prompt", "message": "m"}}, id="failed"),
        pytest.param({"status": "cancelled"}, id="cancelled"),
    ],
)
def test_a_response_that_ends_without_an_answer_is_forgotten(final: dict[str, Any]) -> None:
    """It is an incident; the person who retries it buys another."""

    async def story() -> None:
        api, engine = Responses(final=final), Engine(a_job())
        worker = Worker(api, engine)
        first = await worker.once()
        assert isinstance(first, Failed)
        assert first.retries == 0
        assert "FETCHED_AGAIN" not in sentences_in(first.message)
        api.final = {"status": "completed"}
        assert isinstance(await worker.once(), Completed)
        assert len(api.begun) == 2

    simulate(story())


def test_a_purchase_that_fails_costs_what_it_costs_without_waiting() -> None:
    """A refused POST is no waiting call: it costs a retry, as for a plain call."""

    async def story() -> None:
        api, engine = Responses(faults={"POST": [status(500), status(500)]}), Engine(a_job())
        worker = Worker(api, engine)
        first = await worker.once()
        assert isinstance(first, Failed)
        assert first.retries == 2
        assert "waitingCall" not in first.variables["openai_state"]
        assert answer_of(await worker.to_the_end()) == "answer to this"

    simulate(story())
