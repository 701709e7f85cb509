"""What the worker answers at each address."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from openai_connector import wording
from openai_connector.look import security_headers
from openai_connector.observe.metrics import Metrics
from openai_connector.observe.series import CONTENT_TYPE
from openai_connector.status import health, page
from openai_connector.status.board import Board
from openai_connector.status.parts import Parts
from openai_connector.status.report import report

HEALTH: Final = "/health"
"""Begins the addresses for probes: their answers take no time to make."""
LIVE: Final = "/health/live"
READY: Final = "/health/ready"
STARTUP: Final = "/health/startup"


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer of the worker."""

    status: int
    content_type: str
    body: bytes
    headers: Mapping[str, str]


class Endpoint:
    """The worker's state at each address.

    Args:
        metrics: count its events.
        board: knows what it is doing.
        parts: what it is made of.
    """

    def __init__(self, metrics: Metrics, board: Board, parts: Parts) -> None:
        self._metrics = metrics
        self._board = board
        self._parts = parts
        self._addresses: Mapping[str, Callable[[], Reply]] = {
            "/": self._page,
            "/metrics": self._written_metrics,
            "/status": lambda: _json(200, report(parts, board)),
            LIVE: lambda: _health(*health.live()),
            READY: lambda: _health(*health.ready(parts, board)),
            STARTUP: lambda: _health(*health.startup(parts)),
            HEALTH: lambda: _health(*health.ready(parts, board)),
        }

    def answer(self, method: str, path: str) -> Reply:
        """Return the answer to a request."""
        if method not in ("GET", "HEAD"):
            return _json(405, {"error": wording.STATUS_ONLY_GET()}, {"Allow": "GET, HEAD"})
        address = self._addresses.get(path.partition("?")[0])
        if address is None:
            return _json(404, {"error": wording.STATUS_NO_SUCH(addresses=", ".join(self._addresses))})
        return address()

    def _page(self) -> Reply:
        nonce = secrets.token_urlsafe(16)
        body = page.render(report(self._parts, self._board), nonce=nonce).encode("utf-8", "replace")
        return Reply(200, "text/html; charset=utf-8", body, security_headers(nonce))

    def _written_metrics(self) -> Reply:
        metrics = self._metrics
        for one in self._parts.fetching:
            labels = (one.job_type,)
            metrics.slots.set(one.max_jobs, labels)
            metrics.slots_used.set(one.in_slots, labels)
            metrics.in_work.set(one.running, labels)
            metrics.connected.set(one.connected, labels)
        for kind, count in self._board.waiting_by_kind().items():
            metrics.waiting.set(count, (kind,))
        if self._parts.store is not None:
            metrics.store_healthy.set(self._parts.store.is_healthy)
            metrics.store_full.set(self._parts.store.is_full)
        return Reply(200, CONTENT_TYPE, metrics.written().encode(), {"Cache-Control": "no-store"})


def _health(is_up: bool, body: Mapping[str, Any]) -> Reply:
    return _json(200 if is_up else 503, body)


def _json(status: int, body: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Reply:
    content = json.dumps(body).encode()  # ASCII
    safe = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
    return Reply(status, "application/json", content, safe | dict(headers or {}))
