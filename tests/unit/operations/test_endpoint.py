"""Where and as whom the API is asked: timeout, and Azure's three inputs."""

from __future__ import annotations

from typing import Any

import pytest

from openai_connector.tasks.operations import INPUT_NAMES, OPERATIONS, SECRET_INPUTS
from tests.unit.operations.reading import CHAT, MODERATION, read, violations

AZURE = {"azureResource": "my-resource", "azureDeployment": "gpt", "azureApiVersion": "2026-01-01"}


@pytest.mark.parametrize(
    ("given", "seconds"), [("PT2M", 120), ("90", 90), (90, 90), (0.5, 0.5), ("pt1.5s", 1.5)]
)
def test_the_timeout_of_a_task(given: object, seconds: float) -> None:
    """ISO 8601 or seconds, as text or number."""
    assert read(CHAT | {"timeout": given})[0].timeout == seconds


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("soon", "must be an ISO 8601 duration such as PT30S or PT5M, or a number of seconds, got 'soon'"),
        (-1, "must be an ISO 8601 duration such as PT30S or PT5M, or a number of seconds, got -1"),
        ([5], "must be an ISO 8601 duration such as PT30S or PT5M, or a number of seconds, got a list"),
        (True, "must be an ISO 8601 duration such as PT30S or PT5M, or a number of seconds, got true"),
        (0, "must be longer than 0 seconds, got 0"),
        ("PT0S", "must be longer than 0 seconds, got 'PT0S'"),
        ("P4000D", "must be at most 3650 days, got 'P4000D'"),
    ],
)
def test_a_bad_timeout_says_what_it_takes(given: object, message: str) -> None:
    """The violation gives examples."""
    assert violations(CHAT | {"timeout": given}) == [f"Request timeout {message}"]


@pytest.mark.parametrize("left_out", AZURE)
def test_azure_inputs_belong_together(left_out: str) -> None:
    """A missing one of the three is named."""
    given = {name: value for name, value in AZURE.items() if name != left_out}
    [message] = violations(CHAT | given)
    assert message.endswith("is required for Azure OpenAI")


def test_azure_needs_no_model() -> None:
    """The deployment says which model; a base URL beside it is a contradiction."""
    task = {"operation": "chat", "prompt": "Hello"} | AZURE
    assert "model" not in read(task)[1].request_body()
    assert violations(task | {"baseUrl": "https://x/v1"}) == [
        "Base URL is given together with an Azure resource: empty one of them"
    ]


@pytest.mark.parametrize(
    "resource", ["evil.com/", "evil.com%2f", "a.b", "a@b", "a:1", "ä", "-a", "a" * 65, "a\\b", "\ud800"]
)
def test_an_azure_resource_is_a_plain_name(resource: str) -> None:
    """Nothing in the resource can lead to another host."""
    [message] = violations(CHAT | AZURE | {"azureResource": resource})
    assert message.startswith(
        "Azure resource must be the name of the resource alone, such as my-resource, got "
    )


def test_an_input_read_by_two_models_is_one_violation() -> None:
    """The deployment belongs to the endpoint and to the chat: it is complained of once."""
    assert violations(CHAT | AZURE | {"azureDeployment": [1]}) == ["Deployment must be a text, not a list"]


@pytest.mark.parametrize("given", [CHAT, MODERATION])
def test_every_input_is_fetched(given: dict[str, Any]) -> None:
    """All inputs of all operations are among the names that are fetched, each once."""
    assert {f"openai_{name}" for name in given} <= set(INPUT_NAMES)
    assert len(set(INPUT_NAMES)) == len(INPUT_NAMES)


def test_secrets_are_resolved_in_credentials_and_addresses_only() -> None:
    """Credentials and the parts of the address, and nothing that may hold a user's words."""
    credentials = {"openai_apiKey", "openai_organization", "openai_project"}
    azure = {"openai_azureResource", "openai_azureDeployment", "openai_azureApiVersion"}
    assert set(SECRET_INPUTS) == {"openai_baseUrl", *credentials, *azure}
    assert set(SECRET_INPUTS) <= set(INPUT_NAMES)


def test_the_operations_of_the_contract() -> None:
    """Their names are what users have in their diagrams."""
    assert set(OPERATIONS) >= {"chat", "moderation"}
