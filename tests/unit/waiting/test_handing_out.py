"""What a batch says is handed out job by job: answers, refusals of all shapes, and what never was run."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from openai_connector.job import Completed, Failed
from openai_connector.observe.events import AnswerAwaited, AnswerFetched
from openai_connector.openai_api import ApiResponse
from tests.make import sentences_in
from tests.openai_stand_in.lines import Fates
from tests.openai_stand_in.world import Pace
from tests.simulation import clock, simulate
from tests.unit.waiting.days import (
    DELETE,
    LOOK,
    READ,
    SUBMIT,
    BatchHost,
    Fault,
    Worker,
    a_job,
    all_answered,
    back,
    broken,
    refused,
    some,
    state,
)

FIRST = "7-"
"""Of the custom ids of job 7."""


def first_time(way: Any) -> Fates:
    """Let the line of job 7 go wrong in a way, until it is bought again."""
    return Fates(
        line=lambda custom_id, _: way if custom_id.startswith(FIRST) and custom_id.count("-") == 1 else ""
    )


async def once_and_again(api: BatchHost, **options: Any) -> tuple[Worker, list[Any], list[Any]]:
    """Have two jobs in one batch, and return what became of them as soon as it had ended."""
    jobs = [a_job(7), a_job(8)]
    worker = Worker(api, size=2, **options)
    outcomes = await worker.once(*jobs)
    await asyncio.sleep(4000)
    returned = [back(*pair) for pair in zip(jobs, outcomes, strict=True)]
    return worker, returned, await worker.once(*returned)


def test_one_look_serves_all_jobs_of_a_batch() -> None:
    """And each file is read once, however many jobs there are and whenever they come."""

    async def story() -> None:
        api, jobs = BatchHost(), some(40)
        worker = Worker(api, size=40)
        assert all_answered(jobs, await worker.to_the_end(*jobs))
        returns = len(worker.told(AnswerAwaited)) + len(worker.told(AnswerFetched)) - len(jobs)
        assert returns > 40 * 10
        assert api.asked[LOOK] < 60
        assert api.asked[READ] == 1
        assert clock() < 3010 + 450

    simulate(story())


def test_jobs_come_back_less_and_less_often() -> None:
    """From the time that is set to five times that."""

    async def story() -> None:
        api, given = (
            BatchHost(pace=Pace(validating=(5, 5), batch=(40_000, 40_000), finalizing=(5, 5))),
            a_job(1),
        )
        worker, pauses = Worker(api, size=1), []
        [outcome] = await worker.once(given)
        while isinstance(outcome, Failed):
            assert outcome.backoff is not None
            pauses.append(outcome.backoff.total_seconds())
            await asyncio.sleep(pauses[-1])
            given = back(given, outcome)
            [outcome] = await worker.once(given)
        assert isinstance(outcome, Completed)
        assert all(50 <= pause <= 70 for pause in pauses[:3])
        assert all(270 <= pause <= 330 for pause in pauses[-3:])
        assert state(given)["waitingCall"]["fetched"] == len(pauses) - 1

    simulate(story())


LINES: list[Any] = [
    pytest.param("500", 2, {"API_STATUS"}, id="500"),
    pytest.param("null", 2, {"BATCH_LINE_FAILED"}, id="no_response"),
    pytest.param("zero", 2, {"BATCH_LINE_FAILED"}, id="status_zero"),
    pytest.param("missing", 2, {"BATCH_LINE_FAILED", "BATCH_LINE_MISSING"}, id="missing"),
    pytest.param("400", 0, {"API_STATUS"}, id="400"),
]


@pytest.mark.parametrize(("way", "retries", "said"), LINES)
def test_a_line_without_an_answer_is_its_own_jobs_failure(way: str, retries: int, said: set[str]) -> None:
    """As the same answer to a plain call would be; the next attempt is a line of its own, bought once more."""

    async def story() -> None:
        api = BatchHost(first_time(way))
        worker, [given, _], [failed, good] = await once_and_again(api)
        assert isinstance(good, Completed)
        assert isinstance(failed, Failed)
        assert failed.retries == retries
        assert said <= sentences_in(failed.message)
        again = back(given, failed)
        assert "waitingCall" not in state(again)
        [answered] = await worker.to_the_end(again)
        assert all_answered([again], [answered])
        assert api.sizes == [2, 1]
        assert api.twice == {}

    simulate(story())


def test_what_a_day_was_too_short_for_is_sent_again() -> None:
    """It was not run and is not paid for; it costs a retry, for nobody knows whether the next day is longer."""

    async def story() -> None:
        api = BatchHost(Fates(batch=lambda nth: "expires" if nth == 1 else ""))
        jobs = some(8)
        worker = Worker(api, size=8)
        outcomes = await worker.once(*jobs)
        await asyncio.sleep(25 * 3600)
        returned = [back(*pair) for pair in zip(jobs, outcomes, strict=True)]
        outcomes = await worker.once(*returned)
        pairs = zip(returned, outcomes, strict=True)
        expired = [(given, one) for given, one in pairs if isinstance(one, Failed)]
        assert 0 < len(expired) < 8
        assert {(one.retries, *sentences_in(one.message)) for _, one in expired} == {(2, "BATCH_EXPIRED")}
        again = [back(*pair) for pair in expired]
        assert all_answered(again, await worker.to_the_end(*again))
        assert api.twice == {}
        assert api.openai.ledger.count == 8

    simulate(story())


async def failed_batch(api: BatchHost, returned: list[Any], *errors: dict[str, Any]) -> None:
    """Let the next look at the jobs' batch see it refused."""
    id_ = state(returned[0])["waitingCall"]["id"]
    key, second = {"Authorization": "Bearer k"}, timedelta(seconds=1)
    batch = (
        await api.send("GET", f"https://x/v1/batches/{id_}", body=None, headers=key, timeout=second)
    ).body
    told = {**batch, "status": "failed", "errors": {"object": "list", "data": list(errors)}}
    api.faults[LOOK] = [Fault(ApiResponse(200, {}, told))]


def test_a_batch_that_is_refused_for_one_line_blames_its_job_alone() -> None:
    """The others are gathered again soon, and lose no retry."""

    async def story() -> None:
        api, jobs = BatchHost(), some(3)
        worker = Worker(api, size=3)
        returned = [back(*pair) for pair in zip(jobs, await worker.once(*jobs), strict=True)]
        await failed_batch(api, returned, {"code": "invalid_value", "message": "Not this.", "line": 2})
        outcomes = await worker.once(*returned)
        assert [outcome.retries for outcome in outcomes if isinstance(outcome, Failed)] == [3, 0, 3]
        first, second, _ = outcomes
        assert isinstance(first, Failed)
        assert isinstance(second, Failed)
        assert sentences_in(first.message) == {"BATCH_NOT_TAKEN", "GOES_BACK"}
        assert sentences_in(second.message) >= {"BATCH_REFUSED"}
        assert "Not this." in second.message
        assert first.backoff is not None
        assert first.backoff.total_seconds() < 10
        assert api.asked[READ] == 1
        again = [back(*pair) for pair in zip(returned, outcomes, strict=True)]
        await worker.once(*again)
        assert api.asked[SUBMIT] == 2

    simulate(story())


@pytest.mark.parametrize(
    "errors",
    [
        pytest.param([], id="no_word"),
        pytest.param([{"code": "new_kind", "message": "Something.", "line": None}], id="unknown_code"),
        pytest.param([{"code": None}], id="nothing_in_it"),
    ],
)
def test_a_batch_that_is_refused_for_what_nobody_knows_costs_a_retry(errors: list[dict[str, Any]]) -> None:
    """Else it would be submitted for ever."""

    async def story() -> None:
        api, jobs = BatchHost(), some(3)
        worker = Worker(api, size=3)
        returned = [back(*pair) for pair in zip(jobs, await worker.once(*jobs), strict=True)]
        await failed_batch(api, returned, *errors)
        for outcome in await worker.once(*returned):
            assert isinstance(outcome, Failed)
            assert outcome.retries == 2
            assert sentences_in(outcome.message) == {"BATCH_NOT_TAKEN"}

    simulate(story())


def test_a_batch_for_which_there_is_no_room_is_submitted_again_later() -> None:
    """Nothing is wrong with it: no retry is lost."""

    async def story() -> None:
        api = BatchHost(Fates(batch=lambda nth: "over the limit" if nth == 1 else ""))
        worker, returned, outcomes = await once_and_again(api)
        for outcome in outcomes:
            assert isinstance(outcome, Failed)
            assert outcome.retries == 3
            assert sentences_in(outcome.message) == {"BATCH_NOT_TAKEN", "GOES_BACK"}
            assert outcome.backoff is not None
            assert 200 < outcome.backoff.total_seconds() < 400
        again = [back(*pair) for pair in zip(returned, outcomes, strict=True)]
        assert all_answered(again, await worker.to_the_end(*again))
        assert api.twice == {}

    simulate(story())


def test_a_batch_that_somebody_has_cancelled_is_an_incident_that_says_so() -> None:
    """What was run by then is handed out; the rest is bought with the next batch, once a person retries."""

    async def story() -> None:
        api, jobs = BatchHost(), some(20)
        worker = Worker(api, size=20)
        outcomes = await worker.once(*jobs)
        await asyncio.sleep(1500)
        returned = [back(*pair) for pair in zip(jobs, outcomes, strict=True)]
        id_ = state(returned[0])["waitingCall"]["id"]
        key = {"Authorization": "Bearer k"}
        await api.send(
            "POST", f"https://x/v1/batches/{id_}/cancel", body=None, headers=key, timeout=timedelta(seconds=1)
        )
        await asyncio.sleep(1000)
        outcomes = await worker.once(*returned)
        pairs = zip(returned, outcomes, strict=True)
        rest = [(given, one) for given, one in pairs if isinstance(one, Failed)]
        assert 0 < len(rest) < 20
        assert {(one.retries, *sentences_in(one.message)) for _, one in rest} == {(0, "BATCH_CANCELLED")}
        again = [back(*pair) for pair in rest]
        assert all_answered(again, await worker.to_the_end(*again))
        assert api.twice == {}

    simulate(story())


LOOKS: list[Any] = [
    pytest.param(LOOK, lambda: refused(429), id="look_429"),
    pytest.param(LOOK, lambda: refused(500), id="look_500"),
    pytest.param(LOOK, broken, id="look_broken"),
    pytest.param(READ, lambda: refused(503), id="read_503"),
    pytest.param(READ, broken, id="read_broken"),
]


@pytest.mark.parametrize(("endpoint", "fault"), LOOKS)
def test_a_look_that_fails_is_made_again_and_buys_nothing(endpoint: str, fault: Any) -> None:
    """No retry is lost, and the message says what was wrong."""

    async def story() -> None:
        api = BatchHost()
        api.faults[endpoint] = [fault()]
        worker, returned, outcomes = await once_and_again(api)
        failed = [outcome for outcome in outcomes if isinstance(outcome, Failed)]
        assert failed
        assert all(outcome.retries == 3 for outcome in failed)
        assert all(sentences_in(o.message) >= {"STILL_WAITING", "LOOK_FAILED"} for o in failed)
        assert all_answered(returned, await worker.to_the_end(*returned))
        assert (api.sizes, api.twice) == ([2], {})

    simulate(story())


@pytest.mark.parametrize(
    ("endpoint", "status"),
    [pytest.param(LOOK, 401, id="look_401"), pytest.param(READ, 403, id="read_403")],
)
def test_a_look_that_is_refused_is_an_incident_that_keeps_the_batch(endpoint: str, status: int) -> None:
    """Once the key is mended the answer is fetched: nothing is bought."""

    async def story() -> None:
        api = BatchHost()
        api.faults[endpoint] = [refused(status)]
        worker, returned, outcomes = await once_and_again(api)
        assert all(isinstance(one, Failed) and one.retries == 0 for one in outcomes)
        assert all(sentences_in(one.message) >= {"FETCHED_AGAIN", "API_STATUS"} for one in outcomes)
        again = [back(*pair) for pair in zip(returned, outcomes, strict=True)]
        await asyncio.sleep(600)
        assert all_answered(again, await worker.to_the_end(*again))
        assert (api.sizes, api.twice) == ([2], {})

    simulate(story())


@pytest.mark.parametrize(
    ("endpoint", "sentence"),
    [pytest.param(LOOK, "ANSWER_EXPIRED", id="batch"), pytest.param(READ, "BATCH_FILE_GONE", id="file")],
)
def test_what_the_api_does_not_know_any_more_is_said(endpoint: str, sentence: str) -> None:
    """A retry buys another answer, and says so before."""

    async def story() -> None:
        api = BatchHost()
        api.faults[endpoint] = [refused(404)]
        worker, returned, outcomes = await once_and_again(api)
        failed = outcomes[0]
        assert isinstance(failed, Failed)
        assert failed.retries == 0
        assert sentences_in(failed.message) == {sentence}
        [answered] = await worker.to_the_end(back(returned[0], failed))
        assert isinstance(answered, Completed)
        assert api.sizes == [2, 1]

    simulate(story())


def test_a_batch_that_does_not_end_is_an_incident_in_the_end() -> None:
    """It loses nothing: retried, the job waits as long again."""

    async def story() -> None:
        api, given = BatchHost(pace=Pace(validating=(10**6, 10**6))), a_job(1)
        worker = Worker(api, size=1)
        [outcome] = await worker.to_the_end(given)
        assert isinstance(outcome, Failed)
        assert sentences_in(outcome.message) == {"BATCH_OVERDUE"}
        assert 72 * 3600 < clock() < 73 * 3600
        [again] = await worker.once(back(given, outcome))
        assert isinstance(again, Failed)
        assert again.retries == 3
        assert api.asked[SUBMIT] == 1

    simulate(story())


def test_an_answer_that_cannot_be_mapped_is_kept_as_ever() -> None:
    """The job of a wrong expression is an incident with its answer; nothing is bought again."""

    async def story() -> None:
        api, given = BatchHost(), a_job(1)
        wrong = replace(given, headers={"resultExpression": "=1"})
        worker = Worker(api, size=1)
        [outcome] = await worker.to_the_end(wrong)
        assert isinstance(outcome, Failed)
        kept = back(wrong, outcome)
        assert state(kept)["response"]["status"] == 200
        await worker.once(kept)
        await asyncio.sleep(10)
        assert (api.sizes, api.asked[DELETE]) == ([1], 2)

    simulate(story())
