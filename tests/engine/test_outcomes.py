"""Every outcome of a job on the engine: what the process sees, what the operator reads, what is paid for."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from openai_connector.tools.demo.engine import Engine
from tests.diagrams import Boundary, process, service, task
from tests.engine.records import Record, Records
from tests.engine.worker import SECRET, SHARED_JOB_TYPE, Worker
from tests.engine.zeebe_client import ZeebeClient
from tests.stand_in import Answer, StandIn, chat_body, deeply_nested, failure, moderation_body, text_answer

pytestmark = pytest.mark.usefixtures("worker")

PROMPT = "A question in confidence, which no incident may repeat"
ids = iter(range(1_000_000))


def chat(api: StandIn, headers: Mapping[str, str], **inputs: str) -> dict[str, Any]:
    """Give the arguments of a chat task that asks the stand-in."""
    values = {
        "apiKey": "{{secrets.KEY}}",
        "baseUrl": api.base_url,
        "operation": "chat",
        "prompt": PROMPT,
    } | inputs
    given = {f"openai_{name}": value for name, value in values.items()}
    return {"values": given, "headers": headers, "job_type": SHARED_JOB_TYPE}


async def run(zeebe: ZeebeClient, *elements: Any, **variables: Any) -> dict[str, Any]:
    """Run a process of these elements to its end."""
    process_id = f"outcome-{next(ids)}"
    await zeebe.deploy(process(process_id, *elements))
    return await zeebe.run(process_id, variables)


async def start(zeebe: ZeebeClient, *elements: Any, **variables: Any) -> int:
    """Start a process of these elements."""
    process_id = f"outcome-{next(ids)}"
    await zeebe.deploy(process(process_id, *elements))
    return await zeebe.create_instance(process_id, variables)


async def incident(zeebe: ZeebeClient, records: Records, *elements: Any, **variables: Any) -> Record:
    """Start a process of these elements and wait for its incident."""
    return await records.incident(await start(zeebe, *elements, **variables))


async def ended(records: Records, instance: int) -> None:
    """Wait for the end of a process instance."""
    await records.wait_for(
        "PROCESS_INSTANCE", "ELEMENT_COMPLETED", processInstanceKey=instance, bpmnElementType="PROCESS"
    )


async def test_chat_gives_its_result_to_the_process(zeebe: ZeebeClient, api: StandIn) -> None:
    """The result variable and the expression's variables are seen after the task; inputs are not."""
    headers = {
        "resultVariable": "answer",
        "resultExpression": "={text: output.text, tokens: body.usage.total_tokens}",
    }
    variables = await run(
        zeebe, task(**chat(api, headers, prompt="=question", temperature="0.5")), question="Größe?"
    )
    assert variables["text"] == "Answer 1"
    assert variables["tokens"] == 12
    assert set(variables["answer"]) == {"status", "headers", "body", "output"}
    assert variables["answer"]["output"]["chatHistory"][0] == {"role": "user", "content": "Größe?"}
    assert not [name for name in variables if name.startswith("openai_")]
    (request,) = api.requests
    assert request.json["temperature"] == 0.5
    assert request.header("Authorization") == f"Bearer {SECRET}"


async def test_moderation_gives_its_result_to_the_process(zeebe: ZeebeClient, api: StandIn) -> None:
    """The flagged categories come in the order of their scores."""
    api.always(Answer(body=moderation_body({"violence": 0.7, "hate": 0.9, "sexual": 0.1})))
    values = {"operation": "moderation", "baseUrl": api.base_url, "apiKey": "k", "moderationInput": "=text"}
    moderation = task(
        values={f"openai_{name}": value for name, value in values.items()},
        headers={"resultExpression": '={"flagged": "$.output.flagged", "why": "$.output.flaggedCategories"}'},
        job_type=SHARED_JOB_TYPE,
    )
    assert await run(zeebe, moderation, text="words") == {
        "flagged": True,
        "why": ["hate", "violence"],
        "text": "words",
    }


async def test_a_text_and_an_image_are_judged_together(zeebe: ZeebeClient, api: StandIn) -> None:
    """Content parts reach the API, and one result answers for all of them."""
    api.always(Answer(body=moderation_body({"violence": 0.7})))
    parts = '=[text, {type: "image_url", image_url: {url: "https://example.com/a.png"}}]'
    values = {"operation": "moderation", "baseUrl": api.base_url, "apiKey": "k", "moderationInput": parts}
    moderation = task(
        values={f"openai_{name}": value for name, value in values.items()},
        headers={"resultExpression": "={flagged: output.flagged}"},
        job_type=SHARED_JOB_TYPE,
    )
    assert await run(zeebe, moderation, text="words") == {"flagged": True, "text": "words"}
    assert api.requests[0].json["input"] == [
        {"type": "text", "text": "words"},
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
    ]


async def test_whole_numbers_arrive_to_the_last_digit(zeebe: ZeebeClient, api: StandIn) -> None:
    """The engine keeps them up to 2^64-1."""
    api.always(Answer(body=chat_body("Hi") | {"order": 12345678901234567890, "more": [2**64 - 1]}))
    variables = await run(zeebe, task(**chat(api, {"resultVariable": "answer"})))
    assert variables["answer"]["body"]["order"] == 12345678901234567890
    assert variables["answer"]["body"]["more"] == [2**64 - 1]


async def test_a_history_can_be_fed_back(zeebe: ZeebeClient, api: StandIn) -> None:
    """The next task's request carries the whole conversation, with the system message once."""
    first = task(element_id="First", **chat(api, {"resultVariable": "first"}, systemMessage="Be short."))
    inputs = {"systemMessage": "Be short.", "chatHistory": "=first.output.chatHistory", "prompt": "And then?"}
    second = task(element_id="Second", **chat(api, {"resultVariable": "second"}, **inputs))
    await run(zeebe, first, second)
    assert [message["role"] for message in api.requests[1].json["messages"]] == [
        "system",
        "user",
        "assistant",
        "user",
    ]


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        pytest.param(
            {"temperature": '="warm"'},
            "Temperature must be a number between 0 and 2, got 'warm'",
            id="wrong type",
        ),
        pytest.param(
            {"apiKey": "{{secrets.MISSING}}"}, "secret 'MISSING' is not available", id="missing secret"
        ),
        pytest.param({"prompt": "=missing"}, "Prompt is required", id="missing prompt"),
        pytest.param(
            {"baseUrl": "https://elsewhere.example.com"},
            "elsewhere.example.com is not allowed",
            id="host not allowed",
        ),
    ],
)
async def test_bad_input_becomes_an_incident(
    zeebe: ZeebeClient, api: StandIn, records: Records, inputs: dict[str, str], said: str
) -> None:
    """The incident says which field is wrong, nothing was sent, and the prompt is not repeated."""
    raised = await incident(zeebe, records, task(**chat(api, {}, **inputs)))
    assert said in raised["value"]["errorMessage"]
    assert PROMPT not in raised["value"]["errorMessage"]
    assert not api.requests


@pytest.mark.parametrize(
    ("answer", "calls", "said"),
    [
        pytest.param(
            failure(401, f"Incorrect API key provided: {SECRET}"), 1, "401 Unauthorized", id="wrong key"
        ),
        pytest.param(failure(429, "Quota", code="insufficient_quota"), 1, "quota is used up", id="no quota"),
        pytest.param(
            failure(400, "Unsupported value", param="temperature"), 1, "temperature", id="refused value"
        ),
        pytest.param(failure(500, "Trouble"), 2, "500 Internal Server Error", id="server error"),
        pytest.param(failure(429, "Slow down"), 2, "429 Too Many Requests", id="rate limit"),
        pytest.param(text_answer("<html>"), 1, "is not JSON", id="no JSON"),
        pytest.param(deeply_nested(), 1, "is not JSON", id="nested without end"),
        pytest.param(Answer(body={"choices": []}), 1, "has no choices", id="no choices"),
        pytest.param(
            Answer(302, headers=(("Location", "https://elsewhere.example.com"),)),
            1,
            "redirect",
            id="redirect",
        ),
        pytest.param(Answer(drop="before"), 2, "broke during the call", id="connection lost"),
        pytest.param(Answer(delay=600), 2, "did not answer within 2 s", id="no answer in time"),
    ],
)
async def test_a_failed_call_becomes_an_incident(
    zeebe: ZeebeClient, api: StandIn, records: Records, answer: Answer, calls: int, said: str
) -> None:
    """What may pass uses up the retries, what cannot fails at once; no message has the key or the prompt."""
    api.always(answer)
    timeout = "PT2S" if answer.delay else "PT1M"
    raised = await incident(
        zeebe, records, task(**chat(api, {"retryBackoff": "PT0S"}, timeout=timeout), retries=2)
    )
    assert said in raised["value"]["errorMessage"]
    assert SECRET not in raised["value"]["errorMessage"]
    assert PROMPT not in raised["value"]["errorMessage"]
    assert api.calls == calls


async def test_a_caught_bpmn_error_carries_its_variables(
    zeebe: ZeebeClient, api: StandIn, records: Records
) -> None:
    """The boundary event of that code catches it, and has the error's variables."""
    expression = '=if status = 200 then bpmnError("REFUSED", "no", {why: output.text}) else null'
    caught = task(
        **chat(api, {"errorExpression": expression}), on_error=Boundary("REFUSED", then=service("seen"))
    )
    instance = await start(zeebe, caught)
    (job,) = await zeebe.activate("seen")
    assert job.processInstanceKey == instance
    assert api.calls == 1
    await records.wait_for("VARIABLE", "CREATED", processInstanceKey=instance, name="why")
    await zeebe.cancel_instance(instance)


async def test_an_uncaught_bpmn_error_is_not_bought_again(
    zeebe: ZeebeClient, api: StandIn, records: Records
) -> None:
    """After the incident is resolved, with the expression overridden, the kept answer is mapped.

    One call in all.
    """
    headers = {"resultVariable": "r", "errorExpression": '=bpmnError("NOBODY", output.text)'}
    raised = await incident(zeebe, records, task(**chat(api, headers)))
    value = raised["value"]
    await zeebe.set_variables(value["elementInstanceKey"], {"openai_errorExpression": "=null"})
    await zeebe.resolve_incident(raised["key"])
    await ended(records, value["processInstanceKey"])
    assert api.calls == 1


@pytest.mark.parametrize(
    ("headers", "override"),
    [
        pytest.param(
            {"resultExpression": '=assert(output, output.text = "no")'},
            {"openai_resultExpression": "={x: output.text}"},
            id="failed assertion",
        ),
        pytest.param(
            {"resultExpression": "=output.text"},
            {"openai_resultExpression": '={"x": "$.output.text"}'},
            id="not a context",
        ),
        pytest.param(
            {"resultVariable": "x", "errorExpression": '="no"'},
            {"openai_errorExpression": "=null"},
            id="wrong error expression",
        ),
    ],
)
async def test_a_failed_mapping_is_mended_without_a_second_call(
    zeebe: ZeebeClient, api: StandIn, records: Records, headers: dict[str, str], override: dict[str, str]
) -> None:
    """Override set, incident resolved: the process goes on with the result, and the API was asked once."""
    instance = await start(zeebe, task(**chat(api, headers)), service("after"))
    raised = await records.incident(instance)
    assert "answer is kept" in raised["value"]["errorMessage"]
    await zeebe.set_variables(raised["value"]["elementInstanceKey"], override)
    await zeebe.resolve_incident(raised["key"], job_key=raised["value"]["jobKey"])
    (job,) = await zeebe.activate("after")
    assert json.loads(job.variables)["x"]
    assert api.calls == 1
    await zeebe.cancel_instance(instance)


async def test_a_wrong_input_is_corrected_at_the_task(
    zeebe: ZeebeClient, api: StandIn, records: Records
) -> None:
    """The input set as a local variable, as the README says, and the incident resolved: the task is done."""
    headers = {"resultExpression": "={x: output.text}"}
    instance = await start(
        zeebe, task(**chat(api, headers, temperature="=heat")), service("after"), heat="warm"
    )
    raised = await records.incident(instance)
    await zeebe.set_variables(raised["value"]["elementInstanceKey"], {"openai_temperature": 0.5})
    await zeebe.resolve_incident(raised["key"], job_key=raised["value"]["jobKey"])
    (job,) = await zeebe.activate("after")
    assert json.loads(job.variables)["x"] == "Answer 1"
    assert [request.json["temperature"] for request in api.requests] == [0.5]
    await zeebe.cancel_instance(instance)


@pytest.mark.parametrize(
    ("large", "expression"),
    [("x" * 1_400_000, "=output.text"), ([0.5] * 350_000, "={all: body.usage}")],
    ids=["text", "decimals"],
)
async def test_a_large_answer_is_kept_too(
    zeebe: ZeebeClient, api: StandIn, records: Records, large: Any, expression: str
) -> None:
    """The engine takes 1.4 MB of state beside the error.

    What it would refuse as a result is kept as well: one call.
    """
    body = json.dumps(chat_body("Hello") | {"usage": large}, separators=(",", ":"))
    api.always(Answer(content=body.encode()))
    raised = await incident(zeebe, records, task(**chat(api, {"resultExpression": expression})))
    assert "answer is kept" in raised["value"]["errorMessage"]
    override = {"openai_resultExpression": "={x: output.text}"}
    await zeebe.set_variables(raised["value"]["elementInstanceKey"], override)
    await zeebe.resolve_incident(raised["key"], job_key=raised["value"]["jobKey"])
    await ended(records, raised["value"]["processInstanceKey"])
    assert api.calls == 1


async def test_a_syntax_error_costs_nothing(zeebe: ZeebeClient, api: StandIn, records: Records) -> None:
    """The incident shows line, column and a caret; nothing was sent."""
    raised = await incident(zeebe, records, task(**chat(api, {"resultExpression": "={a: ]}"})))
    assert "line 1, column" in raised["value"]["errorMessage"]
    assert "^" in raised["value"]["errorMessage"]
    assert not api.requests


async def test_a_job_error_sets_retries_and_variables(
    zeebe: ZeebeClient, api: StandIn, records: Records
) -> None:
    """The modeler's own failure asks again while it leaves retries, and its variables stay at the task."""
    expression = '=jobError("not yet", {tried: job.retries}, job.retries - 1)'
    raised = await incident(zeebe, records, task(**chat(api, {"errorExpression": expression}), retries=2))
    assert raised["value"]["errorMessage"].startswith("not yet")
    assert api.calls == 2


async def test_an_error_can_be_ignored(zeebe: ZeebeClient, api: StandIn) -> None:
    """ignoreError completes the task in spite of a failed call."""
    api.always(failure(500))
    headers = {
        "errorExpression": '=if error.code = "500" then ignoreError({fallback: error.message}) else null'
    }
    assert "500" in (await run(zeebe, task(**chat(api, headers))))["fallback"]


@pytest.mark.parametrize(
    "headers", [{"resultVariable": "openai_prompt"}, {"resultExpression": "={openai_prompt: 1}"}]
)
async def test_a_result_that_the_task_would_swallow_is_refused(
    zeebe: ZeebeClient, api: StandIn, records: Records, headers: dict[str, str]
) -> None:
    """A result of an input's name raises an incident instead of vanishing."""
    raised = await incident(zeebe, records, task(**chat(api, headers)))
    assert "'openai_prompt' would be lost" in raised["value"]["errorMessage"]
    assert api.calls == (0 if "resultVariable" in headers else 1)


@pytest.mark.usefixtures("clock")
async def test_back_off_and_waits_are_the_engines(
    engine: Engine, zeebe: ZeebeClient, api: StandIn, records: Records
) -> None:
    """A failed call is repeated after the back-off of the engine's clock; what the API asks for costs no retry.

    The worker's own clock holds its key back for as long as the API asks.
    """
    api.answer(failure(500), failure(429, headers={"Retry-After": "1"}))
    instance = await start(
        zeebe, task(**chat(api, {"retryBackoff": "PT10M"}), retries=2), service("after-wait")
    )

    def failed() -> list[int]:
        # The engine itself "fails" an activation whose long poll the clock's jump has ended: not ours, no
        # retry lost.
        found = records.find("JOB", "FAILED", processInstanceKey=instance)
        return [
            each["value"]["retries"] for each in found if each["value"]["errorMessage"].startswith("The API")
        ]

    for calls in (1, 2):
        async with asyncio.timeout(60):
            while len(failed()) < calls:
                await asyncio.sleep(0.05)
        await asyncio.sleep(0.5)
        assert api.calls == calls
        await asyncio.sleep(1)  # by the worker's own clock
        await asyncio.to_thread(engine.advance, timedelta(minutes=16))
    (job,) = await zeebe.activate("after-wait")
    assert job.processInstanceKey == instance
    assert api.calls == 3
    assert failed() == [1, 1]
    await zeebe.cancel_instance(instance)


async def test_a_huge_answer_harms_nobody(zeebe: ZeebeClient, api: StandIn, records: Records) -> None:
    """An answer beyond what the engine takes raises an incident that says so, and the next job is served."""
    api.answer(Answer(body=chat_body("x" * 4_000_000)))
    raised = await incident(zeebe, records, task(**chat(api, {"resultVariable": "r"})))
    assert "4.0 MB" in raised["value"]["errorMessage"] or "MB of JSON" in raised["value"]["errorMessage"]
    assert (await run(zeebe, task(**chat(api, {"resultExpression": "={s: status}"}))))["s"] == 200


async def test_an_answer_of_odd_characters_arrives(zeebe: ZeebeClient, api: StandIn) -> None:
    """Emoji, zero bytes escaped, and lone surrogates do not lose a paid answer."""
    body = json.dumps(chat_body("smile 😀 broken \ud83d end"))
    api.always(Answer(content=body.encode(), headers=(("Content-Type", "application/json"),)))
    variables = await run(zeebe, task(**chat(api, {"resultExpression": "={t: output.text}"})))
    assert variables["t"].startswith("smile 😀 broken ")
    assert variables["t"].endswith(" end")


async def test_logs_hold_nothing_private(
    zeebe: ZeebeClient, api: StandIn, records: Records, worker: Worker
) -> None:
    """After good and bad calls the worker's log, at its most talkative, has no secret, prompt or answer."""
    api.answer(Answer(body=chat_body("an answer of gold")), failure(400, f"{SECRET} {PROMPT}"))
    await run(zeebe, task(**chat(api, {"resultVariable": "r"})))
    await incident(zeebe, records, task(**chat(api, {})))
    log = worker.log.read_text("utf-8")
    assert "ApiStatusError" in log
    for private in (SECRET, PROMPT, "an answer of gold"):
        assert private not in log
