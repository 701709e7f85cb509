"""Nothing that Camunda's connectors would execute enters a process, wherever it stands and on whatever way."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openai_connector import wording
from openai_connector.commands.evaluate import outcome_of
from openai_connector.connector import Connector
from openai_connector.contract import FORBIDDEN_KEY, STATE_VARIABLE
from openai_connector.document import DocumentError, encode_document
from openai_connector.job import Completed, Failed, Job, Outcome
from openai_connector.openai_api import ApiClient, ApiResponse, ApiStatusError
from openai_connector.tasks.allowed_hosts import AllowedHosts
from openai_connector.tasks.camunda_http_task import CamundaHttpTasks
from openai_connector.tasks.secrets import EnvironmentSecrets
from tests.make import ANSWER, FakeApi, bare_job, connector, job, refused, sentences_in

PLANTED = {FORBIDDEN_KEY: "getText", "params": [1]}
PLACES = [
    pytest.param(PLANTED, id="itself"),
    pytest.param({"a": PLANTED}, id="in-a-context"),
    pytest.param([1, [PLANTED]], id="in-a-list-in-a-list"),
    pytest.param({"a": [{"b": {"c": {FORBIDDEN_KEY: None}}}]}, id="deep-and-null"),
]
EXPRESSIONS = [
    pytest.param({"resultVariable": "r"}, id="result-variable"),
    pytest.param({"resultExpression": "={x: body.extra}"}, id="result-expression"),
    pytest.param({"resultExpression": "={all: response}"}, id="whole-response"),
    pytest.param({"resultExpression": '{"x": "$.body.extra"}'}, id="json-path"),
    pytest.param({"resultExpression": '=bpmnError("C", "m", {x: body.extra})'}, id="bpmn-error-thrown"),
    pytest.param({"errorExpression": '=bpmnError("C", "m", {x: body.extra})'}, id="bpmn-error"),
    pytest.param({"errorExpression": '=jobError("m", {x: body.extra}, 2)'}, id="job-error"),
    pytest.param({"errorExpression": "=ignoreError({x: body.extra})"}, id="ignore-error"),
]


def answering(extra: object, body: Any = None) -> FakeApi:
    """Make an API whose answer has something more in its body."""
    return FakeApi([ApiResponse(200, {}, {**(body or ANSWER), "extra": extra})])


def assert_refused(outcome: Outcome) -> None:
    """Check for an incident at once that says why, and keeps the answer as a text."""
    assert isinstance(outcome, Failed)
    assert outcome.retries == 0
    assert {wording.RESULT_UNSENDABLE.id, wording.DOCUMENT_FORBIDDEN.id} <= sentences_in(outcome.message)
    assert wording.IS_KEPT.id in sentences_in(outcome.message)
    assert isinstance(outcome.variables[STATE_VARIABLE], str)


@pytest.mark.parametrize("headers", EXPRESSIONS)
@pytest.mark.parametrize("extra", PLACES)
async def test_on_no_way_out(extra: object, headers: dict[str, str]) -> None:
    """Variables and all three actions are refused, and the answer is kept for another mapping."""
    assert_refused(await connector(answering(extra)).work(job(headers)))


@pytest.mark.parametrize("headers", EXPRESSIONS)
def test_evaluate_says_the_same(headers: dict[str, str]) -> None:
    """The command refuses what the worker refuses."""
    shown = outcome_of({"response": {"body": {"extra": PLANTED}}, "headers": headers})
    assert (shown["outcome"], shown["retries"]) == ("fail", 0)
    assert wording.DOCUMENT_FORBIDDEN.id in sentences_in(shown["errorMessage"])


async def test_the_kept_answer_can_be_mapped_in_another_way() -> None:
    """What is kept is one text: mapped otherwise, the rest of the answer arrives, and nothing is paid again."""
    api = answering(PLANTED)
    headers = {"resultExpression": "=body"}
    kept = (await connector(api).work(job(headers))).variables[STATE_VARIABLE]
    assert isinstance(kept, str)
    outcome = await connector(api).work(job(headers, state=kept, resultExpression="={t: output.text}"))
    assert isinstance(outcome, Completed)
    assert outcome.variables == {"t": "Hello"}
    assert len(api.requests) == 1


async def test_json_that_a_model_wrote() -> None:
    """Parsed it is refused; as a text it is a text."""
    text = json.dumps(PLANTED)
    message = {"role": "assistant", "content": text}
    api = FakeApi([ApiResponse(200, {}, {"choices": [{"message": message, "finish_reason": "stop"}]})])
    assert_refused(
        await connector(api).work(
            job({"resultExpression": "={j: output.json}"}, responseFormat="json_object")
        )
    )
    outcome = await connector(api).work(
        job({"resultExpression": "={t: output.text}"}, responseFormat="json_object")
    )
    assert isinstance(outcome, Completed)
    assert outcome.variables == {"t": text}


@pytest.mark.parametrize(
    "expression",
    ['={"camunda.function.type": 1}', '={a: {"camunda.function.type": "base64"}}'],
    ids=["name", "key"],
)
async def test_written_in_the_expression(expression: str) -> None:
    """It makes no difference who wrote the key."""
    assert_refused(await connector(FakeApi()).work(job({"resultExpression": expression})))


@pytest.mark.parametrize("status", [400, 500], ids=["permanent", "transient"])
@pytest.mark.parametrize("extra", PLACES)
async def test_a_failures_response_gives_way(extra: object, status: int) -> None:
    """The failure keeps its retries, its message and its code; the response is left out of `error`."""
    error = ApiStatusError(
        "no",
        code=str(status),
        recovery=refused(status).recovery,
        reason=refused(status).reason,
        response=ApiResponse(status, {}, {"error": extra}),
    )
    outcome = await connector(FakeApi([error])).work(job())
    assert isinstance(outcome, Failed)
    assert outcome.retries == (0 if status == 400 else 2)
    left = dict(outcome.variables["error"])
    assert outcome.message.startswith(left.pop("message"))
    assert left == {"type": "ApiStatusError", "code": str(status)}


@pytest.mark.parametrize(
    "expression",
    ['=bpmnError("C", "m", {x: error})', '=jobError("m", {x: response}, 2)', "=ignoreError({x: body.error})"],
)
async def test_an_action_on_a_failure(expression: str) -> None:
    """Variables that an error expression takes from a failure's response are refused."""
    error = refused(500)
    error.response = ApiResponse(500, {}, {"error": PLANTED})
    outcome = await connector(FakeApi([error])).work(job({"errorExpression": expression}))
    assert isinstance(outcome, Failed)
    assert outcome.retries == 0
    assert wording.DOCUMENT_FORBIDDEN.id in sentences_in(outcome.message)
    assert encode_document(outcome.variables)


@pytest.mark.parametrize(
    "harmless",
    [
        pytest.param(FORBIDDEN_KEY, id="a-text"),
        pytest.param(json.dumps(PLANTED), id="json-text"),
        pytest.param({"type": FORBIDDEN_KEY}, id="a-value"),
        pytest.param({"camunda": {"function": {"type": "x"}}}, id="nested-keys"),
        pytest.param(
            {"camunda.function": 1, f"x{FORBIDDEN_KEY}": 2, f'"{FORBIDDEN_KEY}': 3}, id="other-keys"
        ),
    ],
)
async def test_what_is_not_executed_passes(harmless: object) -> None:
    """Only the key counts."""
    outcome = await connector(answering(harmless)).work(job({"resultExpression": "={x: body.extra}"}))
    assert isinstance(outcome, Completed)
    assert outcome.variables == {"x": harmless}


def drop_in(api: ApiClient) -> Connector:
    """Make the connector that serves Camunda's REST tasks."""
    hosts, secrets = AllowedHosts(["api.openai.com"]), EnvironmentSecrets("", {})
    return Connector(api, CamundaHttpTasks(hosts, secrets, timedelta(minutes=3)))


def rest_job(headers: dict[str, str]) -> Job:
    """Make a job of Camunda's REST connector."""
    variables = {
        "url": "https://api.openai.com/v1/chat/completions",
        "method": "post",
        "body": {"model": "m"},
    }
    return bare_job(headers, variables=variables)


@pytest.mark.parametrize("headers", EXPRESSIONS)
async def test_camundas_rest_tasks(headers: dict[str, str]) -> None:
    """The rule holds for tasks of Camunda's own templates too."""
    assert_refused(await drop_in(answering(PLANTED)).work(rest_job(headers)))


keys = st.sampled_from([FORBIDDEN_KEY, "camunda.function", "a", "b"])
values = st.recursive(
    st.none() | st.just(FORBIDDEN_KEY) | st.just(json.dumps(PLANTED)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
)


@given(st.dictionaries(keys, values, max_size=3))
def test_no_document_has_the_key(variables: dict[str, Any]) -> None:
    """Whatever the variables: what is encoded holds the key nowhere, and what is refused does."""
    seen = json.dumps(variables).count(f'"{FORBIDDEN_KEY}": ')
    try:
        encode_document(variables)
    except DocumentError:
        assert seen
    else:
        assert not seen
