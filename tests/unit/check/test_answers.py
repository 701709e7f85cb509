"""What engine, API, authorization server and store answer against us: said as it is, with what to do."""

from __future__ import annotations

import asyncio
import json
import socket
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from pyzeebe.proto import gateway_pb2

from openai_connector import wording
from openai_connector.cli import main
from openai_connector.contract import DEFAULT_BASE_URL
from openai_connector.openai_api import ApiResponse
from openai_connector.store import NoStore, StoreError, postgres, sqlite
from openai_connector.tools.check.api import check_api
from openai_connector.tools.check.everything import Asked
from openai_connector.tools.check.findings import Verdict
from openai_connector.tools.check.storage import check_store
from tests.make import FakeApi
from tests.stand_in import Answer, StandIn, failure
from tests.unit.check.looking import PASSWORD, failed, found, free_port
from tests.unit.check.servers import Gateway, Handler, answering, closing, issue, saying, silent

SOON = Asked(seconds=0.8)
SetUp = Callable[..., None]
CODES = grpc.StatusCode
WELL = gateway_pb2.TopologyResponse(
    brokers=[
        gateway_pb2.BrokerInfo(partitions=[gateway_pb2.Partition(partitionId=1, role=gateway_pb2.Partition.LEADER, health=gateway_pb2.Partition.HEALTHY)])
    ],
    partitionsCount=1,
)  # fmt: skip


class TestTheEngine:
    @pytest.mark.parametrize(
        ("answers", "check", "message", "advice"),
        [
            pytest.param(
                {"Topology": CODES.PERMISSION_DENIED}, "engine", "PERMISSION_DENIED (so it is told)",
                "permission", id="nothing permitted",
            ),
            pytest.param(
                {"ActivateJobs": CODES.PERMISSION_DENIED}, "engine-jobs", "PERMISSION_DENIED", "permission",
                id="no jobs permitted",
            ),
            pytest.param(
                {"ThrowError": CODES.PERMISSION_DENIED}, "engine-reports", "does not take ThrowError",
                "permission", id="one report not permitted",
            ),
            pytest.param(
                {"Topology": CODES.UNAUTHENTICATED}, "engine", "UNAUTHENTICATED", "Set ZEEBE_CLIENT_ID",
                id="wants a token",
            ),
            pytest.param({"Topology": CODES.UNAVAILABLE}, "engine", "UNAVAILABLE", "is up", id="away"),
            pytest.param({"Topology": CODES.UNIMPLEMENTED}, "engine", "UNIMPLEMENTED", "8.5", id="other"),
            pytest.param({"Topology": CODES.INTERNAL}, "engine", "INTERNAL", "log", id="broken"),
            pytest.param({"Topology": None}, "engine", "no answer within 0.8 s", "overloaded", id="silent"),
            pytest.param(
                {"ActivateJobs": None}, "engine-jobs", "no answer within 0.8 s", "overloaded", id="silent jobs"
            ),
            pytest.param(
                {"ActivateJobs": CODES.INVALID_ARGUMENT}, "engine-jobs", "INVALID_ARGUMENT",
                "Set ZEEBE_TENANT_IDS", id="has tenants",
            ),
        ],
    )  # fmt: skip
    async def test_what_it_refuses(
        self, set_up: SetUp, answers: dict[str, Any], check: str, message: str, advice: str
    ) -> None:
        """The command is named, with the engine's status and what to do about that."""
        jobs = gateway_pb2.ActivateJobsResponse()
        async with Gateway({"Topology": WELL, "ActivateJobs": jobs, **answers}).running() as port:
            set_up(ZEEBE_ADDRESS=f"127.0.0.1:{port}")
            findings = await found(SOON if None in answers.values() else None)
        assert failed(findings) == {check}
        assert message in findings[check].message
        assert advice in findings[check].advice

    async def test_tenants_that_are_not_there(self, set_up: SetUp) -> None:
        """The tenants that were asked for are named."""
        answers = {"Topology": WELL, "ActivateJobs": CODES.INVALID_ARGUMENT}
        async with Gateway(answers).running() as port:
            set_up(ZEEBE_ADDRESS=f"127.0.0.1:{port}", ZEEBE_TENANT_IDS="red,blue")
            finding = (await found())["engine-jobs"]
        assert "red, blue" in finding.message
        assert "Check ZEEBE_TENANT_IDS" in finding.advice

    @pytest.mark.parametrize(
        ("topology", "words"),
        [
            pytest.param(gateway_pb2.TopologyResponse(), "knows no broker", id="no brokers"),
            pytest.param(
                gateway_pb2.TopologyResponse(brokers=WELL.brokers, partitionsCount=3),
                "1 have a leader", id="partitions without a leader",
            ),
            pytest.param(
                gateway_pb2.TopologyResponse(
                    brokers=[
                        gateway_pb2.BrokerInfo(
                            partitions=[gateway_pb2.Partition(partitionId=1, role=gateway_pb2.Partition.LEADER, health=gateway_pb2.Partition.DEAD)]
                        )
                    ],
                    partitionsCount=1,
                ),
                "not all of them healthy", id="dead partition",
            ),
        ],
    )  # fmt: skip
    async def test_a_cluster_that_is_not_whole(self, set_up: SetUp, topology: Any, words: str) -> None:
        """A gateway that answers for brokers that are not there is a warning."""
        answers = {"Topology": topology, "ActivateJobs": gateway_pb2.ActivateJobsResponse()}
        async with Gateway(answers).running() as port:
            set_up(ZEEBE_ADDRESS=f"127.0.0.1:{port}")
            finding = (await found())["engine"]
        assert finding.verdict is Verdict.WARNING
        assert words in finding.message

    async def test_an_authorization_server_that_is_not_trusted(self, set_up: SetUp, tmp_path: Path) -> None:
        """Its certificate is told from a server that is away, with the setting that helps."""
        context = issue("localhost").context(tmp_path)

        async def handshake(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await writer.start_tls(context)

        async with answering(handshake) as port:
            set_up(
                ZEEBE_CLIENT_ID="me",
                ZEEBE_CLIENT_SECRET=PASSWORD,
                ZEEBE_AUTHORIZATION_SERVER_URL=f"https://localhost:{port}/token",
            )
            finding = (await found())["engine-token"]
        assert f"https://localhost:{port}/token (its certificate is not trusted: " in finding.message
        assert "ZEEBE_CA_CERTIFICATE_PATH" in finding.advice

    async def test_an_authorization_server_that_is_away(self, set_up: SetUp) -> None:
        """The address is told with its port and without its user, with the system's reason."""
        port = free_port()
        set_up(
            ZEEBE_CLIENT_ID="me",
            ZEEBE_CLIENT_SECRET=PASSWORD,
            ZEEBE_AUTHORIZATION_SERVER_URL=f"http://me:{PASSWORD}@127.0.0.1:{port}/token",
        )
        finding = (await found())["engine-token"]
        assert finding.message == f"No access token from http://127.0.0.1:{port}/token (Connection refused)"

    @pytest.mark.parametrize(
        ("handler", "message", "advice"),
        [
            pytest.param(silent, "no answer within 0.8 seconds", "reached", id="silent"),
            pytest.param(closing, "/token", "ZEEBE_AUTHORIZATION_SERVER_URL", id="closes"),
            pytest.param(
                saying(b"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n"), "status 401", "ZEEBE_CLIENT_SECRET",
                id="refuses",
            ),
        ],
    )  # fmt: skip
    async def test_no_token_in_time(self, set_up: SetUp, handler: Handler, message: str, advice: str) -> None:
        """The authorization server has the time of a step, and what to do is said once, as advice."""
        async with answering(handler) as port:
            set_up(
                ZEEBE_CLIENT_ID="me",
                ZEEBE_CLIENT_SECRET=PASSWORD,
                ZEEBE_AUTHORIZATION_SERVER_URL=f"http://127.0.0.1:{port}/token",
            )
            finding = (await found(SOON if handler is silent else None))["engine-token"]
        assert message in finding.message
        assert "check" not in finding.message
        assert advice in finding.advice


class TestTheApi:
    @pytest.mark.parametrize(
        ("handler", "message"),
        [
            pytest.param(silent, "did not answer within 0.8 s", id="silent"),
            pytest.param(closing, "broke during the call", id="closes"),
            pytest.param(
                saying(b'HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"data"'), "broke", id="cut off"
            ),
            pytest.param(saying(b"220 mail\r\n"), "no proper HTTP", id="mail"),
        ],
    )
    async def test_no_answer(self, set_up: SetUp, handler: Handler, message: str) -> None:
        """It is told of which address, and nothing of a price: a list of models has none."""
        async with answering(handler) as port:
            set_up(OPENAI_BASE_URL=f"http://127.0.0.1:{port}/v1")
            findings = await found(SOON if handler is silent else None)
        assert "api" in failed(findings)
        assert message in findings["api"].message
        assert f"127.0.0.1:{port}" in findings["api"].message
        assert "paid" not in findings["api"].message

    async def test_one_that_is_slow(self, set_up: SetUp, api: StandIn) -> None:
        """An answer within the time of a step is an answer, one after it is none."""
        api.always(Answer(body={"data": []}, delay=0.3))
        assert not failed(await found())
        assert failed(await found(Asked(seconds=0.1))) >= {"api"}

    async def test_tls_and_plain_mixed_up(self, set_up: SetUp, api: StandIn, tmp_path: Path) -> None:
        """The wrong scheme in either direction fails with an advice that names the scheme."""
        context = issue("localhost").context(tmp_path)

        async def handshake(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await writer.start_tls(context)

        set_up(OPENAI_BASE_URL=f"https://127.0.0.1:{api.port}/v1")
        wrong = [(await found())["api"]]
        async with answering(handshake) as port:
            set_up(OPENAI_BASE_URL=f"http://127.0.0.1:{port}/v1")
            wrong.append((await found())["api"])
        for finding in wrong:
            assert finding.verdict is Verdict.FAILURE
            assert "scheme" in finding.advice
            assert "paid" not in finding.message

    @pytest.mark.parametrize(
        ("certificate", "words"),
        [
            pytest.param(issue("localhost"), "self-signed", id="unknown authority"),
            pytest.param(issue("localhost", days=-1), "", id="expired"),
            pytest.param(issue("elsewhere"), "", id="another name"),
        ],
    )
    async def test_certificates(self, set_up: SetUp, tmp_path: Path, certificate: Any, words: str) -> None:
        """A certificate that is not trusted is told with the address and OpenSSL's reason."""
        context = certificate.context(tmp_path)

        async def handshake(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await writer.start_tls(context)

        async with answering(handshake) as port:
            set_up(OPENAI_BASE_URL=f"https://localhost:{port}/v1")
            finding = (await found())["api"]
        assert finding.message.startswith(f"localhost:{port}: No secure connection to the API (")
        assert words in finding.message
        assert "paid" not in finding.message

    @pytest.mark.parametrize(
        ("answer", "check", "verdict", "message"),
        [
            pytest.param(
                Answer(content=b"<html>", headers=[("Content-Type", "text/html")]), "api-key",
                Verdict.WARNING, "lists no models (status 200, text/html)", id="a page",
            ),
            pytest.param(Answer(body={"ok": True}), "api-key", Verdict.WARNING, "no models", id="other JSON"),
            pytest.param(
                Answer(403, content=b"<html>", headers=[("Content-Type", "text/html")]), "api",
                Verdict.FAILURE, "not as an API does (text/html)", id="a firewall's page",
            ),
            pytest.param(
                Answer(302, content=b"", headers=[("Location", "/login")]), "api", Verdict.FAILURE,
                "leads elsewhere", id="a redirect",
            ),
            pytest.param(failure(500), "api", Verdict.WARNING, "status 500", id="in trouble"),
            pytest.param(failure(404), "api-key", Verdict.WARNING, "status 404", id="no list"),
        ],
    )  # fmt: skip
    async def test_answers_that_are_no_list(
        self, set_up: SetUp, api: StandIn, answer: Answer, check: str, verdict: Verdict, message: str
    ) -> None:
        """A key counts as known only where models are listed; a page of something in between is told as one."""
        api.always(answer)
        findings = await found()
        assert findings[check].verdict is verdict
        assert message in findings[check].message
        assert "api-key" not in findings or findings["api-key"].verdict is not Verdict.OK

    @pytest.mark.parametrize(
        "response",
        [
            pytest.param(ApiResponse(404, {}, {"error": {"message": "No."}}), id="wrong path"),
            pytest.param(ApiResponse(200, {"Content-Type": "text/html"}, "<html>"), id="a page"),
        ],
    )
    async def test_openai_itself_has_a_list(self, response: ApiResponse) -> None:
        """What answers in OpenAI's name without a list of models is not OpenAI, or not at its path."""

        class Fixed(FakeApi):
            async def send(self, *_: Any, **__: Any) -> ApiResponse:
                return response

        (finding, *_) = await check_api(Fixed(), DEFAULT_BASE_URL, "sk-test", 1)
        assert (finding.check, finding.verdict) == ("api", Verdict.FAILURE)

    @pytest.mark.parametrize(
        ("status", "advice"),
        [
            pytest.param("403 Forbidden", "let the worker through", id="refuses"),
            pytest.param("407 Who?", "password in HTTPS_PROXY", id="wants a password"),
            pytest.param("502 Bad Gateway", "HTTPS_PROXY", id="reaches nobody"),
        ],
    )
    async def test_a_proxy_that_opens_no_tunnel(self, set_up: SetUp, status: str, advice: str) -> None:
        """The proxy's answer is told, and its variable is named."""
        async with answering(saying(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode())) as port:
            set_up(HTTPS_PROXY=f"http://127.0.0.1:{port}", OPENAI_BASE_URL="https://llm.example/v1")
            finding = (await found())["api"]
        assert finding.verdict is Verdict.FAILURE
        assert f"llm.example: No connection to the API (the proxy answered {status[:3]})" == finding.message
        assert advice in finding.advice


class TestTheStore:
    async def test_a_database_that_is_silent(self, set_up: SetUp) -> None:
        """It has the time of a step, and the advice is of a database, not of a folder."""
        pytest.importorskip("psycopg")
        async with answering(silent) as port:
            set_up(CONNECTOR_STORE=f"postgresql://worker:{PASSWORD}@127.0.0.1:{port}/store")
            finding = (await found(SOON))["store"]
        assert finding.message == "The store of CONNECTOR_STORE takes too long to answer"
        assert "network" in finding.advice

    @pytest.mark.parametrize(
        ("answer", "more"),
        [
            pytest.param(b"N", "sslmode=require", id="none there"),
            pytest.param(b"S", "sslmode=verify-full&sslrootcert=/no/such.crt", id="no authorities"),
            pytest.param(b"Sno TLS", "sslmode=require", id="no TLS after all"),
        ],
    )
    async def test_a_database_without_a_secure_connection(
        self, set_up: SetUp, answer: bytes, more: str
    ) -> None:
        """TLS that does not come about is told from a database that is away, or not there."""
        pytest.importorskip("psycopg")
        async with answering(saying(answer)) as port:
            set_up(CONNECTOR_STORE=f"postgresql://worker:{PASSWORD}@127.0.0.1:{port}/store?{more}")
            finding = (await found(Asked(seconds=2)))["store"]
        assert finding.message == "There is no secure connection to the database of CONNECTOR_STORE"
        assert "sslmode" in finding.advice

    async def test_a_file_that_is_locked(self, set_up: SetUp, tmp_path: Path) -> None:
        """That it is locked is said within the time of a step, not that it is slow."""
        assert not failed(await found())
        with sqlite3.connect(tmp_path / "store" / "store.sqlite3", isolation_level=None) as other:
            other.execute("PRAGMA locking_mode = EXCLUSIVE")
            other.execute("BEGIN EXCLUSIVE")
            finding = (await found(Asked(seconds=1)))["store"]
        other.close()
        assert finding.message == "Another program holds the file of CONNECTOR_STORE locked"
        assert finding.advice.startswith("End it")

    @pytest.mark.parametrize(
        "sentence",
        [
            pytest.param(sentence, id=str(sentence())[:40])
            for sentence in {
                **{str(c()): c for c in (*postgres.CAUSES.values(), *sqlite.CAUSES.values())}
            }.values()
        ],
    )
    async def test_whatever_is_wrong_is_said_once_with_its_own_advice(
        self, sentence: wording.Sentence
    ) -> None:
        """What is wrong is the message, and what to do about that, and nothing else, the advice."""

        class Broken(NoStore):
            async def start(self) -> None:
                raise StoreError(sentence())

        (finding,) = await check_store(lambda _: Broken(), 1)
        said = f"{finding.message}. {finding.advice}"
        assert said[1:] == sentence()[1:]
        assert finding.message[0].isupper()
        assert finding.advice[0].isupper()

    async def test_one_that_hangs(self) -> None:
        """A store that never answers has the time of the step in all."""

        class Hanging(NoStore):
            async def forget(self, job_key: int) -> None:
                await asyncio.sleep(60)

        (finding,) = await check_store(lambda _: Hanging(), 0.1)
        assert finding.verdict is Verdict.FAILURE


def test_a_name_that_is_looked_up_for_long(
    set_up: SetUp, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A DNS server that never answers bounds neither its step nor the end of the command."""
    ended, may_end = threading.Event(), threading.Event()
    real = socket.getaddrinfo

    def look_up(host: Any, *arguments: Any, **more: Any) -> Any:
        if not str(host).endswith(".example"):
            return real(host, *arguments, **more)
        may_end.wait(5)
        ended.set()
        raise socket.gaierror(socket.EAI_AGAIN, "late")

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    set_up(ZEEBE_ADDRESS="zeebe.example:26500", OPENAI_BASE_URL="http://llm.example/v1")
    try:
        assert main(["check", "--json", "--timeout", "0.3"]) == 1
        assert not ended.is_set()
    finally:
        may_end.set()
    document = json.loads(capsys.readouterr().out)
    assert document["verdict"] == "failure"
    for finding in document["findings"]:
        assert finding.keys() == {"check", "verdict", "message", "advice"}
    messages = {finding["check"]: finding["message"] for finding in document["findings"]}
    assert messages["engine-dns"] == "The name zeebe.example is not resolved within 0.3 s"
    assert messages["api"].startswith("llm.example: ")
