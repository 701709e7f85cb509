"""A line is bought once: what was submitted, and forgotten by a kill, is found by its name."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from openai_connector.job import Failed, Job
from openai_connector.observe.events import BatchFound, BatchSubmitted
from openai_connector.outcome.memory import WaitingCall
from openai_connector.purchases import Purchases
from tests.make import sentences_in
from tests.openai_stand_in.lines import Fates
from tests.simulation import simulate
from tests.unit.waiting.days import (
    DELETE,
    LIST,
    READ,
    SUBMIT,
    UPLOAD,
    BatchHost,
    Fault,
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


async def forgotten(api: BatchHost, jobs: list[Job], **options: Any) -> None:
    """Have a worker submit jobs, and be killed before the engine knows."""
    await Worker(api, size=len(jobs), **options).once(*jobs)


RESTARTS: list[Any] = [
    pytest.param({}, id="another_worker"),
    pytest.param({"size": 100, "pause": 5.0}, id="with_other_settings"),
]


@pytest.mark.parametrize("options", RESTARTS)
def test_jobs_whose_batch_nobody_noted_are_found_in_it(options: dict[str, Any]) -> None:
    """They wait for it as if nothing had happened; new ones beside them are bought."""

    async def story() -> None:
        api, jobs = BatchHost(), some(3)
        await forgotten(api, jobs)
        other = Worker(api, **{"size": 4, **options})
        new = a_job(9)
        outcomes = await other.once(*jobs, new)
        assert sorted(spread(outcomes).values()) == [1, 3]
        assert [event.jobs for event in other.told(BatchFound)] == [3]
        assert [event.jobs for event in other.told(BatchSubmitted)] == [1]
        again = [back(*pair) for pair in zip([*jobs, new], outcomes, strict=True)]
        assert all_answered(again, await other.to_the_end(*again))
        assert (api.sizes, api.twice) == ([3, 1], {})
        assert api.openai.complaints == []

    simulate(story())


def test_the_same_worker_finds_its_own_batch_without_reading_it() -> None:
    """The engine was away when it told of it."""

    async def story() -> None:
        api, jobs = BatchHost(), some(3)
        worker = Worker(api)
        await worker.once(*jobs)
        outcomes = await worker.once(*jobs)
        assert list(spread(outcomes).values()) == [3]
        assert (api.asked[SUBMIT], api.asked[READ]) == (1, 0)

    simulate(story())


def test_a_key_that_was_renewed_finds_what_the_old_one_has_submitted() -> None:
    """They are of one project, and the key is no part of what is asked."""

    async def story() -> None:
        api = BatchHost()
        await forgotten(api, some(3))
        renewed = some(3, apiKey="renewed")
        worker = Worker(api)
        outcomes = await worker.once(*renewed)
        again = [back(*pair) for pair in zip(renewed, outcomes, strict=True)]
        assert all_answered(again, await worker.to_the_end(*again))
        assert api.sizes == [3]

    simulate(story())


def test_two_fleets_do_not_take_each_others_batches() -> None:
    """Two engines may have jobs of the same keys that ask the same."""

    async def story() -> None:
        api = BatchHost()
        await forgotten(api, some(3), fleet="one")
        worker = Worker(api, fleet="two")
        await worker.once(*some(3))
        await asyncio.sleep(10)
        assert api.sizes == [3, 3]
        assert api.asked[READ] == 0

    simulate(story())


def test_a_corrected_task_is_another_purchase() -> None:
    """The line's name belongs to what was asked."""

    async def story() -> None:
        api = BatchHost()
        await forgotten(api, [a_job(1)])
        worker = Worker(api, size=1)
        [outcome] = await worker.once(a_job(1, prompt="Another question"))
        await asyncio.sleep(10)
        assert api.sizes == [1, 1]
        assert isinstance(outcome, Failed)

    simulate(story())


def test_a_submission_whose_reply_is_lost_is_found() -> None:
    """It is looked for before anything is sent again; its jobs wait for it at once."""

    async def story() -> None:
        api, jobs = BatchHost(), some(3)
        api.faults[SUBMIT] = [broken(is_done=True)]
        worker = Worker(api)
        outcomes = await worker.once(*jobs)
        assert list(spread(outcomes).values()) == [3]
        assert (api.asked[SUBMIT], api.asked[READ]) == (1, 0)
        again = [back(*pair) for pair in zip(jobs, outcomes, strict=True)]
        assert all_answered(again, await worker.to_the_end(*again))

    simulate(story())


LOST: list[Any] = [
    pytest.param(lambda: broken(is_done=True), id="broken"),
    pytest.param(lambda: Fault(refused(502).error, is_done=True), id="bad_gateway"),
    pytest.param(lambda: Fault(refused(500).error, is_done=True), id="500"),
]


@pytest.mark.parametrize("fault", LOST)
def test_a_submission_whose_fate_cannot_be_told_is_not_repeated_blindly(fault: Any) -> None:
    """The list is away too: the jobs go back, and find their batch the next time."""

    async def story() -> None:
        api, jobs = BatchHost(), some(3)
        api.faults[SUBMIT] = [fault()]
        worker = Worker(api)
        begun = asyncio.create_task(worker.once(*jobs))
        while not api.asked[SUBMIT]:
            await asyncio.sleep(0.01)
        api.faults[LIST] = [broken(), broken()]
        outcomes = await begun
        assert all(
            sentences_in(one.message) >= {"NOT_SUBMITTED"} for one in outcomes if isinstance(one, Failed)
        )
        outcomes = await worker.once(*jobs)  # the list is still away
        assert not spread(outcomes)
        assert api.asked[SUBMIT] == 1
        outcomes = await worker.once(*jobs)
        assert list(spread(outcomes).values()) == [3]
        assert api.asked[SUBMIT] == 1

    simulate(story())


def test_a_job_that_another_worker_submits_meanwhile_is_left_out() -> None:
    """It is looked for once more when the file is there; the file without it is another one."""

    async def story() -> None:
        api, [shared, own] = BatchHost(), some(2)
        api.seconds[UPLOAD] = 5.0
        slow = asyncio.create_task(Worker(api, size=2).once(shared, own))
        await asyncio.sleep(1)
        api.seconds[UPLOAD] = 0.1
        [theirs] = await Worker(api, size=1).once(shared)
        outcomes = await slow
        await asyncio.sleep(100)
        assert spread([theirs]).keys() == spread(outcomes[:1]).keys() != spread(outcomes[1:]).keys()
        assert api.sizes == [1, 1]
        assert api.asked[DELETE] == 1

    simulate(story())


def test_a_line_that_failed_is_not_taken_for_its_next_purchase() -> None:
    """Even where the state of the job is all that tells them apart, and the old batch is still listed."""

    async def story() -> None:
        api, given = BatchHost(Fates(line=lambda name, _: "500" if name.count("-") == 1 else "")), a_job(1)
        worker = Worker(api, size=1)
        [outcome] = await worker.once(given)
        await asyncio.sleep(4000)
        returned = back(given, outcome)
        [failed] = await worker.once(returned)
        again = back(returned, failed)
        await Worker(api, size=1).once(again)  # which is killed
        [outcome] = await Worker(api, size=1).to_the_end(again)
        assert all_answered([again], [outcome])
        assert api.asked[SUBMIT] == 2

    simulate(story())


def test_batches_are_looked_through_to_the_last_page_once() -> None:
    """Whoever else uses the project: others' batches are passed over, known ones not listed again."""

    async def story() -> None:
        api, jobs = BatchHost(), some(3)
        await forgotten(api, jobs)
        crowd = Worker(api, size=1, fleet="others")
        for begin in range(100, 340, 20):
            await crowd.once(*some(20, begin))
        listed = api.asked[LIST]
        worker = Worker(api)
        outcomes = await worker.once(*jobs)
        assert list(spread(outcomes).values()) == [3]
        assert api.asked[LIST] - listed == 3
        assert api.asked[READ] == 1
        await worker.once(*some(3, 900))
        assert api.asked[LIST] - listed == 3 + 2

    simulate(story())


def test_batches_of_the_day_before_yesterday_are_not_read() -> None:
    """They have ended; whoever was killed then has been followed long since."""

    async def story() -> None:
        api = BatchHost()
        await forgotten(api, some(3))
        await asyncio.sleep(26 * 3600)
        worker = Worker(api)
        await worker.once(*some(3, 10))
        await worker.once(*some(3, 20))
        assert api.asked[READ] == 1  # the newest there was, before there was a newer one

    simulate(story())


UNREADABLE: list[Any] = [pytest.param(404, id="deleted"), pytest.param(403, id="kept_from_us")]


@pytest.mark.parametrize("status", UNREADABLE)
def test_an_input_file_that_is_gone_holds_nobody_up(status: int) -> None:
    """It was deleted when all was delivered."""

    async def story() -> None:
        api = BatchHost()
        await forgotten(api, some(3))
        api.faults[READ] = [refused(status)]
        await Worker(api).once(*some(3, 10))
        await asyncio.sleep(10)
        assert api.sizes == [3, 3]

    simulate(story())


def test_an_input_file_that_cannot_be_read_now_holds_the_batch_back() -> None:
    """Its jobs might be in it."""

    async def story() -> None:
        api = BatchHost()
        await forgotten(api, some(3))
        api.faults[READ] = [broken()]
        worker = Worker(api)
        outcomes = await worker.once(*some(3))
        assert all(
            sentences_in(one.message) >= {"NOT_SUBMITTED"} for one in outcomes if isinstance(one, Failed)
        )
        assert list(spread(await worker.once(*some(3))).values()) == [3]
        assert api.asked[SUBMIT] == 1

    simulate(story())


def test_a_stored_batch_is_waited_for_without_a_state_in_the_engine() -> None:
    """The store had it before the engine could."""

    async def story() -> None:
        api, given = BatchHost(), a_job(1)
        stored: dict[int, Any] = {}

        class Kept(Purchases):
            async def begin(self, job: Job, fingerprint: str, charge: Any = None) -> Any:
                return stored.get(job.key)

            async def keep(self, job: Job, fingerprint: str, answer: Any, entry: Any = None) -> bool:
                stored[job.key] = answer
                return True

        await Worker(api, size=1, purchases=Kept()).once(given)
        call = WaitingCall.read(stored[1])
        assert call is not None
        assert call.kind == "batch"
        lists = api.asked[LIST]
        [outcome] = await Worker(api, size=1, purchases=Kept()).to_the_end(given)
        assert all_answered([given], [outcome])
        assert (api.asked[SUBMIT], api.asked[LIST]) == (1, lists)
        [reused] = await Worker(api, size=1, purchases=Kept()).once(given)
        assert all_answered([given], [reused])

    simulate(story())


def test_a_state_that_is_emptied_buys_nothing_that_is_there() -> None:
    """An operator who clears the state finds the same line again; to buy anew the question is changed."""

    async def story() -> None:
        api, given = BatchHost(), a_job(1)
        worker = Worker(api, size=1)
        [outcome] = await worker.once(given)
        returned = back(given, outcome)
        assert state(returned)["waitingCall"]
        emptied = replace(returned, variables={**returned.variables, "openai_state": ""})
        [outcome] = await worker.once(emptied)
        assert spread([outcome])
        assert api.asked[SUBMIT] == 1

    simulate(story())
