"""The story of a job, without engine and network: what is asked, how often, and what becomes of it."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from openai_connector.contract import OWN_VARIABLES
from openai_connector.document import MAX_READ_DEPTH, parse_json
from openai_connector.job import BpmnError, Completed, Failed, Job, Outcome, Recovery
from openai_connector.openai_api import ApiResponse, ApiStatusError, ApiTimeoutError
from openai_connector.tasks.operations import INPUT_NAMES
from tests.make import ANSWER, KEY, PROMPT, FakeApi, connector, job, refused, sentences_in


def again(before: Job, outcome: Outcome, *, retries: int | None = None, **inputs: Any) -> Job:
    """Make the job as it comes back after a failure or an uncaught error: with what was left at the task."""
    assert isinstance(outcome, (Failed, BpmnError))
    left = outcome.variables if isinstance(outcome, Failed) else outcome.keep
    kept = {name.removeprefix("openai_"): value for name, value in before.variables.items()}
    state = {"state": left["openai_state"]} if "openai_state" in left else {}
    count = (
        retries
        if retries is not None
        else (outcome.retries if isinstance(outcome, Failed) else before.retries)
    )
    return job(dict(before.headers), retries=count, key=before.key, **{**kept, **state, **inputs})


def failed(outcome: Outcome) -> Failed:
    """Expect a failure."""
    assert isinstance(outcome, Failed), outcome
    return outcome


async def test_a_job_is_asked_once_and_completed() -> None:
    """The result variable has the HTTP response and the output, and the request says whose it is."""
    api = FakeApi()
    outcome = await connector(api).work(job({"resultVariable": "r"}))
    assert isinstance(outcome, Completed)
    assert outcome.variables["r"]["output"]["text"] == "Hello"
    assert set(outcome.variables["r"]) == {"status", "headers", "body", "output"}
    (request,) = api.requests
    assert request["url"] == "https://llm.example.com/v1/chat/completions"
    assert request["headers"]["Authorization"] == f"Bearer {KEY}"
    assert request["headers"]["X-Client-Request-Id"] == "7-3-1"
    assert request["timeout"] == timedelta(minutes=3)


@pytest.mark.parametrize(
    ("headers", "inputs"),
    [
        ({"resultExpression": "={a: "}, {}),
        ({"errorExpression": "=if true"}, {}),
        ({"resultExpression": '={"a": "$.["}'}, {}),
        ({"retryBackoff": "soon"}, {}),
        ({"jobTimeout": "5"}, {}),
        ({}, {"temperature": "warm"}),
        ({}, {"apiKey": "{{secrets.MISSING}}"}),
        ({}, {"baseUrl": "https://elsewhere.example.com/v1"}),
        ({"resultVariable": "openai_prompt"}, {}),
        ({"resultExpression": '={"openai_model": "$.output.text"}'}, {}),
        ({"resultVariable": "openai_state"}, {}),
    ],
)
async def test_nothing_is_sent_for_a_task_that_cannot_succeed(
    headers: dict[str, str], inputs: dict[str, Any]
) -> None:
    """Bad expressions, headers, inputs, secrets, hosts and result names fail the job before any money is spent."""
    api = FakeApi()
    outcome = failed(await connector(api).work(job(headers, **inputs)))
    assert outcome.retries == 0
    assert not api.requests


@pytest.mark.parametrize(
    "headers",
    [
        {"resultExpression": '="text"'},
        {"resultExpression": '=assert(1, false, "no")'},
        {"errorExpression": '="text"'},
        {"errorExpression": '=jobError("stop")'},
        {"resultExpression": "={openai_prompt: 1}"},
    ],
)
async def test_a_failed_mapping_is_mended_without_a_second_call(headers: dict[str, str]) -> None:
    """The answer is kept at the task.

    With the expression overridden, the job completes and the API is not asked.
    """
    api = FakeApi()
    first = job(headers)
    outcome = failed(await connector(api).work(first))
    assert outcome.retries == 0
    assert "is kept" in outcome.message
    assert "openai_resultExpression" in outcome.message
    override = next(iter(headers))
    mended = again(
        first,
        outcome,
        retries=1,
        **{override: "=null" if override == "errorExpression" else "={x: body.model}"},
    )
    done = await connector(api).work(mended)
    assert isinstance(done, Completed)
    assert len(api.requests) == 1


async def test_an_override_without_quotes_is_refused() -> None:
    """Operate takes JSON: an unquoted mapping is an object there, and silence about it would help nobody."""
    api = FakeApi()
    first = job({"resultExpression": "=output.text"})
    outcome = failed(await connector(api).work(first))
    wrong = again(first, outcome, resultExpression={"x": "$.output.text"})
    refusal = failed(await connector(api).work(wrong))
    assert "openai_resultExpression must be a text in double quotes, not a context" in refusal.message
    mended = await connector(api).work(again(wrong, outcome, resultExpression='{"x": "$.output.text"}'))
    assert mended == Completed({"x": "Hello"})
    assert len(api.requests) == 1


async def test_another_request_is_a_new_call() -> None:
    """A kept answer belongs to its request alone: another prompt is asked anew."""
    api = FakeApi()
    first = job({"resultExpression": '="text"'})
    outcome = await connector(api).work(first)
    await connector(api).work(
        again(first, outcome, retries=1, prompt="Another question", resultExpression="={}")
    )
    assert len(api.requests) == 2


async def test_another_key_is_no_other_request() -> None:
    """A renewed API key does not make the kept answer worthless."""
    api = FakeApi()
    first = job({"resultExpression": '="text"'})
    outcome = await connector(api).work(first)
    await connector(api).work(again(first, outcome, retries=1, apiKey="sk-new", resultExpression="={}"))
    assert len(api.requests) == 1


@pytest.mark.parametrize("change", [{"jobKey": 8}, {"version": 2}, {"waits": "x"}])
async def test_a_foreign_state_is_ignored(change: dict[str, Any]) -> None:
    """State of another job, another version or a made-up one neither helps nor hurts."""
    api = FakeApi()
    first = job({"resultExpression": '="text"'})
    outcome = failed(await connector(api).work(first))
    state = json.loads(outcome.variables["openai_state"]) | change
    await connector(api).work(
        again(first, outcome, retries=1, state=json.dumps(state), resultExpression="={}")
    )
    assert len(api.requests) == 2


@pytest.mark.parametrize("state", ["", "{", "[]", "null", "1", 5, {"a": 1}, "[" * 100_000, '{"version": 1}'])
async def test_a_broken_state_is_ignored(state: Any) -> None:
    """Whatever stands in the reserved variable, the job is worked on."""
    assert isinstance(await connector(FakeApi()).work(job(state=state)), Completed)


async def test_an_uncaught_bpmn_error_is_not_bought_again() -> None:
    """The answer is kept before the error is thrown, and mapped again when the job comes back."""
    api = FakeApi()
    first = job({"errorExpression": '=bpmnError("C", output.text, {v: 1})'})
    outcome = await connector(api).work(first)
    assert isinstance(outcome, BpmnError)
    assert (outcome.code, outcome.message, outcome.variables) == ("C", "Hello", {"v": 1})
    once_more = await connector(api).work(again(first, outcome))
    assert isinstance(once_more, BpmnError)
    assert len(api.requests) == 1


async def test_a_job_error_with_retries_calls_again() -> None:
    """The modeler's own "try again" on a paid answer buys a new one."""
    api = FakeApi()
    first = job({"errorExpression": '=jobError("again", {}, job.retries - 1)'})
    outcome = failed(await connector(api).work(first))
    assert outcome.retries == 2
    await connector(api).work(again(first, outcome))
    assert len(api.requests) == 2


async def test_trying_again_after_a_failed_mapping_buys_nothing() -> None:
    """An error expression that always tries again maps the kept answer again.

    A broken expression costs one call.
    """
    api = FakeApi()
    headers = {
        "resultExpression": "=output.text",
        "errorExpression": "=if error != null then jobError(error.message, {}, job.retries - 1) else null",
    }
    current, retries = job(headers), []
    for _ in range(3):
        outcome = failed(await connector(api).work(current))
        retries.append(outcome.retries)
        current = again(current, outcome)
    assert retries == [2, 1, 0]
    assert len(api.requests) == 1


@pytest.mark.parametrize(
    "part", ["tasks.operations.chat.Chat.read_answer", "outcome.mapping.OutputMapping.on_answer"]
)
async def test_a_bug_in_mapping_buys_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, part: str
) -> None:
    """An exception that nobody expected keeps the paid answer too; a corrected worker maps it."""

    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError(PROMPT)

    api, first = FakeApi(), job({"resultExpression": "={x: output.text}"})
    with monkeypatch.context() as patched:
        patched.setattr(f"openai_connector.{part}", broken)
        outcome = failed(await connector(api).work(first))
    assert outcome.retries == 0
    assert "RuntimeError at test_connector.py" in outcome.message
    assert "answer is kept" in outcome.message
    assert PROMPT not in outcome.message + caplog.text
    assert await connector(api).work(again(first, outcome, retries=1)) == Completed({"x": "Hello"})
    assert len(api.requests) == 1


async def test_a_result_that_the_engine_refuses_is_not_bought_again() -> None:
    """The engine's limits are its own: its refusal comes after the paid answer."""
    api, first = FakeApi(), job({"resultVariable": "r"})
    done = await connector(api).work(first)
    assert isinstance(done, Completed)
    refusal = connector(api).refused(first, done, f"it has {KEY}")
    assert isinstance(refusal, Failed)
    assert KEY not in refusal.message
    assert sentences_in(refusal.message) >= {"RESULT_REFUSED", "IS_KEPT"}
    assert refusal.retries == 0
    mended = again(first, refusal, retries=1, resultVariable="s")
    assert (await connector(api).work(mended)).variables.keys() == {"s"}
    assert len(api.requests) == 1


async def test_the_deepest_answer_that_can_be_read_is_kept() -> None:
    """Around a body at the limit of depth the state has levels of its own: it is read all the same."""
    usage = json.loads("[" * (MAX_READ_DEPTH - 1) + "]" * (MAX_READ_DEPTH - 1))
    api = FakeApi(answers=[ApiResponse(200, {}, parse_json(json.dumps(ANSWER | {"usage": usage})))])
    first = job({"resultVariable": "r"})
    outcome = failed(await connector(api).work(first))
    assert "answer is kept" in outcome.message
    done = await connector(api).work(
        again(first, outcome, retries=1, errorExpression="=ignoreError({x: output.text})")
    )
    assert done == Completed({"x": "Hello"})
    assert len(api.requests) == 1


async def test_an_answer_too_large_to_keep_is_said_to_be() -> None:
    """The message says that trying again pays again, and what is sent is small."""
    large = {"choices": [{"message": {"content": "x" * 2_000_000}}]}
    api = FakeApi(answers=[ApiResponse(200, {}, large)])
    outcome = failed(await connector(api).work(job({"resultVariable": "r"})))
    assert outcome.retries == 0
    assert "too large to be kept" in outcome.message
    assert len(json.dumps(dict(outcome.variables))) < 10_000


@pytest.mark.parametrize("usage", ["x" * 1_000_000, json.loads("[" * 250 + "]" * 250)], ids=["large", "deep"])
async def test_an_answer_is_kept_where_its_error_variable_cannot_be(usage: Any) -> None:
    """The error's copy of the response gives way to the kept answer: one call."""
    api = FakeApi(answers=[ApiResponse(200, {}, ANSWER | {"usage": usage})])
    first = job({"resultExpression": "=output.text"})
    outcome = failed(await connector(api).work(first))
    assert "answer is kept" in outcome.message
    assert outcome.variables["error"].keys() == {"type", "code", "message"}
    mended = await connector(api).work(again(first, outcome, resultExpression="={x: output.text}"))
    assert mended == Completed({"x": "Hello"})
    assert len(api.requests) == 1


async def test_variables_that_give_way_to_the_answer_are_said_to() -> None:
    """A job error's large variables are left out for the answer's sake, and the message says so."""
    api = FakeApi(answers=[ApiResponse(200, {}, ANSWER | {"usage": "x" * 1_000_000})])
    outcome = failed(
        await connector(api).work(job({"errorExpression": '=jobError("No.", {u: output.usage})'}))
    )
    assert outcome.message.startswith("No. Variables of this failure were left out")
    assert "answer is kept" in outcome.message
    assert outcome.variables.keys() == {"error", "openai_state"}


async def test_a_bpmn_error_says_that_its_answer_is_not_kept() -> None:
    """Uncaught, it becomes an incident with its message: there is no other place to say so."""
    api = FakeApi(answers=[ApiResponse(200, {}, ANSWER | {"usage": "x" * 2_000_000})])
    outcome = await connector(api).work(job({"errorExpression": '=bpmnError("C", "words")'}))
    assert isinstance(outcome, BpmnError)
    assert outcome.message.startswith("words. The answer is too large to be kept")
    assert not outcome.keep


async def test_what_to_do_is_never_cut_off() -> None:
    """A message of any length is sent with 6,000 characters at most, its advice among them."""
    headers = {"resultExpression": '=assert(1, false, string join(for i in 1..7000 return "x"))'}
    outcome = failed(await connector(FakeApi()).work(job(headers)))
    assert len(outcome.message) == 6000
    assert outcome.message.endswith("the API is not asked again")
    assert len(outcome.variables["error"]["message"]) == 6000


async def test_names_left_by_a_failure_are_remembered() -> None:
    """A result of a name that an earlier failure left at the task fails before the call."""
    api = FakeApi(answers=[refused(500), ApiResponse(200, {}, ANSWER)])
    first = job({"resultVariable": "error"})
    outcome = failed(await connector(api).work(first))
    assert outcome.retries == 2
    second = failed(await connector(api).work(again(first, outcome)))
    assert len(api.requests) == 1
    assert "'error'" in second.message


async def test_a_name_known_only_after_the_call_keeps_the_answer() -> None:
    """A FEEL result of a swallowed name fails with the answer kept."""
    outcome = failed(await connector(FakeApi()).work(job({"resultExpression": "={openai_model: 1}"})))
    assert "'openai_model'" in outcome.message
    assert "is kept" in outcome.message


@pytest.mark.parametrize(
    "answer", [refused(500), ApiResponse(200, {}, ANSWER)], ids=["failed call", "failed mapping"]
)
async def test_variables_of_ignore_error_are_not_swallowed(answer: ApiResponse | ApiStatusError) -> None:
    """A name that an earlier failure left at the task is refused there too, instead of getting lost."""
    api = FakeApi(answers=[refused(500), answer])
    ignore = "ignoreError({error: error.message})"
    headers = {
        "resultExpression": "=output.text",
        "errorExpression": f"=if job.retries > 2 then null else {ignore}",
    }
    first = job(headers)
    outcome = failed(await connector(api).work(again(first, failed(await connector(api).work(first)))))
    assert outcome.retries == 0
    assert "'error' would be lost" in outcome.message
    assert ("answer is kept" in outcome.message) is isinstance(answer, ApiResponse)


async def test_a_wait_costs_no_retry() -> None:
    """Told to wait, the job goes back for just that long, whatever its back-off, with all its retries."""
    for backoff in ("PT2S", "PT1M"):
        api = FakeApi(answers=[refused(429, timedelta(seconds=7))])
        outcome = failed(await connector(api).work(job({"retryBackoff": backoff})))
        assert (outcome.retries, outcome.backoff) == (3, timedelta(seconds=7))
    outcome = failed(await connector(FakeApi(answers=[refused(503, timedelta(0))])).work(job()))
    assert (outcome.retries, outcome.backoff) == (3, timedelta(seconds=1))


@pytest.mark.parametrize(
    ("limits", "left"),
    [
        pytest.param({"times": 2}, [3, 3, 2, 1, 0], id="often"),
        pytest.param({"total": timedelta(seconds=20)}, [3, 3, 0, 0, 0], id="long"),
    ],
)
async def test_waits_are_counted_across_activations(limits: dict[str, Any], left: list[int]) -> None:
    """After so many waits each further one costs a retry; more time than is left is an incident at once."""
    api = FakeApi(answers=[refused(429, timedelta(seconds=8))])
    current = job()
    retries = []
    for _ in left:
        outcome = failed(await connector(api, **limits).work(current))
        retries.append(outcome.retries)
        current = again(current, outcome)
    assert retries == left
    assert api.requests[1]["headers"]["X-Client-Request-Id"] == "7-3-2"


async def test_passing_and_final_failures() -> None:
    """What may pass costs a retry after the template's back-off; what cannot has none left."""
    passing = ApiTimeoutError("slow", code="408", recovery=Recovery.TRANSIENT, reason="timeout")
    outcome = failed(await connector(FakeApi(answers=[passing])).work(job({"retryBackoff": "PT9S"})))
    assert (outcome.retries, outcome.backoff) == (2, timedelta(seconds=9))
    outcome = failed(await connector(FakeApi(answers=[refused(401)])).work(job({"retryBackoff": "PT9S"})))
    assert (outcome.retries, outcome.backoff) == (0, None)


async def test_the_error_becomes_a_variable() -> None:
    """It has type, code, message and the response, as Camunda's runtime gives it."""
    outcome = failed(await connector(FakeApi(answers=[refused(400, words="bad")])).work(job()))
    error = outcome.variables["error"]
    assert (error["type"], error["code"]) == ("ApiStatusError", "400")
    assert error["message"] == outcome.message
    assert error["variables"]["response"] == {
        "status": 400,
        "headers": {},
        "body": {"error": {"message": "bad"}},
    }


async def test_secrets_are_masked_however_deep() -> None:
    """A key that the API echoes leaves the worker neither in the message nor in the error variable."""
    echo = refused(401, words=f"Incorrect API key provided: {KEY}")
    echo.response = ApiResponse(401, {"X-Echo": [KEY]}, {KEY: [{"deep": f"<{KEY}>"}]})
    outcome = failed(await connector(FakeApi(answers=[echo])).work(job()))
    assert KEY not in json.dumps(dict(outcome.variables)) + outcome.message
    assert "***" in outcome.message


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({"detail": [{"loc": ["header"], "msg": f"bad {KEY}"}]}, id="list"),
        pytest.param({"error": {"message": json.dumps({"message": f"bad {KEY}"})}}, id="json_in_a_message"),
        pytest.param(f"<html><title>bad {KEY}</title></html>", id="page"),
        pytest.param(f"bad {KEY}", id="text"),
        pytest.param({"error": {"code": KEY, "param": KEY}}, id="code"),
        pytest.param({"error": {"message": f"bad {PROMPT}", "param": PROMPT}}, id="prompt"),
        pytest.param({"detail": {"field": PROMPT, "msg": "bad"}}, id="prompt_as_a_place"),
    ],
)
@pytest.mark.parametrize("status", [400, 200])
async def test_nothing_secret_is_repeated_in_any_shape(body: Any, status: int) -> None:
    """Wherever the API puts a key or a prompt, the message masks it."""
    outcome = failed(await connector(FakeApi([ApiResponse(status, {}, body)])).work(job()))
    assert KEY not in json.dumps(dict(outcome.variables)) + outcome.message
    assert PROMPT[:30] not in outcome.message


@pytest.mark.parametrize("key", ["4", "e", "code", "response"])
async def test_a_dummy_key_changes_no_error_code(key: str) -> None:
    """Servers without keys are given anything as a key.

    Expressions find code, type and status all the same.
    """
    expression = "=bpmnError(error.code + string(error.variables.response.status) + string(response.status))"
    api = FakeApi(answers=[refused(404)])
    outcome = await connector(api).work(job({"errorExpression": expression}, apiKey=key))
    assert isinstance(outcome, BpmnError)
    assert outcome.code == "404404404"


async def test_secrets_are_masked_in_a_bpmn_errors_variables() -> None:
    """A key that a successful answer echoes is not carried on by the error made of it."""
    api = FakeApi(answers=[ApiResponse(200, {"X-Echo": KEY}, ANSWER)])
    outcome = await connector(api).work(
        job({"errorExpression": '=bpmnError("C", "", {h: response.headers})'})
    )
    assert isinstance(outcome, BpmnError)
    assert outcome.variables == {"h": {"X-Echo": "***"}}


async def test_prompts_do_not_reach_messages() -> None:
    """An API that quotes the prompt does not bring it into the incident."""
    outcome = failed(
        await connector(FakeApi(answers=[refused(400, words=f"Cannot parse: {PROMPT[:40]}...")])).work(job())
    )
    assert "capital" not in outcome.message
    assert "Cannot parse" in outcome.message


async def test_secrets_resolve_in_credentials_only() -> None:
    """A placeholder in a prompt, history or header stays what it is."""
    api = FakeApi()
    history = [{"role": "user", "content": "secrets.KEY"}]
    await connector(api).work(
        job({"resultVariable": "{{secrets.KEY}}"}, prompt="{{secrets.KEY}}", chatHistory=history)
    )
    assert KEY not in json.dumps(api.requests[0]["body"])


async def test_the_error_expression_sees_failures_before_the_call() -> None:
    """Wrong inputs and missing secrets can be turned into BPMN errors too."""
    headers = {"errorExpression": "=bpmnError(error.code, error.type)"}
    outcome = await connector(FakeApi()).work(job(headers, temperature="warm"))
    assert isinstance(outcome, BpmnError)
    assert (outcome.code, outcome.message) == ("INVALID_INPUTS", "InvalidInputsError")
    outcome = await connector(FakeApi()).work(job(headers, apiKey="{{secrets.NONE}}"))
    assert isinstance(outcome, BpmnError)
    assert outcome.code == "SECRET_NOT_AVAILABLE"


@pytest.mark.parametrize(
    ("headers", "inputs", "lease"),
    [
        ({}, {}, timedelta(minutes=3)),
        ({}, {"timeout": "PT10M"}, timedelta(minutes=10)),
        ({}, {"timeout": 5}, timedelta(seconds=5)),
        ({"jobTimeout": "PT1H"}, {"timeout": "PT10M"}, timedelta(hours=1)),
        ({"jobTimeout": "nonsense"}, {"timeout": "nonsense"}, timedelta(minutes=3)),
    ],
)
def test_the_lease_covers_the_timeouts(
    headers: dict[str, str], inputs: dict[str, Any], lease: timedelta
) -> None:
    """The lease asked for lasts as long as the job timeout header and the request timeout need."""
    assert connector(FakeApi()).time_needed(job(headers, **inputs)) == lease


def test_only_the_contracts_variables_are_fetched() -> None:
    """Every name that is fetched has the contract's prefix: nothing else of the process leaks in."""
    fetched = [*INPUT_NAMES, *OWN_VARIABLES]
    assert all(name.startswith("openai_") for name in fetched)
    assert len(set(fetched)) == len(fetched)


async def test_what_is_wrong_with_inputs_is_said_whole() -> None:
    """A prompt that happens to hold the message's own words hides none of them: nothing was sent yet."""
    deep: object = 0
    for _ in range(5000):
        deep = [deep]
    wrong = job(prompt="the request cannot be written as JSON, they say", extraBody={"a": deep})
    outcome = failed(await connector(FakeApi()).work(wrong))
    assert "REQUEST_UNWRITABLE" in sentences_in(outcome.message)
