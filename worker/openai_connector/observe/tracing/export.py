"""Where traces go: OpenTelemetry's own provider and exporters, by its own variables."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.metadata import entry_points
from typing import Final
from urllib.parse import urlsplit

from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from openai_connector import __version__, wording
from openai_connector.observe.tracing import ENDPOINTS, EXPORTER
from openai_connector.observe.tracing.library import REASONS, Library, set_in

log = logging.getLogger(__name__)

SERVICE: Final = "openai-connector"
GROUP: Final = "opentelemetry_traces_exporter"
PROTOCOLS: Final = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
OTLP: Final = "otlp_proto_"
OF_HTTP: Final = OTLP + "http"
FILES: Final = ("CERTIFICATE", "CLIENT_CERTIFICATE", "CLIENT_KEY")


class Provider:
    """OpenTelemetry's provider of one worker.

    Args:
        tracers: the provider.
        where: the traces go, for people.
        library: takes what OpenTelemetry logs, until the end.
    """

    def __init__(self, tracers: TracerProvider, where: str, library: Library) -> None:
        self.tracers = tracers
        self.where = where
        self._library = library
        library.built()

    async def aclose(self, seconds: float) -> None:
        """Send what is left, for so long at most.

        In a thread that ends with the process: the library waits for 30 s, and nobody else does.
        """
        over, loop = asyncio.Event(), asyncio.get_running_loop()

        def close() -> None:
            self.tracers.shutdown()
            if not loop.is_closed():
                loop.call_soon_threadsafe(over.set)

        threading.Thread(target=close, name="last-traces", daemon=True).start()
        try:
            await asyncio.wait_for(over.wait(), seconds)
        except TimeoutError:
            log.warning("%s", wording.TRACES_UNFINISHED(seconds=f"{seconds:g}"))
        self._library.detach()


def provider_of(environ: Mapping[str, str], library: Library) -> Provider | None:
    """Return a provider by OpenTelemetry's variables; None: they cannot be used, which is told."""
    names = list(_names(environ))
    found = {name: entry_points(group=GROUP, name=name) for name in names}
    for name, points in found.items():
        if not points:
            log.warning("%s", _not_installed(name, environ))
            return None
    if (problem := _problem_in(names, environ)) is not None:
        log.warning("%s", problem)
        return None
    try:
        tracers = TracerProvider(resource=_resource(), shutdown_on_exit=False)
        for points in found.values():
            exporter = next(iter(points)).load()()
            tracers.add_span_processor(BatchSpanProcessor(Watched(exporter)))
    except Exception as error:  # whatever its variables hold: the worker goes on
        variables, reason = ", ".join(set_in(environ)), type(error).__name__
        log.warning("%s", wording.TRACES_NOT_OPENED(variables=variables, reason=reason))
        return None
    return Provider(tracers, _where(names, environ), library)


class Watched(SpanExporter):
    """An exporter of whose trouble one line is logged, and one when it is over.

    Args:
        exporter: sends the spans.
        clock: seconds that never go back.
    """

    def __init__(self, exporter: SpanExporter, clock: Callable[[], float] = time.monotonic) -> None:
        self._exporter = exporter
        self._clock = clock
        self._failing_since: float | None = None

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send spans."""
        REASONS.last = ""
        result = self._exporter.export(spans)
        if result is SpanExportResult.SUCCESS:
            if self._failing_since is not None:
                seconds = self._clock() - self._failing_since
                log.info("%s", wording.TRACES_FOUND(seconds=f"{seconds:.0f}"))
            self._failing_since = None
        elif self._failing_since is None:
            self._failing_since = self._clock()
            log.warning(
                "%s", wording.TRACES_LOST(reason=REASONS.last or "no connection, or no answer in time")
            )
        return result

    def shutdown(self) -> None:
        """Send no more."""
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Send what the exporter itself holds back."""
        return self._exporter.force_flush(timeout_millis)


def _names(environ: Mapping[str, str]) -> Iterator[str]:
    """Yield the exporters that are asked for, by the names of their entry points."""
    for name in (environ.get(EXPORTER) or "otlp").split(","):
        if name.strip().lower() == "otlp":
            protocol = next((text for each in PROTOCOLS if (text := environ.get(each, "").strip())), "http")
            yield OTLP + protocol.partition("/")[0]
        elif name.strip():
            yield name.strip()


def _not_installed(name: str, environ: Mapping[str, str]) -> str:
    """Return a sentence on an exporter that is not there, in the words of the variable that names it."""
    installed = {point.name for point in entry_points(group=GROUP)}
    of_otlp = {each.removeprefix(OTLP) for each in installed if each.startswith(OTLP)}
    variable = next((each for each in PROTOCOLS if environ.get(each, "").strip()), EXPORTER)
    if name.startswith(OTLP) and variable != EXPORTER:
        known = {"http/protobuf" if each == "http" else each for each in of_otlp}
        name = environ[variable].strip()
    else:
        variable = EXPORTER
        known = {each for each in installed if not each.startswith(OTLP)} | ({"otlp"} if of_otlp else set())
    return wording.TRACES_NO_EXPORTER(variable=variable, name=name, known=" or ".join(sorted(known)))


def _problem_in(names: Sequence[str], environ: Mapping[str, str]) -> str | None:
    """Return what the exporter for HTTP would only find when it sends, several seconds after the start."""
    if OF_HTTP not in names:
        return None
    for variable in ENDPOINTS:
        if (url := environ.get(variable, "").strip()) and not _is_url(url):
            return wording.TRACES_NO_URL(variable=variable)
    for kind in FILES:
        for variable in (f"OTEL_EXPORTER_OTLP_TRACES_{kind}", f"OTEL_EXPORTER_OTLP_{kind}"):
            path = environ.get(variable, "")
            if path and not os.access(path, os.R_OK):
                return wording.TRACES_NO_FILE(variable=variable)
    return None


def _is_url(text: str) -> bool:
    try:
        url = urlsplit(text)
        return url.scheme in ("http", "https") and bool(url.hostname) and url.port != 0
    except ValueError:
        return False


def _resource() -> Resource:
    """Return what the traces are of: what the variables say, else the names of this worker."""
    given = Resource.create()
    own: dict[str, str | int] = {
        SERVICE_VERSION: __version__,
        "host.name": socket.gethostname(),
        "process.pid": os.getpid(),
    }
    if str(given.attributes.get(SERVICE_NAME, "unknown_service")).startswith("unknown_service"):
        given = given.merge(Resource({SERVICE_NAME: SERVICE}))
    return Resource({**own}).merge(given)


def _where(names: Sequence[str], environ: Mapping[str, str]) -> str:
    """Return where traces go, without the path, in which some collectors want a key."""
    if not any(name.startswith("otlp_") for name in names):
        return ", ".join(names)
    endpoint = next((text for each in ENDPOINTS if (text := environ.get(each, "").strip())), "localhost:4318")
    address = endpoint if "//" in endpoint else f"//{endpoint}"
    return urlsplit(address).netloc.rpartition("@")[2]
