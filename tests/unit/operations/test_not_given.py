"""Each required input says how it is not given: absent, null from its expression, or empty."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from openai_connector.redaction import Redaction
from openai_connector.tasks.allowed_hosts import ALWAYS_ALLOWED, AllowedHosts
from openai_connector.tasks.camunda_http_task import CamundaHttpTasks
from openai_connector.tasks.openai_task import ApiDefaults, OpenAiTasks
from openai_connector.tasks.operations import InvalidInputsError
from openai_connector.tasks.secrets import EnvironmentSecrets
from tests.make import sentences_in
from tests.unit.operations.reading import CHAT, MODERATION, variables

KEY = {"apiKey": "sk-1"}
AZURE = {"azureResource": "r", "azureDeployment": "d", "azureApiVersion": "v1", "operation": "chat"}
REQUIRED: dict[str, tuple[dict[str, Any], str]] = {
    "prompt": (CHAT | KEY, "prompt"),
    "model": (CHAT | KEY, "model"),
    "operation": (CHAT | KEY, "operation"),
    "key": (CHAT | KEY, "apiKey"),
    "moderation input": (MODERATION | KEY, "moderationInput"),
    "custom model": (CHAT | KEY | {"model": "custom", "customModel": "m"}, "customModel"),
    "schema": (
        CHAT | KEY | {"responseFormat": "json_schema", "jsonSchema": {"type": "object"}},
        "jsonSchema",
    ),
    "Azure resource": (AZURE | KEY | {"prompt": "Hello"}, "azureResource"),
    "Azure deployment": (AZURE | KEY | {"prompt": "Hello"}, "azureDeployment"),
    "Azure version": (AZURE | KEY | {"prompt": "Hello"}, "azureApiVersion"),
    "Azure key": (AZURE | KEY | {"prompt": "Hello"}, "apiKey"),
}
HTTP: dict[str, Any] = {
    "url": "https://api.openai.com/v1/chat/completions",
    "method": "post",
    "authentication": {"type": "bearer", "token": "sk-1"},
    "body": {"model": "m"},
}


def problem(inputs: dict[str, Any]) -> str:
    """Read a task of this connector; give what is wrong with it."""
    tasks = OpenAiTasks(ApiDefaults(), AllowedHosts(ALWAYS_ALLOWED), EnvironmentSecrets("", {}))
    tasks_variables = variables(inputs)
    with pytest.raises(InvalidInputsError) as caught:
        tasks.read(tasks_variables, Redaction())
    return str(caught.value)


def http_problem(given: dict[str, Any]) -> str:
    """Read a task of Camunda's template; give what is wrong with it."""
    hosts = AllowedHosts(ALWAYS_ALLOWED)
    tasks = CamundaHttpTasks(hosts, EnvironmentSecrets("", {}), timedelta(minutes=3))
    with pytest.raises(InvalidInputsError) as caught:
        tasks.read(given, Redaction())
    return str(caught.value)


def kinds(message: str) -> set[str]:
    return sentences_in(message) & {"BUT_NULL", "BUT_EMPTY"}


@pytest.mark.parametrize(("inputs", "name"), REQUIRED.values(), ids=REQUIRED)
def test_null_absent_and_empty_are_told_apart(inputs: dict[str, Any], name: str) -> None:
    """A required input that is null points at its expression; one that is absent or empty does not."""
    assert kinds(problem(inputs | {name: None})) == {"BUT_NULL"}
    for empty in ("", "  ", "\n"):
        assert kinds(problem(inputs | {name: empty})) == {"BUT_EMPTY"}
    absent = {key: value for key, value in inputs.items() if key != name}
    assert kinds(problem(absent)) == set()
    assert "is required" in problem(absent)


def test_prompt_of_null_is_said_in_words() -> None:
    """The most usual failure is explained to the modeler."""
    assert problem(CHAT | KEY | {"prompt": None}) == (
        "Prompt is required, but its expression gave null (a text and a number joined, a variable that is missing)"
    )


@pytest.mark.parametrize("name", ["url", "method"])
def test_camundas_inputs_are_told_apart_too(name: str) -> None:
    """Of a task of Camunda's template, the required inputs say the same."""
    assert kinds(http_problem(HTTP | {name: None})) == {"BUT_NULL"}
    assert kinds(http_problem(HTTP | {name: " "})) == {"BUT_EMPTY"}
    absent = http_problem({key: value for key, value in HTTP.items() if key != name})
    assert (absent, kinds(absent)) == (f"{name} is required", set())


@pytest.mark.parametrize(
    "authentication",
    [
        {"type": "bearer", "token": "t"},
        {"type": "basic", "username": "u", "password": "p"},
        {"type": "apiKey", "name": "api-key", "value": "v"},
    ],
    ids=lambda authentication: authentication["type"],
)
def test_camundas_credentials_are_told_apart_too(authentication: dict[str, Any]) -> None:
    """A credential that is null, empty or absent says which."""
    for name in authentication.keys() - {"type"}:
        null = http_problem(HTTP | {"authentication": authentication | {name: None}})
        empty = http_problem(HTTP | {"authentication": authentication | {name: " "}})
        rest = {key: value for key, value in authentication.items() if key != name}
        absent = http_problem(HTTP | {"authentication": rest})
        assert [kinds(null), kinds(empty), kinds(absent)] == [{"BUT_NULL"}, {"BUT_EMPTY"}, set()]


def test_body_of_null_is_not_posted() -> None:
    """A body whose expression gave null would be refused by the API."""
    assert kinds(http_problem(HTTP | {"body": None})) == {"BUT_NULL"}
