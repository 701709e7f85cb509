"""A stand-in for a collector of traces: OTLP over HTTP, on a real socket, with every message decoded."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

PATIENCE = 30.0


@dataclass(frozen=True, slots=True)
class Link:
    """A link to another span."""

    trace: str
    id: str
    attributes: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Span:
    """A span as it arrived."""

    name: str
    trace: str
    id: str
    parent: str
    """Empty: none."""
    kind: int
    begin: int
    end: int
    attributes: dict[str, Any]
    events: list[tuple[str, dict[str, Any]]]
    links: list[Link]
    status: tuple[int, str]
    state: str
    """What is handed on as `tracestate`."""
    resource: dict[str, Any]


class Collector:
    """The server; it answers `statuses` one after the other, then 200, after `delay` seconds."""

    def __init__(self) -> None:
        self.headers: list[dict[str, str]] = []
        self.paths: list[str] = []
        self.statuses: list[int] = []
        self.delay = 0.0
        self.spans: list[Span] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True

    @property
    def url(self) -> str:
        """What to set as OTEL_EXPORTER_OTLP_ENDPOINT."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def wait_for(self, count: int) -> list[Span]:
        """Wait until that many spans are here."""
        deadline = time.monotonic() + PATIENCE
        while len(self.spans) < count:
            assert time.monotonic() < deadline, f"{len(self.spans)} of {count} spans"
            time.sleep(0.01)
        return self.spans

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, place: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        collector = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                content = self.rfile.read(int(self.headers["Content-Length"]))
                time.sleep(collector.delay)
                status = collector.statuses.pop(0) if collector.statuses else 200
                collector.headers.append({name.lower(): value for name, value in self.headers.items()})
                collector.paths.append(self.path)
                if status == 200:
                    collector.spans += decoded(content)
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                pass

        return Handler


def decoded(content: bytes) -> list[Span]:
    """Read one message."""
    message = ExportTraceServiceRequest.FromString(content)
    return [
        Span(
            name=span.name,
            trace=span.trace_id.hex(),
            id=span.span_id.hex(),
            parent=span.parent_span_id.hex(),
            kind=span.kind,
            begin=span.start_time_unix_nano,
            end=span.end_time_unix_nano,
            attributes=_values(span.attributes),
            events=[(event.name, _values(event.attributes)) for event in span.events],
            links=[
                Link(link.trace_id.hex(), link.span_id.hex(), _values(link.attributes)) for link in span.links
            ],
            status=(span.status.code, span.status.message),
            state=span.trace_state,
            resource=_values(group.resource.attributes),
        )
        for group in message.resource_spans
        for scope in group.scope_spans
        for span in scope.spans
    ]


def _values(attributes: Iterable[Any]) -> dict[str, Any]:
    return {pair.key: _value(pair.value) for pair in attributes}


def _value(value: Any) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(each) for each in value.array_value.values]
    return getattr(value, kind)
