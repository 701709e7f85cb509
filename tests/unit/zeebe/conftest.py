"""Fixtures for the engine's side: a fake gateway on a real port, and what talks to it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from openai_connector.job import Job
from openai_connector.zeebe.channel import Connection, gateway, open_channel
from openai_connector.zeebe.commands import Commands
from tests.unit.zeebe.fake_gateway import FakeGateway, FakeJob


@pytest.fixture
async def engine() -> AsyncIterator[FakeGateway]:
    fake = FakeGateway()  # type: ignore[abstract]  # it has what is needed here
    await fake.start()
    yield fake
    await fake.stop()


@pytest.fixture(autouse=True)
def no_long_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a worker waits for in life, tests need not wait for."""
    monkeypatch.setattr("openai_connector.zeebe.oauth.FAILURE_PAUSE", 0.1)
    monkeypatch.setattr("openai_connector.zeebe.poller.POLL_GRACE", 0.05)
    monkeypatch.setattr("openai_connector.zeebe.poller.FIRST_DELAY", 0.02)
    monkeypatch.setattr("openai_connector.zeebe.commands.FIRST_DELAY", 0.02)


@pytest.fixture
async def stub(engine: FakeGateway) -> AsyncIterator[Any]:
    channel = open_channel(Connection(engine.target))
    yield gateway(channel)
    await channel.close()


@pytest.fixture
def commands(stub: Any) -> Commands:
    return Commands(stub)


@pytest.fixture
def job(engine: FakeGateway) -> Job:
    """A job that the engine has activated for us, as the handler gets it."""
    engine.add(FakeJob(key=100, leased_until=float("inf")))
    return Job(
        key=100,
        type="openai-connector:1",
        process_instance_key=102,
        process_definition_key=103,
        bpmn_process_id="order",
        element_id="ask",
        element_instance_key=101,
        retries=3,
        tenant_id="<default>",
        headers={},
        variables={},
    )
