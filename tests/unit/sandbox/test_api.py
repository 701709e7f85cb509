"""Which API the sandbox's worker asks, and what its environment holds."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from openai_connector.tools.sandbox.api import (
    NO_KEY,
    OPENAI_URL,
    Api,
    chosen_api,
    prepare,
    reach_this_machine_directly,
)


@pytest.mark.parametrize(
    ("environment", "option", "chosen"),
    [
        pytest.param({}, None, None, id="nothing"),
        pytest.param({"OPENAI_API_KEY": "  "}, None, None, id="a blank key"),
        pytest.param({"SECRET_OTHER": "x"}, None, None, id="another secret"),
        pytest.param({"OPENAI_API_KEY": "sk"}, None, Api(OPENAI_URL, "sk"), id="a key"),
        pytest.param({"SECRET_OPENAI_API_KEY": "sk"}, None, Api(OPENAI_URL, ""), id="the secret"),
        pytest.param(
            {"MINE_OPENAI_API_KEY": "sk", "CONNECTOR_SECRET_PREFIX": "MINE_"},
            None,
            Api(OPENAI_URL, ""),
            id="the secret with a prefix of its own",
        ),
        pytest.param({"OPENAI_BASE_URL": "http://y/v1"}, None, Api("http://y/v1", NO_KEY), id="an address"),
        pytest.param(
            {"OPENAI_BASE_URL": "http://y/v1"}, "http://x/v1", Api("http://x/v1", NO_KEY), id="an option"
        ),
    ],
)
def test_the_api_is_chosen(environment: dict[str, str], option: str | None, chosen: Api | None) -> None:
    """A key, a secret or an address stands for an API; with none of them it is the small model."""
    assert chosen_api(environment, option) == chosen


def test_a_secret_may_be_a_file(tmp_path: Path) -> None:
    """A folder of secrets with the key in it stands for OpenAI, and the file is not covered by anything."""
    (tmp_path / "OPENAI_API_KEY").write_text("sk")
    environment = {"CONNECTOR_SECRETS_DIR": str(tmp_path)}
    api = chosen_api(environment, None)
    assert api == Api(OPENAI_URL, "")
    prepare(environment, api, "127.0.0.1:1")
    assert "SECRET_OPENAI_API_KEY" not in environment


def test_settings_of_the_worker_stay_and_those_of_a_cluster_go() -> None:
    """What the worker may do is kept; address, credentials and tenants of another engine are not."""
    environment = {
        "PATH": "/bin",
        "ZEEBE_CLIENT_ID": "me",
        "CAMUNDA_TENANT_IDS": "theirs",
        "CONNECTOR_ALLOWED_HOSTS": "llm.example.com",
        "SECRET_OTHER": "mine",
        "OPENAI_API_KEY": "sk",
    }
    prepare(environment, Api(OPENAI_URL, "sk"), "127.0.0.1:1")
    assert environment == {
        "PATH": "/bin",
        "ZEEBE_ADDRESS": "http://127.0.0.1:1",
        "CONNECTOR_ALLOWED_HOSTS": "llm.example.com",
        "CONNECTOR_DRAIN_TIMEOUT": "PT5S",
        "SECRET_OTHER": "mine",
        "OPENAI_BASE_URL": OPENAI_URL,
        "OPENAI_API_KEY": "sk",
        "SECRET_OPENAI_API_KEY": "sk",
    }


def test_a_secret_that_is_given_is_not_replaced() -> None:
    """Where the environment has both, tasks get the secret, and the worker's own key stays what it is."""
    environment = {"OPENAI_API_KEY": "sk-own", "SECRET_OPENAI_API_KEY": "sk-secret"}
    api = chosen_api(environment, None)
    assert api is not None
    prepare(environment, api, "127.0.0.1:1")
    assert environment["OPENAI_API_KEY"] == "sk-own"
    assert environment["SECRET_OPENAI_API_KEY"] == "sk-secret"


@pytest.mark.parametrize("name", ["NO_PROXY", "no_proxy"])
def test_own_programs_are_reached_without_a_proxy(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Behind a proxy engine and model are found on this machine; other exceptions stay."""
    for each in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(each, "")
    monkeypatch.setenv(name, "corp.example")
    reach_this_machine_directly()
    assert os.environ["NO_PROXY"] == os.environ["no_proxy"] == "corp.example,127.0.0.1,localhost"
