"""The same store in SQLite and in PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from tests import postgres
from tests.unit.store.stores import Clock, Opener


@pytest.fixture(params=["sqlite", "postgres"])
def location(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return an empty place in each of the databases."""
    if request.param == "sqlite":
        return str(tmp_path / "store")
    empty: Callable[[], str] = request.getfixturevalue("empty_database")
    return empty()


@pytest.fixture
def clock() -> Clock:
    """Return the clock of all stores that `opened` opens."""
    return Clock()


@pytest.fixture
async def opened(clock: Clock) -> AsyncIterator[Opener]:
    """Open stores, each as a worker of its own, and close them all."""
    opener = Opener(clock)
    yield opener
    await opener.close()


@pytest.fixture(scope="session")
def own_servers_url() -> Iterator[Callable[..., str]]:
    """Give URLs of a server whose users are known: not of one that runs already."""
    running = postgres.Postgres()
    yield running.url
    running.close()
