"""Stores of several workers in one process, with one clock."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

from openai_connector.store import POSTGRES, Store, StoreError, StoreOptions, file_of
from openai_connector.store.charges import Total
from openai_connector.store.durable import DurableStore
from openai_connector.store.postgres import PostgresTables
from openai_connector.store.reading import read_totals
from openai_connector.store.sqlite import SqliteTables
from openai_connector.store.tables import Tables
from tests.make import ANSWER

FRESH_FOR = timedelta(seconds=60)
"""By the stores' clock. In real time no sign of life falls into a test."""
KEPT = {"status": 200, "headers": {"X-Id": "1"}, "body": ANSWER}
JOB, CALL = 7, "f" * 64


class Clock:
    """A time that stands until it is moved."""

    def __init__(self) -> None:
        self.time = 1_000_000.0

    def __call__(self) -> float:
        """Return the time."""
        return self.time

    def move(self, seconds: float) -> None:
        """Move the time."""
        self.time += seconds


def tables_at(location: str, clock: Callable[[], float] | None = None, **more: Any) -> Tables:
    """Return the tables at a location, not yet open."""
    file = file_of(location)
    if file is None:
        return PostgresTables(location, clock=clock, **more)
    return SqliteTables(file, clock=clock or time.time, **more)


class Opener:
    """Opens stores."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self._stores: list[Store] = []

    async def __call__(self, location: str, tables: Tables | None = None, **options: Any) -> DurableStore:
        """Open a store; one that fails at the start goes on trying."""
        given = StoreOptions(**{"fresh_for": FRESH_FOR, **options})
        store = DurableStore(location, given, tables or tables_at(location, self.clock))
        self._stores.append(store)
        try:
            await store.start()
        except StoreError as error:
            store.start_error = error  # type: ignore[attr-defined]
        return store

    async def close(self) -> None:
        """Close all of them."""
        await asyncio.gather(*(store.aclose() for store in self._stores))


async def totals_at(location: str, since: date | None = None) -> list[Total]:
    """Return what the store at a location says was spent, read beside its workers."""
    return await asyncio.to_thread(read_totals, location, since)


async def until(condition: Callable[[], object], seconds: float = 20.0) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.02)


def is_postgres(location: str) -> bool:
    """Return whether a location is in PostgreSQL."""
    return location.startswith(POSTGRES)
