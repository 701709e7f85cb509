"""The management port: health, the clock for tests and a few metrics, over HTTP as in the real engine."""

from __future__ import annotations

import asyncio
import json
from typing import Final

from local_engine.clock import Clock
from local_engine.runner import Runner

LONGEST_BODY: Final = 65_536
PATIENCE: Final = 10.0
"""Seconds in which a client must send its request."""


class Management:
    """Serves a few paths: `/actuator/clock`, `/actuator/health/status`, `/ready`, `/actuator/prometheus`."""

    def __init__(self, runner: Runner, clock: Clock) -> None:
        self._runner = runner
        self._clock = clock

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request and close the connection."""
        try:
            async with asyncio.timeout(PATIENCE):
                method, path, body = await _read(reader)
                status, answer = self._answer(method, path, body)
                head = (
                    f"HTTP/1.1 {status}\r\nContent-Type: {_type(path)}\r\nContent-Length: {len(answer)}\r\n"
                )
                writer.write(f"{head}Connection: close\r\n\r\n".encode() + answer)
                await writer.drain()
        except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        finally:
            writer.close()

    def _answer(self, method: str, path: str, body: bytes) -> tuple[str, bytes]:
        if path == "/actuator/prometheus" and method == "GET":
            return "200 OK", self._metrics()
        if path in ("/actuator/health/status", "/actuator/health", "/health", "/ready") and method == "GET":
            return "200 OK", b'{"status":"UP"}'
        if path.startswith("/actuator/clock"):
            return self._move_clock(method, path, body)
        return "404 Not Found", b'{"error":"There is no such path on the management port."}'

    def _move_clock(self, method: str, path: str, body: bytes) -> tuple[str, bytes]:
        try:
            if (method, path) == ("POST", "/actuator/clock/add"):
                self._clock.advance(int(json.loads(body)["offsetMilli"]))
            elif (method, path) == ("POST", "/actuator/clock/pin"):
                self._clock.pin(int(json.loads(body)["epochMilli"]))
            elif (method, path) == ("DELETE", "/actuator/clock"):
                self._clock.reset()
            elif (method, path) != ("GET", "/actuator/clock"):
                return (
                    "404 Not Found",
                    b'{"error":"POST /actuator/clock/add or /pin, DELETE or GET /actuator/clock."}',
                )
        except (ValueError, KeyError, TypeError):
            return (
                "400 Bad Request",
                b'{"error":"The body must be JSON with a number: offsetMilli (add), epochMilli (pin)."}',
            )
        if method != "GET":
            self._runner.wake()
        return "200 OK", json.dumps({"epochMilli": self._clock.now()}).encode()

    def _metrics(self) -> bytes:
        counts = self._runner.engine.records.job_counts
        lines = [
            f'zeebe_job_events_total{{action="{action}",partition="1"}} {count}\n'
            for action, count in counts.items()
        ]
        return "".join(lines).encode()


async def _read(reader: asyncio.StreamReader) -> tuple[str, str, bytes]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *headers = head.split("\r\n")
    method, path, *_ = [*first.split(" "), "", ""]
    length = 0
    for header in headers:
        name, _, value = header.partition(":")
        if name.strip().lower() == "content-length" and value.strip().isdigit():
            length = min(int(value), LONGEST_BODY)
    return method, path, await reader.readexactly(length)


def _type(path: str) -> str:
    return "text/plain; version=0.0.4" if path.endswith("prometheus") else "application/json"
