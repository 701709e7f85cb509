"""How fast the connector is, beside a bare loop that does the least: an engine, a stand-in API, a backlog.

    python -m benchmarks.throughput            about 3 minutes on 2 cores; --quick: under a minute

The engine is the one of our own. Every run creates process instances first and starts a worker then, as a
process of its own. The workers take turns (connector, bare loop, connector, bare loop) after a warm-up. What
the figures mean is told in benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import signal
import statistics
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterable
from contextlib import ExitStack, asynccontextmanager, suppress
from dataclasses import asdict, dataclass
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
from openai_connector.tools.demo.engine import Engine, EngineError, free_ports
from tests.diagrams import process, task

FOLDER = Path(__file__).parent
CONNECTOR, BARE_LOOP = "connector", "bare loop"
COMMANDS = {
    CONNECTOR: [sys.executable, "-m", "openai_connector", "run"],
    BARE_LOOP: [sys.executable, str(FOLDER / "bare_loop.py")],
}
CREATORS = 32  # instances under creation at once
SAMPLING = 0.2  # seconds between two looks at the worker
STEADY = (0.2, 0.9)  # the part of the answers that counts as steady
JOBS_A_SLOT = 10  # in a run: more would measure the same for longer
MEMORY_DELAY = 8.0  # seconds: long enough for the engine to hand out a job for every slot
STARTS = 5  # start-ups of each worker; quick: 1
GRACE = timedelta(seconds=15)  # for a worker to drain
OWN_VARIABLES = re.compile(r"(ZEEBE|CAMUNDA|CONNECTOR|OPENAI|SECRET)_.*|.*_PROXY", re.IGNORECASE)


class BenchmarkError(RuntimeError):
    """A run could not be finished; the message says why."""


@dataclass(frozen=True, slots=True)
class Run:
    """One worker, one backlog."""

    worker: str
    slots: int
    jobs: int
    delay: float
    """Seconds that the API takes for an answer."""
    jobs_per_second: float | None
    """In the steady part; None for runs that are too short to have one."""
    whole_jobs_per_second: float
    """From the start of the process to the last job done."""
    most_in_flight: int
    """Calls that the API had under way at once."""
    cpu_ms_per_job: float | None
    """CPU time of the worker's process in the steady part; None for runs that are too short to have one."""
    whole_cpu_ms_per_job: float
    """CPU time of the worker's process from its start, so with all imports."""
    rss_mb: float
    """The most memory that the worker had resident, in MB (10^6 bytes)."""
    first_job_seconds: float
    """From the start of the process until the engine has the first job done."""
    connections: int
    """TCP connections that the worker opened to the API."""


@dataclass(frozen=True, slots=True)
class Ratio:
    """The connector's figure over the bare loop's, or a figure of its own, and what it is to be."""

    name: str
    value: float
    target: float | None = None
    at_most: bool = True

    @property
    def verdict(self) -> str:
        """Say whether the target is met; nothing where there is none."""
        if self.target is None:
            return ""
        is_met = self.value <= self.target if self.at_most else self.value >= self.target
        return f"{'<=' if self.at_most else '>='} {self.target:<6g}{'met' if is_met else 'MISSED'}"


class StandIn:
    """The API, as a process of its own."""

    def __init__(self, folder: Path) -> None:
        (port,) = free_ports(1)
        self.url = f"http://127.0.0.1:{port}"
        self._child = Child(
            [sys.executable, str(FOLDER / "stand_in_api.py"), str(port)],
            environment=_environment(),
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
        """What was asked since the last reset."""
        stats: dict[str, Any] = json.loads(await asyncio.to_thread(_get, f"{self.url}/stats"))
        return stats

    async def reset(self, delay: float) -> None:
        """Begin to count anew."""
        await asyncio.to_thread(_get, f"{self.url}/reset?delay={delay}")


@dataclass(frozen=True, slots=True)
class Sample:
    """One look at a run: the monotonic clock, the API's answers, and the worker's CPU seconds so far."""

    time: float
    answered: int
    cpu: float


class Bench:
    """Runs workers on one engine and one API."""

    def __init__(self, engine: Engine, api: StandIn, stub: Any, folder: Path) -> None:
        self._engine = engine
        self._api = api
        self._stub = stub
        self._folder = folder
        self._numbers = count(1)

    async def run(self, worker: str, *, slots: int, jobs: int, delay: float) -> Run:
        """Create a backlog, start a worker, and measure until every job is done.

        Raises:
            BenchmarkError: the worker has ended, or the jobs are not done in time.
        """
        # A process and a job type of its own: nothing of the run before can reach into this one.
        name = f"throughput-{next(self._numbers)}"
        await self._deploy(name)
        await self._api.reset(delay)
        done_before = await asyncio.to_thread(self._jobs_done)
        first = asyncio.create_task(self._first(name))
        await asyncio.sleep(0.3)  # so that the first instance is the first in the backlog
        child = Child(
            COMMANDS[worker],
            environment=_environment(
                ZEEBE_ADDRESS=self._engine.address,
                CONNECTOR_JOB_TYPE=name,
                CONNECTOR_MAX_JOBS=str(slots),
                OPENAI_BASE_URL=f"{self._api.url}/v1",
                SECRET_OPENAI_API_KEY="sk-stand-in",
            ),
            log=self._folder / f"{name}.log",
        )
        try:
            await self._create(name, jobs - 1)
            await asyncio.sleep(0.3)
            child.start()
            began = time.monotonic()
            limit = began + 60 + jobs / 20 + 4 * delay * jobs / min(slots, 100)
            looked = psutil.Process(child.pid)
            samples: list[Sample] = []
            rss = 0
            done = 0
            while done < jobs:
                await asyncio.sleep(SAMPLING)
                if not child.running:
                    raise BenchmarkError(f"The {worker} has ended:\n{child.last_lines(15)}")
                if time.monotonic() > limit:
                    raise BenchmarkError(
                        f"{done} of {jobs} jobs are done by the {worker} after {limit - began:.0f} s:\n"
                        f"{child.last_lines(15)}"
                    )
                stats = await self._api.stats()
                with looked.oneshot():
                    times = looked.cpu_times()
                    rss = max(rss, looked.memory_info().rss)
                samples.append(Sample(stats["time"], stats["answered"], times.user + times.system))
                if stats["answered"] >= jobs and first.done():
                    done = await asyncio.to_thread(self._jobs_done) - done_before
            ended = time.monotonic()
            return Run(
                worker=worker,
                slots=slots,
                jobs=jobs,
                delay=delay,
                **_steady(samples, jobs),
                whole_jobs_per_second=jobs / (ended - began),
                most_in_flight=stats["most_in_flight"],
                whole_cpu_ms_per_job=1000 * samples[-1].cpu / jobs,
                rss_mb=rss / 1e6,
                first_job_seconds=first.result() - began,
                connections=stats["connections"],
            )
        finally:
            first.cancel()
            child.terminate(GRACE)

    async def _deploy(self, name: str) -> None:
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
            headers={"resultVariable": "answer"},
            job_type=name,
        )
        resource = pb.Resource(name=f"{name}.bpmn", content=process(name, asking).encode())
        await self._stub.DeployResource(pb.DeployResourceRequest(resources=[resource]), timeout=30)

    async def _first(self, name: str) -> float:
        """Create an instance; give the monotonic time of its end."""
        request = pb.CreateProcessInstanceWithResultRequest(
            request=_instance(name, 0), requestTimeout=600_000, fetchVariables=["prompt"]
        )
        await self._stub.CreateProcessInstanceWithResult(request, timeout=610)
        return time.monotonic()

    async def _create(self, name: str, number: int) -> None:
        numbers = iter(range(1, number + 1))

        async def create_some() -> None:
            for one in numbers:
                while True:
                    try:
                        await self._stub.CreateProcessInstance(_instance(name, one), timeout=30)
                        break
                    except grpc.aio.AioRpcError as error:
                        # The engine's back-pressure: it asks to come again.
                        if error.code() is not grpc.StatusCode.RESOURCE_EXHAUSTED:
                            raise
                        await asyncio.sleep(0.05)

        async with asyncio.TaskGroup() as group:
            for _ in range(CREATORS):
                group.create_task(create_some())

    def _jobs_done(self) -> int:
        """How many jobs the engine has seen completed since its start."""
        done = 0.0
        for line in _get(f"{self._engine.management_url}/actuator/prometheus").splitlines():
            if line.startswith("zeebe_job_events_total{") and 'action="completed"' in line:
                done += float(line.rsplit(" ", 1)[1])
        return round(done)


def _steady(samples: list[Sample], jobs: int) -> dict[str, float | None]:
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


def _environment(**settings: str) -> dict[str, str]:
    """Give a child's environment: ours, without settings and proxies that are meant for others."""
    return {name: value for name, value in os.environ.items() if not OWN_VARIABLES.fullmatch(name)} | settings


def _get(url: str) -> str:
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=30) as response:
        text: str = response.read().decode()
    return text


async def _measure(bench: Bench, options: argparse.Namespace, note: Callable[[str], None]) -> list[Run]:
    runs: list[Run] = []

    async def turn(what: str, rounds: int, *, slots: int, jobs: int, delay: float) -> None:
        note(f"\n{what}\n{HEADING}")
        for _ in range(rounds):
            for worker in (CONNECTOR, BARE_LOOP):
                run = await bench.run(worker, slots=slots, jobs=jobs, delay=delay)
                runs.append(run)
                note(_line(run))

    most = max(options.slots)
    note(f"\nWarm-up of the engine, not counted\n{HEADING}")
    note(_line(await bench.run(BARE_LOOP, slots=most, jobs=options.instances, delay=options.delay)))
    if not options.quick:
        note(_line(await bench.run(CONNECTOR, slots=most, jobs=options.instances, delay=options.delay)))
    rounds = 1 if options.quick else 2
    for slots in options.slots:
        jobs = min(options.instances, JOBS_A_SLOT * slots // (2 if options.quick else 1))
        await turn(f"Throughput with {slots} slots", rounds, slots=slots, jobs=jobs, delay=options.delay)
    await turn(
        "Start-up: one job waits", 1 if options.quick else STARTS, slots=most, jobs=1, delay=options.delay
    )
    if not options.quick:
        jobs = round(1.2 * most)
        await turn(f"Memory with {most} calls in flight", 1, slots=most, jobs=jobs, delay=MEMORY_DELAY)
    return runs


def ratios(runs: Iterable[Run], delay: float) -> list[Ratio]:
    """Compare the workers: the mean of equal runs, the median of start-ups."""
    runs = list(runs)

    def quotient(figure: str, equal: list[Run]) -> float:
        connector, bare = (
            statistics.mean(getattr(run, figure) for run in equal if run.worker == worker)
            for worker in (CONNECTOR, BARE_LOOP)
        )
        return float(connector / bare)

    found: list[Ratio] = []
    for slots in dict.fromkeys(run.slots for run in runs if run.jobs > 1 and run.delay == delay):
        many = [run for run in runs if run.slots == slots and run.delay == delay and run.jobs > 1]
        is_short = any(run.cpu_ms_per_job is None for run in many)
        cpu, speed = (
            ("whole_cpu_ms_per_job", "whole_jobs_per_second")
            if is_short
            else ("cpu_ms_per_job", "jobs_per_second")
        )
        part = " (whole)" if is_short else ""
        found += [
            Ratio(f"CPU a job, {slots} slots{part}", quotient(cpu, many), 1.5, True),
            Ratio(f"jobs/s, {slots} slots{part}", quotient(speed, many), 0.9, False),
        ]
    starts = [
        statistics.median(run.first_job_seconds for run in runs if run.worker == worker and run.jobs == 1)
        for worker in (CONNECTOR, BARE_LOOP)
    ]
    found.append(Ratio("start to first job", starts[0] / starts[1], 1.5, True))
    found.append(Ratio("  the same without the API's delay", (starts[0] - delay) / (starts[1] - delay)))
    for run in runs:
        if run.worker == CONNECTOR and run.delay != delay:
            found.append(Ratio(f"RSS in MB, {run.most_in_flight} calls in flight", run.rss_mb, 150, True))
    return found


HEADING = f"  {'worker':<10}{'slots':>6}{'jobs':>6}{'jobs/s':>8}{'(whole)':>9}{'in flight':>11}" + (
    f"{'CPU ms/job':>12}{'(whole)':>9}{'RSS MB':>8}{'first job s':>13}"
)


def _line(run: Run) -> str:
    def shown(value: float | None, digits: int) -> str:
        return "-" if value is None else f"{value:.{digits}f}"

    return (
        f"  {run.worker:<10}{run.slots:>6}{run.jobs:>6}{shown(run.jobs_per_second, 1):>8}"
        f"{run.whole_jobs_per_second:>9.1f}{run.most_in_flight:>11}{shown(run.cpu_ms_per_job, 2):>12}"
        f"{run.whole_cpu_ms_per_job:>9.2f}{run.rss_mb:>8.0f}{run.first_job_seconds:>13.2f}"
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.throughput", description=__doc__.split("\n")[0]
    )
    parser.add_argument(
        "--instances", type=int, help="process instances a run, at most (default: 2000; quick: 600)"
    )
    parser.add_argument(
        "--slots", type=int, nargs="+", default=[500, 32], help="jobs in work at once (default: 500 32)"
    )
    parser.add_argument("--delay", type=float, default=1.0, help="seconds that the API takes (default: 1)")
    parser.add_argument("--quick", action="store_true", help="one turn each, fewer instances: under a minute")
    parser.add_argument(
        "--json", action="store_true", help="print the figures as JSON; the table goes to standard error"
    )
    options = parser.parse_args()
    options.instances = options.instances or (600 if options.quick else 2000)
    if options.instances < 1 or min(options.slots) < 1 or options.delay < 0 or options.delay == MEMORY_DELAY:
        parser.error(f"instances and slots must be 1 or more, the delay 0 or more and not {MEMORY_DELAY:g}")
    return options


@asynccontextmanager
async def _stub(address: str) -> Any:
    async with grpc.aio.insecure_channel(address, options=[("grpc.enable_http_proxy", 0)]) as channel:
        yield GatewayStub(channel)


def main() -> int:
    """Run the benchmark; the exit status is 0, 1 when a run failed, or 130 after Ctrl-C.

    Missed targets are shown.
    """
    options = _options()
    began = time.monotonic()

    def note(text: str) -> None:
        print(text, file=sys.stderr if options.json else sys.stdout, flush=True)

    # A `kill` cleans up like a Ctrl-C; whatever happens, the children end with this process.
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        with ExitStack() as stack:
            folder = Path(
                stack.enter_context(tempfile.TemporaryDirectory(prefix="openai-connector-benchmark-"))
            )
            api = StandIn(folder)
            stack.callback(api.close)
            api.start()
            note(f"Engine of our own, {os.cpu_count()} cores, the API takes {options.delay:g} s")
            engine = stack.enter_context(Engine(records=False))

            async def work() -> list[Run]:
                async with _stub(engine.address) as stub:
                    return await _measure(Bench(engine, api, stub, folder), options, note)

            runs = asyncio.run(work())
    except KeyboardInterrupt:
        note("Stopped; nothing is left running.")
        return 130
    except (BenchmarkError, EngineError) as error:
        print(error, file=sys.stderr)
        return 1
    compared = ratios(runs, options.delay)
    note("\nConnector over bare loop")
    for ratio in compared:
        note(f"  {ratio.name:<40}{ratio.value:>8.2f}   {ratio.verdict}")
    note(f"\n{time.monotonic() - began:.0f} s in all")
    if options.json:
        print(
            json.dumps(
                {"runs": [asdict(run) for run in runs], "ratios": [asdict(r) for r in compared]}, indent=2
            )
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
