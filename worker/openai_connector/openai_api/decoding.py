"""From a body's bytes to its text: encodings of the content and of the letters, under all their names."""

from __future__ import annotations

import codecs
import re
import zlib
from typing import Final

from openai_connector import wording
from openai_connector.document import parse_answer

MOST_ENCODINGS: Final = 2
_GZIP: Final = ("gzip", "x-gzip")
_DEFLATE: Final = ("deflate", "x-deflate")
_NONE: Final = ("", "identity", "none")
_CHARSET: Final = re.compile(r";\s*charset\s*=\s*[\"']?\s*([\w.:+-]{1,40})", re.ASCII | re.IGNORECASE)
_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
"""Marks at a text's beginning that say how it is encoded, whatever the header says."""
_ASCII: Final = "ascii"  # which UTF-8 reads as well, and more
_UTF_8: Final = re.compile(r"(?:.*[^a-z0-9])?utf[-_]?8(?!\d).*", re.IGNORECASE)
_UNFIT: Final = re.compile(r"idna|punycode|.*escape|utf_?7|undefined", re.IGNORECASE)
"""Codecs of Python in which other letters are written as ASCII."""
_OF_A_MACHINE: Final = re.compile(r"mbcs|oem")
_GZIP_WINDOW, _RAW_WINDOW = 16 + zlib.MAX_WBITS, -zlib.MAX_WBITS


class Unreadable(Exception):  # noqa: N818
    """A body cannot be read; the message says why, `reason` finds the advice."""

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


def unpack(content: bytes, encodings: str, limit: int) -> bytes:
    """Return a body as it was before its encoding (`Content-Encoding`), of at most `limit` bytes.

    Raises:
        Unreadable: it is larger, or packed too often, or cannot be unpacked.
    """
    names = [name for part in encodings.split(",") if (name := part.strip().lower()) not in _NONE]
    if len(names) > MOST_ENCODINGS:
        raise Unreadable(wording.API_PACKED_TOO_OFTEN(most=MOST_ENCODINGS), "packed_too_often")
    for name in reversed(names) if content else ():
        _check_size(content, limit)
        if name in _GZIP:
            content = _inflate(content, _GZIP_WINDOW, limit)
        elif name in _DEFLATE:
            content = _inflate(content, _window_of(content), limit)
        elif not _is_json(content):  # some servers name here what is no encoding, "utf-8" for example
            raise Unreadable(wording.API_ENCODING(encoding=name[:40]), "encoding")
    _check_size(content, limit)
    return content


def _check_size(content: bytes, limit: int) -> None:
    if len(content) > limit:
        raise Unreadable(wording.API_TOO_LARGE(limit=f"{limit / 1e6:.0f}"), "too_large")


def _inflate(content: bytes, window: int, limit: int) -> bytes:
    """Unpack all members of gzip, or the one of deflate; what follows the last one is padding."""
    unpacked, rest = b"", content
    while rest and not (unpacked and rest[:1] != content[:1]):
        member = zlib.decompressobj(window)
        try:
            unpacked += member.decompress(rest, limit + 1 - len(unpacked))
        except zlib.error:
            raise Unreadable(wording.API_CANNOT_UNPACK(), "cannot_unpack") from None
        if len(unpacked) > limit:
            break
        if not member.eof and not _is_json(unpacked):  # whole, but without the checksum at its end
            raise Unreadable(wording.API_CANNOT_UNPACK(), "cannot_unpack")
        rest = member.unused_data if window == _GZIP_WINDOW else b""
    return unpacked


def _window_of(content: bytes) -> int:
    """Return how a deflate stream begins: RFC 9110 wants zlib's header, many servers send none."""
    has_header = content[0] & 0x0F == 8 and len(content) > 1 and (content[0] << 8 | content[1]) % 31 == 0
    return zlib.MAX_WBITS if has_header else _RAW_WINDOW


def _is_json(content: bytes) -> bool:
    try:
        parse_answer(content.decode("utf-8-sig"))
    except ValueError:
        return False
    return True


def text_of(content: bytes, content_type: str) -> str:
    """Return a body's text by its byte-order mark, else its declared charset, else as UTF-8.

    Raises:
        Unreadable: the bytes are not of that charset. Other letters are never put in their place.
    """
    charset = _charset(content, content_type)
    try:
        return content.decode(charset).removeprefix("\ufeff")
    except UnicodeError:
        raise Unreadable(wording.API_CHARSET(charset=charset), "charset") from None


def _charset(content: bytes, content_type: str) -> str:
    """Return the charset by which a body is read.

    Raises:
        Unreadable: it declares one that is not known, and other letters than ASCII's.
    """
    for mark, charset in _MARKS:
        if content.startswith(mark):
            return charset
    declared = _CHARSET.search(content_type)
    if declared is None:
        return "utf-8"
    name = declared[1]
    try:
        codec = codecs.lookup(name)
        "".encode(codec.name)  # fails for codecs of something else than text
        found = codec.name.replace("-", "_")
    except (LookupError, UnicodeError):
        found = ""
    if _UNFIT.fullmatch(found or name):
        raise Unreadable(wording.API_UNKNOWN_CHARSET(charset=name), "charset")
    if found and not _OF_A_MACHINE.fullmatch(found):
        return "utf-8" if found == _ASCII else found
    if content.isascii() or _UTF_8.fullmatch(name):  # the same in all that it may mean
        return "utf-8"
    raise Unreadable(wording.API_UNKNOWN_CHARSET(charset=name), "charset")
