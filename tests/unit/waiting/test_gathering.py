"""Jobs are gathered into as few batches as can be, without slots, and only what is surely ours is sent."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from openai_connector.job import Failed
from openai_connector.observe.events import BatchSubmitted, HeldBack
from tests.make import sentences_in
from tests.simulation import clock, simulate
from tests.unit.waiting.days import (
    DELETE,
    LIST,
    SUBMIT,
    UPLOAD,
    BatchHost,
    Fault,
    Place,
    Worker,
    a_job,
    all_answered,
    back,
    broken,
    refused,
    some,
    spread,
    state,
)


def test_a_full_batch_goes_at_once_and_each_job_gets_its_own_answer() -> None:
    """One file, one batch; the jobs go back to the engine with its id, and lose no retry."""

    async def story() -> None:
        api, jobs = BatchHost(), some(3)
        worker = Worker(api)
        outcomes = await worker.once(*jobs)
        assert clock() < 1
        assert all(isinstance(outcome, Failed) and outcome.retries == 3 for outcome in outcomes)
        assert list(spread(outcomes).values()) == [3]
        assert all(sentences_in(o.message) == {"STILL_WAITING", "GOES_BACK"} for o in outcomes)  # type: ignore[union-attr]
        returned = [back(*pair) for pair in zip(jobs, outcomes, strict=True)]
        assert {state(one)["waitingCall"]["kind"] for one in returned} == {"batch"}
        await asyncio.sleep(60)
        assert all_answered(jobs, await worker.to_the_end(*returned))
        assert (api.sizes, api.twice, api.openai.complaints) == ([3], {}, [])
        assert [event.jobs for event in worker.told(BatchSubmitted)] == [3]

    simulate(story())


def test_a_batch_that_is_not_full_waits_for_its_pause() -> None:
    """Counted from its first job: who comes later goes along."""

    async def story() -> None:
        api = BatchHost()
        worker = Worker(api, size=10, pause=60)
        first = asyncio.create_task(worker.once(a_job(1)))
        await asyncio.sleep(40)
        second = asyncio.create_task(worker.once(a_job(2)))
        await first
        assert 60 <= clock() < 61
        await second
        assert clock() < 61
        api.settle()
        await asyncio.sleep(10)
        assert api.sizes == [2]

    simulate(story())


def test_a_flood_makes_full_batches_and_one_for_the_rest() -> None:
    """While one is submitted the next is gathered; the last one waits for its pause."""

    async def story() -> None:
        api = BatchHost()
        api.seconds[UPLOAD] = 2.0
        worker = Worker(api, size=10)
        await worker.once(*some(34))
        await asyncio.sleep(10)
        assert api.sizes == [10, 10, 10, 4]

    simulate(story())


def test_gathered_jobs_leave_their_slots() -> None:
    """Each as soon as it waits."""

    async def story() -> None:
        place = Place()
        worker = Worker(BatchHost())
        work = asyncio.create_task(worker.once(a_job(1), slot=place))
        await asyncio.sleep(1)
        assert place.is_parked
        await work

    simulate(story())


KINDS: list[Any] = [
    pytest.param({"model": "gpt-4o-mini"}, id="another_model"),
    pytest.param({"api": "responses"}, id="another_api"),
    pytest.param({"apiKey": "another"}, id="another_key"),
    pytest.param({"organization": "org-2"}, id="another_organization"),
    pytest.param({"operation": "moderation", "moderationInput": "x"}, id="another_operation"),
]


@pytest.mark.parametrize("inputs", KINDS)
def test_a_batch_has_one_kind_of_requests(inputs: dict[str, Any]) -> None:
    """One account, one endpoint, one model: others make a batch of their own."""

    async def story() -> None:
        api = BatchHost()
        worker = Worker(api, size=10)
        other = a_job(3, **inputs)
        outcomes = await worker.once(a_job(1), other, a_job(2))
        await asyncio.sleep(10)
        assert sorted(api.sizes) == [1, 2]
        assert sorted(spread(outcomes).values()) == [1, 2]
        [done] = await worker.to_the_end(back(other, outcomes[1]))
        assert not isinstance(done, Failed), done
        assert api.openai.complaints == []

    simulate(story())


def test_a_worker_that_stops_submits_what_it_has() -> None:
    """What its jobs wait for would not come any more."""

    async def story() -> None:
        api = BatchHost()
        worker = Worker(api, size=10)
        work = asyncio.create_task(worker.once(*some(2)))
        await asyncio.sleep(1)
        worker.connector.stopping()
        await work
        assert clock() < 2
        await asyncio.sleep(10)
        assert api.sizes == [2]

    simulate(story())


def test_a_job_whose_work_is_stopped_is_left_out() -> None:
    """Its instance was cancelled, or the worker has no time: nothing is sent for it."""

    async def story() -> None:
        api = BatchHost()
        worker = Worker(api, size=10)
        stays, goes = (asyncio.create_task(worker.connector.work(one)) for one in some(2))
        await asyncio.sleep(1)
        goes.cancel()
        with pytest.raises(asyncio.CancelledError):
            await goes
        await stays
        await asyncio.sleep(10)
        assert api.sizes == [1]

    simulate(story())


def test_a_job_that_is_stopped_while_its_batch_is_submitted_learns_its_id() -> None:
    """It goes back with it, and nothing is bought again."""

    async def story() -> None:
        api, given = BatchHost(), a_job(1)
        api.seconds[SUBMIT] = 3.0
        worker = Worker(api, size=1)
        work = asyncio.create_task(worker.connector.work(given))
        await asyncio.sleep(1)
        work.cancel()
        outcome = await work
        assert isinstance(outcome, Failed)
        assert sentences_in(outcome.message) == {"GIVEN_BACK_WAITING"}
        assert all_answered([given], await worker.to_the_end(back(given, outcome)))
        assert api.sizes == [1]

    simulate(story())


def test_a_job_that_is_stopped_while_the_file_is_uploaded_is_left_out() -> None:
    """The file goes, another one without it is made."""

    async def story() -> None:
        api = BatchHost()
        api.seconds[UPLOAD] = 3.0
        worker = Worker(api, size=2)
        stays, goes = (asyncio.create_task(worker.connector.work(one)) for one in some(2))
        await asyncio.sleep(1)
        goes.cancel()
        await asyncio.wait([stays, goes])
        await asyncio.sleep(100)
        assert api.sizes == [1]
        assert (api.asked[UPLOAD], api.asked[DELETE]) in [(1, 0), (2, 1)]

    simulate(story())


@pytest.mark.parametrize("left", [0.0, 0.5], ids=["lost", "nearly_lost"])
def test_a_job_that_may_be_another_workers_is_left_out(left: float) -> None:
    """The other worker may be about to submit it."""

    async def story() -> None:
        api, place = BatchHost(), Place()
        worker = Worker(api, size=10)
        mine = asyncio.create_task(worker.once(a_job(1)))
        theirs = asyncio.create_task(worker.once(a_job(2), slot=place))
        await asyncio.sleep(30)
        place.left = left
        await mine
        [outcome] = await theirs
        assert isinstance(outcome, Failed)
        assert sentences_in(outcome.message) == {"LEASE_TOO_LATE", "GOES_BACK"}
        await asyncio.sleep(10)
        assert api.sizes == [1]

    simulate(story())


def test_the_submission_is_given_up_before_a_lease_ends() -> None:
    """What is sent later might come after another worker's."""

    async def story() -> None:
        api, place = BatchHost(), Place(left=7.0)
        asked: list[timedelta] = []
        send = api.send

        async def noted(method: str, url: str, *, timeout: timedelta, **more: Any) -> Any:
            if method == "POST" and url.endswith("/batches"):
                asked.append(timeout)
            return await send(method, url, timeout=timeout, **more)

        api.send = noted  # type: ignore[method-assign]
        worker = Worker(api, size=2)
        await asyncio.gather(worker.once(a_job(1), slot=place), worker.once(a_job(2)))
        assert [each.total_seconds() for each in asked] == [7.0]

    simulate(story())


PASSING: list[Any] = [
    pytest.param(LIST, lambda: refused(429), id="list_429"),
    pytest.param(LIST, broken, id="list_broken"),
    pytest.param(UPLOAD, lambda: refused(500), id="upload_500"),
    pytest.param(UPLOAD, broken, id="upload_broken"),
    pytest.param(SUBMIT, lambda: refused(503), id="submit_503"),
    pytest.param(SUBMIT, lambda: refused(429), id="submit_429"),
    pytest.param(SUBMIT, broken, id="submit_broken"),
    pytest.param(SUBMIT, lambda: Fault(RuntimeError("a bug")), id="a_bug"),
]


@pytest.mark.parametrize(("endpoint", "fault"), PASSING[:-1])
def test_a_submission_that_fails_for_now_costs_no_retry(endpoint: str, fault: Any) -> None:
    """The jobs go back, and are gathered again; nothing is bought twice."""

    async def story() -> None:
        api, jobs = BatchHost(), some(3)
        api.faults[endpoint] = [fault()]
        worker = Worker(api)
        outcomes = await worker.once(*jobs)
        for outcome in outcomes:
            assert isinstance(outcome, Failed)
            assert outcome.retries == 3
            assert sentences_in(outcome.message) >= {"NOT_SUBMITTED", "GOES_BACK"}
            assert outcome.backoff is not None
            assert 40 < outcome.backoff.total_seconds() < 80
        assert len(worker.told(HeldBack)) == 3
        again = [back(*pair) for pair in zip(jobs, outcomes, strict=True)]
        assert all_answered(jobs, await worker.to_the_end(*again))
        assert (api.sizes, api.twice) == ([3], {})

    simulate(story())


REFUSED: list[Any] = [
    pytest.param(LIST, 401, id="list_401"),
    pytest.param(UPLOAD, 403, id="upload_403"),
    pytest.param(SUBMIT, 400, id="submit_400"),
    pytest.param(UPLOAD, 404, id="no_such_endpoint"),
]


@pytest.mark.parametrize(("endpoint", "status"), REFUSED)
def test_a_submission_that_is_refused_is_an_incident_of_each_job(endpoint: str, status: int) -> None:
    """It says what the API says; a person must act."""

    async def story() -> None:
        api = BatchHost()
        api.faults[endpoint] = [refused(status, "not so")]
        outcomes = await Worker(api).once(*some(3))
        for outcome in outcomes:
            assert isinstance(outcome, Failed)
            assert outcome.retries == 0
            assert "not so" in outcome.message
            assert "API_STATUS" in sentences_in(outcome.message)
        assert api.sizes == []

    simulate(story())


def test_a_bug_leaves_no_job_waiting_for_ever() -> None:
    """Each job fails, as after any surprise, and the next batch is submitted."""

    async def story() -> None:
        api = BatchHost()
        api.faults[SUBMIT] = [Fault(RuntimeError("a bug"))]
        worker = Worker(api)
        outcomes = await worker.once(*some(3))
        assert all(isinstance(one, Failed) and one.retries == 2 for one in outcomes)
        await worker.once(*some(3, 10))
        await asyncio.sleep(10)
        assert api.sizes == [3]

    simulate(story())


def test_what_is_gathered_is_bounded_by_its_bytes() -> None:
    """At the bound the batch goes early, and who comes then goes back for a moment."""

    async def story() -> None:
        api = BatchHost()
        worker = Worker(api, size=1000, pause=60, batch_bytes=20_000)
        long = "x" * 9000
        jobs = [a_job(key, prompt=f"{long} {key}") for key in (1, 2, 3)]
        begun = [asyncio.create_task(worker.once(one)) for one in jobs]
        await asyncio.sleep(1)
        [third] = await begun[2]
        assert isinstance(third, Failed)
        assert third.retries == 3
        assert sentences_in(third.message) == {"HELD_BY_PAYLOAD", "GOES_BACK"}
        await asyncio.gather(*begun)
        assert clock() < 3
        await asyncio.sleep(10)
        assert api.sizes == [2]

    simulate(story())


def test_a_request_that_is_larger_than_the_bound_goes_alone() -> None:
    """Else it would go back for ever."""

    async def story() -> None:
        api = BatchHost()
        await Worker(api, size=10, batch_bytes=1000).once(a_job(1, prompt="x" * 5000))
        assert clock() < 1
        await asyncio.sleep(10)
        assert api.sizes == [1]

    simulate(story())


def test_an_address_that_takes_no_batches_is_said() -> None:
    """Nothing is sent there."""

    async def story() -> None:
        api = BatchHost()
        worker = Worker(api, has_batches=False)
        [outcome] = await worker.once(a_job(1))
        assert isinstance(outcome, Failed)
        assert (outcome.retries, sentences_in(outcome.message)) == (0, {"NO_BATCH"})
        assert not api.asked

    simulate(story())
