"""A client of the API."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from datetime import timedelta

import httpx
import pytest

from openai_connector.openai_api import ApiClient, ApiError, ApiResponse, check_answer
from tests.stand_in import StandIn


@pytest.fixture
async def api() -> AsyncIterator[StandIn]:
    async with StandIn() as stand_in:
        yield stand_in


@pytest.fixture(scope="session")
def tls() -> ssl.SSLContext:
    """Read the certificate authorities once: that is most of what a client costs."""
    return httpx.create_ssl_context()


@pytest.fixture
async def client(tls: ssl.SSLContext) -> AsyncIterator[ApiClient]:
    client = ApiClient(verify=tls)
    yield client
    await client.aclose()


async def ask(
    client: ApiClient,
    url: str,
    *,
    body: bytes | None = b"{}",
    headers: dict[str, str] | None = None,
    timeout: float = 60,
) -> ApiResponse:
    """Ask, and take an answer of any shape."""
    response = await client.send(
        "POST",
        f"{url}/chat/completions",
        body=body,
        headers=headers or {},
        timeout=timedelta(seconds=timeout),
    )
    check_answer(response, missing_in=lambda _: None)
    return response


async def error_of(client: ApiClient, url: str, *, body: bytes = b"{}", timeout: float = 60) -> ApiError:
    """Ask, and get an error."""
    with pytest.raises(ApiError) as caught:
        await ask(client, url, body=body, timeout=timeout)
    return caught.value
