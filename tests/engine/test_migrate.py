"""Diagrams made with Camunda's own templates, unchanged (drop-in job type) and migrated, on the engine."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from openai_connector.tools.demo.engine import Engine
from openai_connector.tools.diagrams.migrate import migrate
from tests.engine.worker import Worker
from tests.engine.zeebe_client import ZeebeClient
from tests.stand_in import StandIn
from tests.unit.diagrams.camunda_diagrams import (
    AZURE,
    azure_inputs,
    chat_inputs,
    diagram,
    moderation_inputs,
    task,
)

PROCESS: dict[str, Any] = {
    "question": "Who are you?",
    "message": "I kill you",
    "history": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}],
}
RESULT = {
    "resultVariable": "whole",
    "resultExpression": "={code: response.status, all: response.body, first: response.body.choices[1].message.content}",
    "errorExpression": '=if error != null then bpmnError("FAILED", error.message) else null',
    "retryBackoff": "PT1S",
}
KEY = {"authentication__token": "{{secrets.KEY}}"}
CHANGED: dict[str, dict[str, str | None]] = {
    "plain": {},
    "rich": {
        "internal_model": "custom",
        "internal_custom_model": "llama3.3",
        "internal_temperature": "0.7",
        "internal_systemMessage": 'Be "short"\n& kind',
        "internal_chatHistory": "=history",
        "internal_choices": "2",
        "internal_organization": "org-7",
    },
}


def migrated(text: str) -> str:
    """Migrate, as a process of another id."""
    migration = migrate(text.encode(), date(2026, 11, 22))
    assert all(report.migrated for report in migration.tasks)
    return migration.content.decode().replace('process id="before"', 'process id="after"')


@pytest.mark.parametrize("name", ["plain", "rich", "moderation"])
async def test_same_request_and_same_variables(
    engine: Engine, zeebe: ZeebeClient, api: StandIn, tmp_path: Path, name: str
) -> None:
    """The API is asked the same, and the process gets the same variables, less a temperature of 1."""
    if name == "moderation":
        inputs = moderation_inputs(**KEY, url=f"{api.base_url}/moderations")
    else:
        inputs = chat_inputs(**KEY, url=f"{api.base_url}/chat/completions", **CHANGED[name])
    before = diagram(task(inputs, RESULT), process_id="before")
    await zeebe.deploy(before, "before.bpmn")
    await zeebe.deploy(migrated(before), "after.bpmn")
    async with Worker(engine.address, tmp_path / "worker.log", {"CONNECTOR_DROP_IN": "true"}):
        variables = [await zeebe.run(process, PROCESS) for process in ("before", "after")]
    unchanged, moved = api.requests
    expected = dict(unchanged.json)
    if expected.get("temperature") == 1:
        del expected["temperature"]
    assert moved.json == expected
    assert moved.path == unchanged.path
    for header in ("Authorization", "OpenAI-Organization", "Content-Type"):
        assert moved.header(header) == unchanged.header(header)
    results = [{key: run[key] for key in ("code", "all", "first")} for run in variables]
    assert results[0] == results[1]
    assert all(run["whole"]["body"] == run["all"] for run in variables)


async def test_azures_own_parameters_reach_the_job(zeebe: ZeebeClient) -> None:
    """The engine evaluates what became the extra body: null stays out, comments and quotes do no harm."""
    inputs = azure_inputs(
        chatCompletion_stop='=["END"] // a comment',
        chatCompletion_user='a "quoted"\n name',
        chatCompletion_logitBias="=nothing",
        chatCompletion_temperature="=0.25",
    )
    text = diagram(task(inputs, RESULT, template=AZURE, version=4), process_id="before")
    await zeebe.deploy(migrated(text).replace("openai-connector:1", "migrated-azure"))
    instance = await zeebe.create_instance("after", {"question": "Who?"})
    (job,) = await zeebe.activate("migrated-azure")
    variables = json.loads(job.variables)
    assert {name: value for name, value in variables.items() if name.startswith("openai_")} == {
        "openai_apiKey": "{{secrets.AZURE_KEY}}",
        "openai_operation": "chat",
        "openai_azureResource": "contoso",
        "openai_azureDeployment": "support",
        "openai_azureApiVersion": "2024-02-01",
        "openai_prompt": "Who?",
        "openai_temperature": 0.25,
        "openai_choices": "1",
        "openai_extraBody": {"stop": ["END"], "user": 'a "quoted"\n name'},
        "openai_maxTokensParameter": "max_completion_tokens",
        "openai_responseFormat": "text",
    }
    await zeebe.cancel_instance(instance)
