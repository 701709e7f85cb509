"""What metrics, events and traces cost: `python -m benchmarks.observe [--jobs N]`.

CPU time of a job with the listeners of the HTTP endpoint, and without; then with traces, sent to
a collector's stand-in. The API answers at once, and no engine is asked: what is added is compared with what a
whole job takes in a worker, which is measured first. Then `/metrics`, `/status` and the page with 500 jobs in
work. Exits with 1 if a target is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import os
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Final

from benchmarks.bench import CONNECTOR, bench, machinery
from openai_connector.job import Completed
from openai_connector.observe.events import Events, JobEnded, JobStarted, Polled
from openai_connector.observe.logs import log_event
from openai_connector.observe.metrics import Metrics
from openai_connector.observe.tracing import open_traces
from openai_connector.observe.tracing.spans import Traces
from openai_connector.status import Board
from tests.collector import Collector
from tests.make import FakeApi, connector, job
from tests.unit.status.states import busy

TARGET_SHARE: Final = 0.03
TARGET_TRACES: Final = 0.10
TARGET_MS: Final = 20.0
WHOLE_JOBS: Final = 2000
SLOTS: Final = 500


async def whole_job() -> float:
    """Return the CPU microseconds that a job takes a worker, with engine, API and listeners."""
    with machinery() as (engine, api, folder):
        async with bench(engine, api, folder) as benched:
            run = await benched.run(CONNECTOR, slots=SLOTS, jobs=WHOLE_JOBS, delay=0.0)
    return run.whole_cpu_ms_per_job * 1e3


async def of_jobs(events: Events, count: int) -> float:
    """Return CPU microseconds a job."""
    worker = connector(FakeApi(), events=events)
    begin = time.process_time()
    for key in range(count):
        one = job(key=key)
        events.emit(Polled(one.type, 1))
        events.emit(JobStarted(one))
        await worker.work(one)
        events.emit(JobEnded(one, Completed({}), "done", 0.1))
    return (time.process_time() - begin) / count * 1e6


async def listeners_cost(count: int) -> tuple[float, float]:
    """Return the medians of CPU microseconds a job: without the listeners, and what they add."""
    plain: list[float] = []
    added: list[float] = []
    for _ in range(7):  # by turns, so that a busy machine is so for both
        without = await of_jobs(Events(log_event), count)
        plain.append(without)
        added.append(await of_jobs(Events(log_event, Metrics(), Board()), count) - without)
    return statistics.median(plain), statistics.median(added)


async def traces_cost(count: int, sampler: str) -> float:
    """Return the median of CPU microseconds that traces add to a job, the thread that sends them included.

    Args:
        count: of the jobs.
        sampler: as OTEL_TRACES_SAMPLER names it; one by ratio takes a tenth.
    """
    os.environ |= {"OTEL_TRACES_SAMPLER": sampler, "OTEL_TRACES_SAMPLER_ARG": "0.1"}
    added: list[float] = []
    for _ in range(5):
        without = await of_jobs(Events(log_event), count)
        with collecting():
            traces = open_traces(os.environ)
            assert isinstance(traces, Traces)
            begin = time.process_time()
            await of_jobs(Events(log_event, traces), count)
            await traces.aclose(60)
            added.append((time.process_time() - begin) / count * 1e6 - without)
    return statistics.median(added)


@contextmanager
def collecting() -> Iterator[None]:
    """Run a collector as a process of its own, and name it as an operator does."""
    ours, its = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_collect, args=(its,), daemon=True)
    process.start()
    os.environ |= {"OTEL_EXPORTER_OTLP_ENDPOINT": ours.recv(), "OTEL_BSP_MAX_QUEUE_SIZE": "100000"}
    try:
        yield
    finally:
        process.kill()
        process.join()


def _collect(pipe: Connection) -> None:
    with Collector() as collector:
        pipe.send(collector.url)
        threading.Event().wait()


def milliseconds(what: Callable[[], object]) -> float:
    """Return the median CPU milliseconds of something."""
    taken: list[float] = []
    for _ in range(21):
        begin = time.process_time()
        what()
        taken.append((time.process_time() - begin) * 1e3)
    return statistics.median(taken)


def main() -> int:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=1000)
    jobs = parser.parse_args().jobs
    whole = asyncio.run(whole_job())
    plain, added = asyncio.run(listeners_cost(jobs))
    share = added / whole
    print(f"a whole job in a worker: {whole:.0f} µs of CPU")
    print(f"listeners: {added:.0f} µs a job, {share:.1%} of it (target {TARGET_SHARE:.0%});")
    print(f"           the connector's own part of a job, API and engine left out: {plain:.0f} µs")
    shares = []
    for sampler in ("parentbased_always_on", "parentbased_traceidratio"):
        cost = asyncio.run(traces_cost(jobs, sampler))
        shares.append(cost / whole)
        which = "of a tenth of the jobs" if "ratio" in sampler else "of all jobs"
        print(
            f"traces {which}: {cost:.0f} µs a job, with them {1 + shares[-1]:.2f} of without "
            f"(target {1 + TARGET_TRACES:.2f})"
        )
    world = busy(500)
    is_met = share <= TARGET_SHARE and max(shares) <= TARGET_TRACES
    for path in ("/metrics", "/status", "/"):
        taken = milliseconds(lambda path=path: world.get(path))  # type: ignore[misc]
        print(f"{path}: {taken:.1f} ms, {len(world.get(path)[1]):,} bytes with 500 jobs in work")
        is_met = is_met and (path != "/metrics" or taken <= TARGET_MS)
    return 0 if is_met else 1


if __name__ == "__main__":
    sys.exit(main())
