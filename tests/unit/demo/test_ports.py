"""Ports for programs that listen on them only later."""

from __future__ import annotations

import pytest

from openai_connector.tools.demo import engine
from openai_connector.tools.demo.engine import EngineError, free_ports


def test_no_port_is_given_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """The model's port is still free while the model loads.

    The engine, started meanwhile, must not get it too.
    """
    monkeypatch.setattr(engine, "PORTS", range(21_000, 21_400))
    given = [port for _ in range(30) for port in free_ports(2)]
    assert len(set(given)) == 60


def test_too_few_free_ports_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """One sentence says how many ports were wanted, and where."""
    monkeypatch.setattr(engine, "PORTS", range(21_400, 21_600))
    with pytest.raises(EngineError, match="No 201 free ports were found between 21400 and 21600"):
        free_ports(201)
