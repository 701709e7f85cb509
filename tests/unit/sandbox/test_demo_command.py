"""The demo's choices: which API, which cluster, which environment for the worker."""

from __future__ import annotations

import argparse

import pytest

from openai_connector.commands import demo as run
from openai_connector.tools.sandbox.api import NO_KEY

OURS = {
    "PATH": "/bin",
    "ZEEBE_ADDRESS": "elsewhere:26500",
    "CAMUNDA_CLUSTER_ID": "abc",
    "ZEEBE_CLIENT_ID": "me",
    "CONNECTOR_JOB_TYPE": "another",
    "CONNECTOR_STORE": "postgresql://theirs/db",
    "CONNECTOR_STORE_KEY": "key",
    "SECRET_OTHER": "theirs",
    "OPENAI_ORGANIZATION": "org",
}


def _options(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    run.add_arguments(parser)
    return parser.parse_args(arguments)


@pytest.mark.parametrize(
    ("environment", "arguments", "api"),
    [
        ({}, [], ("", "")),
        ({"OPENAI_API_KEY": "sk"}, [], ("https://api.openai.com/v1", "sk")),
        ({"OPENAI_API_KEY": "sk"}, ["--api-base-url", "http://x/v1"], ("http://x/v1", "sk")),
        ({}, ["--api-base-url", "http://x/v1"], ("http://x/v1", NO_KEY)),
        ({"OPENAI_BASE_URL": "http://y/v1"}, [], ("http://y/v1", NO_KEY)),
    ],
    ids=["nothing", "a key", "a key and an option", "an option", "an address"],
)
def test_api_is_chosen(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], arguments: list[str], api: tuple[str, str]
) -> None:
    """A key or an address of an API makes the demo use it; with neither it is the small model."""
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert run._api(_options(*arguments)) == api


def test_worker_of_own_engine_gets_no_foreign_settings() -> None:
    """Settings of the user's own worker and cluster do not reach the demo's worker.

    The key comes as a secret too.
    """
    environment = dict(OURS)
    run.prepare(environment, zeebe=None, base_url="http://m/v1", api_key="demo")
    assert environment == {
        "PATH": "/bin",
        "ZEEBE_ADDRESS": "127.0.0.1:26500",
        "OPENAI_BASE_URL": "http://m/v1",
        "OPENAI_API_KEY": "demo",
        "SECRET_OPENAI_API_KEY": "demo",
        "CONNECTOR_DRAIN_TIMEOUT": "PT5S",
    }


def test_worker_of_another_cluster_keeps_its_credentials() -> None:
    """With --zeebe-address the credentials go along, but no other address that would take its place."""
    environment = dict(OURS)
    run.prepare(environment, zeebe="c:1", base_url="http://m/v1", api_key="demo")
    assert environment["ZEEBE_CLIENT_ID"] == "me"
    assert environment["ZEEBE_ADDRESS"] == "c:1"
    assert "CAMUNDA_CLUSTER_ID" not in environment
    assert "CONNECTOR_JOB_TYPE" not in environment


def test_a_store_stays_with_its_cluster() -> None:
    """To an engine of the demo's own, the store's job keys would mean other jobs."""
    given = {name: value for name, value in OURS.items() if name.startswith("CONNECTOR_STORE")}
    for zeebe, left in (("c:1", given), (None, {})):
        environment = dict(OURS)
        run.prepare(environment, zeebe=zeebe, base_url="http://m/v1", api_key="demo")
        stored = {name: value for name, value in environment.items() if name.startswith("CONNECTOR_STORE")}
        assert stored == left


@pytest.mark.usefixtures("own_process")
def test_wrong_address_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A --zeebe-address that is none ends the demo with exit code 1 and a sentence, before anything is started."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk")
    assert run.run(_options("--zeebe-address", "ftp://x")) == 1
    assert "must begin with http://, https://, grpc:// or grpcs://" in capsys.readouterr().err
