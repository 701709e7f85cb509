"""Responses, byte by byte, by the kind of what is odd in them: those that are read, and those that cannot be."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Mapping
from typing import Final

from tests.wire.raw import ANSWER, chunked, response

SIZE: Final = len(ANSWER)
HEAD: Final = b"HTTP/1.1 200 OK\r\n"
LENGTH: Final = b"Content-Length: %d\r\n" % SIZE
CHUNKED: Final = b"Transfer-Encoding: chunked"
PACKED: Final = gzip.compress(ANSWER)
LETTERS: Final = {"content": "Zürich"}
WRITTEN: Final = json.dumps(LETTERS, ensure_ascii=False)


def raw_deflate(content: bytes) -> bytes:
    """Return content as deflate without zlib's header."""
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(content) + packer.flush()


def in_chunks(body: bytes = chunked(ANSWER), *lines: bytes) -> bytes:
    """Return a response whose body comes in chunks."""
    return response(body, CHUNKED, *lines, length=None)


STATUS_LINES: Final[Mapping[str, bytes]] = {
    "latin-1 reason": response(status="200 Très bien".encode("latin-1")),
    "utf-8 reason": response(status="200 Très bien".encode()),
    "no reason": response(status=b"200"),
    "empty reason": response(status=b"200 "),
    "tab in the reason": response(status=b"200 a\tb"),
    "control character in the reason": response(status=b"200 a\x01b"),
    "two spaces": response(status=b" 200  OK"),
    "HTTP/1.0": response(version=b"1.0"),
    "HTTP/1.2": response(version=b"1.2"),
}
HEADERS: Final[Mapping[str, bytes]] = {
    "space in a name": response(ANSWER, b"X Bad: 1"),
    "space before the colon": response(ANSWER, b"X-Bad : 1"),
    "space before the length's colon": HEAD + b"Content-Length : %d\r\n\r\n" % SIZE + ANSWER,
    "no colon": response(ANSWER, b"XBad"),
    "empty name": response(ANSWER, b": x"),
    "empty value": response(ANSWER, b"X-A:"),
    "control character": response(ANSWER, b"X-A: a\x01b"),
    "NUL": response(ANSWER, b"X-A: a\0b"),
    "carriage return": response(ANSWER, b"X-A: a\rb"),
    "latin-1 value": response(ANSWER, b"X-A: \xe9"),
    "latin-1 name": response(ANSWER, b"X-\xe9: a"),
    "folded": response(ANSWER, b"X-A: a\r\n b"),
    "folded by a tab": response(ANSWER, b"X-A: a\r\n\tb"),
    "folded first line": HEAD + b" X: a\r\n" + LENGTH + b"\r\n" + ANSWER,
    "ends of lines without carriage return": response().replace(b"\r\n", b"\n"),
    "ends of lines of both kinds": HEAD + LENGTH.replace(b"\r", b"") + b"\r\n" + ANSWER,
    "long": response(ANSWER, b"X: " + b"a" * 60_000),
    "many": response(ANSWER, *[b"X-%d: a" % number for number in range(200)]),
    "no content type": HEAD + LENGTH + b"\r\n" + ANSWER,
    "early hints": b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + response(),
    "continue": b"HTTP/1.1 100 Continue\r\n\r\n" + response(),
    "processing, three times": b"HTTP/1.1 102 Processing\r\n\r\n" * 3 + response(),
    "early hints, then a space in a name": b"HTTP/1.1 103 Hints\r\n\r\n" + response(ANSWER, b"X Bad: 1"),
}
FRAMES: Final[Mapping[str, bytes]] = {
    "chunked and a length": response(chunked(ANSWER), CHUNKED, length=SIZE),
    "length twice": response(ANSWER, LENGTH.strip()),
    "length, length": HEAD + b"Content-Length: %d, %d\r\n\r\n" % (SIZE, SIZE) + ANSWER,
    "length with zeros": HEAD + b"Content-Length: 000%d\r\n\r\n" % SIZE + ANSWER,
    "lengths written differently": response(ANSWER, b"Content-Length: 0%d, +%d" % (SIZE, SIZE)),
    "length with a sign": HEAD + b"Content-Length: +%d\r\n\r\n" % SIZE + ANSWER,
    "no length": response(length=None),
    "no length, HTTP/1.0": response(length=None, version=b"1.0"),
    "chunked, HTTP/1.0": response(chunked(ANSWER), CHUNKED, length=None, version=b"1.0"),
    "chunks of one byte": in_chunks(chunked(*[bytes([byte]) for byte in ANSWER])),
    "chunk with an extension": in_chunks(b"%x;a=b\r\n%s\r\n0\r\n\r\n" % (SIZE, ANSWER)),
    "chunk with spaces": in_chunks(b"%x  \r\n%s\r\n0\r\n\r\n" % (SIZE, ANSWER)),
    "chunk in capitals with zeros": in_chunks(b"00%X\r\n%s\r\n000\r\n\r\n" % (SIZE, ANSWER)),
    "trailers": in_chunks(b"%x\r\n%s\r\n0\r\nX-T: 1\r\n\r\n" % (SIZE, ANSWER)),
    "end of the last chunk missing": in_chunks(b"%x\r\n%s\r\n0\r\n" % (SIZE, ANSWER)),
    "last chunk missing": in_chunks(b"%x\r\n%s\r\n" % (SIZE, ANSWER)),
    "coding in capitals": response(chunked(ANSWER), CHUNKED.replace(b"c", b"C"), length=None),
    "chunked, chunked": response(chunked(ANSWER), CHUNKED + b", chunked", length=None),
    "chunked twice": response(chunked(ANSWER), CHUNKED, CHUNKED, length=None),
    "identity, chunked": response(chunked(ANSWER), b"Transfer-Encoding: identity, chunked", length=None),
    "identity": response(ANSWER, b"Transfer-Encoding: identity"),
    "identity without a length": response(ANSWER, b"Transfer-Encoding: identity", length=None),
    "length too long, JSON whole": response(length=SIZE + 10),
}
PACKINGS: Final[Mapping[str, bytes]] = {
    "gzip": response(PACKED, b"Content-Encoding: gzip"),
    "gzip in capitals": response(PACKED, b"Content-Encoding: GZIP"),
    "x-gzip": response(PACKED, b"Content-Encoding: x-gzip"),
    "gzip of two members": response(
        gzip.compress(ANSWER[:9]) + gzip.compress(ANSWER[9:]), b"Content-Encoding: gzip"
    ),
    "gzip of an empty member": response(gzip.compress(b"") + PACKED, b"Content-Encoding: gzip"),
    "gzip and zeros": response(PACKED + bytes(20), b"Content-Encoding: gzip"),
    "gzip and more": response(PACKED + b"more", b"Content-Encoding: gzip"),
    "gzip without its checksum": response(PACKED[:-8], b"Content-Encoding: gzip"),
    "gzip, identity": response(PACKED, b"Content-Encoding: gzip, identity"),
    "gzip in two headers": response(gzip.compress(PACKED), *[b"Content-Encoding: gzip"] * 2),
    "gzip, gzip": response(gzip.compress(PACKED), b"Content-Encoding: gzip, gzip"),
    "deflate": response(zlib.compress(ANSWER), b"Content-Encoding: deflate"),
    "deflate without header": response(raw_deflate(ANSWER), b"Content-Encoding: deflate"),
    "gzip in chunks": in_chunks(chunked(PACKED[:20], PACKED[20:]), b"Content-Encoding: gzip"),
    "identity": response(ANSWER, b"Content-Encoding: identity"),
    "empty": response(ANSWER, b"Content-Encoding:"),
    "what is no encoding": response(ANSWER, b"Content-Encoding: utf-8"),
    "named but not packed": response(ANSWER, b"Content-Encoding: br"),
    "blank lines before": response(b"\r\n\n \r\n" + ANSWER),
    "byte-order mark": response(b"\xef\xbb\xbf" + ANSWER),
}
READ: Final[Mapping[str, bytes]] = {
    f"{kind}: {name}": raw
    for kind, cases in (
        ("status line", STATUS_LINES),
        ("header", HEADERS),
        ("frame", FRAMES),
        ("packing", PACKINGS),
    )
    for name, raw in cases.items()
}
"""All of these are the same answer."""


def typed(body: bytes, content_type: str) -> bytes:
    """Return a response of a content type."""
    return response(body, content_type=content_type.encode())


CHARSETS: Final[Mapping[str, bytes]] = {
    "latin-1": typed(WRITTEN.encode("latin-1"), "application/json; charset=iso-8859-1"),
    "latin-1, another name": typed(WRITTEN.encode("latin-1"), "application/json;charset=Latin1"),
    "windows-1252 in quotes": typed(WRITTEN.encode("cp1252"), 'application/json; charset="windows-1252"'),
    "utf-16 with mark": typed(WRITTEN.encode("utf-16"), "application/json; charset=utf-16"),
    "utf-16le": typed(WRITTEN.encode("utf-16-le"), "application/json; charset=UTF-16LE"),
    "utf-16 by its mark": typed(WRITTEN.encode("utf-16"), "application/json"),
    "utf-32 by its mark": typed(WRITTEN.encode("utf-32"), "application/json"),
    "utf-8": typed(WRITTEN.encode(), "application/json; Charset=UTF8"),
    "utf-8 by its mark": typed(WRITTEN.encode("utf-8-sig"), "application/json; charset=iso-8859-1"),
    "ascii that is not": typed(WRITTEN.encode(), "application/json; charset=us-ascii"),
    "unknown, in ASCII": typed(json.dumps(LETTERS).encode(), "application/json; charset=klingon"),
    "no charset of text, in ASCII": typed(json.dumps(LETTERS).encode(), "application/json; charset=base64"),
    "utf-8 of a database": typed(WRITTEN.encode(), "application/json; charset=utf8mb4"),
    "utf-8 by an old name": typed(WRITTEN.encode(), "application/json; charset=unicode-1-1-utf-8"),
    "unknown, by its mark": typed(WRITTEN.encode("utf-8-sig"), "application/json; charset=klingon"),
    "cyrillic": typed(json.dumps(LETTERS).encode("koi8-r"), "application/json; charset=koi8-r"),
}
"""All of these are LETTERS."""

UNREADABLE: Final[Mapping[str, bytes]] = {
    "lengths that differ": HEAD + LENGTH + b"Content-Length: 3\r\n\r\n" + ANSWER,
    "length that is none": HEAD + b"Content-Length: x\r\n\r\n" + ANSWER,
    "negative length": HEAD + b"Content-Length: -1\r\n\r\n" + ANSWER,
    "length too short": response(length=SIZE - 10),
    "chunk size that is none": in_chunks(b"zz\r\n" + ANSWER + b"\r\n0\r\n\r\n"),
    "chunk size with 0x": in_chunks(b"0x%x\r\n%s\r\n0\r\n\r\n" % (SIZE, ANSWER)),
    "chunk longer than its size": in_chunks(b"5\r\n%s\r\n0\r\n\r\n" % ANSWER),
    "ends of chunks without carriage return": in_chunks(b"%x\n%s\n0\n\n" % (SIZE, ANSWER)),
    "unknown transfer coding": response(chunked(ANSWER), b"Transfer-Encoding: br, chunked", length=None),
    "garbage": b"garbage\r\n\r\n",
    "JSON without HTTP": ANSWER,
    "HTTP/2": b"\x00\x00\x12\x04\x00\x00\x00\x00\x00",
    "TLS alert": b"\x15\x03\x01\x00\x02\x02\x46",
    "SSH": b"SSH-2.0-OpenSSH_9.2\r\n",
    "status of four digits": response(status=b"1000 Odd"),
    "status that is none": response(status=b"20x OK"),
    "status below 100": response(status=b"099 Odd"),
    "switch that was not asked for": b"HTTP/1.1 101 Switch\r\nUpgrade: h2c\r\n\r\n" + response(),
    "huge header": response(ANSWER, b"X: " + b"a" * 2_000_000),
    "huge headers": response(ANSWER, *[b"X-%d: " % number + b"a" * 1000 for number in range(2000)]),
}
"""No proper HTTP: these have arrived, and may have been paid for."""
