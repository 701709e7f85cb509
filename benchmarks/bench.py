"""One worker on one engine and one API: a backlog, a process of its own, and what it took.

What the benchmarks have in common that measure whole workers (`throughput`, `store`, `peers`).
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
import tempfile
import time
import urllib.request
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import psutil
from pyzeebe.proto import gateway_pb2 as pb
from pyzeebe.proto.gateway_pb2_grpc import GatewayStub

from openai_connector.tools.demo.child import Child
from openai_connector.tools.demo.engine import Engine, free_ports
from tests.diagrams import process, task

FOLDER = Path(__file__).parent
CREATORS = 32  # instances under creation at once
SAMPLING = 0.2  # seconds between two looks at the worker
CLOSELY = 0.02  # the same when the API has answered all: the end is near
STEADY = (0.2, 0.9)  # the part of the answers that counts as steady
GRACE = timedelta(seconds=15)  # for a worker to drain
OWN_VARIABLES = re.compile(r"(ZEEBE|CAMUNDA|CONNECTOR|OPENAI|SECRET)_.*|.*_PROXY", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Worker:
    """What is measured: a command that works on the jobs of one type."""

    name: str
    command: Sequence[str]
    settings: Mapping[str, str] = field(default_factory=dict)
    """Environment variables besides those that all get (`Bench.environment`)."""


CONNECTOR = Worker("connector", [sys.executable, "-m", "openai_connector", "run"])
BARE_LOOP = Worker("bare loop", [sys.executable, str(FOLDER / "bare_loop.py")])


class BenchmarkError(RuntimeError):
    """A run could not be finished; the message says why."""


@dataclass(frozen=True, slots=True)
class Run:
    """One worker, one backlog."""

    worker: str
    slots: int | None
    """None: as many as the worker takes by default."""
    jobs: int
    delay: float
    """Seconds that the API takes for an answer."""
    jobs_per_second: float | None
    """In the steady part; None for runs that are too short to have one."""
    whole_jobs_per_second: float
    """From the start of the process to the last job done."""
    working_jobs_per_second: float
    """From the first call that reached the API to the last job done."""
    most_in_flight: int
    """Calls that the API had under way at once."""
    cpu_ms_per_job: float | None
    """CPU time of the worker's processes in the steady part; None for runs that are too short to have one."""
    whole_cpu_ms_per_job: float
    """CPU time of the worker's processes from the start, so with all imports."""
    rss_mb: float
    """The most memory that the worker had resident, in MB (10^6 bytes)."""
    first_job_seconds: float
    """From the start of the process until the engine has the first job done."""
    connections: int
    """TCP connections that the worker opened to the API."""


class StandIn:
    """The API, as a process of its own."""

    def __init__(self, folder: Path) -> None:
        (port,) = free_ports(1)
        self.url = f"http://127.0.0.1:{port}"
        self._child = Child(
            [sys.executable, str(FOLDER / "stand_in_api.py"), str(port)],
            environment=environment(),
            log=folder / "api.log",
        )

    def start(self) -> None:
        """Start it and wait until it answers."""
        self._child.start()
        for _ in range(100):
            with suppress(OSError):
                _get(f"{self.url}/stats")
                return
            time.sleep(0.05)
        raise BenchmarkError(f"The stand-in API does not answer:\n{self._child.last_lines(10)}")

    def close(self) -> None:
        """End it."""
        self._child.kill()

    async def stats(self) -> dict[str, Any]:
        """Return what was asked since the last reset."""
        stats: dict[str, Any] = json.loads(await asyncio.to_thread(_get, f"{self.url}/stats"))
        return stats

    async def calls(self) -> dict[int, int]:
        """Return how often each case was asked for since the last reset."""
        cases = json.loads(await asyncio.to_thread(_get, f"{self.url}/cases"))
        return {int(number): calls for number, calls in cases.items()}

    async def reset(self, delay: float, *, refuse: float = 0.0) -> None:
        """Begin to count anew.

        Args:
            delay: seconds that an answer takes.
            refuse: seconds from the first call on in which each gets a 429 with `Retry-After: 2`.
        """
        await asyncio.to_thread(_get, f"{self.url}/reset?delay={delay}&refuse={refuse}")


@dataclass(frozen=True, slots=True)
class Sample:
    """One look at a run: the monotonic clock, what the API has counted, and the worker's CPU and memory."""

    time: float
    answered: int
    cpu: float
    """Seconds so far."""
    rss: int
    """Bytes."""
    stats: Mapping[str, Any]


class Bench:
    """Runs workers on one engine and one API."""

    def __init__(self, engine: Engine, api: StandIn, stub: Any, folder: Path) -> None:
        self.engine = engine
        self.api = api
        self.stub = stub
        self._folder = folder
        self._numbers = count(1)

    async def run(self, worker: Worker, *, slots: int | None, jobs: int, delay: float) -> Run:
        """Create a backlog, start a worker, and measure until every job is done.

        Raises:
            BenchmarkError: the worker has ended, or the jobs are not done in time.
        """
        name = await self.deploy({"resultVariable": "answer"})
        await self.api.reset(delay)
        done_before = await asyncio.to_thread(self._jobs_done)
        first = asyncio.create_task(self._first(name))
        await asyncio.sleep(0.3)  # so that the first instance is the first in the backlog
        child = self.child(worker, name, slots)
        try:
            await self.create(name, range(1, jobs))
            await asyncio.sleep(0.3)
            child.start()
            began = time.monotonic()
            samples: list[Sample] = []
            patience = 60 + jobs / 20 + 4 * delay * jobs / min(slots or 10, 100)
            done = 0
            while done < jobs:
                is_near = bool(samples) and samples[-1].answered >= jobs
                await asyncio.sleep(CLOSELY if is_near else SAMPLING)
                if not child.running:
                    raise BenchmarkError(f"The {worker.name} has ended:\n{child.last_lines(15)}")
                if time.monotonic() > began + patience:
                    raise BenchmarkError(
                        f"{done} of {jobs} jobs are done by the {worker.name} after {patience:.0f} s:\n"
                        f"{child.last_lines(15)}"
                    )
                samples.append(await self._sample(child.pid))
                if samples[-1].answered >= jobs and first.done():
                    done = await asyncio.to_thread(self._jobs_done) - done_before
            ended = time.monotonic()
        finally:
            first.cancel()
            child.terminate(GRACE)
        stats = samples[-1].stats
        return Run(
            worker=worker.name,
            slots=slots,
            jobs=jobs,
            delay=delay,
            **_steady(samples, jobs),
            whole_jobs_per_second=jobs / (ended - began),
            working_jobs_per_second=jobs / (ended - stats["first_asked"]),
            most_in_flight=stats["most_in_flight"],
            whole_cpu_ms_per_job=1000 * samples[-1].cpu / jobs,
            rss_mb=max(sample.rss for sample in samples) / 1e6,
            first_job_seconds=first.result() - began,
            connections=stats["connections"],
        )

    def child(self, worker: Worker, job_type: str, slots: int | None) -> Child:
        """Return a worker's process, not started yet; slots: None for its default."""
        taken = {} if slots is None else {"CONNECTOR_MAX_JOBS": str(slots)}
        settings = {
            "ZEEBE_ADDRESS": self.engine.address,
            "CONNECTOR_JOB_TYPE": job_type,
            "CONNECTOR_HTTP_PORT": "0",
            "OPENAI_BASE_URL": f"{self.api.url}/v1",
            "SECRET_OPENAI_API_KEY": "sk-stand-in",
            **taken,
            **worker.settings,
        }
        return Child(
            worker.command, environment=environment(**settings), log=self._folder / f"{job_type}.log"
        )

    async def deploy(self, headers: Mapping[str, str]) -> str:
        """Deploy a process with a job type of its own, of the same name, and return the name.

        Nothing of the run before can reach into the next one.
        """
        name = f"run-{next(self._numbers)}"
        asking = task(
            "openai-chat.json",
            values={
                "openai_apiKey": "{{secrets.OPENAI_API_KEY}}",
                "openai_systemMessage": "You answer customers of a mail-order house in at most five polite "
                "sentences.",
                "openai_prompt": "=prompt",
                "openai_temperature": "0.7",
                "openai_maxTokens": "1000",
            },
            headers=headers,
            job_type=name,
        )
        resource = pb.Resource(name=f"{name}.bpmn", content=process(name, asking).encode())
        await self.stub.DeployResource(pb.DeployResourceRequest(resources=[resource]), timeout=30)
        return name

    async def create(self, name: str, cases: Iterable[int]) -> None:
        """Create an instance for each case."""
        numbers = iter(cases)

        async def create_some() -> None:
            for one in numbers:
                while True:
                    try:
                        await self.stub.CreateProcessInstance(_instance(name, one), timeout=30)
                        break
                    except grpc.aio.AioRpcError as error:
                        # The engine's back-pressure: it asks to come again.
                        if error.code() is not grpc.StatusCode.RESOURCE_EXHAUSTED:
                            raise
                        await asyncio.sleep(0.05)

        async with asyncio.TaskGroup() as group:
            for _ in range(CREATORS):
                group.create_task(create_some())

    async def _first(self, name: str) -> float:
        """Create an instance; return the monotonic time of its end."""
        request = pb.CreateProcessInstanceWithResultRequest(
            request=_instance(name, 0), requestTimeout=600_000, fetchVariables=["prompt"]
        )
        await self.stub.CreateProcessInstanceWithResult(request, timeout=610)
        return time.monotonic()

    async def _sample(self, pid: int) -> Sample:
        stats = await self.api.stats()
        cpu, rss = _used_by(pid)
        return Sample(stats["time"], stats["answered"], cpu, rss, stats)

    def _jobs_done(self) -> int:
        """Return how many jobs the engine has seen completed since its start."""
        done = 0.0
        for line in _get(f"{self.engine.management_url}/actuator/prometheus").splitlines():
            if line.startswith("zeebe_job_events_total{") and 'action="completed"' in line:
                done += float(line.rsplit(" ", 1)[1])
        return round(done)


def _used_by(pid: int) -> tuple[float, int]:
    """Return the CPU seconds and the resident bytes of a process and all below it."""
    cpu, rss = 0.0, 0
    for one in _family(pid):
        with suppress(psutil.NoSuchProcess):
            process = psutil.Process(one)
            with process.oneshot():
                times = process.cpu_times()
                cpu += times.user + times.system + times.children_user + times.children_system
                rss += process.memory_info().rss
    return cpu, rss


def _family(pid: int) -> Iterator[int]:
    """Return a process and those below it; where there is no Linux, itself alone."""
    yield pid
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            for child in children.read_text().split():
                yield from _family(int(child))


def _steady(samples: Sequence[Sample], jobs: int) -> dict[str, float | None]:
    low, high = (share * jobs for share in STEADY)
    part = [sample for sample in samples if low <= sample.answered <= high]
    # In a short run the answers come in a few bursts: what lies between two of them says nothing.
    if len(part) < 2 or part[-1].answered - part[0].answered < jobs / 2:
        return {"jobs_per_second": None, "cpu_ms_per_job": None}
    first, last = part[0], part[-1]
    answered = last.answered - first.answered
    return {
        "jobs_per_second": answered / (last.time - first.time),
        "cpu_ms_per_job": 1000 * (last.cpu - first.cpu) / answered,
    }


def _instance(name: str, number: int) -> pb.CreateProcessInstanceRequest:
    variables = {
        "prompt": f"Case {number}: my order 4711 has not arrived; it was due on Monday. "
        "Where is it, what can be done?",
        "customer": {"id": number, "name": "Erika Mustermann", "tier": "gold"},
    }
    return pb.CreateProcessInstanceRequest(bpmnProcessId=name, version=-1, variables=json.dumps(variables))


def environment(**settings: str) -> dict[str, str]:
    """Return a child's environment: ours, without settings and proxies that are meant for others."""
    return {name: value for name, value in os.environ.items() if not OWN_VARIABLES.fullmatch(name)} | settings


def _get(url: str) -> str:
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=30) as response:
        text: str = response.read().decode()
    return text


@contextmanager
def machinery(*, records: bool = False) -> Iterator[tuple[Engine, StandIn, Path]]:
    """Start an engine and an API; the folder has the logs. All goes with the block.

    A `kill` cleans up like a Ctrl-C; whatever happens, the children end with this process.
    """
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="openai-connector-benchmark-"))
        api = StandIn(Path(folder))
        stack.callback(api.close)
        api.start()
        yield stack.enter_context(Engine(records=records)), api, Path(folder)


@asynccontextmanager
async def bench(engine: Engine, api: StandIn, folder: Path) -> AsyncIterator[Bench]:
    """Connect to the engine."""
    options = [("grpc.enable_http_proxy", 0)]
    async with grpc.aio.insecure_channel(engine.address, options=options) as channel:
        yield Bench(engine, api, GatewayStub(channel), folder)
