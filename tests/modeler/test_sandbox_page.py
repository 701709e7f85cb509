"""The sandbox's page in a real Chromium, over a real engine and worker against a stand-in API."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from openai_connector.tools.demo.engine import free_ports
from tests.diagrams import process, task
from tests.engine.worker import neutral_environment
from tests.modeler.front_end import HERE
from tests.stand_in import StandIn

ARTIFACTS = HERE.parents[1] / "artifacts" / "sandbox"
PATIENCE = 120.0
"""Seconds for anything that takes a few on an idle machine."""


@pytest.fixture
async def page(api: StandIn) -> AsyncIterator[str]:
    """The address of a sandbox's page; its worker asks the stand-in."""
    given = {
        "OPENAI_BASE_URL": api.base_url,
        "OPENAI_API_KEY": "sk-page",
        "CONNECTOR_ALLOWED_HOSTS": "127.0.0.1",
    }
    (port,) = free_ports(1)
    running = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "openai_connector", "sandbox", "--port", "0", "--web-port", str(port)),
        env=neutral_environment() | given | {"PYTHONUNBUFFERED": "1"},
        stdout=asyncio.subprocess.PIPE,
    )
    assert running.stdout is not None
    try:
        async with asyncio.timeout(PATIENCE):
            while f"http://127.0.0.1:{port}" not in (await running.stdout.readline()).decode():
                assert running.returncode is None
        yield f"http://127.0.0.1:{port}"
    finally:
        running.send_signal(signal.SIGINT)
        await running.communicate()


async def test_an_incident_is_seen_and_mended(
    browser: tuple[Path, str], page: str, tmp_path: Path, api: StandIn
) -> None:
    """Dropped, started, stopped at an incident, mended by a local variable, retried, ended.

    All by the page alone.
    """
    values = {"apiKey": "k", "operation": "chat", "prompt": "=question", "temperature": "=heat"}
    inputs = {f"openai_{name}": value for name, value in values.items()}
    asking = task(
        "openai-chat.json",
        element_id="Ask",
        values=inputs,
        headers={"resultExpression": "={answer: output.text}"},
    )
    diagram = tmp_path / "ask.bpmn"
    diagram.write_text(process("ask", asking), "utf-8")
    seen = await _use(browser, page, diagram)
    assert "No process is deployed" in seen["empty"]
    assert seen["refused"]
    assert seen["message"] == "Temperature must be a number between 0 and 2, got 7"
    assert seen["proposed"] == "openai_temperature"
    assert "is-trouble" in seen["marked"]
    assert "Answer 1" in seen["variables"]
    assert seen["path"] == 2
    assert api.calls == 1
    assert seen["closed"] is True
    assert seen["light"] != seen["dark"]
    assert seen["width"] <= 360
    assert (seen["problems"], seen["foreign"]) == ([], [])


async def _use(browser: tuple[Path, str], page: str, diagram: Path) -> dict[str, Any]:
    program, found = browser
    using = await asyncio.create_subprocess_exec(
        *(str(program), str(HERE / "sandbox_page.mjs"), found, page, str(diagram), str(ARTIFACTS)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(PATIENCE):
        said, complaints = await using.communicate()
    assert using.returncode == 0, complaints.decode()
    seen: dict[str, Any] = json.loads(said)
    return seen
