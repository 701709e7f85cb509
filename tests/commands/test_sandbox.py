"""`openai-connector sandbox`: engine and worker in one process, for Modeler and other clients."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import stat
from datetime import timedelta
from pathlib import Path

import pytest

from openai_connector.tools.demo.engine import add_to_clock, free_ports
from openai_connector.tools.demo.records import Records
from tests.commands.program import Running, run, running
from tests.diagrams import process, service, task
from tests.engine.zeebe_client import ZeebeClient
from tests.local_engine import bpmn
from tests.processes import left_running
from tests.stand_in import Answer, StandIn, chat_body, failure

EXAMPLES = Path(__file__).parents[2] / "examples"
NO_PAGE = ("--port", "0", "--no-web")


def engine_of(sandbox: Running) -> str:
    """Wait until the engine is up, and return its address."""
    return sandbox.said(r"Engine +http://(127\.0\.0\.1:\d+)")


async def test_a_diagram_is_worked_on(api: StandIn, tmp_path: Path) -> None:
    """What is given is deployed, another client runs it, each job has its line.

    And SIGTERM leaves nothing.
    """
    settings = {"OPENAI_BASE_URL": api.base_url, "SECRET_OPENAI_API_KEY": "sk-sandbox"}
    path = EXAMPLES / "moderate-then-answer.bpmn"
    with running(tmp_path, "sandbox", path, *NO_PAGE, environment=settings) as sandbox:
        address = engine_of(sandbox)
        async with ZeebeClient(address) as zeebe:
            variables = await zeebe.run("moderate-then-answer", {"message": "Where is my parcel?"})
        assert variables["answer"] == "Answer 1"
        process_and_type = "moderate-then-answer/answer-message  openai-connector:1"
        await asyncio.to_thread(sandbox.said, rf"{process_and_type}  completed after \d+\.\d\d s\n")
        started = sandbox.children()
        assert sandbox.end() == 0
        assert sandbox.out.endswith("Stopped; nothing is left running.\n")
        assert sandbox.err == ""
    assert f"API      {api.base_url}" in sandbox.out
    assert "Camunda 8 Self-Managed, this cluster endpoint, authentication None" in sandbox.out
    assert "sk-sandbox" not in sandbox.out
    assert left_running(started) == []
    assert list((tmp_path / "scratch").iterdir()) == []


async def test_a_second_signal_ends_it_at_once(api: StandIn, tmp_path: Path) -> None:
    """Running calls are waited for after the first signal.

    After the second nothing is, and nothing is left.
    """
    asking = task(values={"openai_operation": "chat", "openai_prompt": "Who?"})
    path = tmp_path / "asks.bpmn"
    path.write_text(process("asks", asking), "utf-8")
    api.hold()
    settings = {"OPENAI_BASE_URL": api.base_url, "CONNECTOR_DRAIN_TIMEOUT": "PT10M"}
    with running(tmp_path, "sandbox", path, *NO_PAGE, environment=settings) as sandbox:
        async with ZeebeClient(engine_of(sandbox)) as zeebe:
            await zeebe.create_instance("asks")
            await api.until(lambda: api.calls == 1)
        sandbox.process.send_signal(signal.SIGTERM)
        await asyncio.to_thread(sandbox.said, "Stopping: running calls are waited for")
        assert sandbox.end() == 130
        assert "Traceback" not in sandbox.err


async def test_failures_are_told_in_their_line(api: StandIn, tmp_path: Path) -> None:
    """A failed attempt says how many retries are left, the last one that it is an incident, each with the message."""
    api.always(failure(500, "Trouble"))
    asking = task(
        values={"openai_operation": "chat", "openai_prompt": "Who?"},
        headers={"retryBackoff": "PT0S"},
        retries=2,
    )
    gateway = bpmn.process(
        "gateway",
        bpmn.element("startEvent", "s"),
        bpmn.element("exclusiveGateway", "which"),
        *(bpmn.element("endEvent", name) for name in ("x", "y")),
        bpmn.flow("s", "which"),
        bpmn.flow("which", "x", "=false"),
        bpmn.flow("which", "y", "=false"),
    )
    (tmp_path / "asks.bpmn").write_text(process("asks", asking), "utf-8")
    (tmp_path / "gateway.bpmn").write_bytes(bpmn.definitions(gateway))
    files = (tmp_path / "asks.bpmn", tmp_path / "gateway.bpmn")
    settings = {"OPENAI_BASE_URL": api.base_url}
    with running(tmp_path, "sandbox", *files, *NO_PAGE, environment=settings) as sandbox:
        async with ZeebeClient(engine_of(sandbox)) as zeebe:
            await zeebe.create_instance("asks")
            await zeebe.create_instance("gateway")
        for said in (
            r"asks/Ask  openai-connector:1  failed \(1 retry left\) after [\d.]+ s: The API answered 500",
            r"asks/Ask  openai-connector:1  failed \(incident\) after [\d.]+ s: The API answered 500",
            r"gateway/which  incident CONDITION_ERROR: ",
        ):
            await asyncio.to_thread(sandbox.said, said)
        assert sandbox.end() == 0


async def test_the_engine_alone(tmp_path: Path) -> None:
    """With --engine-only nothing is started beside the engine.

    Jobs of the connector's type are left to others.
    """
    path = EXAMPLES / "moderate-then-answer.bpmn"
    settings = {"CONNECTOR_MAX_JOBS": "not even read"}
    with running(tmp_path, "sandbox", path, "--port", "0", "--engine-only", environment=settings) as sandbox:
        async with ZeebeClient(engine_of(sandbox)) as zeebe:
            instance = await zeebe.create_instance("moderate-then-answer", {"message": "Hello"})
            (job,) = await zeebe.activate("openai-connector:1")
        assert job.processInstanceKey == instance
        assert sandbox.children() == []
        assert not re.search("Worker|Page|Model|API", sandbox.out.replace("in Modeler", ""))
        assert sandbox.end(signal.SIGINT) == 0
        assert "Traceback" not in sandbox.err


async def test_records_go_to_standard_output(tmp_path: Path) -> None:
    """With --records standard output has the engine's records.

    And all that is for people goes to the other one.
    """
    path = tmp_path / "own.bpmn"
    path.write_text(process("own", service("other")), "utf-8")
    with running(tmp_path, "sandbox", path, "--port", "0", "--engine-only", "--records") as sandbox:
        async with ZeebeClient(engine_of(sandbox)) as zeebe:
            instance = await zeebe.create_instance("own")
        await asyncio.to_thread(sandbox.said, '"valueType":"JOB"')
        assert sandbox.end() == 0
        (created,) = Records(tmp_path / "out").find("JOB", "CREATED")
    assert created["value"]["processInstanceKey"] == instance
    assert all(" INFO local_engine.records - {" in line for line in sandbox.out.splitlines())
    assert "Engine   http://" in sandbox.err


async def test_data_are_kept_over_a_kill(api: StandIn, tmp_path: Path) -> None:
    """After a SIGKILL in mid-call a second start with the same --data goes on, without any diagram being given."""
    settings = {
        "OPENAI_BASE_URL": api.base_url,
        "CONNECTOR_JOB_LEASE": "PT2S",
        "CONNECTOR_REQUEST_TIMEOUT": "PT1S",
    }
    kept = ("--data", tmp_path / "data", *NO_PAGE)
    api.hold()
    asking = task(
        values={"openai_operation": "chat", "openai_prompt": "Who?"}, headers={"resultVariable": "answer"}
    )
    path = tmp_path / "asks.bpmn"
    path.write_text(process("asks", asking, service("after")), "utf-8")
    with running(tmp_path, "sandbox", path, *kept, environment=settings) as first:
        async with ZeebeClient(engine_of(first)) as zeebe:
            instance = await zeebe.create_instance("asks")
            await api.until(lambda: api.calls == 1)
        first.process.kill()
        first.process.wait()
    api.release()
    with running(tmp_path, "sandbox", *kept, environment=settings) as second:
        address = engine_of(second)
        assert second.said("Process  asks, version 1, from asks.bpmn")
        async with ZeebeClient(address) as zeebe:
            (job,) = await zeebe.activate("after")
        assert job.processInstanceKey == instance
        assert second.end() == 0


async def test_an_answer_outlives_a_killed_sandbox(api: StandIn, tmp_path: Path) -> None:
    """The store lies beside the engine's data, for its owner alone.

    An answer that the engine could not take is used at the next start, and not paid for again.
    """
    api.always(Answer(content=json.dumps(chat_body("Hello") | {"usage": "x" * 2_000_000}).encode()))
    settings = {"OPENAI_BASE_URL": api.base_url}
    kept = ("--data", tmp_path / "data", *NO_PAGE)
    asking = task(
        values={"openai_operation": "chat", "openai_prompt": "Who?"}, headers={"resultVariable": "answer"}
    )
    path = tmp_path / "asks.bpmn"
    path.write_text(process("asks", asking, service("after")), "utf-8")
    with running(tmp_path, "sandbox", path, *kept, "--records", environment=settings) as first:
        async with ZeebeClient(engine_of(first)) as zeebe:
            await zeebe.create_instance("asks")
            await asyncio.to_thread(first.said, r"asks/Ask  openai-connector:1  failed \(incident\)")
        assert f"Store    {tmp_path / 'data'}  (answers" in first.err
        (incident,) = Records(tmp_path / "out").find("INCIDENT", "CREATED")
        first.process.kill()
        first.process.wait()
    (file,) = (tmp_path / "data" / "store").glob("*.sqlite3")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with running(tmp_path, "sandbox", *kept, environment=settings) as second:
        async with ZeebeClient(engine_of(second)) as zeebe:
            override = {"openai_errorExpression": "=ignoreError({x: output.text})"}
            await zeebe.set_variables(incident["value"]["elementInstanceKey"], override)
            await zeebe.resolve_incident(incident["key"], job_key=incident["value"]["jobKey"])
            (job,) = await zeebe.activate("after")
        assert json.loads(job.variables)["x"] == "Hello"
        assert second.end() == 0
    assert api.calls == 1


async def test_the_store_that_is_given_holds(api: StandIn, tmp_path: Path) -> None:
    """CONNECTOR_STORE takes the place of the sandbox's own; what it is, which may hold a password, is not shown."""
    settings = {"OPENAI_BASE_URL": api.base_url, "CONNECTOR_STORE": str(tmp_path / "given")}
    with running(tmp_path, "sandbox", "--data", tmp_path / "data", *NO_PAGE, environment=settings) as sandbox:
        await asyncio.to_thread(sandbox.said, "Worker   is at work")
        assert sandbox.end() == 0
        assert "Store    the one of CONNECTOR_STORE" in sandbox.out
    assert [file.name for file in (tmp_path / "given").iterdir()] == ["store.sqlite3"]
    assert not (tmp_path / "data" / "store").exists()


def test_a_killed_sandbox_leaves_no_model_behind(tmp_path: Path) -> None:
    """Even a SIGKILL, after which the sandbox can clean up nothing, ends the small model."""
    with running(tmp_path, "sandbox", *NO_PAGE) as sandbox:
        sandbox.said("Model    a small one")
        started = sandbox.children()
        assert started
        os.kill(sandbox.process.pid, signal.SIGKILL)
        sandbox.process.wait()
    assert left_running(started) == []


@pytest.mark.parametrize("option", ["--port", "--management-port"])
async def test_a_port_that_is_taken_is_named(tmp_path: Path, option: str) -> None:
    """One sentence says which port it is and what to do, and the status is 1."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        ports = {"--port": "0"} | {option: port}
        arguments = [text for pair in ports.items() for text in pair]
        done = await run("sandbox", "--engine-only", *arguments)
    assert (done.status, done.out) == (1, "")
    assert done.err.startswith("openai-connector sandbox: ")
    assert f"127.0.0.1:{port}" in done.err
    assert "give another" in done.err
    assert len(done.err.splitlines()) == 1


async def test_a_refused_diagram_starts_nothing(tmp_path: Path) -> None:
    """File, element and reason are named, the status is 2, and not even the data folder is made."""
    path = tmp_path / "odd.bpmn"
    path.write_bytes(bpmn.definitions(bpmn.process("own", bpmn.START, bpmn.element("complexGateway", "odd"))))
    done = await run("sandbox", path, "--port", "0", "--data", tmp_path / "data")
    assert (done.status, done.out) == (2, "")
    assert done.err.startswith("openai-connector sandbox: 'odd.bpmn': Element 'odd': ")
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        pytest.param(["nothing.bpmn"], 2, "The diagram nothing.bpmn cannot be read", id="no file"),
        pytest.param(["--port", "70000"], 2, "must be a number from 0 to 65535, got '70000'", id="no port"),
        pytest.param(["--port", "0", "--data", __file__], 1, Path(__file__).name, id="data folder is a file"),
    ],
)
async def test_what_cannot_be_used_is_told(arguments: list[str], status: int, said: str) -> None:
    """Wrong use has the status 2, what cannot be started 1; there is no traceback."""
    done = await run("sandbox", "--engine-only", *arguments)
    assert (done.status, done.out) == (status, "")
    assert said in done.err
    assert "Traceback" not in done.err


async def test_a_wrong_setting_is_one_sentence() -> None:
    """The worker's settings are read before anything is started."""
    settings = {"CONNECTOR_MAX_JOBS": "many", "OPENAI_API_KEY": "k"}
    done = await run("sandbox", *NO_PAGE, environment=settings)
    assert (done.status, done.out) == (2, "")
    assert done.err == "openai-connector sandbox: CONNECTOR_MAX_JOBS must be a whole number.\n"


async def test_the_clock_can_be_moved(tmp_path: Path) -> None:
    """The management port answers where one is asked for: a timer of three days fires at once."""
    (management,) = free_ports(1)
    path = tmp_path / "waits.bpmn"
    wait = bpmn.catch("wait", bpmn.timer("duration", "P3D"))
    path.write_bytes(
        bpmn.definitions(
            bpmn.process("waits", bpmn.START, wait, bpmn.job("after"), bpmn.chain("start", "wait", "after"))
        )
    )
    arguments = ("--port", "0", "--management-port", str(management), "--engine-only")
    with running(tmp_path, "sandbox", path, *arguments) as sandbox:
        async with ZeebeClient(engine_of(sandbox)) as zeebe:
            instance = await zeebe.create_instance("waits")
            await asyncio.to_thread(add_to_clock, f"http://127.0.0.1:{management}", timedelta(days=4))
            (job,) = await zeebe.activate("after")
            assert job.processInstanceKey == instance
        assert sandbox.end() == 0
