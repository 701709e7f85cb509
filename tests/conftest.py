"""The real engine and the real small model, started once for all tests that ask for them."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from openai_connector.demo.engine import Engine, EngineError, fetch
from openai_connector.demo.model import ModelServer
from tests.engine.records import RECORDS_EXPORTER, Records
from tests.engine.worker import SHARED_JOB_TYPE, Worker
from tests.engine.zeebe_client import ZeebeClient
from tests.stand_in import StandIn

# On a busy machine an example may take any time. What else CI's own profile says (no randomness there) stays.
settings.register_profile("patient", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

# Session fixtures are synchronous: every test has an event loop of its own, which none of them may depend on.


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """All servers of the tests are on this machine; downloads happen in session fixtures, which keep the proxies."""
    for name in os.environ:
        if name.upper().endswith("_PROXY"):
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def installation() -> Path:
    """The unpacked engine; a download that fails is tried again, and counts against no test's patience."""
    for pause in (5, 30):
        try:
            return fetch()
        except EngineError:
            time.sleep(pause)
    return fetch()


@pytest.fixture(scope="session")
def engine(installation: Path) -> Iterator[Engine]:
    """A running engine with a clock to advance; a test that stops it starts it again."""
    with Engine(environment=RECORDS_EXPORTER) as engine:
        yield engine


@pytest.fixture
def own_engine(installation: Path) -> Iterator[Engine]:
    """A running engine of this test alone (about 8 s), to be stopped or broken."""
    with Engine(environment=RECORDS_EXPORTER) as engine:
        yield engine


@pytest.fixture(scope="session")
def records(engine: Engine) -> Records:
    """What the shared engine wrote down, incidents and their messages among it."""
    return Records(engine.log)


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
