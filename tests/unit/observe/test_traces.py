"""Traces: a span a job and a child a call, as they arrive at a collector."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openai_connector.job import BpmnError, Completed, Failed, Outcome
from openai_connector.observe.events import (
    AnswerAwaited,
    AnswerFetched,
    AnswerReused,
    Call,
    CallCut,
    CallSent,
    CallUnanswered,
    Content,
    Event,
    HeldBack,
    JobEnded,
    JobGone,
    JobStarted,
)
from openai_connector.observe.tracing import names as n
from openai_connector.observe.tracing.spans import parent_of
from openai_connector.openai_api import ApiError, ApiResponse
from tests.collector import Collector, Span
from tests.make import ANSWER, KEY, PROMPT, FakeApi, bare_job, job, refused
from tests.unit.observe.traced import named, only, spans_of, traces_to, work

CLIENT, CONSUMER, ERROR = 3, 5, 2
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
GIVEN = f"00-{TRACE}-{PARENT}-01"
LONG = 2**62 + 1
CAPTURE = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"


def told(*events: Event, **variables: str) -> list[Span]:
    """Return the spans of events."""
    with Collector() as collector:
        with traces_to(collector, **variables) as traces:
            for event in events:
                traces(event)
        return collector.spans


class TestJobs:
    """The span of a job."""

    def test_it_tells_whose_job_it_is(self) -> None:
        """Keys are exact, names as in the diagram, and the template is told where there is one."""
        one = replace(
            bare_job({"elementTemplateId": "t.v1", "elementTemplateVersion": "4"}, retries=2),
            key=LONG,
            process_instance_key=LONG + 1,
            bpmn_process_id="Antrag-prüfen",
            element_id="Fragen_日本",
            tenant_id="acme",
        )
        [span] = told(JobStarted(one), JobEnded(one, Completed(), "done", 1.0))
        assert span.name == "job Fragen_日本"
        assert span.kind == CONSUMER
        assert span.attributes == {
            "camunda.job.key": str(LONG),
            "camunda.job.type": "openai-connector:1",
            "camunda.process.id": "Antrag-prüfen",
            "camunda.element.id": "Fragen_日本",
            "camunda.process_instance.key": str(LONG + 1),
            "camunda.element_instance.key": "5",
            "camunda.tenant.id": "acme",
            "camunda.job.retries": 2,
            "camunda.element_template.id": "t.v1",
            "camunda.element_template.version": "4",
            "camunda.job.outcome": "completed",
            "camunda.job.delivery": "done",
        }

    @pytest.mark.parametrize(
        ("outcome", "attributes", "is_error"),
        [
            pytest.param(Completed(), {n.OUTCOME: "completed"}, False, id="completed"),
            pytest.param(
                BpmnError("NO_STOCK"), {n.OUTCOME: "bpmnError", n.BPMN_ERROR: "NO_STOCK"}, False, id="bpmn"
            ),
            pytest.param(Failed("m", 2), {n.OUTCOME: "failed", n.RETRIES_LEFT: 2}, False, id="given-back"),
            pytest.param(
                Failed("m", 0),
                {n.OUTCOME: "failed", n.RETRIES_LEFT: 0, n.ERROR_TYPE: "_OTHER"},
                True,
                id="incident",
            ),
            pytest.param(
                Failed("m", 0, variables={"error": {"type": "MappingError", "code": "MAPPING_FAILED"}}),
                {n.ERROR_TYPE: "MappingError", n.ERROR_CODE: "MAPPING_FAILED"},
                True,
                id="mapping",
            ),
            pytest.param(
                Failed("m", 0, variables={"error": ["odd"]}), {n.ERROR_TYPE: "_OTHER"}, True, id="odd-error"
            ),
        ],
    )
    def test_it_tells_the_outcome(
        self, outcome: Outcome, attributes: Mapping[str, Any], is_error: bool
    ) -> None:
        """What becomes of a job is an attribute, and only what went wrong has the status of an error."""
        [span] = told(JobStarted(bare_job()), JobEnded(bare_job(), outcome, "done", 1.0))
        assert span.attributes.items() >= attributes.items()
        assert (span.status[0] == ERROR) is is_error

    @pytest.mark.parametrize(
        ("error", "kind", "code"),
        [
            pytest.param(refused(500), "ApiStatusError", "500", id="retried"),
            pytest.param(refused(401), "ApiStatusError", "401", id="incident"),
            pytest.param(refused(404, words=f"no {PROMPT} for {KEY}"), "ApiStatusError", "404", id="quoted"),
        ],
    )
    def test_it_tells_why_there_is_no_answer(self, error: ApiError, kind: str, code: str) -> None:
        """Type and code are those of error expressions; the message, which may hold anything, is not told."""
        span = only(spans_of(job(), api=FakeApi([error])), "job")
        assert span.attributes[n.ERROR_TYPE] == kind
        assert span.attributes[n.ERROR_CODE] == code
        assert span.status == (ERROR, code)
        assert PROMPT not in str(span)
        assert KEY not in str(span)

    def test_a_job_that_is_gone_has_an_end(self) -> None:
        """The engine has it no more: that is its outcome, and the call in it is over."""
        call = Call("chat", "m", "h")
        spans = told(JobStarted(job()), CallSent(job(), call), JobGone(job(), 1.0))
        assert only(spans, "job").attributes[n.OUTCOME] == "gone"
        assert len(spans) == 2

    def test_a_job_that_cannot_be_read_has_a_span(self) -> None:
        """It has not begun for the connector; its span is as long as it took."""
        [span] = told(JobEnded(bare_job(), Failed("unreadable", 0), "done", 2.0))
        assert span.status[0] == ERROR
        assert 1.9e9 < span.end - span.begin < 3e9

    def test_what_is_noted_within(self) -> None:
        """A job held back says why, and one that used a stored answer that it did."""
        one = bare_job()
        [span] = told(
            JobStarted(one),
            HeldBack(one, f"about {PROMPT}", "limit"),
            AnswerReused(one),
            JobEnded(one, Failed("m", 3), "done", 1.0),
        )
        assert span.events == [(n.HELD_BACK, {n.REASON: "limit"}), (n.REUSED, {})]

    def test_the_next_activation_is_linked(self) -> None:
        """A job that comes back points to its span of before, whatever trace each is in; a new job to none."""
        spans = spans_of(job(), job(), job(), api=FakeApi([refused(500), ApiResponse(200, {}, ANSWER)]))
        first, second, third = named(spans, "job")
        assert [(link.trace, link.id) for link in second.links] == [(first.trace, first.id)]
        assert first.links == third.links == []


class TestCalls:
    """The span of a call."""

    def test_it_is_a_child_by_the_conventions_of_generative_ai(self) -> None:
        """Operation, provider, model, host, what was asked for, and what came, tokens among it."""
        body = {
            **ANSWER,
            "id": "chatcmpl-1",
            "model": "m-2026-01-01",
            "usage": {
                "prompt_tokens": 11,
                "completion_tokens": 7,
                "total_tokens": 18,
                "prompt_tokens_details": {"cached_tokens": 4},
                "completion_tokens_details": {"reasoning_tokens": 3},
            },
        }
        spans = spans_of(job(temperature=0.25, maxTokens=99), api=FakeApi([ApiResponse(200, {}, body)]))
        span = only(spans, "chat m")
        assert span.kind == CLIENT
        assert (span.trace, span.parent) == (only(spans, "job").trace, only(spans, "job").id)
        assert span.status[0] != ERROR
        assert span.attributes == {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "_OTHER",
            "gen_ai.system": "_OTHER",
            "gen_ai.request.model": "m",
            "gen_ai.request.temperature": 0.25,
            "gen_ai.request.max_tokens": 99,
            "server.address": "llm.example.com",
            "http.response.status_code": 200,
            "gen_ai.response.id": "chatcmpl-1",
            "gen_ai.response.model": "m-2026-01-01",
            "gen_ai.response.finish_reasons": ["stop"],
            "gen_ai.usage.input_tokens": 11,
            "gen_ai.usage.output_tokens": 7,
            "gen_ai.usage.cache_read.input_tokens": 4,
            "gen_ai.usage.reasoning.output_tokens": 3,
        }

    @pytest.mark.parametrize(
        ("host", "provider", "server"),
        [
            pytest.param("api.openai.com", "openai", {"server.address": "api.openai.com"}, id="openai"),
            pytest.param(
                "x.openai.azure.com:443",
                "azure.ai.openai",
                {"server.address": "x.openai.azure.com", "server.port": 443},
                id="azure",
            ),
            pytest.param(
                "[::1]:8080", "_OTHER", {"server.address": "::1", "server.port": 8080}, id="ipv6-and-port"
            ),
            pytest.param("h:99999", "_OTHER", {"server.address": "h"}, id="no-port"),
            pytest.param("", "_OTHER", {"server.address": ""}, id="nothing"),
        ],
    )
    def test_it_tells_who_was_asked(self, host: str, provider: str, server: Mapping[str, Any]) -> None:
        """Provider, host and port are told as far as the address has them."""
        one = job()
        spans = told(JobStarted(one), CallSent(one, Call("chat", "m", host)), JobGone(one, 1.0))
        attributes = only(spans, "chat").attributes
        assert attributes.items() >= {n.PROVIDER: provider, n.SYSTEM: provider, **server}.items()

    @pytest.mark.parametrize(
        ("end", "kind"),
        [
            pytest.param(CallUnanswered(job(), "ApiTimeoutError", 1.0), "ApiTimeoutError", id="timeout"),
            pytest.param(CallUnanswered(job(), "ApiConnectionError", 1.0), "ApiConnectionError", id="broken"),
            pytest.param(CallCut(job(), 1.0), "cut", id="cut"),
        ],
    )
    def test_one_without_an_answer_is_an_error(self, end: Event, kind: str) -> None:
        """It says what was in the answer's place."""
        call = Call("chat", "m", "h")
        spans = told(JobStarted(job()), CallSent(job(), call), end, JobEnded(job(), Failed("", 2), "done", 1))
        assert only(spans, "chat").attributes[n.ERROR_TYPE] == kind
        assert only(spans, "chat").status[0] == ERROR

    def test_a_refusal_is_an_error_of_its_status(self) -> None:
        """A status of 400 or above is the error's type."""
        refusal = ApiResponse(429, {}, {"error": {"message": "slower"}})
        span = only(spans_of(job(), api=FakeApi([refusal])), "chat")
        assert span.attributes[n.ERROR_TYPE] == "429"
        assert span.attributes[n.HTTP_STATUS] == 429

    def test_a_second_call_is_a_second_child(self) -> None:
        """The model is asked again for JSON: both calls stand below one job, which says so."""
        one = job(responseFormat="json_object", repair="true", prompt="json, please")
        spans = spans_of(one)
        assert len(named(spans, "chat")) == 2
        assert {span.parent for span in named(spans, "chat")} == {only(spans, "job").id}
        [moment] = only(spans, "job").events
        assert moment == (n.UNEXPECTED, {n.REASON: "ANSWER_NOT_JSON", n.ASKED_AGAIN: True})

    @pytest.mark.parametrize(
        ("body", "attributes"),
        [
            pytest.param({"status": "completed"}, {n.FINISH_REASONS: ["completed"]}, id="response"),
            pytest.param(
                {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}},
                {n.FINISH_REASONS: ["max_output_tokens"]},
                id="incomplete-response",
            ),
            pytest.param({"choices": [{"finish_reason": None}, 3, {}]}, {}, id="odd-choices"),
            pytest.param({"choices": {}, "usage": [], "id": 7, "model": None}, {}, id="odd-types"),
            pytest.param(
                {"usage": {"prompt_tokens_details": {"cached_tokens": 10**30}}}, {}, id="huge-number"
            ),
            pytest.param({"id": "\ud800"}, {n.RESPONSE_ID: "?"}, id="half-a-character"),
            pytest.param({"model": "m" * 10**6}, {n.RESPONSE_MODEL: "m" * 1000}, id="huge-name"),
            pytest.param({"id": f"x{KEY}x"}, {n.RESPONSE_ID: "x***x"}, id="key-echoed"),
            pytest.param(["a"], {}, id="list"),
            pytest.param("text", {}, id="text"),
            pytest.param(None, {}, id="nothing"),
        ],
    )
    def test_whatever_an_api_answers_arrives(self, body: Any, attributes: Mapping[str, Any]) -> None:
        """No answer, however odd, keeps a span from being sent; what it tells is told."""
        span = only(spans_of(job(), api=FakeApi([ApiResponse(200, {}, body)])), "chat")
        found = {name: value for name, value in span.attributes.items() if name.startswith("gen_ai.response")}
        assert found == attributes

    def test_huge_names_are_cut(self) -> None:
        """A model, an element or a tenant of a megabyte does not make a span of a megabyte."""
        long = "é" * 10**6
        one = replace(job(), element_id=long, bpmn_process_id=long, tenant_id=long)
        call = CallSent(one, Call("chat", long, long), Content(b"{}"))
        spans = told(JobStarted(one), call, JobEnded(one, BpmnError(long), "done", 1.0))
        assert len(str(spans)) < 20_000


class TestWaiting:
    """Answers that are made elsewhere."""

    @pytest.mark.parametrize(
        ("kind", "id_", "name"),
        [
            pytest.param("response", "resp_1", "gen_ai.response.id", id="response"),
            pytest.param("batch", "batch_1", "openai_connector.batch.id", id="batch"),
        ],
    )
    def test_a_job_that_waits_says_for_what_and_is_found_again(self, kind: str, id_: str, name: str) -> None:
        """The span ends when the job goes back; the later one is linked, and has a call with the tokens."""
        one, call = job(), Call("chat", "gpt-6", "api.openai.com")
        content = Content({"id": "resp_1", "model": "gpt-6-2026", "status": "completed"})
        first, fetched, second = told(
            JobStarted(one),
            AnswerAwaited(one, id_, 2.0, kind),
            JobEnded(one, Failed("waits", 3), "done", 2.5),
            JobStarted(one),
            AnswerFetched(one, id_, 3600.0, call, 11, 7, kind=kind, content=content),
            JobEnded(one, Completed(), "done", 0.5),
        )
        assert first.attributes[name] == second.attributes[name] == id_
        assert first.events == [(n.AWAITED, {n.WAITED: 2.0})]
        assert first.status[0] != ERROR
        assert [link.id for link in second.links] == [first.id]
        assert (fetched.name, fetched.parent) == ("chat gpt-6", second.id)
        assert fetched.attributes[n.TOKENS_IN] == 11
        assert fetched.attributes[n.WAITED] == 3600.0
        assert fetched.attributes[n.RESPONSE_MODEL] == "gpt-6-2026"


class TestParents:
    """The trace that a job belongs to."""

    @pytest.mark.parametrize(
        ("variables", "headers"),
        [
            pytest.param({"traceparent": GIVEN}, {}, id="variable"),
            pytest.param({}, {"traceparent": GIVEN}, id="header"),
            pytest.param(
                {"traceparent": GIVEN}, {"traceparent": GIVEN.replace("0af", "fff")}, id="variable-first"
            ),
            pytest.param({"traceparent": "wrong"}, {"traceparent": GIVEN}, id="variable-wrong"),
            pytest.param({"traceparent": None}, {"traceparent": GIVEN}, id="variable-null"),
            pytest.param({"traceparent": f"01-{TRACE}-{PARENT}-01-later"}, {}, id="later-version"),
            pytest.param({"traceparent": GIVEN, "tracestate": "\x00;;=,=" * 99}, {}, id="odd-state"),
            pytest.param({"traceparent": GIVEN, "tracestate": ["a=b"]}, {}, id="state-no-text"),
        ],
    )
    def test_it_is_taken_from_variable_or_header(
        self, variables: Mapping[str, Any], headers: Mapping[str, str]
    ) -> None:
        """The job's span is a child of the span that is told."""
        one = replace(bare_job(headers), variables=variables)
        [span] = told(JobStarted(one), JobEnded(one, Completed(), "done", 1.0))
        assert (span.trace, span.parent) == (TRACE, PARENT)

    @pytest.mark.parametrize(
        "value",
        [
            pytest.param("", id="empty"),
            pytest.param("00-" + "0" * 32 + f"-{PARENT}-01", id="no-trace"),
            pytest.param(f"00-{TRACE}-" + "0" * 16 + "-01", id="no-parent"),
            pytest.param(f"ff-{TRACE}-{PARENT}-01", id="forbidden-version"),
            pytest.param(f"00-{TRACE}-{PARENT}-01-more", id="more-than-version-0-has"),
            pytest.param(GIVEN.upper(), id="capitals"),
            pytest.param(GIVEN[:-1], id="too-short"),
            pytest.param(GIVEN + "-" + "x" * 10**6, id="huge"),
            pytest.param(f"{TRACE}-{PARENT}", id="no-version"),
            pytest.param("０" + GIVEN[1:], id="other-digits"),
            pytest.param(7, id="number"),
            pytest.param([GIVEN], id="list"),
            pytest.param({"traceparent": GIVEN}, id="context"),
            pytest.param(True, id="boolean"),
        ],
    )
    def test_a_wrong_one_is_ignored(self, value: Any) -> None:
        """The job begins a trace of its own, and works as ever."""
        one = replace(bare_job(), variables={"traceparent": value})
        [span] = told(JobStarted(one), JobEnded(one, Completed(), "done", 1.0))
        assert span.parent == ""
        assert span.trace != TRACE

    @given(
        st.text() | st.from_regex(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}", fullmatch=True),
        st.text(),
    )
    def test_no_text_breaks_it(self, parent: str, state: str) -> None:
        """Whatever stands there, a job has a trace to belong to, or none."""
        one = replace(bare_job(), variables={"traceparent": parent, "tracestate": state})
        assert isinstance(parent_of(one), dict)

    def test_one_that_is_not_sampled_makes_no_spans(self) -> None:
        """Who began the trace has decided that it is not recorded."""
        assert spans_of(job(traceparent="")) != []
        one = job()
        quiet = replace(one, variables={**one.variables, "traceparent": GIVEN[:-1] + "0"})
        assert spans_of(quiet) == []

    def test_the_worker_may_sample(self) -> None:
        """OpenTelemetry's own variable for it counts."""
        assert spans_of(job(), environ={"OTEL_TRACES_SAMPLER": "always_off"}) == []


class TestSentOn:
    """What the API is told of the trace."""

    def test_it_is_told_the_span_of_the_call(self) -> None:
        """`traceparent` names the trace and the call, so that the API's own spans stand below it."""
        api = FakeApi()
        call = only(spans_of(job(), api=api), "chat")
        sent = api.requests[0]["headers"]["traceparent"]
        assert sent.startswith(f"00-{call.trace}-{call.id}-")
        assert int(sent[-2:], 16) & 1 == 1

    def test_nothing_else_of_the_request_changes(self) -> None:
        """Body, address and the other headers are the same with traces and without."""
        traced, plain = FakeApi(), FakeApi()
        spans_of(job(), api=traced)
        asyncio.run(work(lambda _event: None, job(), api=plain))  # type: ignore[arg-type]
        [asked], [as_ever] = traced.requests, plain.requests
        del asked["headers"]["traceparent"]
        assert asked == as_ever

    @pytest.mark.parametrize(
        ("host", "state"),
        [
            pytest.param("vllm.models.svc:8000", "vendor=1", id="own-server"),
            pytest.param("127.0.0.1:8000", "vendor=1", id="this-machine"),
            pytest.param("api.openai.com", None, id="openai"),
            pytest.param("eu.api.openai.com", None, id="openai-in-europe"),
            pytest.param("x.openai.azure.com", None, id="azure"),
            pytest.param("x.cognitiveservices.azure.com", None, id="azure-by-another-name"),
            pytest.param("openrouter.ai", None, id="gateway-of-others"),
            pytest.param("api.mistral.ai", None, id="another-provider"),
        ],
    )
    def test_what_others_noted_goes_to_own_servers_alone(self, host: str, state: str | None) -> None:
        """`tracestate` may tell of other systems: a provider of many does not see it."""
        one = replace(bare_job(), variables={"traceparent": GIVEN, "tracestate": "vendor=1"})
        call = CallSent(one, Call("chat", "m", host))
        told(JobStarted(one), call, JobGone(one, 1.0))
        assert call.added.get("tracestate") == state
        assert call.added["traceparent"].startswith(f"00-{TRACE}-")

    def test_it_is_told_that_nothing_is_recorded(self) -> None:
        """Of a trace that is not sampled, it need not record its part either."""
        call = CallSent(job(), Call("chat", "m", "h"))
        assert told(JobStarted(job()), call, OTEL_TRACES_SAMPLER="always_off") == []
        assert int(call.added["traceparent"][-2:], 16) & 1 == 0


class TestContent:
    """Prompts and answers."""

    SHOWN: ClassVar = {CAPTURE: "true"}

    def test_a_second_call_shows_what_it_asks_itself(self) -> None:
        """Each call has its own messages: the second one also the answer that was no JSON, and what was wrong."""
        one = job(responseFormat="json_object", repair="true", prompt="json, please")
        first, second = named(spans_of(one, environ=self.SHOWN), "chat")
        asked = [json.loads(span.attributes[n.MESSAGES_IN]) for span in (first, second)]
        assert [message["role"] for message in asked[0]] == ["user"]
        assert [message["role"] for message in asked[1]] == ["user", "assistant", "user"]

    @pytest.mark.parametrize("value", ["", "false", "no_content", "event_only", "1x"])
    def test_they_are_not_shown_unless_that_is_switched_on(self, value: str) -> None:
        """Neither a prompt, nor a system message, nor an answer, nor a key stands anywhere in a span."""
        one = job(systemMessage="system words", chatHistory=[{"role": "user", "content": "older words"}])
        spans = spans_of(one, environ={CAPTURE: value})
        for text in (PROMPT, "system words", "older words", "Hello", KEY):
            assert text not in str(spans)

    @pytest.mark.parametrize("value", ["true", "TRUE", "span_only", "span_and_event"])
    def test_they_are_shown_by_the_conventions(self, value: str) -> None:
        """Messages with roles and parts, as JSON."""
        one = job(systemMessage="Be short")
        span = only(spans_of(one, environ={CAPTURE: value}), "chat")
        assert json.loads(span.attributes["gen_ai.input.messages"]) == [
            {"role": "system", "parts": [{"type": "text", "content": "Be short"}]},
            {"role": "user", "parts": [{"type": "text", "content": PROMPT}]},
        ]
        assert json.loads(span.attributes["gen_ai.output.messages"]) == [
            {"role": "assistant", "parts": [{"type": "text", "content": "Hello"}], "finish_reason": "stop"}
        ]

    @pytest.mark.parametrize(
        ("asked", "answered"),
        [
            pytest.param(f"my key is {KEY}", "fine", id="in-the-prompt"),
            pytest.param("what is my key?", f"It is {KEY}", id="in-the-answer"),
            pytest.param("in base64?", "c2stdmVyeS1zZWNyZXQta2V5", id="in-base64"),
            pytest.param("x" * 31_990 + KEY, "y" * 31_990 + KEY, id="where-it-is-cut"),
        ],
    )
    def test_secrets_are_never_shown(self, asked: str, answered: str) -> None:
        """What the task used as a secret is masked in both, whole and in parts."""
        choice = {"message": {"role": "assistant", "content": answered}, "finish_reason": "stop"}
        api = FakeApi([ApiResponse(200, {}, {"choices": [choice], "model": "m"})])
        shown = str(spans_of(job(prompt=asked), api=api, environ=self.SHOWN))
        assert "***" in shown
        assert KEY[:8] not in shown
        assert "c2stdmVyeS1zZWNyZXQta2V5" not in shown

    @pytest.mark.parametrize(
        ("request_body", "messages"),
        [
            pytest.param({"input": "a"}, [("user", "text")], id="response-of-a-text"),
            pytest.param(
                {"input": ["a", "b"]}, [("user", "text"), ("user", "text")], id="moderation-of-a-list"
            ),
            pytest.param(
                {
                    "messages": [
                        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:"}}]}
                    ]
                },
                [("user", "image_url")],
                id="picture",
            ),
            pytest.param(
                {
                    "messages": [
                        {
                            "role": "assistant",
                            "content": None,
                            "tool_calls": [{"id": "1", "function": {"name": "f", "arguments": "{}"}}],
                        },
                        {"role": "tool", "tool_call_id": "1", "content": "42"},
                    ]
                },
                [("assistant", "tool_call"), ("tool", "tool_call_response")],
                id="tools",
            ),
            pytest.param(
                {
                    "input": [
                        {"role": "user", "content": [{"type": "input_text", "text": "a"}]},
                        {"type": "function_call", "call_id": "1", "name": "f", "arguments": "{}"},
                        {"type": "function_call_output", "call_id": "1", "output": {"a": 1}},
                    ]
                },
                [("user", "text"), ("assistant", "tool_call"), ("tool", "tool_call_response")],
                id="response-with-tools",
            ),
            pytest.param(
                {"input": [{"type": "text", "text": "a"}]}, [("user", "text")], id="moderation-parts"
            ),
            pytest.param({"messages": 7}, [], id="odd"),
            pytest.param({"messages": [None, {"role": 3}]}, [("user", None)], id="odd-messages"),
        ],
    )
    def test_messages_of_all_apis(
        self, request_body: Mapping[str, Any], messages: list[tuple[str, str | None]]
    ) -> None:
        """Roles and kinds of parts are found in all shapes; pictures are named, not shown."""
        one = job()
        sent = CallSent(one, Call("chat", "m", "h"), Content(json.dumps(request_body).encode()))
        span = only(told(JobStarted(one), sent, JobGone(one, 1.0), **self.SHOWN), "chat")
        shown = json.loads(span.attributes["gen_ai.input.messages"])
        found = [(each["role"], each["parts"][0]["type"] if each["parts"] else None) for each in shown]
        assert found == messages

    def test_long_ones_are_cut_and_the_last_words_kept(self) -> None:
        """An attribute stays small, is JSON all the same, and shows the newest messages."""
        history = [{"role": "user", "content": "old " * 5000}] * 50
        one = job(chatHistory=history, prompt="the question")
        text = only(spans_of(one, environ=self.SHOWN), "chat").attributes["gen_ai.input.messages"]
        assert len(text) < 40_000
        assert json.loads(text)[-1]["parts"][0]["content"] == "the question"

    @pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", b"--multipart", None, b"[" * 100_000])
    def test_what_is_no_json_is_left_out(self, body: bytes | None) -> None:
        """A request of any other kind, of the drop-in's for example, has a span without content."""
        one = job()
        sent = CallSent(one, Call("other", "", "h"), Content(body))
        span = only(told(JobStarted(one), sent, JobGone(one, 1.0), **self.SHOWN), "other")
        assert "gen_ai.input.messages" not in span.attributes
