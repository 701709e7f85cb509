"""`openai-connector health`: asks the worker of this machine, whatever the settings are."""

from __future__ import annotations

import asyncio

import pytest

from openai_connector.cli import main
from openai_connector.contract import ExitStatus
from openai_connector.status.server import EVERYWHERE, Server
from tests.make import sentences_in
from tests.unit.status.states import World, idle, trouble


async def asked(monkeypatch: pytest.MonkeyPatch, world: World, listens: str, *arguments: str) -> int:
    """Return the exit status of the command beside a worker that listens there."""
    server = Server(world.endpoint.answer)
    await server.open(listens, 0)
    monkeypatch.setenv("CONNECTOR_HTTP_HOST", listens)
    monkeypatch.setenv("CONNECTOR_HTTP_PORT", server.url.rpartition(":")[2])
    status = await asyncio.to_thread(main, ["health", *arguments])
    await server.aclose()
    return status


@pytest.mark.parametrize(
    "listens", ["127.0.0.1", "localhost", "0.0.0.0", EVERYWHERE], ids=["ipv4", "name", "all_ipv4", "all"]
)
async def test_it_finds_the_worker(monkeypatch: pytest.MonkeyPatch, listens: str) -> None:
    """By the same settings as the worker, also where those stand for all addresses."""
    assert await asked(monkeypatch, idle(), listens) == ExitStatus.ENDED


@pytest.mark.parametrize(
    ("probe", "status"),
    [("ready", ExitStatus.FAILED), ("live", ExitStatus.ENDED), ("startup", ExitStatus.ENDED)],
)
async def test_an_outage_of_the_engine_fails_readiness_alone(
    monkeypatch: pytest.MonkeyPatch, probe: str, status: ExitStatus
) -> None:
    """What ends a worker for being unwell must ask whether it lives."""
    assert await asked(monkeypatch, trouble(), "127.0.0.1", probe) == status


@pytest.mark.parametrize(
    "host",
    ["a..b", "a" * 70, ".", "no-such-name.invalid", "http://localhost", "a b", "[", "caf\u00e9..b"],
    ids=["empty_label", "long_label", "dot", "unknown", "url", "space", "bracket", "not_ascii"],
)
def test_a_host_that_cannot_be_asked_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], host: str
) -> None:
    """In one sentence that names the setting, never by a traceback."""
    monkeypatch.setenv("CONNECTOR_HTTP_HOST", host)
    assert main(["health"]) == ExitStatus.FAILED
    told = "".join(capsys.readouterr())
    assert "STATUS_NO_ANSWER" in sentences_in(told)
    assert "Error" not in told


@pytest.mark.parametrize(
    ("port", "sentence"), [("0", "STATUS_ANY_PORT"), ("off", "STATUS_IS_OFF")], ids=["any", "off"]
)
def test_a_port_that_nobody_can_know_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], port: str, sentence: str
) -> None:
    """Where there is no port to ask at, the settings are wrong for this command, and it says so."""
    monkeypatch.setenv("CONNECTOR_HTTP_PORT", port)
    assert main(["health", "live"]) == ExitStatus.WRONG_USE
    assert sentence in sentences_in("".join(capsys.readouterr()))
