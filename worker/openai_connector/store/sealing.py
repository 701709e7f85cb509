"""Answers as bytes: JSON, encrypted where there is a key (AES-256-GCM).

What is encrypted is bound to its place: moved to another job it cannot be read. The first byte says which
form it is, so that keys may be introduced, and changed, while answers are stored.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import os
import time
from collections.abc import Iterator, Sequence
from typing import Any, Final

from openai_connector import wording
from openai_connector.store import StoreError

PLAIN: Final = b"\x00"
ENCRYPTED: Final = b"\x01"
KEY_BYTES: Final = 32
ID_BYTES: Final = 4
NONCE_BYTES: Final = 12
PIECE: Final = 50
"""Items of a long list that are encoded at once: other threads get their turn in between."""


def read_keys(text: str) -> list[bytes]:
    """Read keys, comma between, each 32 bytes as Base64.

    Raises:
        ValueError: one is none; the message does not show it.
    """
    keys: list[bytes] = []
    for part in text.split(","):
        if not (given := part.strip()):
            continue
        try:
            key = base64.b64decode(given.replace("-", "+").replace("_", "/"), validate=True)
        except (binascii.Error, ValueError):
            key = b""
        if len(key) != KEY_BYTES:
            raise ValueError(wording.STORE_KEY_FORM())
        keys.append(key)
    return keys


class Sealing:
    """Turns texts into bytes to be stored, and back."""

    def __init__(self, keys: Sequence[bytes] = ()) -> None:
        self._ciphers: dict[bytes, Any] = {}
        if keys:
            try:
                from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # only where there is a key
            except ImportError:
                raise StoreError(wording.STORE_NO_CIPHER()) from None
            self._ciphers = {_id(key): AESGCM(key) for key in keys}
        self._first = next(iter(self._ciphers), None)

    def seal(self, text: str, place: str) -> bytes:
        """Return the bytes to be stored for a text at its place."""
        data = text.encode("utf-8", "surrogatepass")
        if self._first is None:
            return PLAIN + data
        nonce = os.urandom(NONCE_BYTES)
        sealed: bytes = self._ciphers[self._first].encrypt(nonce, data, place.encode())
        return ENCRYPTED + self._first + nonce + sealed

    def unseal(self, data: bytes, place: str) -> str:
        """Return the text.

        Raises:
            StoreError: no key fits, or the bytes are not those that were stored here.
        """
        form, rest = data[:1], data[1:]
        if form == ENCRYPTED:
            cipher = self._ciphers.get(rest[:ID_BYTES])
            if cipher is None:
                raise StoreError(wording.STORE_KEY_MISSING())
            nonce, sealed = rest[ID_BYTES : ID_BYTES + NONCE_BYTES], rest[ID_BYTES + NONCE_BYTES :]
            try:
                rest = cipher.decrypt(nonce, sealed, place.encode())
            except Exception:  # InvalidTag, or bytes that are too few
                raise StoreError(wording.STORE_ENTRY_UNREADABLE()) from None
        elif form != PLAIN:
            raise StoreError(wording.STORE_ENTRY_UNREADABLE())
        return rest.decode("utf-8", "surrogatepass")


def _id(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()[:ID_BYTES]


def encode(value: Any) -> str:
    """Write JSON, long lists in pieces.

    The encoder keeps all other threads waiting while it works: with one that is given 10 MB, the event loop
    would stand still for that long.
    """
    return "".join(_pieces(value))


def _pieces(value: Any) -> Iterator[str]:
    if isinstance(value, dict) and not all(isinstance(item, _SCALARS) for item in value.values()):
        before = "{"
        for key, item in value.items():
            yield f"{before}{_dumps(str(key))}:"
            yield from _pieces(item)
            before = ","
        yield "}"
    elif isinstance(value, list) and len(value) > PIECE:
        before = "["
        for begin in range(0, len(value), PIECE):
            yield before + _dumps(value[begin : begin + PIECE])[1:-1]
            time.sleep(0)  # lets another thread go first
            before = ","
        yield "]"
    elif isinstance(value, list) and not all(isinstance(item, _SCALARS) for item in value):
        before = "["
        for item in value:
            yield before
            yield from _pieces(item)
            before = ","
        yield "]"
    else:
        yield _dumps(value)


_SCALARS: Final = (str, int, float, type(None))
_dumps: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), check_circular=False).encode
