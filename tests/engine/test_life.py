"""The life of a worker beside the engine: restarts, drains, several of them."""

from __future__ import annotations

import asyncio
import json
import re
import signal
from collections import Counter
from pathlib import Path

import pytest

from openai_connector.tools.demo.engine import Engine
from tests.diagrams import process, task
from tests.engine.records import Record, Records
from tests.engine.worker import Worker
from tests.engine.zeebe_client import ZeebeClient
from tests.stand_in import Answer, StandIn

JOBS = 20


def diagram(process_id: str, api: StandIn) -> str:
    """Make a process of one chat task, asked with the variable `number`."""
    values = {"apiKey": "k", "baseUrl": api.base_url, "operation": "chat", "prompt": "=string(number)"}
    return process(
        process_id,
        task(
            values={f"openai_{name}": value for name, value in values.items()},
            headers={"resultExpression": "={text: output.text}"},
        ),
    )


async def start(zeebe: ZeebeClient, process_id: str, api: StandIn, *, jobs: int = JOBS) -> None:
    """Deploy and start that many instances."""
    await zeebe.deploy(diagram(process_id, api))
    for number in range(jobs):
        await zeebe.create_instance(process_id, {"number": number})


async def completed(records: Records, process_id: str, *, jobs: int = JOBS) -> list[Record]:
    """Wait until that many jobs are completed."""
    return await records.wait_for("JOB", "COMPLETED", count=jobs, timeout=120, bpmnProcessId=process_id)


def asked(api: StandIn) -> Counter[str]:
    """Count how often each job's prompt was asked."""
    return Counter(request.json["messages"][-1]["content"] for request in api.requests)


async def test_a_broker_restart_in_mid_call_loses_and_repeats_nothing(
    own_engine: Engine, api: StandIn, tmp_path: Path
) -> None:
    """The broker is killed while all calls run and comes back after their answers: each is paid for once."""
    records = Records(own_engine.log)
    api.hold()
    async with (
        ZeebeClient(own_engine.address) as zeebe,
        Worker(own_engine.address, tmp_path / "worker.log") as worker,
    ):
        await start(zeebe, "restart", api)
        await api.until(lambda: api.calls == JOBS)
        await asyncio.to_thread(own_engine.kill)
        api.release()
        await worker.said("CompleteJob is sent again")
        await api.until(lambda: api.in_flight == 0)
        await asyncio.to_thread(own_engine.start)
        await completed(records, "restart")
        log = worker.log.read_text("utf-8")
    assert set(asked(api).values()) == {1}
    assert "Traceback" not in log


async def test_an_absent_engine_is_waited_for(own_engine: Engine, api: StandIn, tmp_path: Path) -> None:
    """A worker that starts before its engine says so once, and works when it comes."""
    records = Records(own_engine.log)
    async with ZeebeClient(own_engine.address) as zeebe:
        await start(zeebe, "absent", api, jobs=1)
    await asyncio.to_thread(own_engine.kill)
    async with Worker(own_engine.address, tmp_path / "worker.log") as worker:
        await worker.said("WARNING")
        await asyncio.to_thread(own_engine.start)
        await completed(records, "absent", jobs=1)
        log = worker.log.read_text("utf-8")
    warnings = [line.partition("WARNING")[2] for line in log.splitlines() if "WARNING" in line]
    assert "(UNAVAILABLE" in warnings[0]
    # A busy machine's engine may show another trouble while it starts: that is said once too.
    kinds = [re.findall(r"Zeebe gives no jobs \((\w+):", warning) for warning in warnings]
    assert all(len(kind) == 1 for kind in kinds)
    assert len({kind for (kind,) in kinds}) == len(warnings)


async def test_sigterm_drains_running_calls(
    engine: Engine, zeebe: ZeebeClient, records: Records, api: StandIn, tmp_path: Path
) -> None:
    """Running calls end and are reported; nothing new is taken; the exit code is 0."""
    api.hold()
    job_type = "drain-test"
    settings = {"CONNECTOR_JOB_TYPE": job_type, "CONNECTOR_MAX_JOBS": "5"}
    async with Worker(engine.address, tmp_path / "worker.log", settings) as worker:
        await zeebe.deploy(diagram("drain", api).replace('type="openai-connector:1"', f'type="{job_type}"'))
        for number in range(8):
            await zeebe.create_instance("drain", {"number": number})
        await api.until(lambda: api.calls == 5)
        worker.signal(signal.SIGTERM)
        await worker.said("Draining: 5 jobs under way")
        api.release()
        assert await worker.ended() == 0
    assert len(await completed(records, "drain", jobs=5)) == 5
    assert api.calls == 5


async def test_what_does_not_drain_in_time_is_given_back(
    engine: Engine, zeebe: ZeebeClient, records: Records, api: StandIn, tmp_path: Path
) -> None:
    """A call that outlasts the drain is given back at once with its retries, and another worker takes it."""
    api.answer(Answer(delay=600))
    job_type = "give-back-test"
    settings = {"CONNECTOR_JOB_TYPE": job_type, "CONNECTOR_DRAIN_TIMEOUT": "PT0.5S"}
    await zeebe.deploy(diagram("give-back", api).replace('type="openai-connector:1"', f'type="{job_type}"'))
    async with Worker(engine.address, tmp_path / "one.log", settings) as worker:
        await zeebe.create_instance("give-back", {"number": 1})
        await api.until(lambda: api.calls == 1)
        worker.signal(signal.SIGTERM)
        assert await worker.ended() == 0
    async with Worker(engine.address, tmp_path / "two.log", settings):
        (job,) = await completed(records, "give-back", jobs=1)
    assert job["value"]["retries"] == 3


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_second_signal_gives_back_at_once(
    engine: Engine, zeebe: ZeebeClient, records: Records, api: StandIn, tmp_path: Path, number: signal.Signals
) -> None:
    """The drain is cut short with exit code 130; the job has its retries, the log says what may be paid."""
    api.answer(Answer(delay=600))
    name = f"hurry-{number.name}"
    settings = {"CONNECTOR_JOB_TYPE": name}
    await zeebe.deploy(diagram(name, api).replace('type="openai-connector:1"', f'type="{name}"'))
    async with Worker(engine.address, tmp_path / "one.log", settings) as worker:
        await zeebe.create_instance(name, {"number": 1})
        await api.until(lambda: api.calls == 1)
        worker.signal(number)
        await worker.said("Draining")
        worker.signal(number)
        assert await worker.ended() == 130
    said = (tmp_path / "one.log").read_text("utf-8")
    assert "it may have been paid for" in said
    assert "Traceback" not in said
    async with Worker(engine.address, tmp_path / "two.log", settings):
        (job,) = await completed(records, name, jobs=1)
    assert job["value"]["retries"] == 3


async def test_two_workers_share_the_work(
    engine: Engine, zeebe: ZeebeClient, records: Records, api: StandIn, tmp_path: Path
) -> None:
    """Both work, no job is done twice."""
    api.hold()
    job_type = "share-test"
    settings = {"CONNECTOR_JOB_TYPE": job_type, "CONNECTOR_MAX_JOBS": "4"}
    await zeebe.deploy(diagram("share", api).replace('type="openai-connector:1"', f'type="{job_type}"'))
    async with (
        Worker(engine.address, tmp_path / "one.log", settings) as one,
        Worker(engine.address, tmp_path / "two.log", settings) as two,
    ):
        for number in range(40):
            await zeebe.create_instance("share", {"number": number})
        await api.until(lambda: api.in_flight == 8)  # all slots of both
        api.release()
        await completed(records, "share", jobs=40)
        assert [worker.exit_code for worker in (one, two)] == [None, None]
    assert set(asked(api).values()) == {1}
    assert api.most_in_flight == 8


async def test_settings_that_are_wrong_stop_the_start(engine: Engine, tmp_path: Path) -> None:
    """One sentence names the variable, and the exit code is 2."""
    async with Worker(engine.address, tmp_path / "worker.log", {"CONNECTOR_MAX_JOBS": "many"}) as worker:
        assert await worker.ended() == 2
    said = (tmp_path / "worker.log").read_text("utf-8")
    assert "CONNECTOR_MAX_JOBS" in said
    assert "Traceback" not in said


async def test_json_logs_are_json(engine: Engine, tmp_path: Path) -> None:
    """Every line is an object with a message."""
    async with Worker(engine.address, tmp_path / "worker.log", {"CONNECTOR_LOG_FORMAT": "json"}) as worker:
        await worker.said("at most 100 jobs")
    lines = (tmp_path / "worker.log").read_text("utf-8").splitlines()
    assert lines
    assert all(json.loads(line)["message"] for line in lines)
