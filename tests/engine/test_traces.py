"""Traces of a worker as users run it: from the engine's job to the collector, with the API in between."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from openai_connector.tools.demo.engine import Engine
from tests.collector import Collector, Span
from tests.diagrams import process, task
from tests.engine.worker import Worker
from tests.engine.zeebe_client import ZeebeClient
from tests.stand_in import Answer, StandIn

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
GIVEN = f"00-{TRACE}-{PARENT}-01"
HEADER = f'<zeebe:taskHeaders><zeebe:header key="traceparent" value="{GIVEN}" />'
"""As it stands in the diagram's XML: no template has a field for it."""
JOB_TYPE = "traced"


@pytest.fixture
def collector() -> Iterator[Collector]:
    """A collector of this test alone."""
    with Collector() as collector:
        yield collector


def diagram(process_id: str, api: StandIn, headers: dict[str, str] | None = None) -> str:
    """Make a process of one chat task."""
    values = {"apiKey": "k", "baseUrl": api.base_url, "operation": "chat", "prompt": "Hi"}
    given = {f"openai_{name}": value for name, value in values.items()}
    return process(process_id, task(values=given, headers=headers, job_type=JOB_TYPE))


def worker_of(engine: Engine, collector: str, home: Path, **more: str) -> Worker:
    """Return a worker whose traces go there."""
    settings = {"CONNECTOR_JOB_TYPE": JOB_TYPE, "OTEL_EXPORTER_OTLP_ENDPOINT": collector, **more}
    return Worker(engine.address, home / "worker.log", settings)


async def ended(worker: Worker) -> None:
    """Stop a worker as its supervisor does."""
    worker.signal(signal.SIGTERM)
    assert await worker.ended() == 0


def of_process(collector: Collector, process_id: str) -> tuple[Span, Span]:
    """Return the span of a process's only job, and of its call."""
    [job] = [span for span in collector.spans if span.attributes.get("camunda.process.id") == process_id]
    [call] = [span for span in collector.spans if span.parent == job.id]
    return job, call


async def test_a_trace_goes_through_worker_and_api(
    engine: Engine, zeebe: ZeebeClient, api: StandIn, collector: Collector, tmp_path: Path
) -> None:
    """It comes from a variable of the process or a header of the task, and all of it is sent when the worker stops."""
    async with worker_of(engine, f"{collector.url}/token-a", tmp_path) as worker:
        await zeebe.deploy(diagram("by-variable", api))
        await zeebe.deploy(
            diagram("by-header", api, {"resultVariable": "r"}).replace("<zeebe:taskHeaders>", HEADER)
        )
        await zeebe.deploy(diagram("by-nothing", api, {"resultExpression": "={traceparent: output.text}"}))
        await zeebe.run("by-variable", {"traceparent": GIVEN, "tracestate": "a=1"})
        await zeebe.run("by-header")
        result = await zeebe.run("by-nothing", {"traceparent": "none"}, fetch=["traceparent"])
        assert result["traceparent"] != "none"  # a result of this name is no local variable's shadow
        await ended(worker)
        assert "token-a" not in worker.log.read_text("utf-8")  # some collectors want a key in their address
    sent = {request.header("traceparent") for request in api.requests}
    for process_id, parent in (("by-variable", PARENT), ("by-header", PARENT), ("by-nothing", "")):
        job, call = of_process(collector, process_id)
        assert job.parent == parent
        assert (job.trace == TRACE) is (parent == PARENT)
        assert job.attributes["camunda.job.outcome"] == "completed"
        assert job.begin <= call.begin <= call.end <= job.end
        assert any(header and header.startswith(f"00-{call.trace}-{call.id}-") for header in sent)


async def test_the_trace_need_not_be_told_to_the_api(
    engine: Engine, zeebe: ZeebeClient, api: StandIn, collector: Collector, tmp_path: Path
) -> None:
    """`OTEL_PROPAGATORS=none` keeps it from the API; the spans are there all the same."""
    async with worker_of(engine, collector.url, tmp_path, OTEL_PROPAGATORS="none") as worker:
        await zeebe.deploy(diagram("not-told", api))
        await zeebe.run("not-told", {"traceparent": GIVEN})
        await ended(worker)
    assert [request.header("traceparent") for request in api.requests] == [None]
    assert of_process(collector, "not-told")[0].trace == TRACE


async def test_without_traces_nothing_of_them_is_seen(
    engine: Engine, zeebe: ZeebeClient, api: StandIn, tmp_path: Path
) -> None:
    """No variable is fetched and no header sent where no collector is named."""
    async with worker_of(engine, "", tmp_path) as worker:
        await zeebe.deploy(diagram("untraced", api))
        await zeebe.run("untraced", {"traceparent": GIVEN})
        await ended(worker)
        assert "opentelemetry" not in worker.log.read_text("utf-8")
    assert [request.header("traceparent") for request in api.requests] == [None]


async def test_a_worker_in_trouble_on_all_sides_ends_in_time(
    engine: Engine, zeebe: ZeebeClient, api: StandIn, collector: Collector, tmp_path: Path
) -> None:
    """The collector hangs and a call is cut: the job is given back, one line tells of the traces, the end comes."""
    collector.delay = 60.0
    api.answer(Answer(delay=600))
    more = {"CONNECTOR_DRAIN_TIMEOUT": "PT0.2S", "OTEL_BSP_SCHEDULE_DELAY": "50"}
    async with worker_of(engine, collector.url, tmp_path, **more) as worker:
        await zeebe.deploy(diagram("trouble", api))
        await zeebe.create_instance("trouble")
        await api.until(lambda: api.calls == 1)
        await asyncio.wait_for(ended(worker), 30)
        log = worker.log.read_text("utf-8")
    assert "1 jobs were given back" in log
    assert log.count("The last traces could not be sent") == 1
    assert "Traceback" not in log
