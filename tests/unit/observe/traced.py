"""A worker whose events become traces, sent to a collector's stand-in."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import pytest

from openai_connector.job import Job, Outcome
from openai_connector.observe.events import Events, JobEnded, JobStarted
from openai_connector.observe.tracing import open_traces
from openai_connector.observe.tracing.spans import Traces
from tests.collector import Collector, Span
from tests.make import FakeApi, connector


@contextmanager
def traces_to(collector: Collector | None = None, /, **variables: str) -> Iterator[Traces]:
    """Open traces as a worker does; what is left is sent at the end."""
    with pytest.MonkeyPatch.context() as patch:
        for name in os.environ:
            if name.startswith("OTEL_"):
                patch.delenv(name)
        if collector is not None:
            patch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        for name, value in variables.items():
            patch.setenv(name, value)
        traces = open_traces(os.environ)
        assert traces is not None
        yield traces
        asyncio.run(traces.aclose(20))


def spans_of(*jobs: Job, api: FakeApi | None = None, environ: Mapping[str, str] | None = None) -> list[Span]:
    """Work on jobs, one after the other, and return the spans of that."""
    with Collector() as collector:
        with traces_to(collector, **(environ or {})) as traces:
            asyncio.run(work(traces, *jobs, api=api))
        return collector.spans


async def work(traces: Traces, *jobs: Job, api: FakeApi | None = None) -> list[Outcome]:
    """Work on jobs as the engine's side does."""
    events = Events(traces)
    worker = connector(api or FakeApi(), events=events)
    outcomes = []
    for given in jobs:
        events.emit(JobStarted(given))
        outcome = await worker.work(given)
        events.emit(JobEnded(given, outcome, "done", 0.1))
        outcomes.append(outcome)
    return outcomes


def named(spans: list[Span], beginning: str) -> list[Span]:
    """Return the spans whose names begin so."""
    return [span for span in spans if span.name.startswith(beginning)]


def only(spans: list[Span], beginning: str) -> Span:
    """Return the one span whose name begins so."""
    [found] = named(spans, beginning)
    return found
