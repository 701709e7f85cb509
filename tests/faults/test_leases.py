"""Leases between real processes: workers that die or stand still, engines that restart, jobs that go away."""

from __future__ import annotations

import asyncio
import signal
import time
from collections import Counter
from pathlib import Path

import pytest

from openai_connector.tools.demo.engine import Engine
from tests.diagrams import process, task
from tests.engine.records import Record, Records
from tests.engine.worker import Worker
from tests.engine.zeebe_client import ZeebeClient
from tests.stand_in import Answer, Request, StandIn, failure

JOBS = 5


async def start(zeebe: ZeebeClient, name: str, api: StandIn, jobs: int = JOBS) -> list[int]:
    """Deploy a process of one chat task and start instances; its id is its job type too."""
    values = {"apiKey": "k", "baseUrl": api.base_url, "operation": "chat", "prompt": "=string(number)"}
    inputs = {f"openai_{key}": value for key, value in values.items()}
    headers = {"resultVariable": "answer", "retryBackoff": "PT0S"}
    await zeebe.deploy(process(name, task(values=inputs, headers=headers, job_type=name)))
    return [await zeebe.create_instance(name, {"number": number}) for number in range(jobs)]


def settings(name: str, lease: str, jobs: int = JOBS) -> dict[str, str]:
    """Return a worker's settings."""
    return {"CONNECTOR_JOB_TYPE": name, "CONNECTOR_JOB_LEASE": lease, "CONNECTOR_MAX_JOBS": str(jobs)}


async def completed(records: Records, name: str, jobs: int = JOBS) -> list[Record]:
    """Wait until that many jobs are completed."""
    return await records.wait_for("JOB", "COMPLETED", count=jobs, timeout=120, bpmnProcessId=name)


def asked(api: StandIn) -> Counter[str]:
    """Count how often each prompt was asked."""
    return Counter(request.json["messages"][-1]["content"] for request in api.requests)


def first_fails(api: StandIn) -> None:
    """Let the first call for each job fail, and the others succeed."""
    seen: Counter[str] = Counter()

    def answer(request: Request) -> Answer | None:
        prompt = request.json["messages"][-1]["content"]
        seen[prompt] += 1
        return failure(500) if seen[prompt] == 1 else None

    api.always(answer)


async def test_a_call_that_outlives_its_lease_keeps_its_job(
    engine: Engine, zeebe: ZeebeClient, records: Records, api: StandIn, tmp_path: Path
) -> None:
    """The lease is prolonged again and again: a second worker beside gets nothing, each is paid once."""
    api.hold()
    async with (
        Worker(engine.address, tmp_path / "one.log", settings("kept", "PT5S")),
        Worker(engine.address, tmp_path / "two.log", settings("kept", "PT5S")),
    ):
        await start(zeebe, "kept", api)
        await records.wait_for("JOB", "TIMEOUT_UPDATED", count=4 * JOBS, bpmnProcessId="kept")
        api.release()
        await completed(records, "kept")
    assert records.find("JOB", "TIMED_OUT", bpmnProcessId="kept") == []
    assert set(asked(api).values()) == {1}


async def test_the_jobs_of_a_killed_worker_are_anothers_within_a_lease(
    own_engine: Engine, api: StandIn, tmp_path: Path
) -> None:
    """However long it had them: no lease lasts longer than one length from the kill on."""
    records = Records(own_engine.log)
    api.hold()
    async with ZeebeClient(own_engine.address) as zeebe:
        async with Worker(own_engine.address, tmp_path / "one.log", settings("dead", "PT3S")) as one:
            await start(zeebe, "dead", api)
            await records.wait_for("JOB", "TIMEOUT_UPDATED", count=2 * JOBS)
            one.signal(signal.SIGKILL)
            killed = time.time() * 1000
            await one.ended()
        async with Worker(own_engine.address, tmp_path / "two.log", settings("dead", "PT3S")):
            over = await records.wait_for("JOB", "TIMED_OUT", count=JOBS)
            first = min(event["position"] for event in over)
            updates = [e for e in records.find("JOB", "TIMEOUT_UPDATED") if e["position"] < first]
            api.release()
            jobs = await completed(records, "dead")
    ends = {event["key"]: event["value"]["deadline"] for event in updates}
    assert len(ends) == JOBS
    assert all(end <= killed + 3000 for end in ends.values())
    assert {job["value"]["retries"] for job in jobs} == {3}


async def test_a_cancelled_instance_ends_its_call_and_no_other(
    engine: Engine, zeebe: ZeebeClient, records: Records, api: StandIn, tmp_path: Path
) -> None:
    """The API sees the connection go within half a lease and a second, the log says what may be paid."""
    api.hold()
    log = tmp_path / "worker.log"
    async with Worker(engine.address, log, settings("cancelled", "PT6S")) as worker:
        instances = await start(zeebe, "cancelled", api)
        await api.until(lambda: api.in_flight == JOBS)
        for instance in instances[1:]:
            await zeebe.cancel_instance(instance)
        await api.until(lambda: api.in_flight == 1, seconds=6 / 2 + 1)
        await worker.said("nothing is reported")
        api.release()
        await completed(records, "cancelled", jobs=1)
    said = log.read_text("utf-8")
    assert said.count("it may have been paid for") == JOBS - 1
    assert "Traceback" not in said
    assert api.calls == JOBS
    assert records.find("JOB", "FAILED", bpmnProcessId="cancelled") == []


async def test_a_frozen_worker_fails_nothing_that_another_has(
    engine: Engine, zeebe: ZeebeClient, records: Records, api: StandIn, tmp_path: Path
) -> None:
    """While it is frozen its calls fail and its jobs become another's; awake, it leaves them alone."""
    first_fails(api)
    api.hold()
    one_log = tmp_path / "one.log"
    async with Worker(engine.address, one_log, settings("frozen-one", "PT4S")) as one:
        await start(zeebe, "frozen-one", api)
        await api.until(lambda: api.in_flight == JOBS)
        one.signal(signal.SIGSTOP)
        api.release()
        await api.until(lambda: api.in_flight == 0)  # the failures are in its connections
        api.hold()
        async with Worker(engine.address, tmp_path / "two.log", settings("frozen-one", "PT4S")):
            await api.until(lambda: api.in_flight == JOBS)
            one.signal(signal.SIGCONT)
            async with asyncio.timeout(60):
                while one_log.read_text("utf-8").count("FailJob is not sent") < JOBS:
                    await asyncio.sleep(0.05)
            api.release()
            jobs = await completed(records, "frozen-one")
    assert {job["value"]["retries"] for job in jobs} == {3}
    assert records.find("JOB", "FAILED", bpmnProcessId="frozen-one") == []
    assert set(asked(api).values()) == {2}


async def test_what_waits_in_a_frozen_workers_connection_is_not_begun(
    engine: Engine, zeebe: ZeebeClient, records: Records, api: StandIn, tmp_path: Path
) -> None:
    """Jobs that the engine sent to a frozen worker are done by another: each is paid once."""
    log = tmp_path / "one.log"
    # Long enough for a poll that is open when the jobs come.
    async with Worker(engine.address, log, settings("unread", "PT4S")) as one:
        await one.said("fetching jobs")
        await asyncio.sleep(0.2)
        one.signal(signal.SIGSTOP)
        await start(zeebe, "unread", api)
        async with Worker(engine.address, tmp_path / "two.log", settings("unread", "PT4S")):
            await completed(records, "unread")
            one.signal(signal.SIGCONT)
            await one.said("this activation is dropped")
    assert set(asked(api).values()) == {1}


@pytest.mark.parametrize(
    ("is_failing", "calls"), [pytest.param(False, 1, id="answers"), pytest.param(True, 2, id="failures")]
)
async def test_an_engine_that_is_away_for_longer_than_a_lease_costs_no_answer_and_no_retry(
    own_engine: Engine, api: StandIn, tmp_path: Path, is_failing: bool, calls: int
) -> None:
    """Late completions are taken, so each answer is bought once; failures stay here, and are tried again."""
    records = Records(own_engine.log)
    if is_failing:
        first_fails(api)
    api.hold()
    log = tmp_path / "worker.log"
    async with (
        ZeebeClient(own_engine.address) as zeebe,
        Worker(own_engine.address, log, settings("away", "PT2S")) as worker,
    ):
        await start(zeebe, "away", api)
        await api.until(lambda: api.in_flight == JOBS)
        await asyncio.to_thread(own_engine.kill)
        await worker.said("its lease was not prolonged")
        await asyncio.sleep(2.5)
        api.release()
        await worker.said("FailJob is not sent" if is_failing else "CompleteJob is sent again")
        await asyncio.to_thread(own_engine.start)
        jobs = await completed(records, "away")
    assert set(asked(api).values()) == {calls}
    assert {job["value"]["retries"] for job in jobs} == {3}
    assert "Traceback" not in log.read_text("utf-8")
