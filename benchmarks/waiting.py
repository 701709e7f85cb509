"""Measure calls that wait: `python -m benchmarks.waiting [--jobs 10000]`.

Thousands of answers of the window of eight hours wait with one worker at its default slots; engine and API
have clocks that are put forward. Beside it: how much later a kept answer comes than one of plain chat.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import psutil

from benchmarks.engine import Figure, cpu_of
from openai_connector.tools.demo.engine import Engine
from tests.diagrams import process, task
from tests.engine.worker import Worker
from tests.engine.zeebe_client import ZeebeClient
from tests.openai_stand_in.api import OpenAI
from tests.openai_stand_in.world import Pace

JOBS: Final = 10_000
CREATED_AT_ONCE: Final = 32
GET, POST = "GET /v1/responses/{id}", "POST /v1/responses"
LONGEST_BACK_OFF: Final = timedelta(minutes=6)
ABSENT: Final = timedelta(hours=1)
WINDOW: Final = 8 * 3600
LATENCY_ROUNDS: Final = 30


class Measured:
    """A worker process, and the most memory that it had."""

    def __init__(self, engine: Engine, api: OpenAI, home: Path, name: str) -> None:
        settings = {
            "OPENAI_BASE_URL": api.base_url,
            "OPENAI_API_KEY": "sk-benchmark",
            "CONNECTOR_LOG_LEVEL": "INFO",
        }
        self.worker = Worker(engine.address, home / f"{name}.log", settings)
        self.rss = 0.0

    @property
    def cpu(self) -> float:
        """CPU seconds so far."""
        return cpu_of(self.worker.pid)

    async def until(self, is_so: Callable[[], bool], *, seconds: float = 900) -> None:
        """Wait until something holds, with an eye on the memory."""
        async with asyncio.timeout(seconds):
            while not is_so():
                self.rss = max(self.rss, psutil.Process(self.worker.pid).memory_info().rss / 1e6)
                await asyncio.sleep(0.2)


def diagram(process_id: str, needed: str, prompt: str) -> str:
    """Make a process of one chat task."""
    values = {"operation": "chat", "model": "gpt-6-luna", "prompt": prompt, "answerNeeded": needed}
    given = {f"openai_{name}": value for name, value in values.items()}
    return process(process_id, task(values=given, headers={"resultExpression": "={answer: output.text}"}))


@contextmanager
def stage(home: Path) -> Iterator[tuple[Engine, OpenAI]]:
    """Run an engine and the API."""
    engine = Engine(folder=home / "engine", records=False)
    api = OpenAI(pace=Pace(queue=(0, 0), window_from=2 * 3600))
    engine.start()
    try:
        with api.in_thread():
            yield engine, api
    finally:
        engine.kill()


async def create(zeebe: ZeebeClient, process_id: str, count: int) -> None:
    """Create instances, some at a time."""
    free = asyncio.Semaphore(CREATED_AT_ONCE)

    async def one(number: int) -> None:
        async with free:
            await zeebe.create_instance(process_id, {"number": number})

    await asyncio.gather(*(one(number) for number in range(count)))


async def come_back(engine: Engine, api: OpenAI, measured: Measured, jobs: int) -> float:
    """Let all jobs come back once; return the CPU milliseconds of each."""
    before, looks = measured.cpu, api.count(GET)
    await asyncio.to_thread(engine.advance, LONGEST_BACK_OFF)
    await measured.until(lambda: api.count(GET) >= looks + jobs)
    await asyncio.sleep(1)
    return (measured.cpu - before) * 1000 / (api.count(GET) - looks)


async def waiting(home: Path, jobs: int) -> list[Figure]:
    """Measure jobs that wait for hours."""
    with stage(home) as (engine, api):
        async with ZeebeClient(engine.address) as zeebe:
            await zeebe.deploy(diagram("waits", "8h", '="Question " + string(number)'))
            one = Measured(engine, api, home, "one")
            one.worker.start()
            begun = one.cpu
            await asyncio.gather(create(zeebe, "waits", jobs), one.until(lambda: api.count(POST) >= jobs))
            bought = (one.cpu - begun) * 1000 / jobs
            returns = [await come_back(engine, api, one, jobs) for _ in range(3)]
            await asyncio.to_thread(one.worker.close)
            api.advance(ABSENT.total_seconds())
            await asyncio.to_thread(engine.advance, ABSENT)
            two = Measured(engine, api, home, "two")
            two.worker.start()
            looks = api.count(GET)
            await two.until(lambda: api.count(GET) >= looks + jobs)
            api.advance(WINDOW)
            deleted = "DELETE /v1/responses/{id}"
            await asyncio.to_thread(engine.advance, LONGEST_BACK_OFF)
            await two.until(lambda: api.count(deleted) >= jobs)
            await asyncio.to_thread(two.worker.close)
    purchases, double = api.ledger.count, len(api.ledger.duplicates())
    memory, cpu = max(one.rss, two.rss), " ".join(f"{each:.2f}" for each in returns)
    return [
        Figure(f"{jobs} jobs that wait: most memory of the worker", f"{memory:.0f} MB", "<= 150 MB"),
        Figure("CPU a job and return", f"{cpu} ms", "<= 1 ms"),
        Figure("CPU a job until it waits", f"{bought:.2f} ms", ""),
        Figure("purchases; the worker was absent for an hour", f"{purchases}, {double} twice", f"{jobs}, 0"),
    ]


async def latency(home: Path) -> list[Figure]:
    """Measure how late an answer of two seconds is."""
    times: dict[str, list[float]] = {"now": [], "nowKept": []}
    with stage(home) as (engine, api):
        async with ZeebeClient(engine.address) as zeebe:
            for needed in times:
                prompt = '="Two [seconds: 2] " + string(number)'
                await zeebe.deploy(diagram(f"latency-{needed}", needed, prompt))
            measured = Measured(engine, api, home, "latency")
            measured.worker.start()
            await zeebe.run("latency-now", {"number": 0})
            await zeebe.run("latency-nowKept", {"number": 0})

            async def one(needed: str, number: int) -> None:
                begun = time.monotonic()
                await zeebe.run(f"latency-{needed}", {"number": number})
                times[needed].append(time.monotonic() - begun)

            for number in range(1, LATENCY_ROUNDS + 1):
                await asyncio.gather(*(one(needed, number) for needed in times))
            await asyncio.to_thread(measured.worker.close)
    plain, kept = (statistics.mean(times[needed]) for needed in ("now", "nowKept"))
    return [
        Figure("an answer of 2 s, plain chat", f"{plain:.3f} s", ""),
        Figure("the same, kept", f"{kept:.3f} s, {kept / plain - 1:+.1%}", "+ 10 %"),
    ]


async def measure(jobs: int, home: Path) -> list[Figure]:
    """Measure both."""
    return [*await latency(home / "latency"), *await waiting(home / "waiting", jobs)]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.waiting", description=__doc__)
    parser.add_argument("--jobs", type=int, default=JOBS)
    options = parser.parse_args()
    version, load = sys.version.split()[0], os.getloadavg()[0]
    print(f"Python {version}, {os.cpu_count()} cores, load {load:.2f} at the start\n")
    with TemporaryDirectory(prefix="waiting-benchmark-", ignore_cleanup_errors=True) as folder:
        figures: list[Any] = asyncio.run(measure(options.jobs, Path(folder)))
    print("| Figure | Measured | Wanted |\n|---|---|---|")
    for figure in figures:
        print(f"| {figure.name} | {figure.measured} | {figure.wanted} |")


if __name__ == "__main__":
    main()
