"""The engine of the demo and of these tests."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import time
from datetime import timedelta
from pathlib import Path

import pytest

from openai_connector.tools.demo.engine import Engine, EngineError
from tests.engine.records import Records
from tests.engine.zeebe_client import ZeebeClient
from tests.processes import left_running

JOB_TYPE = "engine-test"
DIAGRAM = f"""<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL"
    xmlns:zeebe="http://camunda.org/schema/zeebe/1.0" id="definitions" targetNamespace="test">
  <bpmn:process id="engine-test" isExecutable="true">
    <bpmn:startEvent id="start"><bpmn:outgoing>to_task</bpmn:outgoing></bpmn:startEvent>
    <bpmn:sequenceFlow id="to_task" sourceRef="start" targetRef="task"/>
    <bpmn:serviceTask id="task">
      <bpmn:extensionElements><zeebe:taskDefinition type="{JOB_TYPE}" retries="1"/></bpmn:extensionElements>
      <bpmn:incoming>to_task</bpmn:incoming>
    </bpmn:serviceTask>
  </bpmn:process>
</bpmn:definitions>"""


@pytest.mark.usefixtures("clock")
async def test_advanced_clock_ends_a_lease(engine: Engine, zeebe: ZeebeClient) -> None:
    """A job leased for an hour is given out again once the engine's clock is put forward by two."""
    await zeebe.deploy(DIAGRAM)
    instance = await zeebe.create_instance("engine-test")
    (job,) = await zeebe.activate(JOB_TYPE, lease_ms=3_600_000)
    assert await zeebe.activate(JOB_TYPE, wait_ms=200) == []
    await asyncio.to_thread(engine.advance, timedelta(hours=2))
    (again,) = await zeebe.activate(JOB_TYPE)
    assert again.key == job.key
    await zeebe.cancel_instance(instance)


async def test_records_show_the_message_of_an_incident(zeebe: ZeebeClient, records: Records) -> None:
    """An incident's key and message are found, and resolving it brings the job back."""
    await zeebe.deploy(DIAGRAM)
    instance = await zeebe.create_instance("engine-test")
    (job,) = await zeebe.activate(JOB_TYPE)
    await zeebe.fail_job(job.key, "Prompt is “missing”")
    incident = await records.incident(instance)
    assert incident["value"]["errorMessage"] == "Prompt is “missing”"
    await zeebe.resolve_incident(incident["key"], job_key=job.key)
    (again,) = await zeebe.activate(JOB_TYPE)
    assert again.key == job.key
    await zeebe.cancel_instance(instance)


async def test_killed_engine_goes_on_where_it_was(own_engine: Engine) -> None:
    """After a SIGKILL the engine comes back at the same address with its jobs and with its clock still advanced."""
    async with ZeebeClient(own_engine.address) as zeebe:
        await zeebe.deploy(DIAGRAM)
        await zeebe.create_instance("engine-test")
        (job,) = await zeebe.activate(JOB_TYPE, lease_ms=60_000)
        await asyncio.to_thread(own_engine.advance, timedelta(hours=1))
        own_engine.kill()
        assert not own_engine.running
        await asyncio.to_thread(own_engine.start)
        (again,) = await zeebe.activate(JOB_TYPE)
        assert again.key == job.key
        assert again.deadline / 1000 > time.time() + 3500


@pytest.mark.usefixtures("no_cluster")
def test_failed_start_shows_the_log(tmp_path: Path) -> None:
    """An engine that does not come up says so with the end of its log, and nothing of it keeps running."""
    (tmp_path / "data").write_text("a file where the data folder is to be")
    engine = Engine(folder=tmp_path)
    with pytest.raises(
        EngineError, match=rf"stopped while starting; the end of its log(.|\n)*{tmp_path}/data"
    ):
        engine.start()
    assert not engine.running
    assert "Traceback" not in engine.log.read_text("utf-8")


@pytest.mark.usefixtures("no_cluster")
def test_engine_dies_with_its_starter(tmp_path: Path) -> None:
    """A SIGKILL of the process that started the engine leaves no engine behind."""
    starter = """
        import sys, time
        from pathlib import Path
        from openai_connector.tools.demo.engine import Engine
        engine = Engine(folder=Path(sys.argv[1]))
        import threading
        start = threading.Thread(target=engine.start, daemon=True)
        start.start()
        while not engine.pid and start.is_alive():
            time.sleep(0.05)
        print(engine.pid, flush=True)
        time.sleep(600)
    """
    command = [sys.executable, "-c", textwrap.dedent(starter), str(tmp_path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    started = int(process.stdout.readline())
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert started
    assert left_running([started]) == []
