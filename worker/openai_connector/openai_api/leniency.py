"""How clients in general read a response's head that h11 refuses."""

from __future__ import annotations

import re
from typing import Final

_END: Final = re.compile(rb"\r?\n\r?\n")
_NAME: Final = re.compile(rb"[-!#$%&'*+.^_`|~0-9a-zA-Z]+")
_STATUS_LINE: Final = re.compile(rb"(HTTP/[0-9.]+)[ \t]+([0-9]{3})(?![0-9])[ \t]*(.*)")
_LENGTH: Final = re.compile(rb"\s*\+?0*([0-9]{1,18})(?:\.0*)?\s*")
_CONTROLS: Final = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_SHOWN: Final = 100_000  # bytes of a response that cannot be read


def readable(received: bytes) -> bytes | None:
    """Return a response's beginning with a head that h11 reads; None where nothing can be done.

    Header lines that are none are left out, as curl and browsers do. What says where the body ends is read as
    all read it, and otherwise left as it is, for h11 to refuse.
    """
    end = _END.search(received)
    if end is None:
        return None
    first, *lines = re.split(rb"\r?\n", received[: end.start()])
    status = _STATUS_LINE.fullmatch(_CONTROLS.sub(b" ", first))
    kept = [b" ".join(status.groups()) if status else first]
    codings: list[bytes] = []
    for line in lines:
        name, colon, value = line.partition(b":")
        name, value = name.strip(b" \t"), _CONTROLS.sub(b" ", value).strip()
        if line[:1] in (b" ", b"\t") or not colon or not _NAME.fullmatch(name):
            continue
        if name.lower() == b"transfer-encoding":
            codings += [coding.strip() for coding in value.lower().split(b",")]
            continue
        if name.lower() == b"content-length":
            value = b", ".join(map(_length, value.split(b",")))
        kept.append(name + b": " + value)
    codings = [coding for coding in codings if coding not in (b"", b"identity")]
    if codings:
        is_chunked = set(codings) == {b"chunked"}
        kept.append(b"Transfer-Encoding: " + (b"chunked" if is_chunked else b", ".join(codings)))
    mended = b"\r\n".join(kept) + b"\r\n\r\n" + received[end.end() :]
    return None if mended == received else mended


def _length(text: bytes) -> bytes:
    """Return a length as h11 reads it, where it is one; several that are equal are one to it."""
    length = _LENGTH.fullmatch(text)
    return length[1] if length else text.strip()


def salvaged(received: bytes) -> tuple[int, dict[str, str | list[str]], str]:
    """Return what can be told of a response whose head cannot be read: status (else 0), headers, text."""
    status = _STATUS_LINE.match(received)
    end = _END.search(received)
    headers: dict[str, str | list[str]] = {}
    if status is None or end is None:
        return int(status[2]) if status else 0, headers, received[:_SHOWN].decode("utf-8", "replace")
    for line in re.split(rb"\r?\n", received[: end.start()])[1:]:
        name, colon, value = line.partition(b":")
        if colon and _NAME.fullmatch(name):
            headers.setdefault(name.decode(), value.strip(b" \t").decode("utf-8", "replace"))
    return int(status[2]), headers, received[end.end() :][:_SHOWN].decode("utf-8", "replace")
