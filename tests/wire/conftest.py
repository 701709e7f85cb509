"""The four ways to a server: plain, over TLS, through a proxy, and through a proxy's tunnel."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager

import pytest
import trustme

from openai_connector.openai_api import ApiClient, Proxies
from tests.wire.raw import RawProxy, RawServer, Step

WAYS = ("plain", "tls", "proxy", "tunnel")
Wire = Callable[..., AbstractAsyncContextManager[tuple[RawServer, ApiClient]]]


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    """Found a certificate authority."""
    return trustme.CA()


@pytest.fixture(scope="session")
def server_tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1", "localhost").configure_cert(context)
    return context


@pytest.fixture(scope="session")
def client_tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


@pytest.fixture
async def client(client_tls: ssl.SSLContext) -> AsyncIterator[ApiClient]:
    """Open a client that knows no proxy."""
    client = ApiClient(verify=client_tls, proxies=Proxies.of({}))
    yield client
    await client.aclose()


@pytest.fixture(params=WAYS)
def wire(request: pytest.FixtureRequest, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext) -> Wire:
    """Open a server of the given scripts, and a client that reaches it in one of the four ways."""

    @asynccontextmanager
    async def opened(*scripts: Sequence[Step]) -> AsyncIterator[tuple[RawServer, ApiClient]]:
        is_secure = request.param in ("tls", "tunnel")
        async with AsyncExitStack() as stack:
            environment = {}
            if request.param in ("proxy", "tunnel"):
                proxy = await stack.enter_async_context(RawProxy())
                environment["ALL_PROXY"] = proxy.url
            server = await stack.enter_async_context(
                RawServer(*scripts, tls=server_tls if is_secure else None)
            )
            client = ApiClient(verify=client_tls, proxies=Proxies.of(environment))
            stack.push_async_callback(client.aclose)
            yield server, client

    return opened
