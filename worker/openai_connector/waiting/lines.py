"""The lines of a batch's files: pure."""

from __future__ import annotations

import re
from array import array
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final

from openai_connector.document import parse_answer
from openai_connector.openai_api import ApiResponse
from openai_connector.waiting.response_api import FINGERPRINT_CHARACTERS

_HEAD: Final = re.compile(rb'\s*\{\s*(?:"id"\s*:\s*(?:"[^"\\]*"|null)\s*,\s*)?"custom_id"\s*:\s*"([^"\\]*)"')
"""Of a line as it is usual; another one is read as a whole."""


def custom_id(job_key: int, fingerprint: str, spent: int) -> str:
    """Return the name of a job's line: the same for the same purchase, whoever makes it."""
    name = f"{job_key}-{fingerprint[:FINGERPRINT_CHARACTERS]}"
    return f"{name}-{spent}" if spent else name


def mark(name: str) -> int:
    """Return a number of 64 bits for a line's name: there are too many names to be kept themselves."""
    return int.from_bytes(blake2b(name.encode("utf-8", "replace"), digest_size=8).digest(), "big")


def line_of(name: str, endpoint: str, body: bytes) -> list[bytes]:
    """Return a line in pieces."""
    return [f'{{"custom_id":"{name}","method":"POST","url":"{endpoint}","body":'.encode(), body, b"}\n"]


def name_in(line: bytes) -> str | None:
    """Return the custom id of a line of any of the files; None: it has none."""
    if (found := _HEAD.match(line)) is not None:
        return found[1].decode("utf-8", "replace")
    entry = _read(line)
    name = entry.get("custom_id") if isinstance(entry, Mapping) else None
    return name if isinstance(name, str) else None


def _read(line: bytes) -> Any:
    try:
        return parse_answer(line.decode("utf-8", "replace"))
    except ValueError:
        return None


class Splitter:
    """Makes lines of what arrives.

    Args:
        take: is given each line, without its end, and where it begins.
    """

    def __init__(self, take: Callable[[bytes, int], object]) -> None:
        self._take = take
        self._rest: list[bytes] = []
        self._begins = 0

    def write(self, chunk: bytes) -> None:
        """Take some bytes."""
        *ended, rest = chunk.split(b"\n")
        for part in ended:
            self._rest.append(part)
            self.close()
            self._begins += 1
        self._rest.append(rest)

    def close(self) -> None:
        """End the line that has begun."""
        line = b"".join(self._rest)
        self._rest.clear()
        if line.strip():
            self._take(line, self._begins)
        self._begins += len(line)


class Names(Splitter):
    """The names in an input file, in its order."""

    def __init__(self) -> None:
        super().__init__(self._name)
        self.marks = array("Q")

    def _name(self, line: bytes, _begins: int) -> None:
        self.marks.append(mark(name_in(line) or ""))


@dataclass(frozen=True, slots=True)
class Refused:
    """A line that was not run, or whose response is none."""

    code: str
    message: str


def read_line(line: bytes) -> ApiResponse | Refused:
    """Return what a line of the output or the error file says."""
    entry = _read(line)
    if not isinstance(entry, Mapping):
        return Refused("", "it is no JSON")
    response, error = entry.get("response"), entry.get("error")
    if isinstance(response, Mapping):
        status, body = response.get("status_code"), response.get("body")
        if isinstance(status, int) and status >= 100:
            if isinstance(body, str):
                body = _read(body.encode()) or body
            id_ = response.get("request_id")
            headers: dict[str, str | list[str]] = {"x-request-id": id_} if isinstance(id_, str) else {}
            return ApiResponse(status, headers, body, size=len(line))
    if isinstance(error, Mapping):
        return Refused(str(error.get("code") or ""), str(error.get("message") or ""))
    return Refused("", "it has no answer")
