"""Advice names the fields that the task's own panel has, and no others."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from openai_connector import wording
from openai_connector.contract import DEFAULT_BASE_URL, PANEL
from openai_connector.job import Recovery
from openai_connector.openai_api import ApiStatusError
from openai_connector.redaction import Redaction
from openai_connector.tasks.allowed_hosts import AllowedHosts
from openai_connector.tasks.openai_task import ApiDefaults, OpenAiTasks
from openai_connector.tasks.secrets import EnvironmentSecrets
from openai_connector.wording import ADVICE
from tests.make import FakeApi, connector, job

TEMPLATES = Path(__file__).parents[2] / "element-templates"
LABELS = {
    path.stem: {field.get("label", "") for field in json.loads(path.read_text("utf-8"))["properties"]}
    for path in sorted(TEMPLATES.glob("*.json"))
}
CHAT = {"openai_operation": "chat", "openai_model": "gpt-5", "openai_prompt": "Hello"}
MODERATION = {"openai_operation": "moderation", "openai_moderationInput": "Hello"}
AZURE = {
    "openai_operation": "chat",
    "openai_prompt": "Hello",
    "openai_azureResource": "contoso",
    "openai_azureDeployment": "d",
    "openai_azureApiVersion": "2024-10-21",
}
KEY = {"openai_apiKey": "{{secrets.KEY}}"}
ELSEWHERE = {"openai_baseUrl": "https://llm.example.com/v1"}
ACCOUNT = {"openai_organization": "org-1", "openai_project": "proj_1"}
TASKS: dict[str, tuple[str, dict[str, Any]]] = {
    "chat": ("openai-chat", {**CHAT, **KEY}),
    "chat_of_an_account": ("openai-chat", {**CHAT, **KEY, **ACCOUNT}),
    "chat_with_the_workers_key": ("openai-chat", CHAT),
    "custom_model": ("openai-chat", {**CHAT, **KEY, "openai_model": "custom", "openai_customModel": "m"}),
    "moderation": ("openai-moderation", {**MODERATION, **KEY}),
    "moderation_with_a_model": ("openai-moderation", {**MODERATION, "openai_moderationModel": "m"}),
    "compatible": ("openai-compatible", {**CHAT, **KEY, **ELSEWHERE}),
    "compatible_moderation": ("openai-compatible", {**MODERATION, **ELSEWHERE}),
    "everything": ("openai-connector", {**CHAT, **KEY, "openai_baseUrl": DEFAULT_BASE_URL}),
    "azure": ("azure-openai", {**AZURE, **KEY}),
}


def panel_of(variables: dict[str, Any], base_url: str = DEFAULT_BASE_URL) -> dict[str, str]:
    """Return the labels of a task."""
    hosts = AllowedHosts(["api.openai.com", "llm.example.com", "*.openai.azure.com"])
    secrets = EnvironmentSecrets("", {"KEY": "sk-1"})
    tasks = OpenAiTasks(ApiDefaults(base_url, "sk-own"), hosts, secrets)
    return dict(tasks.read(variables, Redaction()).panel)


def named(sentence: str) -> set[str]:
    """Return the labels of any template's fields that a sentence names."""
    known = set().union(*LABELS.values()) - {"", "API", "Operation", "Project", "Organization"}
    found = set()
    for label in sorted(known | {"Organization", "Project"}, key=len, reverse=True):
        if re.search(rf"(?<!the ){re.escape(label)}\b", sentence):
            found.add(label)
            sentence = sentence.replace(label, "")
    return found


ADVISED = [
    (task, reason)
    for task in TASKS
    for reason in ADVICE
    if not reason.startswith("ANSWER_") or "moderation" not in task  # conditions are those of a chat
]


@pytest.mark.parametrize(("task", "reason"), ADVISED, ids=["-".join(pair) for pair in ADVISED])
def test_each_label_is_of_the_template(task: str, reason: str) -> None:
    """Whatever fails, the advice names no field that the modeler of the task does not see."""
    template, variables = TASKS[task]
    assert named(ADVICE[reason](**panel_of(variables))) <= LABELS[template]


@pytest.mark.parametrize(
    ("task", "reason", "advice"),
    [
        ("azure", "404", "Check Azure resource, Deployment and API version"),
        (
            "azure",
            "405",
            "Check Azure resource, Deployment and API version: nothing takes such requests there",
        ),
        ("azure", "401", "Check API key"),
        ("azure", "model_not_found", "Check Deployment: it is unknown, shut down, or not open to this key"),
        ("moderation", "404", "Check Moderation model and OPENAI_BASE_URL (of the worker)"),
        ("moderation", "413", "The request is too large: shorten Evaluation input"),
        ("compatible_moderation", "404", "Check Moderation model and Base URL"),
        ("chat", "404", "Check Model and OPENAI_BASE_URL (of the worker)"),
        ("chat", "401", "Check OpenAI API key"),
        ("chat_of_an_account", "401", "Check OpenAI API key and Organization and Project"),
        ("chat_with_the_workers_key", "401", "Check OPENAI_API_KEY (of the worker)"),
        ("custom_model", "404", "Check Custom model version and OPENAI_BASE_URL (of the worker)"),
        ("compatible", "404", "Check Model and Base URL"),
        ("compatible", "401", "Check API key"),
        ("compatible", "405", "Check Base URL: nothing takes such requests there"),
        ("everything", "404", "Check Model and Base URL"),
    ],
)
def test_the_fields_to_look_at(task: str, reason: str, advice: str) -> None:
    """The advice is about the inputs that were given; what the operator has set is named as set."""
    assert ADVICE[reason](**panel_of(TASKS[task][1])) == advice


async def test_an_incident_names_the_panel_of_its_task() -> None:
    """The message of a failed call is made with the labels of that very task."""
    error = ApiStatusError("no", code="404", recovery=Recovery.PERMANENT, reason="404")
    outcome = await connector(FakeApi([error])).work(job())
    assert "Check Model and OPENAI_BASE_URL" in getattr(outcome, "message", "")
    assert wording.CHECK_PLACE(**PANEL) not in getattr(outcome, "message", "")
