"""The examples, as they are, on the engine against a stand-in API."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from openai_connector.tools.demo.engine import Engine
from openai_connector.tools.diagrams.lint import check
from tests.engine.records import Records
from tests.engine.worker import Worker
from tests.engine.zeebe_client import ZeebeClient
from tests.make import sentences_in
from tests.openai_stand_in.api import OpenAI
from tests.stand_in import Answer, Request, StandIn, chat_body
from tests.unit.operations.responses import body_of, called, said, thought

FOLDER = Path(__file__).parents[2] / "examples"
EXAMPLES = sorted(FOLDER.glob("*.bpmn"))
USER_TASK = "io.camunda.zeebe:userTask"
JOB_TYPE = "examples"


@pytest.fixture
async def worker(engine: Engine, api: StandIn, tmp_path: Path) -> AsyncIterator[Worker]:
    """A worker whose own API is the stand-in: the examples name none."""
    settings = {
        "OPENAI_BASE_URL": api.base_url,
        "SECRET_OPENAI_API_KEY": "sk-examples",
        "CONNECTOR_JOB_TYPE": JOB_TYPE,
    }
    async with Worker(engine.address, tmp_path / "worker.log", settings) as worker:
        yield worker


async def deploy(zeebe: ZeebeClient, name: str) -> None:
    """Deploy an example for this module's worker alone."""
    text = (FOLDER / f"{name}.bpmn").read_text("utf-8")
    assert 'type="openai-connector:1"' in text
    await zeebe.deploy(text.replace('type="openai-connector:1"', f'type="{JOB_TYPE}"'), f"{name}.bpmn")


async def run(zeebe: ZeebeClient, name: str, variables: dict[str, Any]) -> dict[str, Any]:
    await deploy(zeebe, name)
    return await zeebe.run(name, variables)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_example_is_clean_and_drawn(path: Path) -> None:
    """No example has a finding, and each has its picture and its place in the README."""
    assert check(path.read_bytes(), date(2026, 11, 22)) == []
    assert path.with_suffix(".png").is_file()
    readme = (FOLDER / "README.md").read_text("utf-8")
    assert f"({path.name})" in readme
    assert f"({path.stem}.png)" in readme


def test_there_are_seven_examples() -> None:
    """The tests below run every example that there is."""
    assert [path.stem for path in EXAMPLES] == [
        "chat-loop",
        "extract-order",
        "flagged-review",
        "moderate-then-answer",
        "nightly-summary",
        "sort-ticket",
        "tool-loop",
    ]


@pytest.mark.usefixtures("worker")
async def test_moderate_then_answer(zeebe: ZeebeClient, api: StandIn) -> None:
    """A harmless message is answered, a harmful one is not."""
    answered = await run(zeebe, "moderate-then-answer", {"message": "Where is my parcel?"})
    assert (answered["flagged"], answered["answer"], answered["tokens"]) == (False, "Answer 1", 12)
    refused = await run(zeebe, "moderate-then-answer", {"message": "I will kill you"})
    assert (refused["flagged"], refused["categories"], "answer" in refused) == (True, ["violence"], False)
    assert [request.path for request in api.requests] == [
        "/v1/moderations",
        "/v1/chat/completions",
        "/v1/moderations",
    ]
    assert {request.header("Authorization") for request in api.requests} == {"Bearer sk-examples"}


@pytest.mark.usefixtures("worker")
async def test_extract_order(zeebe: ZeebeClient, api: StandIn) -> None:
    """The answer's JSON becomes a context.

    A complete order goes on, an incomplete one is asked back about.
    """

    def reply(request: Request) -> Answer | None:
        if "response_format" not in request.json:
            return None
        given = "blue" in request.json["messages"][-1]["content"]
        order = {"article": "mug", "quantity": 2 if given else None, "address": "Main Street 1"}
        return Answer(body=chat_body(json.dumps(order | {"missing": [] if given else ["quantity"]})))

    api.always(reply)
    complete = await run(zeebe, "extract-order", {"email": "Two blue mugs, please"})
    assert (complete["order"]["quantity"], "reply" in complete) == (2, False)
    incomplete = await run(zeebe, "extract-order", {"email": "Mugs, please"})
    assert (incomplete["order"]["missing"], incomplete["reply"]) == (["quantity"], "Answer 1")
    asked = api.requests[0].json["response_format"]["json_schema"]
    assert (asked["name"], asked["strict"], asked["schema"]["additionalProperties"]) == ("order", True, False)
    assert api.requests[-1].json["messages"][-1]["content"] == (
        "Ask the customer for what is missing in this order: quantity\n\nThe customer's e-mail:\nMugs, please"
    )


@pytest.mark.usefixtures("worker")
async def test_order_that_is_no_json_is_an_incident(
    zeebe: ZeebeClient, api: StandIn, records: Records
) -> None:
    """An answer without JSON stops the process by itself, before the gateway misreads it."""
    api.always(Answer(body=chat_body("I cannot do that")))
    await deploy(zeebe, "extract-order")
    instance = await zeebe.create_instance("extract-order", {"email": "Mugs"})
    incident = await records.incident(instance)
    assert "ANSWER_NOT_JSON" in sentences_in(incident["value"]["errorMessage"])
    await zeebe.cancel_instance(instance)


@pytest.mark.usefixtures("worker")
async def test_sort_ticket(zeebe: ZeebeClient, api: StandIn) -> None:
    """A ticket that is sorted in JSON goes on, also where it took a second try."""
    api.answer(
        Answer(body=chat_body("Sorted!")),
        Answer(body=chat_body('```json\n{"topic": "order", "urgent": true}\n```')),
    )
    sorted_ticket = await run(zeebe, "sort-ticket", {"ticket": "My mug never came"})
    output = sorted_ticket["answer"]["output"]
    assert (output["json"], output["calls"]) == ({"topic": "order", "urgent": True}, 2)


@pytest.mark.usefixtures("worker")
async def test_ticket_that_is_not_sorted_in_json_goes_to_a_person(
    zeebe: ZeebeClient, api: StandIn, records: Records
) -> None:
    """The boundary event catches ANSWER_NOT_JSON though the task has no expression at all."""
    api.always(Answer(body=chat_body("I think it is an order")))
    await deploy(zeebe, "sort-ticket")
    instance = await zeebe.create_instance("sort-ticket", {"ticket": "My mug never came"})
    (job,) = await zeebe.activate(USER_TASK)
    assert (job.processInstanceKey, job.elementId) == (instance, "sort-by-hand")
    await zeebe.complete_job(job.key, {"topic": "order"})
    await records.wait_for(
        "PROCESS_INSTANCE", "ELEMENT_COMPLETED", processInstanceKey=instance, elementId="sorted-by-hand"
    )
    assert len(api.requests) == 2  # asked again once


@pytest.mark.usefixtures("worker")
async def test_chat_loop(zeebe: ZeebeClient, api: StandIn, records: Records) -> None:
    """Each question is sent with all that was said before; the system message once."""
    await deploy(zeebe, "chat-loop")
    instance = await zeebe.create_instance("chat-loop", {})
    for form in ({"message": "Hello"}, {"message": "And then?"}, {"goodbye": True}):
        (job,) = await zeebe.activate(USER_TASK)
        assert job.processInstanceKey == instance
        await zeebe.complete_job(job.key, form)
    await records.wait_for(
        "PROCESS_INSTANCE", "ELEMENT_COMPLETED", processInstanceKey=instance, elementId="chat-loop"
    )
    first, second = (request.json["messages"] for request in api.requests)
    assert [message["role"] for message in first] == ["system", "user"]
    assert second == [
        *first,
        {"role": "assistant", "content": "Answer 1"},
        {"role": "user", "content": "And then?"},
    ]


@pytest.mark.usefixtures("worker")
async def test_flagged_review(zeebe: ZeebeClient, api: StandIn) -> None:
    """A harmless review is published; a flagged one takes the boundary event's way, with the categories."""
    published = await run(zeebe, "flagged-review", {"review": "Nice mugs"})
    assert (published["scores"], "letter" in published) == ({"violence": 0.1}, False)
    told = await run(zeebe, "flagged-review", {"review": "I will kill the mug"})
    assert (told["categories"], told["letter"], "scores" in told) == (["violence"], "Answer 1", False)
    assert api.requests[-1].json["messages"][-1]["content"].endswith("because of: violence")


@pytest.mark.usefixtures("worker")
async def test_tool_loop(zeebe: ZeebeClient, api: StandIn) -> None:
    """What the model calls is run in the diagram, each call for itself, and the results go back to the model."""
    calls = [
        called("find_order", '{"number": "A17"}', "call_1"),
        called("find_order", '{"number": "B99"}', "call_2"),
        called("find_order", '{"number": ', "call_3"),
        called("days_since", '{"date": "soon"}', "call_4"),
        called("make_tea", "{}", "call_5"),
    ]
    api.answer(
        Answer(body=body_of(thought(), said("One moment.", phase="commentary"), *calls)),
        Answer(body=body_of(called("find_order", '{"number": "B18"}', "call_1"))),  # servers use ids again
        Answer(body=body_of(said("It was sent on Monday.", phase="final_answer"))),
    )
    orders = [{"number": "A17", "sent": "2026-11-23"}, {"number": "B18", "sent": None}]
    ended = await run(zeebe, "tool-loop", {"question": "Where is my order A17?", "orders": orders})
    assert (ended["answer"], ended["toolCalls"]) == ("It was sent on Monday.", [])
    first, second, third = (request.json for request in api.requests)
    assert [request.path for request in api.requests] == ["/v1/responses"] * 3
    assert [tool["name"] for tool in first["tools"]] == ["find_order", "days_since"]
    assert [item["role"] for item in first["input"]] == ["system", "user"]
    results = [
        json.dumps(orders[0], separators=(",", ":")),
        "There is no such order",
        "There is no such order",
        "That is no date",
        "There is no such tool",
    ]
    names = ("type", "name", "arguments", "call_id")
    assert second["input"] == [
        *first["input"],
        *({name: call[name] for name in names} for call in calls),
        *(
            {"type": "function_call_output", "call_id": call["call_id"], "output": result}
            for call, result in zip(calls, results, strict=True)
        ),
    ]
    assert third["input"][: len(second["input"])] == second["input"]
    assert json.loads(third["input"][-1]["output"]) == orders[1]


@pytest.mark.usefixtures("worker")
async def test_tool_loop_without_tools(zeebe: ZeebeClient, api: StandIn) -> None:
    """A question that needs no tool is answered at once."""
    api.always(Answer(body=body_of(said("Hello!"))))
    ended = await run(zeebe, "tool-loop", {"question": "Hello", "orders": []})
    assert (ended["answer"], len(api.requests)) == ("Hello!", 1)


@pytest.mark.usefixtures("worker")
async def test_tool_loop_ends_with_a_model_that_does_not(zeebe: ZeebeClient, api: StandIn) -> None:
    """A model that calls tools for ever is asked a bounded number of times."""
    api.always(Answer(body=body_of(called("make_tea", "{}"))))
    ended = await run(zeebe, "tool-loop", {"question": "Hello", "orders": []})
    assert len(ended["toolCalls"]) == 1
    assert 10 < len(api.requests) < 20


async def test_nightly_summary(engine: Engine, zeebe: ZeebeClient, records: Records, tmp_path: Path) -> None:
    """The task waits in the engine until OpenAI has the summary, which is bought once, in its window."""
    async with OpenAI(seed=1, scale=100_000) as openai:
        settings = {
            "OPENAI_BASE_URL": openai.base_url,
            "SECRET_OPENAI_API_KEY": "sk-examples",
            "CONNECTOR_JOB_TYPE": JOB_TYPE,
        }
        async with Worker(engine.address, tmp_path / "worker.log", settings):
            await deploy(zeebe, "nightly-summary")
            key = await zeebe.create_instance("nightly-summary", {"complaints": ["Broken mug", "No answer"]})
            await records.wait_for("JOB", "FAILED", processInstanceKey=key)
            await asyncio.sleep(0.5)
            await asyncio.to_thread(engine.advance, timedelta(minutes=1))
            ended = await records.wait_for(
                "PROCESS_INSTANCE", "ELEMENT_COMPLETED", processInstanceKey=key, elementId="summarized"
            )
            assert ended
        [bought] = openai.ledger
        assert bought.tier == "8h"
        assert openai.complaints == []
