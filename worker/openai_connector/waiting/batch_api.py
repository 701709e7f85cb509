"""The requests about batches and their files, as OpenAI's Batch API has them."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from secrets import token_hex
from typing import Any, Final, Protocol
from urllib.parse import quote

from openai_connector import wording
from openai_connector.calls import Api
from openai_connector.contract import NO_BATCH
from openai_connector.job import Recovery, TaskError
from openai_connector.openai_api import ApiResponse, check_answer, encode_body
from openai_connector.tasks.task_type import Request
from openai_connector.waiting.lines import Names

ENDPOINTS: Final = ("/chat/completions", "/responses", "/moderations", "/embeddings")
"""What can be asked by a batch, below the base URL."""
ENDED: Final = frozenset({"completed", "failed", "expired", "cancelled"})
"""A batch of such a status does not change any more."""
WINDOW: Final = "24h"
MOST_LINES: Final = 50_000
MOST_BYTES: Final = 190_000_000
"""Of one file; the API takes 200 MB."""
KEPT_FOR: Final = 3 * 24 * 3600
"""Seconds after which the API deletes files that nobody has deleted: longer than a worker is away."""
PAGE: Final = 100
LOOK_TIMEOUT: Final = timedelta(seconds=30)
FILE_TIMEOUT: Final = timedelta(minutes=10)


class Files(Protocol):
    """What moves files: `openai_api.ApiClient`."""

    async def upload(
        self, url: str, *, parts: Sequence[bytes], headers: Mapping[str, str], timeout: timedelta
    ) -> ApiResponse:
        """Send a long body, and return the response."""
        ...

    async def download(
        self,
        url: str,
        *,
        headers: Mapping[str, str],
        timeout: timedelta,
        write: Callable[[bytes], object],
    ) -> ApiResponse:
        """Hand on a file as it arrives, and return the response without it."""
        ...


class NoBatchError(TaskError):
    """The address is none whose answers can be made by a batch."""

    code = NO_BATCH
    recovery = Recovery.PERMANENT


@dataclass(frozen=True, slots=True)
class Account:
    """Where batches are, and whose."""

    base_url: str = field(repr=False)
    headers: tuple[tuple[str, str], ...] = field(repr=False)

    def address(self, path: str, query: str = "") -> str:
        """Return an address below the base URL, whose own query stays."""
        base, _, own = self.base_url.partition("?")
        asked = "&".join(part for part in (own, query) if part)
        return f"{base}{path}?{asked}" if asked else base + path


def account_of(request: Request) -> tuple[Account, str]:
    """Return whose batch a request belongs into, and the endpoint that such a batch has.

    Raises:
        NoBatchError: it cannot be asked by a batch.
    """
    path, mark, query = request.url.partition("?")
    for endpoint in ENDPOINTS:
        if path.endswith(endpoint):
            base_url = path.removesuffix(endpoint) + mark + query
            return Account(base_url, tuple(request.headers.items())), f"/v1{endpoint}"
    raise NoBatchError(wording.NO_BATCH())


class BatchApi:
    """Asks; each method raises an `ApiError` where there is no usable answer.

    Args:
        api: sends requests.
        files: moves files.
    """

    def __init__(self, api: Api, files: Files) -> None:
        self._api = api
        self._files = files

    async def upload(self, account: Account, lines: Sequence[bytes]) -> str:
        """Upload a file of lines, which come in pieces, and return its id."""
        fence = token_hex(16)
        parts = form(fence, lines)
        headers = {**dict(account.headers), "Content-Type": f"multipart/form-data; boundary={fence}"}
        response = await self._files.upload(
            account.address("/files"), parts=parts, headers=headers, timeout=FILE_TIMEOUT
        )
        return str(_object(response)["id"])

    async def submit(
        self, account: Account, file_id: str, endpoint: str, metadata: Mapping[str, str], timeout: timedelta
    ) -> Mapping[str, Any]:
        """Have a file's lines run, and return the batch."""
        asked = {
            "input_file_id": file_id,
            "endpoint": endpoint,
            "completion_window": WINDOW,
            "metadata": metadata,
            "output_expires_after": {"anchor": "created_at", "seconds": KEPT_FOR},
        }
        return _object(await self._send("POST", account, "/batches", asked, timeout))

    async def look(self, account: Account, batch_id: str) -> Mapping[str, Any]:
        """Return a batch."""
        return _object(await self._send("GET", account, f"/batches/{quote(batch_id, safe='')}"))

    async def page(self, account: Account, after: str | None) -> tuple[list[Mapping[str, Any]], bool]:
        """Return some batches, the newest first, and whether there are more."""
        query = f"limit={PAGE}" + (f"&after={quote(after, safe='')}" if after else "")
        response = await self._send("GET", account, "/batches", query=query)
        check_answer(response, missing_in=_no_list)
        data = response.body["data"]
        return [one for one in data if _is_object(one)], bool(response.body.get("has_more"))

    async def download(self, account: Account, file_id: str, write: Callable[[bytes], object]) -> None:
        """Hand on a file as it arrives."""
        response = await self._files.download(
            account.address(f"/files/{quote(file_id, safe='')}/content"),
            headers=dict(account.headers),
            timeout=FILE_TIMEOUT,
            write=write,
        )
        if not 200 <= response.status < 300:
            check_answer(response, missing_in=lambda _body: "a file")

    async def marks(self, account: Account, file_id: str) -> array[int]:
        """Return the marks of the lines of an input file, in their order."""
        names = Names()
        await self.download(account, file_id, names.write)
        names.close()
        return names.marks

    async def cancel(self, account: Account, batch_id: str) -> None:
        """Have a batch stopped."""
        _object(await self._send("POST", account, f"/batches/{quote(batch_id, safe='')}/cancel"))

    async def delete_file(self, account: Account, file_id: str) -> None:
        """Delete a file."""
        _object(await self._send("DELETE", account, f"/files/{quote(file_id, safe='')}"))

    async def _send(
        self,
        method: str,
        account: Account,
        path: str,
        body: Mapping[str, Any] | None = None,
        timeout: timedelta = LOOK_TIMEOUT,
        *,
        query: str = "",
    ) -> ApiResponse:
        return await self._api.send(
            method,
            account.address(path, query),
            body=None if body is None else encode_body(body),
            headers=dict(account.headers),
            timeout=timeout,
        )


def _object(response: ApiResponse) -> Mapping[str, Any]:
    """Return the object that a response is: a failed batch is one, too."""
    body = response.body
    if not (200 <= response.status < 300 and _is_object(body)):
        check_answer(response, missing_in=lambda _body: "id")
    found: Mapping[str, Any] = body
    return found


def _is_object(body: Any) -> bool:
    return isinstance(body, Mapping) and isinstance(body.get("id"), str)


def _no_list(body: Any) -> str | None:
    return None if isinstance(body, Mapping) and isinstance(body.get("data"), list) else "data"


def form(fence: str, lines: Sequence[bytes]) -> list[bytes]:
    """Return the parts of a form with a batch's file."""
    fields = {
        "purpose": "batch",
        "expires_after[anchor]": "created_at",
        "expires_after[seconds]": str(KEPT_FOR),
    }
    head = "".join(
        f'--{fence}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    )
    head += (
        f'--{fence}\r\nContent-Disposition: form-data; name="file"; filename="camunda-openai-connector.jsonl"'
        "\r\nContent-Type: application/jsonl\r\n\r\n"
    )
    return [head.encode(), *_pieces(lines), f"\r\n--{fence}--\r\n".encode()]


def _pieces(lines: Sequence[bytes], size: int = 256 * 1024) -> list[bytes]:
    """Return lines in fewer pieces: small ones are joined."""
    pieces: list[bytes] = []
    some: list[bytes] = []
    length = 0
    for line in lines:
        some.append(line)
        length += len(line)
        if length >= size:
            pieces.append(b"".join(some))
            some, length = [], 0
    return [*pieces, b"".join(some)] if some else pieces
