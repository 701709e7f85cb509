"""Diagrams made with Camunda's own template, unchanged, on the engine."""

from __future__ import annotations

import asyncio
from pathlib import Path
from xml.sax.saxutils import quoteattr

from openai_connector.tools.demo.engine import Engine
from tests.engine.records import Records
from tests.engine.worker import SECRET, Worker
from tests.engine.zeebe_client import ZeebeClient
from tests.stand_in import StandIn, failure

DROP_IN = {"CONNECTOR_DROP_IN": "true", "CONNECTOR_JOB_TYPE": "not-this-one"}


def diagram(process_id: str, url: str, headers: dict[str, str]) -> str:
    """Write the task as the facts of Camunda's template have it (version 6.

    Inputs in their order, by Zeebe's FEEL).
    """
    inputs = {
        "authentication.type": "bearer",
        "authentication.token": "{{secrets.KEY}}",
        "internal_organization": "org-7",
        "headers": '=if is defined(internal_organization) and internal_organization != null then '
        '{"Content-Type": "application/json", "OpenAI-Organization": internal_organization} '
        'else {"Content-Type": "application/json"}',
        "operation": "chat",
        "method": "post",
        "url": url,
        "internal_model": "custom",
        "internal_custom_model": "gpt-6-luna",
        "internal_temperature": "1",
        "internal_systemMessage": "Be short.",
        "internal_prompt": "=question",
        "internal_choices": "1",
        "internal_messages": "=append(concatenate(if is defined(internal_systemMessage) then "
        '[{"role": "system", "content": internal_systemMessage}] else [], if is '
        'defined(internal_chatHistory) '
        'then internal_chatHistory else []), {"role": "user", "content": internal_prompt})',
        "body": '={"model": if is defined(internal_custom_model) then internal_custom_model else internal_model, '
        '"messages": internal_messages, "n": number(internal_choices), "temperature": '
        'number(internal_temperature)}',
        "connectionTimeoutInSeconds": "30",
    }  # fmt: skip
    mapped = "".join(f"<zeebe:input source={quoteattr(v)} target={quoteattr(k)}/>" for k, v in inputs.items())
    written = "".join(f"<zeebe:header key={quoteattr(k)} value={quoteattr(v)}/>" for k, v in headers.items())
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL"
    xmlns:zeebe="http://camunda.org/schema/zeebe/1.0" id="definitions" targetNamespace="test">
  <bpmn:process id="{process_id}" isExecutable="true">
    <bpmn:startEvent id="start"><bpmn:outgoing>a</bpmn:outgoing></bpmn:startEvent>
    <bpmn:sequenceFlow id="a" sourceRef="start" targetRef="Ask"/>
    <bpmn:serviceTask id="Ask">
      <bpmn:extensionElements>
        <zeebe:taskDefinition type="io.camunda:http-json:1" retries="2"/>
        <zeebe:ioMapping>{mapped}</zeebe:ioMapping>
        <zeebe:taskHeaders>{written}</zeebe:taskHeaders>
      </bpmn:extensionElements>
      <bpmn:incoming>a</bpmn:incoming><bpmn:outgoing>b</bpmn:outgoing>
    </bpmn:serviceTask>
    <bpmn:sequenceFlow id="b" sourceRef="Ask" targetRef="end"/>
    <bpmn:endEvent id="end"><bpmn:incoming>b</bpmn:incoming></bpmn:endEvent>
  </bpmn:process>
</bpmn:definitions>"""


async def test_an_unmodified_diagram_is_served(
    engine: Engine, zeebe: ZeebeClient, records: Records, api: StandIn, tmp_path: Path
) -> None:
    """Request and result are what Camunda's connector makes of the task.

    Errors and other hosts are incidents.
    """
    url = api.base_url + "/chat/completions"
    result = {
        "resultVariable": "r",
        "resultExpression": "={answer: response.body.choices[1].message.content}",
    }
    async with Worker(engine.address, tmp_path / "worker.log", DROP_IN):
        await zeebe.deploy(diagram("drop-in", url, result))
        variables = await zeebe.run("drop-in", {"question": "Who?"})
        api.always(failure(401, f"Wrong key {SECRET}"))
        await zeebe.deploy(diagram("drop-in-401", url, {}))
        refused = await records.incident(await zeebe.create_instance("drop-in-401", {"question": "Who?"}))
        await zeebe.deploy(diagram("drop-in-host", "https://example.com/v1", {}))
        elsewhere = await records.incident(await zeebe.create_instance("drop-in-host", {"question": "Who?"}))
    assert variables["answer"] == variables["r"]["body"]["choices"][0]["message"]["content"]
    assert {"status", "headers", "body"} <= set(variables["r"])
    request = api.requests[0]
    assert request.json == {
        "model": "gpt-6-luna",
        "messages": [{"role": "system", "content": "Be short."}, {"role": "user", "content": "Who?"}],
        "n": 1,
        "temperature": 1,
    }
    assert request.header("Authorization") == f"Bearer {SECRET}"
    assert request.header("OpenAI-Organization") == "org-7"
    assert "401" in refused["value"]["errorMessage"]
    assert SECRET not in refused["value"]["errorMessage"]
    assert "CONNECTOR_ALLOWED_HOSTS" in elsewhere["value"]["errorMessage"]
    assert api.calls == 2


async def test_the_drop_in_is_off_by_default(
    engine: Engine, zeebe: ZeebeClient, api: StandIn, tmp_path: Path
) -> None:
    """Another worker's REST jobs are not touched unless the operator says so."""
    await zeebe.deploy(diagram("drop-in-off", api.base_url, {}))
    async with Worker(engine.address, tmp_path / "worker.log") as worker:
        await worker.said("Zeebe answers")
        instance = await zeebe.create_instance("drop-in-off", {"question": "Who?"})
        await asyncio.sleep(1)
        (job,) = await zeebe.activate("io.camunda:http-json:1")
    assert job.processInstanceKey == instance
    assert not api.requests
    await zeebe.cancel_instance(instance)
