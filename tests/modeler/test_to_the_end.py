"""Diagrams made in the real Modeler, deployed to the engine and worked off by the worker."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from openai_connector.tasks.operations import Chat, read_inputs
from openai_connector.tools.demo.engine import Engine
from openai_connector.tools.templates import VARIANTS, render
from tests.engine.worker import SECRET, Worker
from tests.engine.zeebe_client import ZeebeClient
from tests.modeler.front_end import Modeler
from tests.modeler.test_templates import EMPTY, in_both
from tests.stand_in import StandIn

JOB_TYPE = "made-in-modeler:1"
AZURE_JOB_TYPE = "made-in-modeler:azure"
KEY = "{{secrets.KEY}}"


def templates(job_type: str) -> dict[str, dict[str, Any]]:
    return {variant.file: render(variant, job_type) for variant in VARIANTS}


def draw(modeler: Modeler, front_end: str, template: dict[str, Any], process_id: str) -> None:
    """Open an empty diagram with a template's task."""
    assert modeler.open(front_end, EMPTY.replace('"modeler"', f'"{process_id}"'), template) == []
    modeler.choose("Ask", template)


@pytest.fixture
async def own_worker(engine: Engine, api: StandIn, tmp_path: Path) -> AsyncIterator[Worker]:
    """A worker of this module's job type, whose own API is the stand-in."""
    settings = {"CONNECTOR_JOB_TYPE": JOB_TYPE, "OPENAI_BASE_URL": api.base_url, "OPENAI_API_KEY": SECRET}
    async with Worker(engine.address, tmp_path / "worker.log", settings) as worker:
        yield worker


@pytest.mark.usefixtures("own_worker")
async def test_every_template_runs_to_the_end(modeler: Modeler, zeebe: ZeebeClient, api: StandIn) -> None:
    """Filled by label in either front end, a chat, a moderation and both through any server give their results."""
    made = templates(JOB_TYPE)
    for front_end, file, operation in (
        ("8.5", "openai-connector.json", "Chat"),
        ("today", "openai-connector.json", "Moderation"),
        ("today", "openai-chat.json", "Chat"),
        ("8.5", "openai-moderation.json", "Moderation"),
        ("8.5", "openai-compatible.json", "Chat"),
        ("today", "openai-compatible.json", "Chat"),
    ):
        process_id = f"made-{front_end}-{file}-{operation}".replace(".", "_")
        draw(modeler, front_end, made[file], process_id)
        if operation == "Moderation" and file == "openai-connector.json":
            modeler.choice("Operation", operation)
        if file == "openai-compatible.json":
            modeler.fill("Base URL", api.base_url)
            modeler.fill("Model", "mistral-small")
            modeler.fill("API key", KEY)
        if operation == "Chat":
            modeler.feel("Prompt", '"Summarize: " + text')
            modeler.fill("Maximum tokens", "100")
            modeler.feel("Result expression", "{result: response.output.text}")
        else:
            modeler.feel("Evaluation input", "text")
            modeler.feel("Result expression", "{result: response.output.flagged}")
        modeler.fill("Result variable", "whole")
        await zeebe.deploy(modeler.xml())
        ended = await zeebe.run(process_id, {"text": f"{front_end} and {file}"})
        request = api.requests[-1].json
        assert ended["result"] == ended["whole"]["output"]["text" if operation == "Chat" else "flagged"]
        if operation == "Chat":
            assert request["messages"] == [{"role": "user", "content": f"Summarize: {front_end} and {file}"}]
            assert request["max_tokens" if "compatible" in file else "max_completion_tokens"] == 100
            assert "temperature" not in request
        else:
            assert request == {"input": f"{front_end} and {file}"}


@in_both
async def test_azure_diagram_gives_the_worker_its_inputs(
    modeler: Modeler, zeebe: ZeebeClient, front_end: str
) -> None:
    """Azure's address cannot be reached here.

    Its diagram deploys, and the worker accepts what the job holds.
    """
    process_id = f"made-{front_end}-azure".replace(".", "_")
    draw(modeler, front_end, templates(AZURE_JOB_TYPE)["azure-openai.json"], process_id)
    modeler.fill("API key", "{{secrets.AZURE_OPENAI_API_KEY}}")
    modeler.fill("Azure resource", "contoso")
    modeler.fill("Deployment", "support-assistant")
    modeler.feel("Prompt", "text")
    await zeebe.deploy(modeler.xml())
    instance = await zeebe.create_instance(process_id, {"text": "hi"})
    (job,) = await zeebe.activate(AZURE_JOB_TYPE)
    endpoint, chat = read_inputs(json.loads(job.variables))
    assert (endpoint.azure_resource, endpoint.azure_deployment) == ("contoso", "support-assistant")
    assert endpoint.azure_api_version
    assert isinstance(chat, Chat)
    assert chat.prompt == "hi"
    await zeebe.cancel_instance(instance)
