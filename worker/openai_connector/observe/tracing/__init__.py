"""Traces by OpenTelemetry: a span a job, a child a call; on where the usual OTEL_* variables say so.

Nothing of OpenTelemetry is imported before it is known that somebody wants traces.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from openai_connector import wording
from openai_connector.observe.tracing.library import Library, set_in

if TYPE_CHECKING:
    from openai_connector.observe.tracing.spans import Traces

log = logging.getLogger(__name__)

EXPORTER: Final = "OTEL_TRACES_EXPORTER"
ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")


def wanted_by(environ: Mapping[str, str]) -> str | None:
    """Return the variable that asks for traces; None: none does, or one forbids them."""
    if environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return None
    exporter = environ.get(EXPORTER, "").strip().lower()
    if exporter == "none":
        return None
    asking = EXPORTER if exporter else None
    return asking or next((name for name in ENDPOINTS if environ.get(name, "").strip()), None)


def open_traces(environ: Mapping[str, str]) -> Traces | None:
    """Return what makes traces of events; None: nobody wants them, or they cannot be made, which is told.

    Args:
        environ: the variables of this process, which OpenTelemetry reads too.
    """
    variable = wanted_by(environ)
    if variable is None:
        return None
    library = Library(environ)
    library.attach()  # before the imports, which read variables and log what they hold
    provider = None
    try:
        from openai_connector.observe.tracing.export import provider_of
        from openai_connector.observe.tracing.spans import Traces

        provider = provider_of(environ, library)
    except ImportError:
        log.warning("%s", wording.TRACES_NO_EXTRA(variable=variable))
    except ValueError as error:  # of OTEL_PROPAGATORS, which is read with the import
        variables = ", ".join(set_in(environ))
        log.warning("%s", wording.TRACES_NOT_OPENED(variables=variables, reason=error))
    finally:
        if provider is None:
            library.detach()
    return None if provider is None else Traces.of(provider, environ)
