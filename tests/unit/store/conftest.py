"""The same store in SQLite and in PostgreSQL."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from tests import postgres
from tests.unit.store.stores import Clock, Opener

_numbers = itertools.count()


@pytest.fixture(scope="session")
def server() -> Iterator[Callable[[], str]]:
    """Give URLs of empty places in a PostgreSQL that runs for all tests."""
    running = None
    url = postgres.URL
    if url is None:
        running = postgres.Postgres()
        url = running.url()
    base = url

    def empty() -> str:
        import psycopg

        schema = f"store_{next(_numbers)}"
        with psycopg.connect(base, autocommit=True) as connection:
            connection.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE".encode())
            connection.execute(f"CREATE SCHEMA {schema}".encode())
        return f"{base}{'&' if '?' in base else '?'}options={quote(f'-csearch_path={schema}')}"

    yield empty
    if running is not None:
        running.close()


@pytest.fixture(params=["sqlite", "postgres"])
def location(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return an empty place in each of the databases."""
    if request.param == "sqlite":
        return str(tmp_path / "store")
    empty: Callable[[], str] = request.getfixturevalue("server")
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
