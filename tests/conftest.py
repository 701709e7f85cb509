"""The engine and the real small model, started once for all tests that ask for them."""

from __future__ import annotations

import itertools
import logging
import os
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, settings

from openai_connector.tools.demo.engine import Engine
from openai_connector.tools.demo.model import ModelServer
from tests import postgres
from tests.engine import cluster
from tests.engine.records import Records
from tests.engine.worker import SHARED_JOB_TYPE, Worker
from tests.engine.zeebe_client import ZeebeClient
from tests.ids import readable
from tests.stand_in import StandIn

# On a busy machine an example may take any time. What else CI's own profile says (no randomness there) stays.
settings.register_profile("patient", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

# Session fixtures are synchronous: every test has an event loop of its own, which none of them may depend on.


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """All servers of the tests are on this machine."""
    for name in os.environ:
        if name.upper().endswith("_PROXY"):
            monkeypatch.delenv(name)


@pytest.fixture
def own_process() -> Iterator[None]:
    """A command sets environment and logs for its process.

    Where it runs inside of a test both are put back.
    """
    environment, root = dict(os.environ), logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    os.environ.clear()
    os.environ.update(environment)
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """A running engine with a clock to advance; with ZEEBE_ADDRESS a cluster that runs already."""
    with cluster.Cluster() if cluster.ADDRESS else Engine() as engine:
        yield engine


@pytest.fixture
def no_cluster() -> None:
    """The test is about an engine of our own, and says nothing about a cluster."""
    if cluster.ADDRESS:
        pytest.skip(cluster.NO_PROCESS)


@pytest.fixture
def own_engine(no_cluster: None) -> Iterator[Engine]:
    """A running engine of this test alone, to be stopped or broken."""
    with Engine() as engine:
        yield engine


@pytest.fixture(scope="session")
def records(engine: Engine) -> Records:
    """What the shared engine wrote down, incidents and their messages among it."""
    if cluster.ADDRESS and not cluster.RECORDS_LOG:
        pytest.skip(cluster.NO_RECORDS)
    return Records(engine.log)


@pytest.fixture(scope="session")
def clock() -> None:
    """The shared engine's clock can be put forward."""
    if cluster.ADDRESS and not cluster.MANAGEMENT_URL:
        pytest.skip(cluster.NO_CLOCK)


@pytest.fixture
async def zeebe(engine: Engine) -> AsyncIterator[ZeebeClient]:
    """A client of the shared engine."""
    async with ZeebeClient(engine.address) as client:
        yield client


@pytest.fixture(scope="session")
def model_api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Base URL of the real small model and the real classifier (no API key needed)."""
    log: Path = tmp_path_factory.mktemp("model") / "model.log"
    with ModelServer(log) as server:
        yield server.base_url


@pytest.fixture(scope="session")
def worker(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    """A worker of the shared engine and job type, for all tests whose tasks name their API by `openai_baseUrl`."""
    log: Path = tmp_path_factory.mktemp("worker") / "worker.log"
    worker = Worker(engine.address, log, {"CONNECTOR_JOB_TYPE": SHARED_JOB_TYPE})
    worker.start()
    yield worker
    worker.close()


@pytest.fixture
async def api() -> AsyncIterator[StandIn]:
    """A stand-in API of this test alone."""
    async with StandIn() as api:
        yield api


def pytest_make_parametrize_id(config: pytest.Config, val: Any, argname: str) -> str | None:
    """Return names that can be read, wherever a table has none of its own."""
    return readable(val)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Count what a cluster does not show, so that nobody takes a skip for conformance."""
    found = terminalreporter.stats
    line = cluster.summary(
        report for kind in ("passed", "failed", "skipped") for report in found.get(kind, ())
    )
    if line is not None:
        terminalreporter.write_line(line, yellow=True)


@pytest.fixture(scope="session")
def empty_database() -> Iterator[Callable[[], str]]:
    """Give URLs of empty places in a PostgreSQL that runs for all tests."""
    running, numbers = None, itertools.count()
    url = postgres.URL
    if url is None:
        running = postgres.Postgres()
        url = running.url()
    base = url

    def empty() -> str:
        import psycopg

        schema = f"store_{next(numbers)}"
        with psycopg.connect(base, autocommit=True) as connection:
            connection.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE".encode())
            connection.execute(f"CREATE SCHEMA {schema}".encode())
        return f"{base}{'&' if '?' in base else '?'}options={quote(f'-csearch_path={schema}')}"

    yield empty
    if running is not None:
        running.close()
