"""A good set-up and broken ones, each on real sockets: what `check` says of them, and what it never says."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from email.utils import formatdate
from pathlib import Path

import grpc
import pytest
import trustme
from grpc_health.v1 import health_pb2_grpc

from local_engine.server import LocalEngine
from openai_connector.cli import main
from openai_connector.settings import load
from openai_connector.tools.check.everything import Asked, check_everything
from openai_connector.tools.check.findings import Verdict
from tests.stand_in import Answer, StandIn, failure
from tests.unit.check.looking import KEY, MODELS, PASSWORD, failed, found, free_port


class TestAGoodSetUp:
    async def test_everything_is_well(self, set_up: Callable[..., None], api: StandIn) -> None:
        """Each part is looked at and well; the API is asked for its models alone, with the key."""
        findings = await found()
        assert {finding.verdict for finding in findings.values()} == {Verdict.OK}
        assert findings.keys() >= {
            "settings", "engine-dns", "engine-port", "engine", "engine-jobs", "engine-reports",
            "api", "api-key", "clock", "models", "store",
        }  # fmt: skip
        (request,) = api.requests
        assert (request.path, request.content) == ("/v1/models", b"")
        assert request.header("Authorization") == f"Bearer {KEY}"

    async def test_the_command_says_so_to_programs(
        self, set_up: Callable[..., None], capsys: pytest.CaptureFixture[str]
    ) -> None:
        """With --json there is one document, and the exit status is 0."""
        assert await asyncio.to_thread(main, ["check", "--json"]) == 0
        document = json.loads(capsys.readouterr().out)
        assert document["verdict"] == "ok"
        assert {finding["verdict"] for finding in document["findings"]} == {"ok"}

    async def test_the_secret_of_the_tasks_is_checked(
        self, set_up: Callable[..., None], api: StandIn
    ) -> None:
        """The key of a named secret goes to the API in place of the worker's own."""
        set_up(SECRET_TEAM="sk-team")
        await found(Asked(secret="TEAM"))
        assert api.requests[0].header("Authorization") == "Bearer sk-team"

    async def test_nothing_stays_in_the_store(self, set_up: Callable[..., None], tmp_path: Path) -> None:
        """Two checks in a row both find the store empty enough to write, read and remove."""
        assert not failed(await found())
        assert not failed(await found())


class TestTheWayToTheEngine:
    async def test_engine_down(self, set_up: Callable[..., None]) -> None:
        """A port that nobody listens on is told from a name that nobody knows."""
        set_up(ZEEBE_ADDRESS=f"127.0.0.1:{free_port()}")
        findings = await found()
        assert failed(findings) == {"engine-port"}

    async def test_name_not_known(self, set_up: Callable[..., None]) -> None:
        """A name without an address fails at the name."""
        set_up(ZEEBE_ADDRESS="zeebe.invalid:26500")
        assert failed(await found()) == {"engine-dns"}

    async def test_a_port_that_speaks_http(self, set_up: Callable[..., None], api: StandIn) -> None:
        """The REST port in place of gRPC's is called by its name."""
        set_up(ZEEBE_ADDRESS=f"127.0.0.1:{api.port}")
        findings = await found()
        assert failed(findings) == {"engine-protocol"}
        assert "HTTP/1.1" in findings["engine-protocol"].message
        assert "26500" in findings["engine-protocol"].advice

    async def test_a_port_that_says_nothing(self, set_up: Callable[..., None]) -> None:
        """A server that takes the connection and is silent is no engine; the check ends in its time."""
        server = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
        async with server:
            set_up(ZEEBE_ADDRESS=f"127.0.0.1:{server.sockets[0].getsockname()[1]}")
            assert failed(await found(Asked(seconds=0.5))) == {"engine-protocol"}

    async def test_tls_where_there_is_none(self, set_up: Callable[..., None], engine: LocalEngine) -> None:
        """https:// before an engine without TLS fails at TLS, and the advice is http://."""
        set_up(ZEEBE_ADDRESS=f"https://{engine.address}")
        findings = await found()
        assert failed(findings) == {"engine-tls"}
        assert "http://" in findings["engine-tls"].advice

    async def test_none_where_there_is_tls(self, set_up: Callable[..., None], tmp_path: Path) -> None:
        """An engine with TLS that is spoken to without is found out, and the advice is https://."""
        async with secured(trustme.CA()) as port:
            set_up(ZEEBE_ADDRESS=f"http://127.0.0.1:{port}")
            findings = await found()
        assert failed(findings) == {"engine-tls"}
        assert "https://" in findings["engine-tls"].advice

    async def test_an_authority_that_is_not_trusted(self, set_up: Callable[..., None]) -> None:
        """A private authority without its file fails at TLS, and the advice names the setting."""
        async with secured(trustme.CA()) as port:
            set_up(ZEEBE_ADDRESS=f"https://127.0.0.1:{port}")
            findings = await found()
        assert failed(findings) == {"engine-tls"}
        assert "ZEEBE_CA_CERTIFICATE_PATH" in findings["engine-tls"].advice

    async def test_another_server_behind_the_same_protocol(
        self, set_up: Callable[..., None], tmp_path: Path
    ) -> None:
        """A gRPC server with TLS that is trusted, but no engine, fails at the command."""
        authority = trustme.CA()
        authority.cert_pem.write_to_path(tmp_path / "ca.pem")
        async with secured(authority) as port:
            set_up(
                ZEEBE_ADDRESS=f"https://127.0.0.1:{port}", ZEEBE_CA_CERTIFICATE_PATH=str(tmp_path / "ca.pem")
            )
            findings = await found()
        assert findings["engine-tls"].verdict is Verdict.OK
        assert failed(findings) == {"engine"}

    async def test_no_token(self, set_up: Callable[..., None], api: StandIn) -> None:
        """A client that the authorization server does not know fails there; the engine is not asked."""
        set_up(
            ZEEBE_CLIENT_ID="me",
            ZEEBE_CLIENT_SECRET=KEY,
            ZEEBE_AUTHORIZATION_SERVER_URL=f"{api.origin}/token",
        )
        api.always(lambda request: failure(401) if request.path == "/token" else MODELS)
        assert failed(await found()) == {"engine-token"}


def secured(authority: trustme.CA) -> _Secured:
    return _Secured(authority)


class _Secured:
    """A gRPC server with TLS that knows another service only."""

    def __init__(self, authority: trustme.CA) -> None:
        certificate = authority.issue_cert("127.0.0.1")
        self._credentials = grpc.ssl_server_credentials(
            [(certificate.private_key_pem.bytes(), certificate.cert_chain_pems[0].bytes())]
        )
        self._server = grpc.aio.server()

    async def __aenter__(self) -> int:
        health_pb2_grpc.add_HealthServicer_to_server(health_pb2_grpc.HealthServicer(), self._server)
        port = int(self._server.add_secure_port("127.0.0.1:0", self._credentials))
        await self._server.start()
        return port

    async def __aexit__(self, *_: object) -> None:
        await self._server.stop(None)


class TestTheApi:
    @pytest.mark.parametrize(
        ("answer", "check", "verdict"),
        [
            pytest.param(failure(401, f"Incorrect key: {KEY}"), "api-key", Verdict.FAILURE, id="wrong key"),
            pytest.param(failure(403), "api-key", Verdict.WARNING, id="may not list models"),
            pytest.param(failure(404), "api-key", Verdict.WARNING, id="compatible server without a list"),
            pytest.param(failure(400), "api", Verdict.FAILURE, id="other refusal"),
            pytest.param(failure(429), "api", Verdict.WARNING, id="too many requests"),
            pytest.param(failure(503), "api", Verdict.WARNING, id="in trouble"),
            pytest.param(Answer(content=b"<html>"), "api", Verdict.OK, id="no JSON"),
            pytest.param(Answer(drop="before"), "api", Verdict.FAILURE, id="cut off"),
        ],
    )
    async def test_what_it_answers(
        self, set_up: Callable[..., None], api: StandIn, answer: Answer, check: str, verdict: Verdict
    ) -> None:
        """A wrong key is a failure, a server that cannot list models is none."""
        api.always(answer)
        findings = await found()
        assert findings[check].verdict is verdict

    async def test_a_proxy_that_is_down(self, set_up: Callable[..., None]) -> None:
        """A broken proxy is found at the API, its variable is named, and never its password."""
        set_up(
            HTTP_PROXY=f"http://me:{PASSWORD}@127.0.0.1:{free_port()}", NO_PROXY="", no_grpc_proxy="127.0.0.1"
        )
        findings = await found()
        assert failed(findings) == {"api"}
        assert "HTTP_PROXY" in findings["api"].advice

    @pytest.mark.parametrize(
        ("seconds", "verdict"),
        [
            pytest.param(-3600, Verdict.FAILURE, id="an hour ahead"),
            pytest.param(3600, Verdict.FAILURE, id="an hour behind"),
            pytest.param(60, Verdict.WARNING, id="a minute behind"),
            pytest.param(0, Verdict.OK, id="right"),
        ],
    )
    async def test_the_clock(
        self, set_up: Callable[..., None], api: StandIn, seconds: int, verdict: Verdict
    ) -> None:
        """The API's date is held against this machine's clock, also where the key is refused."""
        api.always(failure(401, headers={"Date": formatdate(time.time() + seconds, usegmt=True)}))
        assert (await found())["clock"].verdict is verdict

    async def test_no_key_at_all(
        self, set_up: Callable[..., None], api: StandIn, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Without a key the API is asked all the same, and what is missing is a warning: tasks may have one."""
        monkeypatch.delenv("OPENAI_API_KEY")
        api.always(failure(401))
        assert (await found())["api-key"].verdict is Verdict.WARNING

    async def test_a_secret_that_is_not_there(self, set_up: Callable[..., None]) -> None:
        """A named secret that nobody has is a failure that names it."""
        findings = await found(Asked(secret="TEAM"))
        assert findings["api-key"].verdict is Verdict.FAILURE
        assert "SECRET_TEAM" in findings["api-key"].advice

    async def test_it_is_told_once(self, set_up: Callable[..., None], api: StandIn) -> None:
        """That the API then refuses a question without a key is no second finding."""
        api.always(failure(401))
        findings = await check_everything(load(), Asked(secret="TEAM", seconds=5))
        assert [finding.verdict for finding in findings if finding.check == "api-key"] == [Verdict.FAILURE]


class TestTheStore:
    async def test_a_folder_that_cannot_be_written_to(
        self, set_up: Callable[..., None], tmp_path: Path
    ) -> None:
        """A file where the folder should be (root may write anywhere else) is a failure."""
        (tmp_path / "file").write_text("")
        set_up(CONNECTOR_STORE=str(tmp_path / "file" / "store"))
        assert failed(await found()) == {"store"}

    async def test_a_database_that_is_away(self, set_up: Callable[..., None]) -> None:
        """A database that takes no connections is a failure without its password."""
        pytest.importorskip("psycopg")
        set_up(CONNECTOR_STORE=f"postgresql://worker:{PASSWORD}@127.0.0.1:{free_port()}/store")
        assert failed(await found()) == {"store"}

    async def test_a_file_that_was_damaged(self, set_up: Callable[..., None], tmp_path: Path) -> None:
        """A damaged file, which is moved aside as the worker does, is a warning."""
        (tmp_path / "store").mkdir()
        (tmp_path / "store" / "store.sqlite3").write_bytes(b"no database" * 1000)
        assert (await found())["store"].verdict is Verdict.WARNING


class TestSettings:
    async def test_wrong_ones_end_it(
        self, set_up: Callable[..., None], capsys: pytest.CaptureFixture[str]
    ) -> None:
        """A setting that cannot be used is told as a finding, with the exit status of wrong use."""
        set_up(CONNECTOR_MAX_JOBS="many")
        assert main(["check", "--json"]) == 2
        (finding,) = json.loads(capsys.readouterr().out)["findings"]
        assert (finding["check"], finding["verdict"]) == ("settings", "failure")
        assert "CONNECTOR_MAX_JOBS" in finding["message"]

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            pytest.param("CONNECTOR_MAX_JOB", "5", id="misspelt"),
            pytest.param("CONNECTOR_SECRET_PREFIX", "", id="every variable a secret"),
            pytest.param("NO_PROXY", "a b:c:d", id="NO_PROXY"),
        ],
    )
    async def test_unwise_ones_are_warned_of(
        self, set_up: Callable[..., None], name: str, value: str
    ) -> None:
        """What has no effect, or too much, is a warning."""
        set_up(**{name: value})
        assert (await found())["settings"].verdict is Verdict.WARNING

    async def test_those_of_a_store_that_is_not_there_are_warned_of(
        self, set_up: Callable[..., None]
    ) -> None:
        """Who sets a key believes that answers are kept, and encrypted."""
        set_up(CONNECTOR_STORE="", CONNECTOR_STORE_KEY="k")
        finding = (await found())["settings"]
        assert finding.verdict is Verdict.WARNING
        assert finding.message == "CONNECTOR_STORE_KEY has no effect: CONNECTOR_STORE is not set"


async def test_a_failure_is_the_exit_status_1(
    set_up: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    """People see a line a check with what to do below it, scripts the status."""
    set_up(ZEEBE_ADDRESS=f"127.0.0.1:{free_port()}")
    assert await asyncio.to_thread(main, ["check"]) == 1
    shown = capsys.readouterr().out
    assert "failure  engine-port" in shown
    assert "-> Check ZEEBE_ADDRESS" in shown
    assert KEY not in shown
