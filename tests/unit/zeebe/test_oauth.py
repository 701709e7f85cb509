"""Access tokens: fetched once for everybody, in time, and never a reason to die or to tell a secret."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme
from aiohttp import web
from grpc import StatusCode
from grpc.aio import AioRpcError
from pyzeebe.proto import gateway_pb2 as pb

from openai_connector.job import Completed, Job
from openai_connector.observe.events import Events
from openai_connector.observe.logs import log_event
from openai_connector.zeebe.channel import Connection, gateway, open_channel
from openai_connector.zeebe.commands import Commands, Delivery
from openai_connector.zeebe.oauth import ClientCredentials, TokenError, Tokens
from openai_connector.zeebe.poller import Poller
from tests.make import WorkerOf
from tests.unit.zeebe.fake_gateway import FakeGateway, FakeJob

SECRET = "s3cr3t-of-the-client"


class Clock:
    """A clock that is set by hand, in seconds."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class TokenServer:
    """Hands out token-1, token-2, ...; `answer` replaces the next answers."""

    def __init__(self) -> None:
        self.forms: list[dict[str, str]] = []
        self.answer: web.Response | None = None
        self.expires_in: object = 300
        self.gate = asyncio.Event()
        self.gate.set()
        self.url = ""
        self._runner: web.AppRunner | None = None

    async def start(self, context: ssl.SSLContext | None = None) -> None:
        app = web.Application()
        app.router.add_post("/oauth/token", self._token)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "localhost", 0, ssl_context=context)
        await site.start()
        port = self._runner.addresses[0][1]
        self.url = f"{'https' if context else 'http'}://localhost:{port}/oauth/token"

    async def stop(self) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    async def _token(self, request: web.Request) -> web.Response:
        form = await request.post()
        self.forms.append({name: str(value) for name, value in form.items()})
        number = len(self.forms)
        await self.gate.wait()
        if self.answer is not None:
            return self.answer
        return web.json_response({"access_token": f"token-{number}", "expires_in": self.expires_in})

    def credentials(self, **options: Any) -> ClientCredentials:
        return ClientCredentials(self.url, "worker", SECRET, **options)


@pytest.fixture
async def server() -> AsyncIterator[TokenServer]:
    server = TokenServer()
    await server.start()
    yield server
    server.gate.set()
    await server.stop()


async def test_what_is_asked(server: TokenServer) -> None:
    """The request is a client credentials grant with what was configured, and nothing empty."""
    assert await Tokens(server.credentials()).get() == "token-1"
    assert await Tokens(server.credentials(audience="zeebe-api", scope="jobs")).get() == "token-2"
    plain = {"grant_type": "client_credentials", "client_id": "worker", "client_secret": SECRET}
    assert server.forms == [plain, plain | {"audience": "zeebe-api", "scope": "jobs"}]


async def test_one_request_for_many_calls(server: TokenServer, engine: FakeGateway) -> None:
    """Fifty commands at once with an expired token lead to one token request."""
    server.gate.clear()
    async with open_channel(Connection(engine.target, oauth=server.credentials())) as channel:
        stub = gateway(channel)
        calls = [
            asyncio.ensure_future(stub.SetVariables(pb.SetVariablesRequest(), timeout=60)) for _ in range(50)
        ]
        await engine.until(lambda: len(server.forms) == 1)
        await asyncio.sleep(0.1)
        server.gate.set()
        await asyncio.gather(*calls)
    assert len(server.forms) == 1
    assert [metadata["authorization"] for metadata in engine.metadata] == ["Bearer token-1"] * 50


async def test_renewed_ahead_of_expiry(server: TokenServer, engine: FakeGateway) -> None:
    """A token is renewed before it expires, while everybody goes on with the present one."""
    clock = Clock()
    tokens = Tokens(server.credentials(), clock=clock)
    assert await tokens.get() == "token-1"
    clock.now += 239
    assert await tokens.get() == "token-1"
    assert len(server.forms) == 1
    clock.now += 2  # within the leeway of 60 seconds before the end of 300
    server.gate.clear()
    assert [await tokens.get() for _ in range(3)] == ["token-1"] * 3
    await engine.until(lambda: len(server.forms) == 2)
    server.gate.set()
    async with asyncio.timeout(60):
        while await tokens.get() != "token-2":
            await asyncio.sleep(0.01)
    assert len(server.forms) == 2


async def test_expired_token_is_never_sent(server: TokenServer) -> None:
    """After its expiry a token is not used, even when no other can be had."""
    clock = Clock()
    tokens = Tokens(server.credentials(), clock=clock)
    assert await tokens.get() == "token-1"
    clock.now += 301
    server.answer = web.Response(status=503)
    with pytest.raises(TokenError, match="503"):
        await tokens.get()


async def test_short_lived_token_is_not_renewed_at_once(server: TokenServer) -> None:
    """A lifetime shorter than the leeway does not mean a token request a call."""
    server.expires_in = 30
    tokens = Tokens(server.credentials())
    for _ in range(5):
        assert await tokens.get() == "token-1"
    await asyncio.sleep(0.05)
    assert len(server.forms) == 1


@pytest.mark.parametrize("expires_in", [None, "soon", -5, "300", float("inf")])
async def test_odd_lifetimes(server: TokenServer, expires_in: object) -> None:
    """An odd or missing lifetime is no reason not to use a token."""
    server.expires_in = expires_in
    tokens = Tokens(server.credentials())
    assert await tokens.get() == "token-1"
    assert await tokens.get() == "token-1"


async def test_hung_server(server: TokenServer) -> None:
    """A token server that does not answer is given up after the time limit."""
    server.gate.clear()
    tokens = Tokens(server.credentials(request_timeout=timedelta(seconds=0.2)))
    with pytest.raises(TokenError, match=r"no answer within 0\.2 seconds"):
        await tokens.get()


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (
            web.json_response({"error": "invalid_client"}, status=401),
            r"401 invalid_client.*ZEEBE_CLIENT_ID.*_SECRET",
        ),
        (web.json_response({"error": "unauthorized_client"}, status=400), "ZEEBE_CLIENT_SECRET"),
        (web.json_response({"error": "invalid_scope"}, status=400), "ZEEBE_TOKEN_SCOPE"),
        (web.json_response({"error": SECRET.upper()}, status=403), "status 403\\)"),
        (web.Response(status=404), "ZEEBE_AUTHORIZATION_SERVER_URL"),
        (web.Response(status=302, headers={"Location": "/elsewhere"}), "ZEEBE_AUTHORIZATION_SERVER_URL"),
        (web.Response(status=502, text="<html>"), "asked again"),
        (web.Response(text="<html>"), "without an access token"),
        (web.Response(text="[" * 100_000), "without an access token"),
        (web.json_response(["token"]), "without an access token"),
        (web.json_response({"access_token": "line\nbreak"}), "without an access token"),
        (web.json_response({"access_token": ""}), "without an access token"),
        (web.Response(body=b"x" * 2_000_000), "no access token"),
    ],
)
async def test_refusals_say_what_to_do(server: TokenServer, answer: web.Response, words: str) -> None:
    """Every answer without a token becomes one sentence that says what to check, and never the secret."""
    server.answer = answer
    with pytest.raises(TokenError, match=words) as caught:
        await Tokens(server.credentials()).get()
    assert SECRET.lower() not in str(caught.value).lower()
    assert "localhost" in str(caught.value)


async def test_absent_server_and_secrets_in_its_url() -> None:
    """A token server that is not there is named, without what its URL may hold of secrets."""
    credentials = ClientCredentials("http://user:pa55@localhost:1/token?key=k3y", "worker", SECRET)
    with pytest.raises(TokenError, match="http://localhost:1/token") as caught:
        await Tokens(credentials).get()
    assert not {"pa55", "k3y", SECRET} & set(repr(caught.value).replace("/", " ").split())
    assert "pa55" not in str(caught.value)
    assert "k3y" not in str(caught.value)


def test_secret_is_not_shown(server: TokenServer) -> None:
    """The credentials can be printed."""
    assert SECRET not in repr(server.credentials())


async def test_failure_is_shared_and_then_over(server: TokenServer) -> None:
    """A failed request is not repeated for each call, and is repeated after a pause."""
    clock = Clock()
    tokens = Tokens(server.credentials(), clock=clock)
    server.answer = web.Response(status=503)
    for _ in range(5):
        with pytest.raises(TokenError):
            await tokens.get()
    assert len(server.forms) == 1
    server.answer = None
    clock.now += 0.1
    assert await tokens.get() == "token-2"


async def test_cancelled_caller_does_not_stop_the_request(server: TokenServer, engine: FakeGateway) -> None:
    """The shared request goes on when the call that began it is cancelled."""
    server.gate.clear()
    tokens = Tokens(server.credentials())
    first, second = asyncio.ensure_future(tokens.get()), asyncio.ensure_future(tokens.get())
    await engine.until(lambda: len(server.forms) == 1)
    first.cancel()
    server.gate.set()
    assert await second == "token-1"


async def test_no_token_is_a_status_that_passes(server: TokenServer, engine: FakeGateway, job: Job) -> None:
    """Without a token a command reports UNAVAILABLE.

    And an outcome waits for the token server to come back.
    """
    server.answer = web.json_response({"error": "invalid_client"}, status=401)
    async with open_channel(Connection(engine.target, oauth=server.credentials())) as channel:
        stub = gateway(channel)
        with pytest.raises(AioRpcError) as caught:
            await stub.SetVariables(pb.SetVariablesRequest(), timeout=60)
        assert caught.value.code() is StatusCode.UNAVAILABLE
        assert "ZEEBE_CLIENT_SECRET" in str(caught.value.details())
        report = asyncio.create_task(Commands(stub).report(job, Completed()))
        server.answer = None
        assert (await report).delivery is Delivery.DONE


async def test_subscription_survives_the_token_server(
    server: TokenServer, engine: FakeGateway, caplog: pytest.LogCaptureFixture
) -> None:
    """A subscription outlives refusals of the token server and of the engine.

    And no log line shows secret or token.
    """
    server.answer = web.json_response({"error": "invalid_client"}, status=401)
    engine.authorization = "Bearer token-3"  # token-2 will be refused, so that a new one must be asked for
    engine.add(FakeJob(1))

    async def handle(job: Job) -> Completed:
        return Completed()

    with caplog.at_level(logging.DEBUG):
        async with open_channel(Connection(engine.target, oauth=server.credentials())) as channel:
            stub = gateway(channel)
            subscription = Poller(
                stub,
                Commands(stub),
                WorkerOf(handle),
                job_type="t",
                worker_name="w",
                events=Events(log_event),
            )
            polling = asyncio.create_task(subscription.run())
            await engine.until(lambda: "ZEEBE_CLIENT_SECRET" in caplog.text)
            server.answer = None
            await engine.until(lambda: engine.jobs[1].ended == "completed")
            await subscription.drain(timedelta(seconds=1))
            await polling
    assert SECRET not in caplog.text
    assert "token-3" not in caplog.text


async def test_refused_token_of_a_command(server: TokenServer, engine: FakeGateway, job: Job) -> None:
    """A token that the engine refuses is replaced, and the command that it came with succeeds."""
    engine.authorization = "Bearer token-2"
    async with open_channel(Connection(engine.target, oauth=server.credentials())) as channel:
        assert (await Commands(gateway(channel)).report(job, Completed())).delivery is Delivery.DONE
    assert len(server.forms) == 2


async def test_private_authority(tmp_path: Path) -> None:
    """A token server with a certificate of a private authority is trusted only when that authority is given."""
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    server = TokenServer()
    await server.start(context)
    try:
        assert await Tokens(server.credentials(ca_certificate=tmp_path / "ca.pem")).get() == "token-1"
        with pytest.raises(TokenError, match="certificate is not trusted"):
            await Tokens(server.credentials()).get()
    finally:
        await server.stop()
