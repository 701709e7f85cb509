"""A call made of a task's inputs: address, credentials, body. Nothing is sent here."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from openai_connector.redaction import Redaction
from openai_connector.tasks.allowed_hosts import ALWAYS_ALLOWED, AllowedHosts, HostRefusedError
from openai_connector.tasks.openai_task import ApiDefaults, OpenAiTasks
from openai_connector.tasks.operations import InvalidInputsError
from openai_connector.tasks.secrets import SecretError
from openai_connector.tasks.task_type import Request

KEY = "sk-secret-key"
WORKER_KEY = "sk-worker-key"
OWN = ApiDefaults("https://llm.example.com/v1", WORKER_KEY)
OPENAI = ApiDefaults()
HOSTS = AllowedHosts([*ALWAYS_ALLOWED, "llm.example.com", "other.example.com"])
AZURE = {"azureResource": "my-res", "azureDeployment": "gpt 4/x", "azureApiVersion": "2026-01-01&x"}


class Secrets:
    """Some secrets, and which of them were asked for."""

    def __init__(self) -> None:
        self.values = {
            "KEY": f" {KEY}\n",
            "ORG": "org-secret",
            "BREAK": "a\r\nX-Evil: 1",
            "UMLAUT": "schlüssel",
            "URL": "https://other.example.com/tenant-4711/v1",
            "EVIL_URL": "https://evil-4711.example/v1",
            "PATH": "tenant-4711",
        }
        self.asked: list[str] = []

    def get(self, name: str) -> str | None:
        """Give a value."""
        self.asked.append(name)
        return self.values.get(name)


def prepare(defaults: ApiDefaults = OWN, secrets: Secrets | None = None, /, **inputs: Any) -> Request:
    """Read a chat task's request."""
    redaction = Redaction()
    given = {"operation": "chat", "model": "m", "prompt": "Hello", **inputs}
    variables = {f"openai_{name}": value for name, value in given.items()}
    return OpenAiTasks(defaults, HOSTS, secrets or Secrets()).read(variables, redaction).request


def masks(**inputs: Any) -> Redaction:
    """Return what a chat task has masked."""
    redaction = Redaction()
    given = {"operation": "chat", "model": "m", "prompt": "Hello", **inputs}
    OpenAiTasks(OWN, HOSTS, Secrets()).read(
        {f"openai_{name}": value for name, value in given.items()}, redaction
    )
    return redaction


def test_a_whole_call() -> None:
    """Address, headers and body of a plain task."""
    call = prepare(apiKey="{{secrets.KEY}}", organization="org-1", project="{{ secrets.ORG }}")
    assert (call.method, call.url) == ("POST", "https://llm.example.com/v1/chat/completions")
    assert call.headers == {
        "Authorization": f"Bearer {KEY}",
        "OpenAI-Organization": "org-1",
        "OpenAI-Project": "org-secret",
    }
    assert json.loads(call.body or b"") == {"model": "m", "messages": [{"role": "user", "content": "Hello"}]}
    assert call.timeout == timedelta(minutes=3)


@pytest.mark.parametrize(
    ("base_url", "url"),
    [
        ("https://other.example.com", "https://other.example.com/chat/completions"),
        ("https://other.example.com/v1/", "https://other.example.com/v1/chat/completions"),
        ("https://other.example.com/a/b%20c//", "https://other.example.com/a/b%20c/chat/completions"),
        ("http://llm.example.com:8080/v1", "http://llm.example.com:8080/v1/chat/completions"),
        ("{{secrets.URL}}", "https://other.example.com/tenant-4711/v1/chat/completions"),
        ("secrets.URL", "https://other.example.com/tenant-4711/v1/chat/completions"),
        (
            "https://other.example.com/{{secrets.PATH}}",
            "https://other.example.com/tenant-4711/chat/completions",
        ),
    ],
)
def test_the_base_url_of_a_task(base_url: str, url: str) -> None:
    """A slash at the end does not matter; the address or a part of its path may be a secret."""
    assert prepare(baseUrl=base_url).url == url


def test_moderation_has_its_own_path() -> None:
    """The operation says where it is asked."""
    assert (
        prepare(operation="moderation", moderationInput="x").url == "https://llm.example.com/v1/moderations"
    )


@pytest.mark.parametrize(
    "base_url",
    ["https://evil.example/v1", "https://evil.example/{{secrets.KEY}}"],
)
def test_the_host_is_checked_before_any_secret_is_resolved(base_url: str) -> None:
    """A host that is not allowed never sees a secret asked for."""
    secrets = Secrets()
    with pytest.raises(HostRefusedError, match=r"^Base URL"):
        prepare(OWN, secrets, baseUrl=base_url, apiKey="{{secrets.KEY}}")
    assert secrets.asked == []


def test_an_address_from_a_secret_is_checked_before_the_key_is_resolved() -> None:
    """Its host is checked too, and is not shown."""
    secrets = Secrets()
    with pytest.raises(HostRefusedError) as caught:
        prepare(OWN, secrets, baseUrl="{{secrets.EVIL_URL}}", apiKey="{{secrets.KEY}}")
    assert secrets.asked == ["EVIL_URL"]
    assert "4711" not in str(caught.value)


def test_invalid_inputs_resolve_no_secret() -> None:
    """Inputs are checked first."""
    secrets = Secrets()
    with pytest.raises(InvalidInputsError):
        prepare(OWN, secrets, temperature="warm", apiKey="{{secrets.KEY}}")
    assert secrets.asked == []


# Keys


@pytest.mark.parametrize("base_url", [None, "", "https://llm.example.com/v1", "https://llm.example.com/v1/"])
def test_the_workers_key_goes_to_the_workers_own_address(base_url: str | None) -> None:
    """A task without a key uses the worker's where the address is the worker's."""
    assert prepare(baseUrl=base_url).headers == {"Authorization": f"Bearer {WORKER_KEY}"}


@pytest.mark.parametrize(
    "base_url",
    [
        "https://other.example.com/v1",
        "https://llm.example.com/v2",
        "https://llm.example.com:8443/v1",
        "http://llm.example.com/v1",
        "https://llm.example.com/v1/../v1",
    ],
)
def test_the_workers_key_goes_nowhere_else(base_url: str) -> None:
    """Another address, even on the same host, gets no key."""
    assert "Authorization" not in prepare(baseUrl=base_url).headers


def test_a_tasks_own_key_wins() -> None:
    """The worker's key is only for tasks that give none."""
    assert prepare(apiKey="{{secrets.KEY}}").headers["Authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize("base_url", [None, "https://API.openai.com/v1", "https://api.openai.com./v1"])
def test_openai_needs_a_key(base_url: str | None) -> None:
    """Without any key api.openai.com is not asked; the message says how to give one."""
    with pytest.raises(
        InvalidInputsError, match=r"^OpenAI API key is required: give it as \{\{secrets\.NAME\}\}"
    ) as caught:
        prepare(OPENAI, baseUrl=base_url)
    assert ("OPENAI_API_KEY" in str(caught.value)) is (base_url is None)


def test_other_servers_need_none() -> None:
    """A local server is asked without a key."""
    assert prepare(ApiDefaults("https://llm.example.com/v1")).headers == {}


@pytest.mark.parametrize("name", ["apiKey", "organization", "project"])
@pytest.mark.parametrize(
    "value", ["{{secrets.BREAK}}", "a\r\nX-Evil: 1", "{{secrets.UMLAUT}}", "schlüssel", "a\x00b", "a\tb"]
)
def test_nothing_can_be_smuggled_into_a_header(name: str, value: str) -> None:
    """Line breaks and other characters in credentials are refused, without repeating the value."""
    with pytest.raises(InvalidInputsError) as caught:
        prepare(**{name: value})
    assert "must be made of plain letters, digits and signs" in str(caught.value)
    assert "Evil" not in str(caught.value)
    assert "schl" not in str(caught.value)


# Secrets


@pytest.mark.parametrize("name", ["apiKey", "organization", "project", "baseUrl"])
def test_secrets_resolve_in_these_inputs(name: str) -> None:
    """A missing secret is an error in each of the four."""
    with pytest.raises(SecretError, match="secret 'NONE' is not available"):
        prepare(**{name: "{{secrets.NONE}}"})


@pytest.mark.parametrize(
    "inputs",
    [
        {"prompt": "{{secrets.KEY}} secrets.KEY"},
        {"prompt": "secrets.KEY"},
        {"prompt": [{"type": "text", "text": "{{secrets.KEY}}"}]},
        {"systemMessage": "secrets.KEY"},
        {"chatHistory": [{"role": "user", "content": "{{secrets.KEY}}", "name": "secrets.KEY"}]},
        {"chatHistory": '[{"role": "user", "content": "{{secrets.KEY}}"}]'},
        {"model": "{{secrets.KEY}}"},
        {"extraBody": {"{{secrets.KEY}}": "secrets.KEY"}},
        {"operation": "moderation", "moderationInput": ["secrets.KEY", "{{secrets.KEY}}"]},
    ],
)
def test_secrets_resolve_nowhere_else(inputs: dict[str, Any]) -> None:
    """Text that a user may have written cannot pull a secret."""
    secrets = Secrets()
    call = prepare(OWN, secrets, **inputs)
    assert secrets.asked == []
    assert KEY.encode() not in (call.body or b"")
    assert b"secrets.KEY" in (call.body or b"")


def test_every_secret_that_was_used_is_masked() -> None:
    """The key, the worker's key, a part of the address, the organization.

    Each alone, wherever it is echoed.
    """
    redaction = masks(
        apiKey="sk-{{secrets.ORG}}",
        organization="{{secrets.ORG}}",
        baseUrl="https://other.example.com/{{secrets.PATH}}",
    )
    assert redaction.text("key sk-org-secret, org-secret, path tenant-4711") == "key ***, ***, path ***"
    assert masks().text(f"Incorrect API key provided: {WORKER_KEY}.") == "Incorrect API key provided: ***."


def test_a_call_shows_no_secret() -> None:
    """Neither key nor address nor prompt stands in the representation."""
    call = prepare(apiKey="{{secrets.KEY}}", baseUrl="{{secrets.URL}}", prompt="PRIVATE")
    assert not any(private in repr(call) for private in (KEY, "4711", "PRIVATE"))
    assert WORKER_KEY not in repr(OWN)


# Azure


def test_azure_addresses() -> None:
    """Deployment and version are escaped, the key goes by Azure's header, organization and project beside it."""
    call = prepare(OPENAI, apiKey="{{secrets.KEY}}", **AZURE)
    assert call.url == (
        "https://my-res.openai.azure.com/openai/deployments/gpt%204%2Fx/chat/completions?api-version=2026-01-01%26x"
    )
    assert call.headers == {"api-key": KEY}


def test_azure_needs_a_key_of_the_task() -> None:
    """The worker's own key never goes to Azure."""
    with pytest.raises(InvalidInputsError, match=r"^API key is required") as caught:
        prepare(OWN, **AZURE)
    assert "OPENAI_API_KEY" not in str(caught.value)


def test_odd_characters_in_azure_inputs_are_no_crash() -> None:
    """A lone surrogate is escaped as a question mark."""
    call = prepare(OPENAI, apiKey="k", **(AZURE | {"azureDeployment": "\ud800", "azureApiVersion": "\ud800"}))
    assert call.url.endswith("/deployments/%3F/chat/completions?api-version=%3F")


# The rest


def test_the_timeout_of_a_task_wins() -> None:
    """A task's own timeout, else the worker's."""
    assert prepare(timeout="PT20M").timeout == timedelta(minutes=20)
    assert prepare(
        ApiDefaults("https://llm.example.com/v1", timeout=timedelta(seconds=5))
    ).timeout == timedelta(seconds=5)


@pytest.mark.parametrize(
    ("given", "seconds"),
    [("PT20M", 1200), (7, 7), (None, 180), ("", 180), ("soon", 180), ([1], 180), (True, 180)],
)
def test_the_lease_follows_the_timeout(given: object, seconds: float) -> None:
    """A wrong timeout is complained of later; the lease is asked for without a crash."""
    assert OpenAiTasks(ApiDefaults(), HOSTS, Secrets()).time_needed({"openai_timeout": given}) == timedelta(
        seconds=seconds
    )


def test_a_body_that_is_nested_too_deep_is_a_violation() -> None:
    """What cannot be written as JSON is refused before the call."""
    deep: list[Any] = []
    for _ in range(20_000):
        deep = [deep]
    with pytest.raises(InvalidInputsError, match="nested too deep"):
        prepare(extraBody={"a": deep})
    while deep:
        deep = deep.pop()


def test_the_fingerprint_is_of_the_request() -> None:
    """Address, body, organization and project count; the key and the timeout do not."""
    plain = prepare().fingerprint
    assert plain == prepare(apiKey="{{secrets.KEY}}", timeout=5).fingerprint
    others = [
        {"prompt": "x"},
        {"organization": "a"},
        {"project": "a"},
        {"baseUrl": "https://other.example.com/v1"},
    ]
    fingerprints = {prepare(**change).fingerprint for change in others}
    assert len(fingerprints | {plain}) == 5


def test_lone_surrogates_are_replaced_on_the_wire() -> None:
    """UTF-8 cannot carry them; they become U+FFFD."""
    assert json.loads(prepare(prompt="a\ud800").body or b"")["messages"][0]["content"] == "a\ufffd"
