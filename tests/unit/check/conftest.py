"""A good set-up on real sockets, which tests then break."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from local_engine.server import LocalEngine
from tests.stand_in import StandIn
from tests.unit.check.looking import KEY, MODELS


@pytest.fixture
async def engine() -> AsyncIterator[LocalEngine]:
    async with LocalEngine() as running:
        yield running


@pytest.fixture
async def api() -> AsyncIterator[StandIn]:
    async with StandIn() as running:
        running.always(MODELS)
        yield running


@pytest.fixture
def set_up(
    monkeypatch: pytest.MonkeyPatch, engine: LocalEngine, api: StandIn, tmp_path: Path
) -> Callable[..., None]:
    for name in list(os.environ):
        if name.lower().endswith("_proxy") or name.startswith(
            ("ZEEBE_", "CAMUNDA_", "CONNECTOR_", "OPENAI_", "GRPC_", "SSL_CERT_")
        ):
            monkeypatch.delenv(name)

    def change(**variables: str) -> None:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    change(
        ZEEBE_ADDRESS=engine.address,
        OPENAI_BASE_URL=api.base_url,
        OPENAI_API_KEY=KEY,
        CONNECTOR_STORE=str(tmp_path / "store"),
    )
    return change
