"""A span a job, from its arrival to the acknowledged outcome, with a child a call: made from the events."""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self

from opentelemetry.context import Context
from opentelemetry.propagate import get_global_textmap
from opentelemetry.trace import (
    Link,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    Tracer,
    set_span_in_context,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from openai_connector import __version__, wording
from openai_connector.contract import ERROR_VARIABLE, TEMPLATE_ID, TEMPLATE_VERSION, TRACE_VARIABLES
from openai_connector.job import BpmnError, Completed, Failed, Job, Outcome
from openai_connector.observe import events as e
from openai_connector.observe.tracing import genai
from openai_connector.observe.tracing import names as n
from openai_connector.observe.tracing.export import Provider
from openai_connector.observe.tracing.own import is_own
from openai_connector.redaction import place_of

log = logging.getLogger(__name__)

MOST_BEFORE: Final = 10_000
"""Jobs that went back to the engine whose spans are remembered."""
LONGEST_TRACEPARENT: Final = 512
CAPTURE: Final = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
CAPTURING: Final = frozenset({"true", "span_only", "span_and_event"})
_W3C: Final = TraceContextTextMapPropagator()
_NO_CONTEXT: Final = Context()
"""In place of the current one, which nobody here sets: the SDK takes its time to find it."""


@dataclass(slots=True)
class _Traced:
    """A job that is worked on."""

    span: Span
    call: Span | None = None
    asked: Mapping[str, genai.Value] = field(default_factory=dict)
    """What the call's span says of it. It is told at its end, for each telling costs much."""
    problem: e.CallFailed | None = None


class Traces:
    """Listens to the worker's events.

    Args:
        tracer: makes spans.
        is_content_shown: prompts and answers become attributes.
        provider: is closed at the end.
    """

    def __init__(
        self, tracer: Tracer, *, is_content_shown: bool = False, provider: Provider | None = None
    ) -> None:
        self._tracer = tracer
        self._is_content_shown = is_content_shown
        self._provider = provider
        self._jobs: dict[int, _Traced] = {}
        self._before: OrderedDict[int, SpanContext] = OrderedDict()
        self._is_failing = False
        told = get_global_textmap()
        # The usual one would look for baggage too, of which there is none.
        self._propagator = _W3C if _W3C.fields <= told.fields <= _W3C.fields | {"baggage"} else told
        self._heard: Mapping[type, Callable[[Any], object]] = {
            e.JobStarted: self._started,
            e.CallSent: self._sent,
            e.AnswerReceived: self._answered,
            e.CallUnanswered: lambda event: self._call_over(event.job, event.kind),
            e.CallCut: lambda event: self._call_over(event.job, n.CUT),
            e.CallFailed: self._failed,
            e.AnswerUnexpected: self._unexpected,
            e.AnswerReused: lambda event: self._note(event.job, n.REUSED),
            e.CallLost: lambda event: self._note(event.job, n.LOST),
            e.HeldBack: lambda event: self._note(event.job, n.HELD_BACK, {n.REASON: event.kind}),
            e.AnswerAwaited: self._awaited,
            e.AnswerFetched: self._fetched,
            e.JobEnded: self._ended,
            e.JobGone: self._gone,
        }

    @classmethod
    def of(cls, provider: Provider, environ: Mapping[str, str]) -> Self:
        """Return what makes traces for a provider, and say so."""
        log.info("%s", wording.TRACES_ON(where=provider.where))
        is_content_shown = environ.get(CAPTURE, "").strip().lower() in CAPTURING
        if is_content_shown:
            log.warning("%s", wording.TRACES_WITH_CONTENT(variable=CAPTURE))
        tracer = provider.tracers.get_tracer("openai_connector", __version__)
        return cls(tracer, is_content_shown=is_content_shown, provider=provider)

    def __call__(self, event: e.Event) -> None:
        """Make what an event means for the traces; no trace is worth a job."""
        heard = self._heard.get(type(event))
        if heard is None:
            return
        try:
            heard(event)
        except Exception as error:
            level = logging.DEBUG if self._is_failing else logging.ERROR
            self._is_failing = True
            log.log(level, "A trace failed (%s). This is a bug: please report it", place_of(error))

    async def aclose(self, seconds: float) -> None:
        """Send what is left, for so long at most."""
        if self._provider is not None:
            await self._provider.aclose(seconds)

    # Jobs

    def _started(self, event: e.JobStarted) -> None:
        self._jobs[event.job.key] = _Traced(self._begun(event.job))

    def _begun(self, job: Job, seconds: float = 0.0) -> Span:
        """Begin a job's span, so many seconds ago."""
        before = self._before.pop(job.key, None)
        return self._tracer.start_span(
            f"job {genai.short(job.element_id)}",
            context=parent_of(job),
            kind=SpanKind.CONSUMER,
            links=() if before is None else (Link(before, {n.LINK: n.BEFORE}),),
            start_time=time.time_ns() - int(seconds * 1e9) if seconds else None,
        )

    def _ended(self, event: e.JobEnded) -> None:
        job, outcome = event.job, event.outcome
        traced = self._jobs.pop(job.key, None) or _Traced(self._begun(job, event.seconds))
        span = traced.span
        kind, code = _error_of(traced.problem, outcome)
        attributes = _of_job(job) | _of_outcome(outcome, event.delivery)
        for name, text in ((n.ERROR_TYPE, kind), (n.ERROR_CODE, code)):
            if text:
                attributes[name] = genai.short(text)
        span.set_attributes(attributes)
        if isinstance(outcome, Failed):
            if traced.problem is not None or not outcome.retries:
                span.set_status(Status(StatusCode.ERROR, genai.short(code or kind)))
            if outcome.retries:
                self._remember(job.key, span.get_span_context())
        self._end(traced)

    def _gone(self, event: e.JobGone) -> None:
        traced = self._jobs.pop(event.job.key, None)
        if traced is not None:
            traced.span.set_attributes({**_of_job(event.job), n.OUTCOME: n.GONE})
            self._end(traced)

    def _end(self, traced: _Traced) -> None:
        if traced.call is not None:
            self._end_call(traced, traced.call)
        traced.span.end()

    def _end_call(
        self, traced: _Traced, span: Span, attributes: Mapping[str, genai.Value] | None = None
    ) -> None:
        if span.is_recording():
            span.set_attributes({**traced.asked, **(attributes or {})})
        span.end()
        traced.call = None

    def _remember(self, key: int, context: SpanContext) -> None:
        self._before[key] = context
        if len(self._before) > MOST_BEFORE:
            self._before.popitem(last=False)

    def _failed(self, event: e.CallFailed) -> None:
        traced = self._jobs.get(event.job.key)
        if traced is not None:
            traced.problem = event

    def _note(self, job: Job, name: str, attributes: Mapping[str, genai.Value] | None = None) -> None:
        traced = self._jobs.get(job.key)
        if traced is not None:
            traced.span.add_event(name, attributes)

    def _unexpected(self, event: e.AnswerUnexpected) -> None:
        self._note(event.job, n.UNEXPECTED, {n.REASON: event.condition, n.ASKED_AGAIN: event.is_asked_again})

    # Calls

    def _sent(self, event: e.CallSent) -> None:
        traced = self._jobs.get(event.job.key)
        if traced is None:
            return
        span = traced.call = self._call(traced, event.call)
        if span.is_recording():
            asked = genai.of_request(event.content, is_shown=self._is_content_shown)
            traced.asked = {**genai.of_call(event.call), **asked}
        self._propagator.inject(event.added, set_span_in_context(span, _NO_CONTEXT))
        if not is_own(event.call.host):
            event.added.pop("tracestate", None)  # what others have noted is not for everybody

    def _call(self, traced: _Traced, call: e.Call) -> Span:
        return self._tracer.start_span(
            genai.name_of(call),
            context=set_span_in_context(traced.span, _NO_CONTEXT),
            kind=SpanKind.CLIENT,
        )

    def _answered(self, event: e.AnswerReceived) -> None:
        traced = self._jobs.get(event.job.key)
        if traced is None or traced.call is None:
            return
        span, status = traced.call, event.status
        answered = {n.HTTP_STATUS: status, **self._of_answer(event)} if span.is_recording() else {}
        if status >= 400:
            _is_wrong(span, str(status))
        self._end_call(traced, span, answered)

    def _of_answer(self, event: e.AnswerReceived | e.AnswerFetched) -> Mapping[str, genai.Value]:
        counted = event.tokens_in, event.tokens_out
        return genai.of_answer(event.content, counted, is_shown=self._is_content_shown)

    def _call_over(self, job: Job, kind: str) -> None:
        traced = self._jobs.get(job.key)
        if traced is not None and traced.call is not None:
            _is_wrong(traced.call, kind)
            self._end_call(traced, traced.call)

    # Waiting

    def _awaited(self, event: e.AnswerAwaited) -> None:
        traced = self._jobs.get(event.job.key)
        if traced is not None:
            traced.span.set_attribute(_id_name(event.kind), genai.short(event.id))
            traced.span.add_event(n.AWAITED, {n.WAITED: round(event.seconds, 3)})

    def _fetched(self, event: e.AnswerFetched) -> None:
        """Note an answer that was made elsewhere as a call of no length: it was bought before."""
        traced = self._jobs.get(event.job.key)
        if traced is None:
            return
        waited = {n.WAITED: round(event.seconds, 3)}
        id_ = {_id_name(event.kind): genai.short(event.id)}
        traced.span.set_attributes(id_)
        traced.span.add_event(n.FETCHED, waited)
        span = self._call(traced, event.call)
        if span.is_recording():
            span.set_attributes({**genai.of_call(event.call), **waited, **id_, **self._of_answer(event)})
        span.end()


def parent_of(job: Job) -> Context:
    """Return the trace that a job belongs to, by its variable or its header; empty where none is told."""
    for given in (job.variables, job.headers):
        if TRACE_VARIABLES[0] not in given:
            continue
        carrier = {name: text for name in TRACE_VARIABLES if isinstance(text := given.get(name), str)}
        if len(carrier.get(TRACE_VARIABLES[0], "")) <= LONGEST_TRACEPARENT:
            found = _W3C.extract(carrier, Context())
            if found:
                return found
    return Context()


def _of_job(job: Job) -> dict[str, genai.Value]:
    """Return what tells a job from others; keys as text, for they are larger than browsers can count."""
    attributes: dict[str, genai.Value] = {
        n.JOB_KEY: str(job.key),
        n.JOB_TYPE: genai.short(job.type),
        n.PROCESS_ID: genai.short(job.bpmn_process_id),
        n.ELEMENT_ID: genai.short(job.element_id),
        n.INSTANCE_KEY: str(job.process_instance_key),
        n.ELEMENT_INSTANCE_KEY: str(job.element_instance_key),
        n.TENANT: genai.short(job.tenant_id),
        n.RETRIES: job.retries,
    }
    for name, header in ((n.TEMPLATE_ID, TEMPLATE_ID), (n.TEMPLATE_VERSION, TEMPLATE_VERSION)):
        if header in job.headers:
            attributes[name] = genai.short(job.headers[header])
    return attributes


def _of_outcome(outcome: Outcome, delivery: str) -> dict[str, genai.Value]:
    attributes: dict[str, genai.Value] = {n.DELIVERY: delivery}
    match outcome:
        case Completed():
            attributes[n.OUTCOME] = "completed"
        case BpmnError(code=code):
            attributes |= {n.OUTCOME: "bpmnError", n.BPMN_ERROR: genai.short(code)}
        case Failed(retries=retries):
            attributes |= {n.OUTCOME: "failed", n.RETRIES_LEFT: retries}
    return attributes


def _error_of(problem: e.CallFailed | None, outcome: Outcome) -> tuple[str, str]:
    """Return type and code of what went wrong; empty where nothing did."""
    if problem is not None:
        return problem.kind, problem.code
    if not isinstance(outcome, Failed):
        return "", ""
    error = outcome.variables.get(ERROR_VARIABLE)
    given = error if isinstance(error, Mapping) else {}
    kind, code = (text if isinstance(text := given.get(name), str) else "" for name in ("type", "code"))
    return kind or ("" if outcome.retries else "_OTHER"), code


def _is_wrong(span: Span, kind: str) -> None:
    span.set_attribute(n.ERROR_TYPE, kind)
    span.set_status(Status(StatusCode.ERROR, kind))


def _id_name(kind: str) -> str:
    return n.BATCH_ID if kind == "batch" else n.RESPONSE_ID
