"""Secrets in addresses: one rule for the panel, `lint`, `migrate`, the worker and its drop-in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openai_connector.job import TaskError
from openai_connector.redaction import Redaction
from openai_connector.tasks.allowed_hosts import ALWAYS_ALLOWED, AllowedHosts, HostRefusedError
from openai_connector.tasks.camunda_http_task import CamundaHttpTasks
from openai_connector.tasks.openai_task import ApiDefaults, OpenAiTasks
from openai_connector.tasks.operations import InvalidInputsError
from openai_connector.tools.diagrams.lint import check
from openai_connector.tools.diagrams.markup import Markup
from openai_connector.tools.diagrams.migrate import migrate
from openai_connector.tools.diagrams.tasks import tasks_of
from openai_connector.tools.templates import VARIANTS, render
from tests.unit.diagrams.camunda_diagrams import AZURE, azure_inputs, chat_inputs, diagram, task

TODAY = date(2026, 11, 22)
VALUES = {
    "HOST": "llm.example.com",
    "NAME": "llm",
    "DOMAIN": "example.com",
    "ROOT": "https://llm.example.com",
    "URL": "https://llm.example.com/v1",
    "PORT": "8443",
    "TENANT": "tenant-4711",
    "EVIL": "evil.example",
    "EVIL_URL": "https://evil.example/v1",
    "OPEN_AZURE": "http://contoso.openai.azure.com",
    "TRICK": "evil.example/",
    "USER": "user@evil.example",
    "RES": "contoso",
    "DEP": "support",
    "VER": "2024-10-21",
    "ENV": "prod",
    "DOTTED": "evil.example",
    "KEY": "sk-1",
}


class Secrets:
    """Known secrets, and which of them were asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def get(self, name: str) -> str | None:
        """Return a value."""
        self.asked.append(name)
        return VALUES.get(name)


def read(secrets: Secrets | None = None, **inputs: str) -> str:
    """Read a task of this connector; give its URL."""
    hosts = AllowedHosts([*ALWAYS_ALLOWED, "llm.example.com", "llm.example.com:8443"])
    given = {"operation": "chat", "prompt": "Hello", "apiKey": "{{secrets.KEY}}", **inputs}
    if "azureResource" not in given:
        given |= {"model": "m"}
    tasks = OpenAiTasks(ApiDefaults(), hosts, secrets or Secrets())
    variables = {f"openai_{name}": value for name, value in given.items()}
    return tasks.read(variables, Redaction()).request.url


def drop_in(url: str, secrets: Secrets | None = None) -> str:
    """Read a task of Camunda's template; give its URL."""
    hosts = AllowedHosts([*ALWAYS_ALLOWED, "llm.example.com", "llm.example.com:8443"])
    variables: Mapping[str, Any] = {
        "url": url,
        "method": "post",
        "body": {},
        "authentication": {"type": "bearer", "token": "{{secrets.KEY}}"},
    }
    tasks = CamundaHttpTasks(hosts, secrets or Secrets(), timedelta(minutes=3))
    return tasks.read(variables, Redaction()).request.url


def errors(inputs: dict[str, str]) -> list[str]:
    """Give lint's errors of a task of this connector."""
    own = {"openai_apiKey": "{{secrets.KEY}}", "openai_operation": "chat", "openai_prompt": "=q"}
    text = diagram(task(own | inputs, {"resultVariable": "a"}, template=None, version=None))
    return [f.message for f in check(text.encode(), TODAY) if f.severity == "error"]


def is_valid(file: str, name: str, value: str) -> bool:
    """Check a value against the panel's pattern of an input."""
    template = render(next(variant for variant in VARIANTS if variant.file == file))
    prop = next(prop for prop in template["properties"] if prop["binding"].get("name") == name)
    pattern = prop.get("constraints", {}).get("pattern", {}).get("value", "")
    return re.search(pattern, value) is not None


GOOD_URLS = {
    "host": ("https://{{secrets.HOST}}/v1", "https://llm.example.com/v1"),
    "host with blanks": ("https://{{ secrets.HOST }}/v1", "https://llm.example.com/v1"),
    "root": ("{{secrets.ROOT}}/v1", "https://llm.example.com/v1"),
    "whole": ("{{secrets.URL}}", "https://llm.example.com/v1"),
    "bare": ("secrets.URL", "https://llm.example.com/v1"),
    "part of the host": ("https://{{secrets.NAME}}.example.com/v1", "https://llm.example.com/v1"),
    "two parts of the host": ("https://{{secrets.NAME}}.{{secrets.DOMAIN}}/v1", "https://llm.example.com/v1"),
    "port": ("https://llm.example.com:{{secrets.PORT}}/v1", "https://llm.example.com:8443/v1"),
    "host and port": ("https://{{secrets.HOST}}:{{secrets.PORT}}", "https://llm.example.com:8443"),
    "path": ("https://llm.example.com/{{secrets.TENANT}}/v1", "https://llm.example.com/tenant-4711/v1"),
    "path with blanks": (
        "https://llm.example.com/{{ secrets.TENANT }}",
        "https://llm.example.com/tenant-4711",
    ),
    "host and path": (
        "https://{{secrets.HOST}}/{{secrets.TENANT}}/v1",
        "https://llm.example.com/tenant-4711/v1",
    ),
}


@pytest.mark.parametrize(("text", "url"), GOOD_URLS.values(), ids=GOOD_URLS)
def test_base_url_may_hold_secrets_anywhere(text: str, url: str) -> None:
    """Panel, lint, worker and drop-in take a base URL whose whole, or any part, is a secret."""
    assert read(baseUrl=text) == f"{url}/chat/completions"
    assert is_valid("openai-connector.json", "openai_baseUrl", text)
    assert is_valid("openai-compatible.json", "openai_baseUrl", text)
    assert errors({"openai_baseUrl": text, "openai_model": "m"}) == []
    assert drop_in(text) == url


@pytest.mark.parametrize("text", [text for text, _ in GOOD_URLS.values() if text != "secrets.URL"])
def test_secrets_in_a_url_are_moved_over(text: str) -> None:
    """A URL of Camunda's template that was pointed elsewhere keeps its secrets as the base URL."""
    moved = migrate(diagram(task(chat_inputs(url=f"{text}/chat/completions"))).encode(), TODAY)
    (result,) = tasks_of(Markup.read(moved.content))
    mapped = result.input("openai_baseUrl")
    assert mapped is not None
    assert mapped.source == text


BAD_URLS = {
    "host": "https://{{secrets.EVIL}}/v1",
    "host of the root": "{{secrets.EVIL_URL}}",
    "path in the host": "https://{{secrets.TRICK}}.example.com/v1",
    "user in the host": "https://{{secrets.USER}}/v1",
    "before a host": "https://{{secrets.HOST}}@evil.example/v1",
    "before a domain": "https://{{secrets.HOST}}.evil.example/v1",
    "in a host, with a path": "https://evil.example\\{{secrets.TENANT}}/v1",
    "no host": "{{secrets.TENANT}}/v1",
    "no scheme": "llm.example.com/{{secrets.TENANT}}",
    "port": "https://llm.example.com:{{secrets.TENANT}}/v1",
    "unencrypted": "{{secrets.OPEN_AZURE}}/openai",
}


@pytest.mark.parametrize("text", BAD_URLS.values(), ids=BAD_URLS)
def test_no_other_secret_is_resolved_for_a_host_that_is_not_allowed(text: str) -> None:
    """The host is checked before the key is resolved, and a host that a secret holds is in no message."""
    secrets = Secrets()
    with pytest.raises(HostRefusedError) as caught:
        read(secrets, baseUrl=text)
    assert "KEY" not in secrets.asked
    with pytest.raises(HostRefusedError) as caught_by_drop_in:
        drop_in(text, secrets)
    assert "KEY" not in secrets.asked
    for error in (caught.value, caught_by_drop_in.value):
        assert not any(value in str(error) for value in VALUES.values() if value not in ("llm", "sk-1"))


@pytest.mark.parametrize(
    "text", ["https://evil.example/{{secrets.TENANT}}", "https://evil.example/a{{secrets.A}}b"]
)
def test_host_that_is_written_out_is_checked_before_any_secret(text: str) -> None:
    """Where no secret is in the host, none is resolved for one that is not allowed."""
    secrets = Secrets()
    with pytest.raises(HostRefusedError, match=r"evil\.example"):
        read(secrets, baseUrl=text)
    with pytest.raises(HostRefusedError, match=r"evil\.example"):
        drop_in(text, secrets)
    assert secrets.asked == []


AZURES = {
    "all of them": ("{{secrets.RES}}", "{{secrets.DEP}}", "{{secrets.VER}}"),
    "bare": ("secrets.RES", "secrets.DEP", "secrets.VER"),
    "blanks": ("{{ secrets.RES }}", " {{secrets.DEP}} ", "{{secrets.VER }}"),
    "resource alone": ("{{secrets.RES}}", "support", "2024-10-21"),
    "deployment alone": ("contoso", "{{secrets.DEP}}", "2024-10-21"),
    "parts": ("con{{secrets.ENV}}", "gpt-{{secrets.ENV}}", "{{secrets.VER}}-preview"),
    "two in one": ("{{secrets.RES}}-{{secrets.ENV}}", "{{secrets.DEP}}{{secrets.ENV}}", "2024-10-21"),
}


def filled(text: str) -> str:
    text = text.strip()
    if text.startswith("secrets."):
        return VALUES[text.removeprefix("secrets.")]
    return re.sub(r"\{\{\s*secrets\.(\w+)\s*\}\}", lambda match: VALUES[match[1]], text)


@pytest.mark.parametrize("given", AZURES.values(), ids=AZURES)
@pytest.mark.parametrize("form", ["{}", '="{}"'], ids=["text", "feel"])
def test_azure_parts_may_hold_secrets(given: tuple[str, str, str], form: str) -> None:
    """Panel, lint, worker and migrate take secrets in resource, deployment and API version."""
    resource, deployment, version = given
    url = read(azureResource=resource, azureDeployment=deployment, azureApiVersion=version)
    assert url == (
        f"https://{filled(resource)}.openai.azure.com/openai/deployments/{filled(deployment)}"
        f"/chat/completions?api-version={filled(version)}"
    )
    names = ("openai_azureResource", "openai_azureDeployment", "openai_azureApiVersion")
    for name, text in zip(names, given, strict=True):
        assert is_valid("azure-openai.json", name, text.strip())
    assert errors({name: form.format(text) for name, text in zip(names, given, strict=True)}) == []
    theirs = ("chatCompletion_resourceName", "chatCompletion_deploymentId", "chatCompletion_apiVersion")
    inputs = azure_inputs(**{name: form.format(text) for name, text in zip(theirs, given, strict=True)})
    moved = migrate(diagram(task(inputs, template=AZURE)).encode(), TODAY)
    (result,) = tasks_of(Markup.read(moved.content))
    assert {name: mapped.source for name in names if (mapped := result.input(name))} == {
        name: form.format(text) for name, text in zip(names, given, strict=True)
    }


def test_azure_task_is_served_with_secrets_in_its_address() -> None:
    """The drop-in gets the address that Camunda's template builds, with the placeholders in it."""
    url = (
        "https://{{secrets.RES}}.openai.azure.com/openai/deployments/{{secrets.DEP}}/chat/completions"
        "?api-version={{secrets.VER}}"
    )
    assert drop_in(url) == filled(url)


@pytest.mark.parametrize(
    "resource", ["{{secrets.DOTTED}}", "secrets.DOTTED", "{{secrets.TRICK}}", "a{{secrets.USER}}"]
)
def test_azure_resource_from_a_secret_is_a_plain_name(resource: str) -> None:
    """A secret cannot lead to another host, is in no message, and nothing else is resolved."""
    secrets = Secrets()
    with pytest.raises(InvalidInputsError, match="name of the resource alone") as caught:
        read(secrets, azureResource=resource, azureDeployment="{{secrets.DEP}}", azureApiVersion="v1")
    assert "evil" not in str(caught.value)
    assert not {"DEP", "KEY"} & set(secrets.asked)


@pytest.mark.parametrize(
    "resource", ["a.{{secrets.RES}}", "{{secrets.RES}}/x", "{{RES}}", "{{secrets.RES}} x"]
)
def test_azure_resource_with_more_than_a_name_is_refused_everywhere(resource: str) -> None:
    """What stands around a secret must be a part of a name: panel, lint and worker say so."""
    inputs = {"azureResource": resource, "azureDeployment": "d", "azureApiVersion": "v1"}
    secrets = Secrets()
    with pytest.raises(InvalidInputsError, match="name of the resource alone"):
        read(secrets, **inputs)
    assert secrets.asked == []
    assert not is_valid("azure-openai.json", "openai_azureResource", resource)
    assert any(
        "name of the resource alone" in e for e in errors({f"openai_{k}": v for k, v in inputs.items()})
    )


PIECES = st.sampled_from(
    ["https://", "http://", "/", ":", "@", "\\", "?", "#", ".", "x", "v1", "evil.example", "llm.example.com"]
    + [f"{{{{secrets.{name}}}}}" for name in VALUES]
)


@given(st.lists(PIECES, min_size=1, max_size=8).map("".join))
def test_any_address_leads_to_an_allowed_host_or_is_refused(text: str) -> None:
    """Whatever an address is put together from, the key is resolved only for a host that is allowed."""
    secrets = Secrets()
    try:
        url = read(secrets, baseUrl=text)
    except TaskError:
        assert "KEY" not in secrets.asked or "{{secrets.KEY}}" in text
    else:
        assert re.match(r"https?://(llm\.example\.com(:8443)?|[a-z0-9-]+\.openai\.azure\.com)(/|$)", url)
