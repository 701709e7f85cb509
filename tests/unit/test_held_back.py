"""What becomes of a job for which nothing was sent, or whose host fails everybody."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from openai_connector.connector import Connector
from openai_connector.job import Completed, Failed, Job, Outcome
from openai_connector.limits import Gate, Shares
from openai_connector.observe.events import CallFailed, Event, Events, HeldBack
from openai_connector.openai_api import ApiError, ApiResponse, ApiStatusError, check_status
from openai_connector.outcome.retry_policy import RetryPolicy
from tests.make import ANSWER, FakeApi, job, sentences_in, tasks
from tests.simulation import connection_failed

LIMITED = ApiResponse(429, {"Retry-After": "20"}, {"error": {"message": "slow"}})
TROUBLE = ApiResponse(500, {}, {"error": {"message": "trouble"}})


def broken(status: int = 500) -> ApiError:
    """Return the error of a server in trouble."""
    with pytest.raises(ApiStatusError) as caught:
        check_status(ApiResponse(status, {}, None))
    return caught.value


class Held:
    """A connector whose gate holds back: made by what others have met."""

    def __init__(self, *answers: ApiResponse | ApiError, **policy: Any) -> None:
        self.events: list[Event] = []
        self.api = FakeApi(list(answers))
        self.connector = Connector(
            self.api,
            tasks(),
            retry_policy=RetryPolicy(**policy),
            gate=Gate(),
            events=Events(self.events.append),
        )

    async def work(self, number: int, headers: dict[str, str] | None = None, **more: Any) -> Outcome:
        """Work on one job."""
        return await self.connector.work(job(headers, key=number, **more))


async def held_by_limit(headers: dict[str, str] | None = None, **policy: Any) -> tuple[Held, Failed]:
    """Return what becomes of a second job after the first was refused."""
    held = Held(LIMITED, ApiResponse(200, {}, ANSWER), **policy)
    await held.work(1)
    outcome = await held.work(2, headers)
    assert isinstance(outcome, Failed)
    return held, outcome


async def test_nothing_is_sent_and_no_retry_is_lost() -> None:
    """The job goes back for as long as another was told, with its retries, and says why."""
    held, outcome = await held_by_limit()
    assert len(held.api.requests) == 1
    assert outcome.retries == 3
    assert outcome.backoff is not None
    assert timedelta(seconds=19) < outcome.backoff < timedelta(seconds=60)
    assert {"HELD_BY_LIMIT", "GOES_BACK"} <= sentences_in(outcome.message)
    assert any(isinstance(event, HeldBack) for event in held.events)


@pytest.mark.parametrize(
    "expression",
    [
        pytest.param('=bpmnError("C", error.message)', id="bpmn_error"),
        pytest.param("=jobError(error.message)", id="incident"),
        pytest.param('=if error != null then bpmnError("C", "m") else null', id="condition"),
        pytest.param("=jobSuccess({a: 1})", id="success"),
    ],
)
async def test_no_error_expression_sees_a_job_that_is_held_back(expression: str) -> None:
    """Nothing has failed yet: a process must not take another way because others were quicker."""
    held, outcome = await held_by_limit({"errorExpression": expression})
    assert outcome.retries == 3
    assert "error" not in outcome.variables
    assert not any(isinstance(event, CallFailed) and event.job.key == 2 for event in held.events)


async def test_the_last_of_the_time_is_an_incident_that_expressions_see() -> None:
    """When CONNECTOR_MAX_WAIT_TIME is used up it is a failure as any other, by its own code."""
    _, outcome = await held_by_limit(total=timedelta(seconds=10))
    assert (outcome.retries, outcome.backoff) == (0, None)
    assert outcome.variables["error"]["code"] == "HELD_BACK"
    assert "HELD_TOO_LONG" in sentences_in(outcome.message)


async def test_waits_of_a_rate_limit_are_counted_in_time_alone() -> None:
    """A job may be held back more often than CONNECTOR_MAX_WAITS: it has asked nobody."""
    held = Held(LIMITED, times=0)
    await held.work(1)
    state: dict[str, Any] = {}
    for _ in range(30):
        outcome = await held.work(2, **state)
        assert isinstance(outcome, Failed)
        assert outcome.retries == 3
        state = {"state": outcome.variables["openai_state"]}


async def test_what_others_take_costs_not_even_time() -> None:
    """Jobs beyond the share of their group go back for a moment, however often."""
    gate = Gate(shares=Shares(1, 1.0, most_bytes=1))
    api = FakeApi()
    going = asyncio.Event()

    class Slow(FakeApi):
        async def send(self, *args: Any, **more: Any) -> ApiResponse:
            await going.wait()
            return await api.send(*args, **more)

    connector = Connector(Slow(), tasks(), gate=gate, retry_policy=RetryPolicy(total=timedelta(seconds=1)))
    first = asyncio.create_task(connector.work(job(key=1)))
    await asyncio.sleep(0)
    for _ in range(5):
        outcome = await connector.work(job(key=2))
        assert isinstance(outcome, Failed)
        assert outcome.retries == 3
        assert "openai_state" not in outcome.variables
        assert {"HELD_BY_SHARE", "HELD_BY_PAYLOAD"} & sentences_in(outcome.message)
    going.set()
    assert isinstance(await first, Completed)


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(connection_failed(), id="no_connection"),
        pytest.param(broken(500), id="500"),
        pytest.param(broken(502), id="502"),
        pytest.param(broken(520), id="520"),
    ],
)
async def test_a_host_that_fails_everybody_costs_one_retry(error: ApiError) -> None:
    """The first job pays; each other that fails in a row goes back with its retries, and says since when."""
    held = Held(error)
    outcomes = [await held.work(number) for number in range(4)]
    retries = [outcome.retries for outcome in outcomes if isinstance(outcome, Failed)]
    assert retries == [2, 3, 3, 3]
    for outcome in outcomes[1:]:
        assert isinstance(outcome, Failed)
        assert outcome.backoff is not None
        assert {"HOST_DOWN_SINCE", "GOES_BACK"} <= sentences_in(outcome.message)


async def test_an_error_expression_sees_the_failures_of_an_outage() -> None:
    """These calls were made: an expression that throws on them decides, as on any failure."""
    held = Held(TROUBLE)
    await held.work(1)
    thrown = await held.work(2, {"errorExpression": '=bpmnError("DOWN", error.code)'})
    assert not isinstance(thrown, Failed)


@pytest.mark.parametrize(
    "response",
    [
        pytest.param(ApiResponse(401, {}, None), id="401"),
        pytest.param(ApiResponse(404, {}, None), id="404"),
        pytest.param(ApiResponse(400, {}, {"error": {"code": "context_length_exceeded"}}), id="too_long"),
        pytest.param(ApiResponse(409, {}, None), id="409"),
        pytest.param(ApiResponse(400, {}, {"error": {"code": "conversation_locked"}}), id="one_conversation"),
        pytest.param(ApiResponse(429, {}, {"error": {"code": "insufficient_quota"}}), id="quota"),
    ],
)
async def test_what_concerns_one_job_holds_nobody_back(response: ApiResponse) -> None:
    """A wrong key or input, or one conversation that is busy, is no limit and no outage."""
    held = Held(*[response] * 6, ApiResponse(200, {}, ANSWER))
    for number in range(6):
        await held.work(number)
    assert isinstance(await held.work(9), Completed)


async def test_the_second_call_for_an_answer_is_held_back_too() -> None:
    """Where the model is to be asked again, and may not now, the first answer is kept meanwhile."""
    fence = {"choices": [{"message": {"role": "assistant", "content": "no JSON"}, "finish_reason": "stop"}]}
    used_up = {
        "x-ratelimit-limit-requests": "60",
        "x-ratelimit-remaining-requests": "0",
        "x-ratelimit-reset-requests": "30s",
    }
    held = Held(ApiResponse(200, dict(used_up), fence))
    asks_json: Job = job(key=1, responseFormat="json_object", prompt="Give JSON", repair="true")
    outcome = await held.connector.work(asks_json)
    assert isinstance(outcome, Failed)
    assert outcome.retries == 3
    assert "no JSON" in outcome.variables["openai_state"]
    assert len(held.api.requests) == 1
