"""Metrics: what each event counts, how it is written, and that series stay few."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openai_connector.job import BpmnError, Completed, Failed, Outcome, Recovery
from openai_connector.observe.events import (
    AnswerFetched,
    AnswerReceived,
    BudgetExceeded,
    BudgetsRead,
    BudgetState,
    Call,
    CallCut,
    CallFailed,
    CallSent,
    CallUnanswered,
    Event,
    Events,
    HeldBack,
    HostFound,
    HostLost,
    JobEnded,
    JobStarted,
    LeaseAsked,
    Polled,
    PollFailed,
    Spent,
    StorePurged,
)
from openai_connector.observe.metrics import Metrics, provider_of
from openai_connector.observe.series import MOST_VALUES, OTHER, Counter, Histogram, written
from openai_connector.openai_api import ApiResponse, ApiTimeoutError
from tests.make import FakeApi, bare_job, connector, job

CALL = Call("chat", "gpt-4.1", "api.openai.com")
SIDE = (
    'gen_ai_operation_name="chat",gen_ai_provider_name="openai",gen_ai_request_model="gpt-4.1",'
    'server_address="api.openai.com"'
)
ASKER = 'process="p",element="Ask",tenant="<default>",gen_ai_request_model="gpt-4.1"'
BOUGHT = Spent(Decimal("0.25"), "EUR", "flex")
SAMPLE = re.compile(
    r'[a-z_]+(\{[a-zA-Z_]+="(?:[^"\\\n]|\\[\\n"])*"(,[a-zA-Z_]+="(?:[^"\\\n]|\\[\\n"])*")*\})? \S+'
)


def counted(*events: Event) -> list[str]:
    """Return the lines that are written after events."""
    metrics = Metrics()
    for event in events:
        metrics(event)
    return metrics.written().splitlines()


BUDGETS = BudgetsRead(
    (BudgetState("team", "day", Decimal("2.5"), Decimal("0.5"), "USD", "2026-11-27T00:00:00Z"),)
)


def test_a_budget_that_is_no_more_in_the_file_goes() -> None:
    """Its last values would else be alerted on for ever."""
    metrics = Metrics()
    metrics(BUDGETS)
    metrics(BudgetsRead(()))
    assert 'budget="team"' not in metrics.written()


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (
            JobStarted(bare_job({"elementTemplateId": "t", "elementTemplateVersion": "3"})),
            'camunda_connector_outbound_invocations_total{action="activated",type="openai-connector:1",'
            'elementTemplateId="t",elementTemplateVersion="3"} 1',
        ),
        (
            JobStarted(bare_job()),
            'camunda_connector_outbound_invocations_total{action="activated",type="openai-connector:1",'
            'elementTemplateId="unknown",elementTemplateVersion="unknown"} 1',
        ),
        (
            AnswerReceived(job(), 200, 0.015, CALL, 5, 70),
            f'gen_ai_client_token_usage_bucket{{{SIDE},gen_ai_token_type="output",le="256"}} 1',
        ),
        (
            AnswerReceived(job(), 200, 0.015, CALL, 5, 70),
            f'gen_ai_client_token_usage_sum{{{SIDE},gen_ai_token_type="input"}} 5',
        ),
        (
            AnswerReceived(job(), 200, 0.015, CALL, 5, 70, BOUGHT),
            f'openai_connector_cost_total{{{SIDE},tier="flex",currency="EUR"}} 0.25',
        ),
        (
            AnswerReceived(job(), 200, 0.015, CALL, 5, 70, BOUGHT),
            f'openai_connector_process_cost_total{{{ASKER},currency="EUR"}} 0.25',
        ),
        (
            AnswerFetched(job(), "r", 7000.0, CALL, 5, 70, BOUGHT),
            f'openai_connector_process_tokens_total{{{ASKER},gen_ai_token_type="output"}} 70',
        ),
        (
            AnswerReceived(job(), 200, 0.015, CALL, 5, 70, Spent(reason="No price")),
            f"openai_connector_answers_unpriced_total{{{SIDE}}} 1",
        ),
        (
            AnswerFetched(job(), "r", 7000.0, CALL, 5, 70, BOUGHT),
            f'openai_connector_cost_total{{{SIDE},tier="flex",currency="EUR"}} 0.25',
        ),
        (
            AnswerFetched(job(), "r", 7000.0, CALL, 5, 70, BOUGHT),
            f'gen_ai_client_operation_duration_seconds_bucket{{{SIDE},error_type="",le="7200"}} 1',
        ),
        (
            AnswerFetched(job(), "r", 7000.0, CALL, 5, 70, BOUGHT),
            f'gen_ai_client_token_usage_sum{{{SIDE},gen_ai_token_type="output"}} 70',
        ),
        (
            AnswerReceived(job(), 429, 0.015, CALL),
            f'gen_ai_client_operation_duration_seconds_count{{{SIDE},error_type="429"}} 1',
        ),
        (
            CallUnanswered(job(), "ApiTimeoutError", 1.0, CALL),
            f'gen_ai_client_operation_duration_seconds_sum{{{SIDE},error_type="ApiTimeoutError"}} 1',
        ),
        (CallSent(job(), CALL), "openai_connector_calls_under_way 1"),
        (CallCut(job(), 1.0, CALL), "openai_connector_calls_cut_total 1"),
        (
            CallFailed(job(), "ApiStatusError", "401"),
            'openai_connector_calls_failed_total{error_type="ApiStatusError",error_code="401"} 1',
        ),
        (HeldBack(job(), "Wait", "limit"), 'openai_connector_held_back_total{reason="limit"} 1'),
        (
            BudgetExceeded(job(), "team", "2026-12-01T00:00:00Z"),
            'openai_connector_budget_exceeded_total{budget="team"} 1',
        ),
        (BUDGETS, 'openai_connector_budget_amount{budget="team",currency="USD"} 2.5'),
        (BUDGETS, 'openai_connector_budget_spent{budget="team",currency="USD"} 0.5'),
        (HostLost("h"), 'openai_connector_host_down{server_address="h"} 1'),
        (HostFound("h", 3.0), 'openai_connector_host_down{server_address="h"} 0'),
        (Polled("t", 0), 'openai_connector_polls_total{type="t",result="none"} 1'),
        (Polled("t", 2), 'openai_connector_polls_total{type="t",result="jobs"} 1'),
        (PollFailed("t"), 'openai_connector_polls_total{type="t",result="failed"} 1'),
        (LeaseAsked("done"), 'openai_connector_lease_prolongations_total{delivery="done"} 1'),
        (StorePurged(4), "openai_connector_store_purged_total 4"),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, str) else "",
)
def test_an_event_is_counted(event: Event, line: str) -> None:
    """Each event counts under the names that operators know."""
    assert line in counted(event)


@pytest.mark.parametrize(
    ("outcome", "action", "incidents"),
    [
        (Completed({}), "completed", 0),
        (BpmnError("X"), "bpmn-error", 0),
        (Failed("no", 2, timedelta(0)), "failed", 0),
        (Failed("no", 0), "failed", 1),
        (Failed("waits", 3, timedelta(60)), "given-back", 0),
    ],
    ids=["completed", "bpmn-error", "failed", "incident", "given-back"],
)
def test_a_job_is_counted_by_its_outcome(outcome: Outcome, action: str, incidents: int) -> None:
    """The actions are those of Camunda's runtime; an incident is counted besides."""
    lines = counted(JobEnded(job(), outcome, "done", 0.2))
    assert any(f'action="{action}"' in line and line.endswith(" 1") for line in lines)
    incident = 'openai_connector_incidents_total{type="openai-connector:1"} 1'
    assert (incident in lines) is bool(incidents)


@pytest.mark.parametrize("delivery", ["gone", "undelivered", "refused", "lease lost", "failed already"])
def test_an_outcome_that_the_engine_does_not_have_is_no_outcome(delivery: str) -> None:
    """The counts of outcomes are those of the engine; what else became of them is counted apart."""
    lines = counted(JobEnded(job(), Completed({}), delivery, 0.2))
    assert not [line for line in lines if "invocations_total{" in line]
    assert f'openai_connector_reports_total{{delivery="{delivery}"}} 1' in lines


@pytest.mark.parametrize(
    "series",
    [
        'openai_connector_incidents_total{type="openai-connector:1"}',
        'openai_connector_calls_failed_total{error_type="ApiStatusError",error_code="401"}',
        'openai_connector_calls_failed_total{error_type="ApiStatusError",error_code="403"}',
        'openai_connector_reports_total{delivery="undelivered"}',
        'openai_connector_reports_total{delivery="refused"}',
    ],
)
def test_what_alerts_look_for_begins_with_zero(series: str) -> None:
    """A series that is born with its first value has not grown: nobody would be told of it."""
    metrics = Metrics()
    metrics.serves("openai-connector:1")
    assert f"{series} 0" in metrics.written().splitlines()


async def test_the_tokens_of_an_answer_are_counted() -> None:
    """What an answer tells of tokens arrives in the metrics, by its model and operation."""
    metrics = Metrics()
    usage = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}
    body = {
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "a"}, "finish_reason": "stop"}],
        "usage": usage,
    }
    await connector(FakeApi([ApiResponse(200, {}, body)]), events=Events(metrics)).work(job())
    text = metrics.written()
    assert 'gen_ai_request_model="m",server_address="llm.example.com",gen_ai_token_type="input"} 11' in text
    assert 'gen_ai_operation_name="chat"' in text
    assert "openai_connector_calls_under_way 0" in text


async def test_a_call_without_an_answer_is_over() -> None:
    """A timeout is no call under way any more, and is counted with its kind."""
    metrics = Metrics()
    error = ApiTimeoutError(
        "No answer", code="CONNECTION_FAILED", recovery=Recovery.TRANSIENT, reason="timeout"
    )
    await connector(FakeApi([error]), events=Events(metrics)).work(job())
    text = metrics.written()
    assert "openai_connector_calls_under_way 0" in text
    assert 'error_type="ApiTimeoutError"} 1' in text


@pytest.mark.parametrize(
    ("host", "provider"),
    [
        ("api.openai.com", "openai"),
        ("eu.api.openai.com", "openai"),
        ("x.openai.azure.com:443", "azure.ai.openai"),
        ("api.openai.com.evil.example", "_OTHER"),
        ("localhost:8080", "_OTHER"),
    ],
)
def test_the_provider_is_found_by_the_host(host: str, provider: str) -> None:
    """OpenTelemetry's names are used where they apply, and nowhere else."""
    assert provider_of(host) == provider


@pytest.mark.parametrize(
    "event",
    [
        pytest.param(AnswerReceived(job(), 200, 0.1, CALL, is_pending=True), id="still being made"),
        pytest.param(AnswerFetched(job(), "r", 9.0, CALL, is_again=True), id="fetched before"),
    ],
)
def test_an_answer_counts_when_it_is_there_for_the_first_time(event: Event) -> None:
    """Neither the call that only begins it nor a second fetch has a duration, tokens or a cost."""
    assert not [line for line in counted(event) if line.startswith(("gen_ai", "openai_connector_cost"))]


@pytest.mark.parametrize("what", ["model", "host", "template", "code"])
def test_series_stay_few(what: str) -> None:
    """A label that diagrams or APIs choose has so many values, however many they choose."""
    metrics = Metrics()
    for number in range(3 * MOST_VALUES):
        name = f"{what}-{number}"
        metrics(
            AnswerReceived(job(), 200, 1.0, Call("chat", *(("x", name) if what == "host" else (name, "h"))))
        )
        metrics(JobStarted(bare_job({"elementTemplateId": name})))
        metrics(CallFailed(job(), "ApiStatusError", name))
    text = metrics.written()
    found = set(re.findall(rf'"({what}-\d+|{OTHER})"', text))
    assert OTHER in found
    assert MOST_VALUES / 2 < len(found) <= MOST_VALUES + 1


def test_sets_of_labels_stay_few() -> None:
    """A hundred models at a hundred hosts with twenty errors are no million samples."""
    metrics = Metrics()
    for number in range(20_000):
        call = Call("chat", f"model-{number % 100}", f"{number // 100 % 100}.openai.azure.com")
        asking = replace(job(), element_id=f"Ask-{number}")
        metrics(AnswerReceived(asking, 400 + number % 20, 1.0, call, 1, 1))
        metrics(
            JobStarted(
                bare_job({"elementTemplateId": f"{number % 100}", "elementTemplateVersion": f"{number}"})
            )
        )
    text = metrics.written()
    assert len(text) < 2_000_000
    assert text.count("invocations_total{") < 200
    assert text.count("process_tokens_total{") == 2 * (300 + 1)
    counts = re.findall(r"gen_ai_client_operation_duration_seconds_count{.*} (\d+)", text)
    assert sum(map(int, counts)) == 20_000


@given(st.text(), st.floats(allow_nan=False, allow_infinity=False))
def test_every_sample_is_one_line_that_can_be_read(value: str, amount: float) -> None:
    """Whatever a label holds, a sample is one line in the text format."""
    counter = Counter("a_total", "About\nmore \\ of it.", ("label",))
    counter.add((value,), amount)
    text = written([counter])
    text.encode()
    help_line, type_line, sample, rest = text.split("\n")
    assert help_line == r"# HELP a_total About\nmore \\ of it."
    assert type_line == "# TYPE a_total counter"
    assert SAMPLE.fullmatch(sample)
    assert rest == ""


@given(st.lists(st.floats(0, 100), max_size=30))
def test_buckets_add_up(values: list[float]) -> None:
    """The buckets of a histogram never fall, and the last one and the count are the number of values."""
    histogram = Histogram("h", "About", (1.0, 5.0, 50.0), ("a",))
    for value in values:
        histogram.observe(value, ("x",))
    lines = list(histogram.lines())
    counts = [int(line.rpartition(" ")[2]) for line in lines if "_bucket" in line or "_count" in line]
    assert counts == sorted(counts)
    if values:
        assert counts[:3] == [sum(value <= bound for value in values) for bound in (1.0, 5.0, 50.0)]
        assert counts[3:] == [len(values)] * 2


def test_the_process_tells_of_itself() -> None:
    """CPU, memory and start are there, by the names that every dashboard knows."""
    text = "\n".join(counted())
    for name in ("process_cpu_seconds_total", "process_resident_memory_bytes", "process_start_time_seconds"):
        assert re.search(rf"^{name} [1-9]", text, re.MULTILINE), name
