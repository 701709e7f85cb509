"""One trouble at a time, with the figures that show what it costs: `python -m tests.faults --scene NAME`."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import grpc.aio

from openai_connector.tools.demo.records import Record
from tests.faults.day import day
from tests.faults.fleet import SETTINGS
from tests.faults.kept import kept
from tests.faults.ledger import Ledger, lines_of_jobs
from tests.faults.schedule import Choice
from tests.faults.seller import Limit
from tests.faults.stage import Stage

Figures = dict[str, Any]

CALL: Final = 8.0
"""Seconds of a call that outlives a lease of five."""
SHORT_CALL: Final = 2.0
LONG_CALL: Final = 40.0
TURN: Final = 20.0
"""Seconds for which an API that is down is so in one way, at most; then in the next."""
A_MINUTE: Final = 60
"""Requests that a limit allows."""
ROOM: Final = {"CONNECTOR_REQUEST_TIMEOUT": "PT60S", "CONNECTOR_MAX_JOBS": "100"}
"""For long calls of all jobs at once."""


def _steadily(seconds: float) -> Callable[[int, int], Choice]:
    return lambda _number, _nth: Choice("", seconds)


async def partition(home: Path, store: str, jobs: int, seconds: float) -> Figures:
    """Cut one of two workers off from the engine in mid-call."""
    async with Stage(home, _steadily(CALL), workers=2, store=store) as stage:
        await _in_mid_call(stage, jobs)
        await stage.fleet.slots[0].links["engine link"].strike("hole", seconds)
        await stage.until(lambda: stage.done() == jobs)
    return _bought(stage, store, jobs)


async def frozen(home: Path, store: str, jobs: int, seconds: float) -> Figures:
    """Freeze one of two workers in mid-call (SIGSTOP), and let it go on (SIGCONT); a lease is two thirds of that."""
    lease = {"CONNECTOR_JOB_LEASE": f"PT{seconds * 2 / 3:.0f}S"}
    async with Stage(home, _steadily(SHORT_CALL), workers=2, store=store, settings=lease) as stage:
        await _in_mid_call(stage, jobs)
        begun = time.monotonic()
        freezing = asyncio.create_task(stage.fleet.slots[0].freeze(seconds))
        await stage.until(lambda: stage.done() == jobs or freezing.done())
        is_done, done_after = stage.done() == jobs, time.monotonic() - begun
        await freezing
        await stage.until(lambda: stage.done() == jobs)
        await asyncio.sleep(SHORT_CALL)  # what the frozen worker has to say, it says now
    life = next(life for life in stage.fleet.lives if life.slot == 0)
    return {
        "lease": lease["CONNECTOR_JOB_LEASE"],
        "all done while it was frozen": is_done,
        "seconds until all were done": round(done_after, 1),
        "jobs that the frozen worker failed": sum(
            entry.get("outcome") in ("failed", "incident") and entry["delivery"] == "done"
            for _, entry in lines_of_jobs(life)
        ),
        "retries lost": _ledger(stage, store, jobs).retries,
        **_bought(stage, store, jobs),
    }


async def cancelled(home: Path, store: str, jobs: int, seconds: float) -> Figures:
    """Cancel all instances in mid-call: the API should not go on working for nobody."""
    async with Stage(home, _steadily(seconds), workers=1, store=store, settings=ROOM) as stage:
        await _in_mid_call(stage, jobs)
        at = time.time()
        for key in stage.created:
            await stage.zeebe.cancel_instance(key)
        with suppress(TimeoutError):
            await stage.until(lambda: all(call.left for call in stage.seller.calls), seconds=seconds)
    cut = [
        call.left - at
        for call in stage.seller.calls
        if call.left and call.left < (call.bought or call.left + 1)
    ]
    longest = f"{max(cut):.1f}" if cut else "-"
    return {
        "lease": SETTINGS["CONNECTOR_JOB_LEASE"],
        "calls": len(stage.seller.calls),
        "calls cut": len(cut),
        "seconds until the last was cut": longest,
    }


async def outage(home: Path, store: str, jobs: int, seconds: float) -> Figures:
    """Let the API break connections, answer 503 and hang, by turns, while all jobs are there."""
    async with Stage(home, _steadily(0.2), workers=3, store=store) as stage:
        await stage.until(lambda: stage.fleet.lives and all(_is_up(life.log) for life in stage.fleet.lives))
        down = asyncio.create_task(_be_down(stage, seconds))
        for number in range(jobs):
            await stage.begin(number)
        await down
        begun = time.monotonic()
        calls, done = len(stage.seller.calls), stage.done()
        for record in _incidents(stage):
            with suppress(grpc.aio.AioRpcError):
                await stage.zeebe.resolve_incident(
                    record["key"], job_key=record["value"]["jobKey"], retries=3
                )
        await stage.until(lambda: stage.done() == jobs)
        done_after = time.monotonic() - begun
    ledger = _ledger(stage, store, jobs)
    return {
        "jobs": jobs,
        "seconds without the API": round(seconds),
        "calls that reached it meanwhile": calls,
        "done meanwhile": done,
        "incidents": ledger.incidents,
        "retries lost": ledger.retries,
        "seconds until all were done": round(done_after, 1),
        "lost, stuck, wrong, completed twice": ledger.lost + ledger.stuck + ledger.wrong + ledger.twice,
    }


async def _be_down(stage: Stage, seconds: float) -> None:
    """Be down in one way after the other, each at least once."""
    turn = min(TURN, seconds / 3)
    links = [slot.links["api link"] for slot in stage.fleet.slots]
    for number in range(round(seconds / turn)):
        way = ("", "503", "hang")[number % 3]
        stage.seller.outage = way or "503"  # for what has been connected already
        if way:
            await asyncio.sleep(turn)
        else:
            await asyncio.gather(*(link.strike("cut", turn) for link in links))
    stage.seller.outage = ""


async def limit(home: Path, store: str, jobs: int, _seconds: float) -> Figures:
    """Give three workers one limit of 60 requests a minute, and jobs for some minutes."""
    async with Stage(home, _steadily(0.2), workers=3, store=store) as stage:
        await stage.until(lambda: stage.fleet.lives and all(_is_up(life.log) for life in stage.fleet.lives))
        stage.seller.limit = Limit(A_MINUTE)
        begun = time.monotonic()
        for number in range(jobs):
            await stage.begin(number)
        await stage.until(lambda: stage.done() + len(_incidents(stage)) >= jobs, seconds=3600)
        seconds = time.monotonic() - begun
    refused = sum(call.way == "429" for call in stage.seller.calls)
    answered = sum(call.bought is not None for call in stage.seller.calls)
    allowed = A_MINUTE * (1 + seconds / 60)
    return {
        "calls": len(stage.seller.calls),
        "429s": f"{refused / len(stage.seller.calls):.0%}",
        "seconds": round(seconds),
        "of the allowed requests used": f"{answered / allowed:.0%}",
        "incidents": len(_incidents(stage)),
        "retries lost": _ledger(stage, store, jobs).retries,
    }


Scene = Callable[[Path, str, int, float], Coroutine[Any, Any, Figures]]


async def _kept(home: Path, store: str, jobs: int, _seconds: float) -> Figures:
    return await kept(home, store, jobs)


async def _day(home: Path, store: str, jobs: int, _seconds: float) -> Figures:
    return await day(home, store, jobs)


SCENES: Final[dict[str, tuple[Scene, int, float]]] = {
    "partition": (partition, 12, 15.0),
    "frozen": (frozen, 12, 90.0),
    "cancelled": (cancelled, 12, LONG_CALL),
    "outage": (outage, 500, 600.0),
    "limit": (limit, 300, 0.0),
    "kept": (_kept, 12, 0.0),
    "day": (_day, 300, 0.0),
}
"""Each with its number of jobs, and the seconds of its trouble, unless others are given."""


async def _in_mid_call(stage: Stage, jobs: int) -> None:
    """Start jobs, some on each worker, and wait until all wait for the API."""
    await stage.until(lambda: stage.fleet.lives and all(_is_up(life.log) for life in stage.fleet.lives))
    for number in range(jobs):
        await stage.begin(number)
    await stage.until(lambda: len(stage.seller.calls) == jobs)


def _is_up(log: Path) -> bool:
    return log.exists() and "fetching jobs" in log.read_text("utf-8", "replace")


def _incidents(stage: Stage) -> list[Record]:
    return stage.records.find("INCIDENT", "CREATED")


def _ledger(stage: Stage, store: str, jobs: int) -> Ledger:
    ledger = Ledger(0, store, jobs)
    stage.close_books(ledger)
    return ledger


def _bought(stage: Stage, store: str, jobs: int) -> Figures:
    ledger = _ledger(stage, store, jobs)
    times = Counter(call.job_key for call in stage.seller.calls if call.bought is not None)
    return {
        "jobs": jobs,
        "answers bought": ledger.bought,
        "jobs bought more than once": sum(count > 1 for count in times.values()),
        "received and bought again": ledger.again,
        "lost, stuck, wrong, completed twice": ledger.lost + ledger.stuck + ledger.wrong + ledger.twice,
    }
