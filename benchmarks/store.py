"""What the store costs: `python -m benchmarks.store [--jobs N] [--slots N] [--url postgresql://...]`.

By itself: each job claims a call, keeps an answer, owes a completion and is forgotten, as many at once as
there are slots. The same without a store is taken off.

In a whole worker: `python -m benchmarks.store --worker [--turns N]`: on an engine and an API that takes a
second, one after the other without a store, with SQLite and with PostgreSQL (one of its own without --url).

Exits with 1 if a target is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Final

from benchmarks.bench import CONNECTOR, Run, StandIn, Worker, bench, machinery
from openai_connector.store import NoStore, Store, StoreOptions, open_store
from openai_connector.store.sealing import KEY_BYTES
from openai_connector.tools.demo.engine import Engine
from tests import postgres

TARGET_MS: Final = 0.25
AT_LEAST: Final[Mapping[str, float]] = {"SQLite": 0.9, "PostgreSQL": 0.8}
"""Jobs/s of a whole worker, over those without a store."""
NO_STORE: Final = "no store"
WORKER_JOBS: Final = 2000
PAUSE: Final = 0.05
"""Stands for the call, so that writes of many jobs come together as they do in a worker."""
ANSWER: Final = {
    "status": 200,
    "headers": {"content-type": "application/json", "x-request-id": "req_0123456789"},
    "body": {
        "id": "chatcmpl-0123456789",
        "model": "gpt-4.1-mini",
        "choices": [
            {
                "index": 0,
                "finish_reason": "stop",
                "message": {"role": "assistant", "content": "A sentence of an answer. " * 80},
            }
        ],
        "usage": {"prompt_tokens": 300, "completion_tokens": 500, "total_tokens": 800},
    },
}
VARIABLES: Final = '{"answer":"' + "A sentence of an answer. " * 80 + '"}'
CALL: Final = "f" * 64


async def job(store: Store, key: int) -> None:
    """Do all that a job does with the store."""
    await store.claim(key, CALL)
    await asyncio.sleep(PAUSE)
    await store.keep(key, CALL, ANSWER)
    await store.owe(key, VARIABLES)
    await store.forget(key)


async def many(store: Store, count: int, slots: int) -> tuple[float, float]:
    """Return CPU milliseconds a job and jobs a second."""
    keys = iter(range(count))

    async def slot() -> None:
        for key in keys:
            await job(store, key)

    begin, cpu = time.monotonic(), time.process_time()
    await asyncio.gather(*(slot() for _ in range(slots)))
    return (time.process_time() - cpu) / count * 1e3, count / (time.monotonic() - begin)


async def measured(location: str, options: StoreOptions, count: int, slots: int) -> tuple[float, float]:
    """Return the same for a store, after a warm-up."""
    store = open_store(location, options)
    await store.start()
    await many(store, slots, slots)
    figures = await many(store, count, slots)
    await store.aclose()
    return figures


def main() -> int:
    """Print the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--jobs", type=int, help=f"default: 10000, with --worker {WORKER_JOBS}")
    parser.add_argument("--slots", type=int, default=500)
    parser.add_argument("--url", help="a PostgreSQL database of its own, which is written to")
    parser.add_argument("--worker", action="store_true", help="measure whole workers")
    parser.add_argument("--turns", type=int, default=3, help="of each whole worker (default: 3)")
    given = parser.parse_args()
    if given.worker:
        return int(_whole_workers(given.jobs or WORKER_JOBS, given.slots, given.turns, given.url))
    return int(_store_alone(given.jobs or 10_000, given.slots, given.url))


def _whole_workers(jobs: int, slots: int, turns: int, url: str | None) -> bool:
    """Measure whole workers, and return whether a target is missed."""
    with ExitStack() as stack:
        if url is None:
            server = postgres.Postgres()
            stack.callback(server.close)
            url = server.url()
        parts = stack.enter_context(machinery())
        places = {"SQLite": str(parts[2] / "store"), "PostgreSQL": url}
        workers = [replace(CONNECTOR, name=NO_STORE)]
        workers += [
            replace(CONNECTOR, name=name, settings={"CONNECTOR_STORE": place})
            for name, place in places.items()
        ]
        runs = asyncio.run(_in_turns(parts, workers, jobs, slots, turns))
    return _is_missed(runs)


async def _in_turns(
    parts: tuple[Engine, StandIn, Path], workers: Sequence[Worker], jobs: int, slots: int, turns: int
) -> list[Run]:
    runs: list[Run] = []
    async with bench(*parts) as benched:
        await benched.run(workers[0], slots=slots, jobs=jobs, delay=1.0)  # a warm-up, not counted
        for _ in range(turns):
            for worker in workers:
                run = await benched.run(worker, slots=slots, jobs=jobs, delay=1.0)
                runs.append(run)
                print(
                    f"{run.worker:12}{run.working_jobs_per_second:8.1f} jobs/s"
                    f"{run.whole_cpu_ms_per_job:8.2f} ms CPU a job{run.rss_mb:6.0f} MB",
                    flush=True,
                )
    return runs


def _is_missed(runs: Sequence[Run]) -> bool:
    def mean(name: str, figure: str) -> float:
        return float(statistics.mean(getattr(run, figure) for run in runs if run.worker == name))

    is_missed = False
    for name, at_least in AT_LEAST.items():
        speed, cpu = (
            mean(name, figure) / mean(NO_STORE, figure)
            for figure in ("working_jobs_per_second", "whole_cpu_ms_per_job")
        )
        is_missed |= speed < at_least
        print(
            f"{name} over {NO_STORE}: {speed:.2f} of its jobs/s (at least {at_least}), "
            f"{cpu:.2f} of its CPU a job"
        )
    return is_missed


def _store_alone(jobs: int, slots: int, url: str | None) -> bool:
    """Measure the store by itself, and return whether a target is missed."""
    plain, sealed = StoreOptions(), StoreOptions(keys=[b"k" * KEY_BYTES])
    base_cpu, base_rate = asyncio.run(many(NoStore(), jobs, slots))
    print(f"{'none':24}{base_cpu:8.3f} ms CPU a job {base_rate:9.0f} jobs/s")
    is_missed = False
    with tempfile.TemporaryDirectory(dir=".") as folder:
        places = [("SQLite", folder, plain), ("SQLite, encrypted", folder, sealed)]
        if url:
            places.append(("PostgreSQL", url, plain))
        for name, location, options in places:
            cpu, rate = asyncio.run(measured(location, options, jobs, slots))
            cost = cpu - base_cpu
            is_missed |= cost > TARGET_MS
            print(
                f"{name:24}{cpu:8.3f} ms CPU a job {rate:9.0f} jobs/s; costs {cost:.3f} ms "
                f"(at most {TARGET_MS})"
            )
    return is_missed


if __name__ == "__main__":
    sys.exit(main())
