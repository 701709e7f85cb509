"""The composition root: the parts get what the settings say."""

from __future__ import annotations

import asyncio
import logging
import os
from decimal import Decimal
from pathlib import Path

import pytest
import trustme

from openai_connector.limits import Gate
from openai_connector.money.budgets import Budgets
from openai_connector.observe.events import BudgetsRead, Event, Events
from openai_connector.redaction import Redaction
from openai_connector.service import (
    Observed,
    budgets_of,
    client_of_environment,
    connection_of,
    run,
    secrets_of,
    task_types,
    watch_budgets,
    work,
)
from openai_connector.settings import SettingsError, load
from openai_connector.store import NoStore
from openai_connector.tasks.allowed_hosts import HostRefusedError
from openai_connector.tasks.operations import INPUT_NAMES, InvalidInputsError
from openai_connector.tasks.task_type import Request
from openai_connector.zeebe.channel import GRPC_ROOTS
from openai_connector.zeebe.poller import Poller
from tests.make import sentences_in
from tests.stand_in import StandIn


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings of the machine that runs the tests do not count."""
    for name in os.environ:
        if name.upper().startswith(("ZEEBE_", "CAMUNDA_", "CONNECTOR_", "OPENAI_")) or name.upper().endswith(
            "_PROXY"
        ):
            monkeypatch.delenv(name)


def prepared(monkeypatch: pytest.MonkeyPatch, inputs: dict[str, str], **variables: str) -> Request:
    """Read a request by the task type of these settings."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    [served] = task_types(load())
    assert served.job_type == "openai-connector:1"
    assert served.inputs == INPUT_NAMES
    given = {"operation": "chat", "model": "m", "prompt": "Hello"} | inputs
    variables = {f"openai_{name}": value for name, value in given.items()}
    return served.read(variables, Redaction()).request


@pytest.mark.parametrize(
    "base_url",
    [
        "https://llm.example.com/v1",
        "http://llm.example.com:8080/v1",
        "http://[::1]:8080/v1",
        "http://[::1]/v1",
    ],
)
async def test_the_workers_own_address_is_asked_with_its_key(
    monkeypatch: pytest.MonkeyPatch, base_url: str
) -> None:
    """The host of OPENAI_BASE_URL is allowed, and OPENAI_API_KEY goes there."""
    call = prepared(monkeypatch, {}, OPENAI_BASE_URL=base_url, OPENAI_API_KEY=" sk-1 ")
    assert call.url == f"{base_url}/chat/completions"
    assert call.headers == {"Authorization": "Bearer sk-1"}


async def test_a_blank_key_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """OPENAI_API_KEY of nothing but spaces counts as not set."""
    with pytest.raises(InvalidInputsError, match="OpenAI API key is required"):
        prepared(monkeypatch, {}, OPENAI_API_KEY="  ")


async def test_openai_and_azure_stay_allowed_beside_the_workers_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """OPENAI_BASE_URL and CONNECTOR_ALLOWED_HOSTS add to the hosts that are always allowed."""
    own = {"OPENAI_BASE_URL": "https://llm.example.com/v1", "CONNECTOR_ALLOWED_HOSTS": "*.corp.example"}
    for host in ("api.openai.com", "x.openai.azure.com", "a.corp.example", "llm.example.com"):
        call = prepared(monkeypatch, {"baseUrl": f"https://{host}/v1", "apiKey": "k"}, **own)
        assert call.url == f"https://{host}/v1/chat/completions"
    with pytest.raises(HostRefusedError):
        prepared(monkeypatch, {"baseUrl": "https://other.example/v1", "apiKey": "k"}, **own)


async def test_any_host_may_be_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    """`*` allows every host."""
    call = prepared(monkeypatch, {"baseUrl": "http://anything.example:1"}, CONNECTOR_ALLOWED_HOSTS="*")
    assert call.headers == {}


def test_secrets_come_from_the_environment_then_from_files(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The environment with the prefix is asked first, then the folder."""
    (tmp_path / "A").write_text("file-a")
    (tmp_path / "B").write_text("file-b")
    monkeypatch.setenv("SECRET_A", "variable-a")
    monkeypatch.setenv("CONNECTOR_SECRETS_DIR", str(tmp_path))
    secrets = secrets_of(load())
    assert (secrets.get("A"), secrets.get("B"), secrets.get("PATH")) == ("variable-a", "file-b", None)
    monkeypatch.setenv("CONNECTOR_SECRET_PREFIX", "")
    assert secrets_of(load()).get("PATH") == os.environ["PATH"]


async def warnings_at_start(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> list[str]:
    """Give what a worker warns of that ends at once."""

    async def ended(_: Poller) -> None:
        return

    monkeypatch.setattr(Poller, "run", ended)
    with caplog.at_level(logging.INFO, "openai_connector"):
        await asyncio.wait_for(run(load()), 60)
    return [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]


@pytest.mark.parametrize(("prefix", "warnings"), [("", 1), ("SECRET_", 0)])
async def test_an_empty_secret_prefix_is_warned_of(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, prefix: str, warnings: int
) -> None:
    """It makes every variable of the worker's environment a secret of every diagram.

    Allowed, but not silently.
    """
    monkeypatch.setenv("CONNECTOR_SECRET_PREFIX", prefix)
    found = await warnings_at_start(monkeypatch, caplog)
    assert (
        len([message for message in found if message.startswith("CONNECTOR_SECRET_PREFIX is empty")])
        == warnings
    )


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        pytest.param("CONNECTOR_MAX_JOB", "CONNECTOR_MAX_JOBS", id="its end"),
        pytest.param("CONECTOR_MAX_JOBS", "CONNECTOR_MAX_JOBS", id="its first word"),
        pytest.param("OPEN_AI_API_KEY", "OPENAI_API_KEY", id="its first word parted"),
    ],
)
async def test_a_misspelt_setting_is_warned_of(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, name: str, meant: str
) -> None:
    """A near miss would be without effect and without a word; variables of others and secrets are none."""
    monkeypatch.setenv(name, "5")
    monkeypatch.setenv("CONNECTOR_PORT_8080_TCP", "tcp://10.0.0.1:8080")
    monkeypatch.setenv("SECRET_CONNECTOR_MAX_JOB", "a secret")
    monkeypatch.setenv("MY_OPENAI_API_KEY", "of another program")
    for other in ("CLIENT_MODE", "CLIENT_AUTH_METHOD", "CLIENT_RESTADDRESS", "REST_ADDRESS"):
        monkeypatch.setenv(f"CAMUNDA_{other}", "known to Camunda's own runtime and clients")
    found = await warnings_at_start(monkeypatch, caplog)
    assert [message for message in found if "is not a setting" in message] == [
        f"The environment variable {name} is not a setting and has no effect: is {meant} meant?"
    ]


@pytest.mark.parametrize("name", ["CONNECTOR_STORE_KEY", "CONNECTOR_STORE_MAX_SIZE"])
async def test_a_setting_of_a_store_that_is_not_there_is_warned_of(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    """Who sets a key believes that answers are kept, and encrypted."""
    monkeypatch.setenv(name, "500000000")
    assert f"{name} has no effect: CONNECTOR_STORE is not set" in await warnings_at_start(monkeypatch, caplog)


def test_camunda_saas_has_its_own_token_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cluster id, client id and secret make the whole connection."""
    for name, value in (("CLUSTER_ID", "c1"), ("CLIENT_ID", "id"), ("CLIENT_SECRET", "s")):
        monkeypatch.setenv(f"CAMUNDA_{name}", value)
    connection = connection_of(load())
    assert (connection.target, connection.tls) == ("c1.bru-2.zeebe.camunda.io:443", True)
    assert connection.oauth is not None
    assert connection.oauth.token_url == "https://login.cloud.camunda.io/oauth/token"
    assert (connection.oauth.client_id, connection.oauth.audience) == ("id", "zeebe.camunda.io")


def test_a_private_authority_holds_for_the_token_server_too(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Who runs Zeebe behind a private authority mostly runs the authorization server behind it as well."""
    authority = tmp_path / "ca.pem"
    trustme.CA().cert_pem.write_to_path(str(authority))
    for name, value in (("CLIENT_ID", "id"), ("CLIENT_SECRET", "s"), ("CA_CERTIFICATE_PATH", str(authority))):
        monkeypatch.setenv(f"ZEEBE_{name}", value)
    monkeypatch.setenv("ZEEBE_AUTHORIZATION_SERVER_URL", "https://login.example.com/token")
    connection = connection_of(load())
    assert connection.oauth is not None
    assert connection.ca_certificate == connection.oauth.ca_certificate == authority


async def test_a_subscription_that_breaks_ends_the_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that takes no more jobs must not stay: a supervisor starts another only when it ends."""

    async def broken(_: Poller) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr(Poller, "run", broken)
    with pytest.raises(RuntimeError, match="broken"):
        await asyncio.wait_for(run(load()), 60)


def test_without_client_id_there_is_no_oauth() -> None:
    """A local engine needs no token."""
    assert connection_of(load()).oauth is None


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("SSL_CERT_FILE", "/no/file", "SSL_CERT_FILE or SSL_CERT_DIR cannot be read"),
        (
            "ALL_PROXY",
            "socks5://localhost:1",
            "ALL_PROXY must be an http:// or https:// address",
        ),
        ("HTTP_PROXY", "http://a:b:c", "HTTP_PROXY must be an address such as"),
    ],
)
def test_what_the_client_cannot_use_stops_the_start(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, says: str
) -> None:
    """One sentence names the variables."""
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        client_of_environment()
    assert str(caught.value).startswith(says)


async def test_the_environments_client_asks(caplog: pytest.LogCaptureFixture) -> None:
    """With an ordinary environment the client works, and logs no address."""
    client = client_of_environment()
    try:
        with caplog.at_level(logging.INFO, "openai_connector"):
            async with StandIn() as api:
                response = await client.send(
                    "POST",
                    f"{api.base_url}/moderations",
                    body=b"{}",
                    headers={},
                    timeout=load().request_timeout,
                )
        assert response.status == 200
        assert not [record for record in caplog.records if record.name.startswith("openai_connector")]
    finally:
        await client.aclose()


class TestBudgets:
    """The file that CONNECTOR_BUDGETS names."""

    GOOD = '[[budget]]\nname = "team"\namount = 5\nper = "day"\n'

    def test_a_wrong_file_is_refused_at_the_start(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        """What is wrong is said."""
        file = tmp_path / "budgets.toml"
        file.write_text(self.GOOD + "limit = 3")
        monkeypatch.setenv("CONNECTOR_BUDGETS", str(file))
        with pytest.raises(SettingsError, match="limit is not known here"):
            load()

    def test_without_a_store_it_is_said_how_far_they_hold(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Each process counts for itself."""
        file = tmp_path / "budgets.toml"
        file.write_text(self.GOOD)
        monkeypatch.setenv("CONNECTOR_BUDGETS", str(file))
        assert budgets_of(load()) is not None
        assert "BUDGETS_LOCAL" in sentences_in(caplog.text)
        caplog.clear()
        monkeypatch.setenv("CONNECTOR_STORE", str(tmp_path / "store"))
        assert budgets_of(load()) is not None
        assert "BUDGETS_LOCAL" not in sentences_in(caplog.text)

    async def test_a_change_is_read_and_a_wrong_one_warned_of(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What is spent is told now and then."""
        monkeypatch.setattr("openai_connector.service.BUDGETS_EVERY", 0.01)
        file = tmp_path / "budgets.toml"
        file.write_text(self.GOOD)
        budgets, told = Budgets(file), list[Event]()
        watching = asyncio.create_task(watch_budgets(budgets, NoStore(), Events(told.append)))
        async with asyncio.timeout(20):
            file.write_text(self.GOOD.replace("5", "6.5"))
            while not any(isinstance(one, BudgetsRead) and one.budgets[0].amount == 6.5 for one in told):
                await asyncio.sleep(0.01)
            file.write_text("\ufeff" + self.GOOD.replace("5", "6.5"), "utf-8")
            file.write_text("wrong")
            while "BUDGETS_WRONG" not in sentences_in(caplog.text):
                await asyncio.sleep(0.01)
        assert [budget.amount for budget in budgets] == [Decimal("6.5")]
        watching.cancel()


async def test_a_port_that_is_taken_stops_no_worker(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A second worker on a machine says what to set, and works without an endpoint."""
    taken = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    monkeypatch.setenv("CONNECTOR_HTTP_PORT", str(taken.sockets[0].getsockname()[1]))
    observed = Observed()
    await observed.open(load(), [], NoStore(), Gate())
    await observed.aclose()
    taken.close()
    assert "STATUS_NOT_OPENED" in sentences_in(caplog.text)


@pytest.mark.parametrize(
    ("host", "reason"),
    [
        ("a..b", "no name of a host"),
        ("a" * 70, "no name of a host"),
        ("no-such-name.invalid", ""),
        ("192.0.2.1", "Cannot assign requested address"),
        ("http://localhost", ""),
    ],
    ids=["empty_label", "long_label", "unknown", "not_ours", "url"],
)
async def test_a_host_that_cannot_be_opened_stops_no_worker(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, host: str, reason: str
) -> None:
    """The worker says why, names the setting, and works without an endpoint."""
    monkeypatch.setenv("CONNECTOR_HTTP_HOST", host)
    monkeypatch.setenv("CONNECTOR_HTTP_PORT", "0")
    observed = Observed()
    await observed.open(load(), [], NoStore(), Gate())
    await observed.aclose()
    assert "STATUS_NOT_OPENED" in sentences_in(caplog.text)
    assert "CONNECTOR_HTTP_HOST" in caplog.text
    assert reason in caplog.text
    assert "gaierror" not in caplog.text


@pytest.mark.parametrize(
    ("given", "port"),
    [("off", None), ("OFF", None), ("0", 0), ("65535", 65535)],
    ids=["off", "capitals", "any", "last"],
)
def test_the_port_may_be_off(monkeypatch: pytest.MonkeyPatch, given: str, port: int | None) -> None:
    """A port, any port, or none."""
    monkeypatch.setenv("CONNECTOR_HTTP_PORT", given)
    assert load().http_port == port


@pytest.mark.parametrize("given", ["-1", "65536", "yes", "9898 9899", "٣"])
def test_what_is_no_port_is_refused(monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    """The message names the variable and what it takes."""
    monkeypatch.setenv("CONNECTOR_HTTP_PORT", given)
    with pytest.raises(SettingsError, match="CONNECTOR_HTTP_PORT must be a port"):
        load()


async def test_a_folder_in_place_of_grpcs_own_authorities_stops_the_start(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """With TLS gRPC would end the process without a word."""
    monkeypatch.setenv(GRPC_ROOTS, str(tmp_path))
    monkeypatch.setenv("ZEEBE_ADDRESS", "https://localhost:1")
    with pytest.raises(SettingsError, match=GRPC_ROOTS):
        await work(load(), asyncio.Event())
