"""What OpenTelemetry's own library logs: its lines may quote keys, and come several a second."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from openai_connector import wording

log = logging.getLogger(__name__)

PREFIX: Final = "OTEL_"
_LIBRARY: Final = logging.getLogger("opentelemetry")
_PHRASES: Final = frozenset(status.phrase for status in HTTPStatus)
_READ_BY: Final = {
    "opentelemetry.util.re": "_HEADERS",
    "opentelemetry.sdk.trace.sampling": "_SAMPLER",
    "opentelemetry.sdk.resources": "_RESOURCE_",
    "opentelemetry.exporter.otlp.proto.http._common": "_OTLP_",
}
"""Parts of the names of the variables that its modules read, whose lines name none."""


class Library(logging.Handler):
    """Takes the library's lines while it is attached, and tells what matters of them.

    While the exporter is built they are about variables: these are told by name, without their values. After
    that they are about sending, and the last reason is remembered in the thread that sends.

    Args:
        environ: the variables that the library reads.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        super().__init__()
        self._environ = environ
        self._told: set[str] = set()
        self._is_built = False

    def attach(self) -> None:
        """Take the lines from now on."""
        _LIBRARY.addHandler(self)
        _LIBRARY.propagate = False

    def built(self) -> None:
        """Take the lines that follow as being about sending."""
        self._is_built = True

    def detach(self) -> None:
        """Take no more lines."""
        _LIBRARY.removeHandler(self)
        _LIBRARY.propagate = True

    def emit(self, record: logging.LogRecord) -> None:
        """Tell, or remember why; never with a value, or with an address, which may hold a key."""
        if self._is_built:
            REASONS.last = _reason(record) or REASONS.last
        elif record.levelno >= logging.WARNING:
            names = self._names_in(record)
            if names not in self._told:
                self._told.add(names)
                log.warning("%s", wording.TRACES_VARIABLE(variables=names))
        log.debug("OpenTelemetry: %s, line %d", record.module, record.lineno)

    def _names_in(self, record: logging.LogRecord) -> str:
        text = record.getMessage()
        part = _READ_BY.get(record.name, PREFIX)
        given = set_in(self._environ)
        return ", ".join([name for name in given if name in text] or [name for name in given if part in name])


class _Reasons(threading.local):
    """What the library said last in the thread that exports."""

    last = ""


REASONS: Final = _Reasons()


def set_in(environ: Mapping[str, str]) -> list[str]:
    """Return the names of OpenTelemetry's variables that are set."""
    return sorted(name for name, value in environ.items() if name.startswith(PREFIX) and value.strip())


def _reason(record: logging.LogRecord) -> str:
    given = record.args if isinstance(record.args, tuple) else ()
    status = next((value for value in given if isinstance(value, int)), None)
    error = next((value for value in given if isinstance(value, Exception)), None)
    phrase = next((value for value in given if value in _PHRASES), None)
    if status is not None:
        return f"the collector answered {status}"
    if error is not None:
        return type(error).__name__
    return "" if phrase is None else f"the collector answered {phrase}"
