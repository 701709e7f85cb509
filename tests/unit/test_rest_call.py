"""The drop-in job type: requests as Camunda's templates write them, sent with this worker's care."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from openai_connector.openai_api import ApiResponse, ApiStatusError
from openai_connector.redaction import Redaction
from openai_connector.tasks.allowed_hosts import AllowedHosts
from openai_connector.tasks.camunda_http_task import CamundaHttpTask, CamundaHttpTasks
from openai_connector.tasks.operations import InvalidInputsError
from openai_connector.tasks.secrets import EnvironmentSecrets, SecretError
from openai_connector.tasks.task_type import Request

URL = "https://api.openai.com/v1/chat/completions"
BODY = {
    "model": "gpt-4o",
    "messages": [{"role": "user", "content": "{{secrets.KEY}}"}],
    "n": 1,
    "temperature": 1,
}


def task(**changes: Any) -> CamundaHttpTask:
    """Read a task; a change to None leaves an input out."""
    variables = {
        "url": URL,
        "method": "post",
        "authentication": {"type": "bearer", "token": "{{secrets.KEY}}"},
        "headers": {"Content-Type": "application/json", "OpenAI-Organization": "org-1"},
        "body": BODY,
        "connectionTimeoutInSeconds": "30",
    }
    variables = {name: value for name, value in {**variables, **changes}.items() if value is not None}
    hosts = AllowedHosts(["api.openai.com", "*.openai.azure.com"])
    secrets = EnvironmentSecrets("", {"KEY": "sk-1", "U": URL})
    return CamundaHttpTasks(hosts, secrets, timedelta(minutes=3)).read(variables, Redaction())


def prepare(**changes: Any) -> Request:
    """Read the request of a task; a change to None leaves an input out."""
    return task(**changes).request


def test_the_request_is_the_tasks() -> None:
    """Method, URL, headers and body go out as they are, with the secret in its place and not in the prompt."""
    call = prepare()
    assert (call.method, call.url) == ("POST", URL)
    assert call.headers["Authorization"] == "Bearer sk-1"
    assert call.headers["OpenAI-Organization"] == "org-1"
    assert json.loads(call.body or b"") == BODY


@pytest.mark.parametrize(
    ("authentication", "header", "value"),
    [
        (
            {"type": "apiKey", "apiKeyLocation": "headers", "name": "api-key", "value": "secrets.KEY"},
            "api-key",
            "sk-1",
        ),
        ({"type": "basic", "username": "u", "password": "p"}, "Authorization", "Basic dTpw"),
        ({"type": "basic", "username": "ü", "password": "p"}, "Authorization", "Basic w7w6cA=="),
        ({"type": "noAuth"}, "Authorization", None),
        (None, "Authorization", None),
    ],
)
def test_other_credentials(authentication: dict[str, str] | None, header: str, value: str | None) -> None:
    """Azure's key header, basic authentication and none are served too."""
    assert prepare(authentication=authentication).headers.get(header) == value


def test_queries_are_kept_and_added() -> None:
    """A URL's own query stays (Azure's API version), query parameters are added to it, encoded."""
    url = "https://r.openai.azure.com/openai/deployments/d/chat/completions?api-version=2024-02-01"
    assert prepare(url=url, queryParameters={"a b": "ü", "none": None}).url == url + "&a%20b=%C3%BC"
    key = {"type": "apiKey", "apiKeyLocation": "query", "name": "key", "value": "{{secrets.KEY}}"}
    assert prepare(authentication=key).url == URL + "?key=sk-1"
    for end, query in (("?", "?a=b"), ("?x=1&", "?x=1&a=b"), ("?x=1#there", "?x=1&a=b")):
        assert prepare(url=URL + end, queryParameters={"a": "b"}).url == URL + query
    assert prepare(url=URL + "?").url == URL + "?"


def test_only_some_methods_have_a_body() -> None:
    """As in Camunda's connector, GET and DELETE go out without one, whatever the input says."""
    assert [
        method for method in ("get", "Post", "PUT", "patch", "DELETE") if prepare(method=method).body
    ] == [
        "Post",
        "PUT",
        "patch",
    ]


def test_headers_of_any_spelling_replace_the_clients_own() -> None:
    """A content type in small letters would otherwise go out beside the client's: "application/json, ..."."""
    given = prepare(
        headers={"content-type": "text/plain", "ACCEPT": "*/*", "x-Team": "a"}, authentication=None
    ).headers
    assert dict(given) == {"Content-Type": "text/plain", "Accept": "*/*", "x-Team": "a"}


@pytest.mark.parametrize(
    ("changes", "seconds"),
    [
        ({}, 180),
        ({"connectionTimeoutInSeconds": "600"}, 600),
        ({"readTimeoutInSeconds": "20"}, 20),
        ({"readTimeoutInSeconds": 45, "connectionTimeoutInSeconds": 30}, 45),
        ({"readTimeoutInSeconds": "0"}, 180),
        ({"readTimeoutInSeconds": "soon"}, 180),
    ],
)
def test_timeouts(changes: dict[str, Any], seconds: int) -> None:
    """The time for reading counts; the 30 s for connecting do not cut an answer short; 0 is not for ever."""
    assert prepare(**changes).timeout == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "url", ["https://example.com/v1", "http://169.254.169.254/", "https://api.openai.com@evil.test/"]
)
def test_other_hosts_are_refused_before_secrets(url: str) -> None:
    """The sentence says that this worker serves OpenAI tasks only, and how to allow a host."""
    with pytest.raises(match=r"OpenAI tasks only|must not carry"):
        prepare(url=url, authentication={"type": "bearer", "token": "{{secrets.MISSING}}"})
    with pytest.raises(match="CONNECTOR_ALLOWED_HOSTS"):
        prepare(url="https://example.com/v1")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"url": 5}, "url"),
        ({"url": ""}, "url"),
        ({"method": "trace"}, "method must be one of .*, got 'TRACE'"),
        ({"method": 5}, "method"),
        ({"headers": {"Host": "evil.test"}}, "headers: Host is set by the worker"),
        ({"headers": {"content-length": "5"}}, "headers: content-length is set by the worker"),
        ({"authentication": {"type": "apiKey", "name": "HOST", "value": "k"}}, "headers: HOST is set"),
        ({"headers": [1]}, "headers"),
        ({"headers": {"X": {"a": 1}}}, "headers: X"),
        ({"headers": {"X": "a\r\nEvil: 1"}}, "headers: X"),
        ({"headers": {"X: 1\r\nEvil": "1"}}, "no name of a header"),
        ({"authentication": {"type": "apiKey", "name": "a b", "value": "k"}}, "no name of a header"),
        ({"queryParameters": "a=b"}, "queryParameters"),
        ({"authentication": {"type": "bearer"}}, "authentication.token"),
        ({"authentication": {"type": "oauth-client-credentials-flow"}}, "authentication.type"),
        ({"authentication": "bearer"}, "authentication"),
    ],
)
def test_wrong_inputs_are_named(changes: dict[str, Any], said: str) -> None:
    """Each message names the input."""
    with pytest.raises(InvalidInputsError, match=said):
        prepare(**changes)


def test_a_missing_secret_is_named() -> None:
    """The message has the secret's name."""
    with pytest.raises(SecretError, match="MISSING"):
        prepare(headers={"X": "{{secrets.MISSING}}"})


def test_the_names_of_its_secrets_are_told() -> None:
    """A budget of a key knows it by them, and never by its value."""
    request = prepare(headers={"X": "secrets.U"})
    assert set(request.credentials) == {"secrets.KEY", "secrets.U"}
    assert prepare(authentication=None).credentials == ()


def test_a_url_may_be_a_secret() -> None:
    """A URL that is one placeholder is resolved, and its host checked."""
    assert prepare(url="{{secrets.U}}").url == URL


def test_any_body_is_a_result() -> None:
    """Text, a redirect and an empty body are results, as in Camunda's connector.

    400 and above is an error.
    """
    call = task()
    for status, body in ((200, "text"), (302, None), (204, None), (200, {"error": "x"})):
        call.accept(ApiResponse(status, {}, body, "OK"))
        assert call.read_answer(call.accept(ApiResponse(status, {}, body, "OK"))).response == {
            "status": status, "headers": {}, "body": body, "reason": "OK",
        }  # fmt: skip
    with pytest.raises(ApiStatusError):
        call.accept(ApiResponse(404, {}, None))
