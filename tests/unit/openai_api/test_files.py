"""Files of batches on a real wire: sent in parts, read as they arrive, whatever the other side does meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest

from openai_connector.openai_api import ApiClient, ApiConnectionError, ApiError, ApiTimeoutError
from openai_connector.waiting.batch_api import form
from tests.openai_stand_in.api import OpenAI

MINUTE = timedelta(minutes=1)
LINE = b'{"custom_id":"1","method":"POST","url":"/v1/responses","body":{"input":"' + b"x" * 1000 + b'"}}\n'
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Any]


@pytest.fixture
async def openai() -> AsyncIterator[OpenAI]:
    """An API that tells the truth."""
    async with OpenAI() as api:
        yield api
        assert api.complaints == []


@asynccontextmanager
async def served(serve: Serve) -> AsyncIterator[str]:
    """Serve each connection in a way."""

    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve(reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(once, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def upload(client: ApiClient, base_url: str, lines: list[bytes], seconds: float = 60) -> Any:
    """Upload a file."""
    headers = {"Authorization": "Bearer k", "Content-Type": "multipart/form-data; boundary=fence"}
    return await client.upload(
        f"{base_url}/files", parts=form("fence", lines), headers=headers, timeout=timedelta(seconds=seconds)
    )


async def download(client: ApiClient, url: str, seconds: float = 60) -> tuple[Any, bytes]:
    """Read a file."""
    chunks: list[bytes] = []
    headers = {"Authorization": "Bearer k"}
    timeout = timedelta(seconds=seconds)
    response = await client.download(url, headers=headers, timeout=timeout, write=chunks.append)
    return response, b"".join(chunks)


@pytest.mark.parametrize("count", [1, 300, 20_000], ids=["small", "some_pieces", "20_MB"])
async def test_a_file_comes_back_as_it_was_sent(client: ApiClient, openai: OpenAI, count: int) -> None:
    """Whatever its size; the connection is used again."""
    lines = [LINE] * count
    response = await upload(client, openai.base_url, lines)
    assert response.status == 200
    assert response.body["bytes"] == len(LINE) * count
    assert response.body["expires_at"] - response.body["created_at"] == 3 * 24 * 3600
    read, content = await download(client, f"{openai.base_url}/files/{response.body['id']}/content")
    assert (read.status, read.body) == (200, None)
    assert content == LINE * count
    assert openai.connections_made == 1


async def test_a_file_that_is_not_there_has_a_response_with_its_error(
    client: ApiClient, openai: OpenAI
) -> None:
    """Nothing is written of it."""
    response, content = await download(client, f"{openai.base_url}/files/file-none/content")
    assert response.status == 404
    assert "file-none" in response.body["error"]["message"]
    assert content == b""


async def test_a_refusal_in_the_middle_of_an_upload_is_read(client: ApiClient) -> None:
    """The rest is not sent, and the connection not used again."""

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        body = b'{"error":{"message":"too large"}}'
        writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        await writer.drain()
        while await reader.read(65536):  # a proper server takes what is still on its way
            pass

    async with served(refuse) as url:
        response = await upload(client, url, [LINE] * 50_000)
        assert (response.status, response.body) == (413, {"error": {"message": "too large"}})


async def test_an_upload_that_nobody_reads_ends_with_its_time(client: ApiClient) -> None:
    """It waits for the other side, and not for ever."""

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(30)

    async with served(hang) as url:
        with pytest.raises(ApiTimeoutError):
            await upload(client, url, [LINE] * 50_000, seconds=0.5)


async def test_an_upload_whose_connection_breaks_is_no_response(client: ApiClient) -> None:
    """The file may be there or not: whoever asks finds out."""

    async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100_000)
        writer.transport.abort()

    async with served(cut) as url:
        with pytest.raises(ApiConnectionError):
            await upload(client, url, [LINE] * 50_000)


ENDS: list[Any] = [
    pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", ApiConnectionError, id="too_short"),
    pytest.param(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        ApiConnectionError,
        id="no_last_chunk",
    ),
    pytest.param(
        b"HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Length: 4\r\n\r\nhalf", ApiError, id="packed"
    ),
    pytest.param(b"HTTP/1.1 20", ApiError, id="in_the_head"),
]


@pytest.mark.parametrize(("sent", "kind"), ENDS)
async def test_half_a_file_is_no_file(client: ApiClient, sent: bytes, kind: type[Exception]) -> None:
    """Its lines would be missing."""

    async def half(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(sent)
        await writer.drain()

    async with served(half) as url:
        with pytest.raises(kind):
            await download(client, f"{url}/files/f/content")


async def test_a_file_that_stops_coming_ends_with_its_time(client: ApiClient) -> None:
    """Half of it is of no use."""

    async def stop(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
        await asyncio.sleep(30)

    async with served(stop) as url:
        with pytest.raises(ApiTimeoutError):
            await download(client, f"{url}/files/f/content", seconds=0.3)
