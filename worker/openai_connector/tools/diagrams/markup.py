"""XML that is read with the place of everything, so that an edit touches its own bytes and no others."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from xml.parsers import expat

_SEPARATOR = "\n"  # between namespace and name; no namespace holds a line break
_DECLARED = re.compile(rb"<\?xml[^>]*?\sencoding\s*=\s*[\"']([A-Za-z0-9._-]+)[\"']")
_TAG = re.compile(rb"<([^\s/>]+)")
_ATTRIBUTE = re.compile(rb"(\s+)([^\s=/>]+)\s*=\s*(?:\"([^\"]*)\"|'([^']*)')")
_TAG_END = re.compile(rb"\s*(/?)>")
_BYTE_ORDER_MARKS = ((b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))
_UTF16_STARTS = ((b"<\0", "utf-16-le"), (b"\0<", "utf-16-be"))


class DiagramError(ValueError):
    """A file cannot be read as a diagram; the message says why and, where there is a place, which."""

    def __init__(self, message: str, line: int = 1) -> None:
        super().__init__(message)
        self.line = line


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes of the UTF-8 form, from start to before end."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Attribute:
    """An attribute of a start tag."""

    value: str
    """As XML means it: entities resolved."""
    span: Span
    """What stands between the quotes."""
    end: int
    """Where the closing quote ends."""


@dataclass(slots=True, eq=False)
class Node:
    """An element with its place."""

    namespace: str
    name: str
    tag: str
    """The name as it is written, with its prefix."""
    line: int
    start: int
    tag_end: int
    """Where the start tag ends (for `<a/>`, the element)."""
    is_empty: bool
    """Written as `<a/>`."""
    attributes: Mapping[tuple[str, str], Attribute]
    prefixes: Mapping[str, str]
    """Namespaces by the prefixes that are in scope here."""
    end: int = 0
    children: list[Node] = field(default_factory=list)

    def get(self, name: str, namespace: str = "") -> str | None:
        """Return an attribute's value."""
        attribute = self.attributes.get((namespace, name))
        return None if attribute is None else attribute.value

    def child(self, namespace: str, name: str) -> Node | None:
        """Return the first child of this name."""
        return next((c for c in self.children if (c.namespace, c.name) == (namespace, name)), None)

    def walk(self) -> Iterator[Node]:
        """Yield this element and all below it, in the file's order."""
        pending = [self]
        while pending:
            node = pending.pop()
            yield node
            pending.extend(reversed(node.children))


@dataclass(frozen=True, slots=True)
class Edit:
    """Other text for a span; an empty span is an insertion."""

    span: Span
    text: str


@dataclass(frozen=True, slots=True)
class Markup:
    """A file's content and the tree that was read from it."""

    content: bytes
    """In UTF-8, whatever the file's encoding is: spans count in these bytes."""
    encoding: str
    root: Node

    @classmethod
    def read(cls, data: bytes) -> Markup:
        """Read an XML file: UTF-8, UTF-16, or the encoding that it declares.

        Raises:
            DiagramError: not well-formed, not in its encoding, or with a document type. Its entities can make
                a small file huge, or read other files, and no BPMN tool writes one.
        """
        encoding = _encoding(data)
        try:
            text = data.decode(encoding)
        except (UnicodeError, LookupError) as error:
            at = f" (byte {error.start})" if isinstance(error, UnicodeDecodeError) else ""
            raise DiagramError(f"is not readable as {encoding.upper()}{at}: save it in UTF-8") from None
        if text.encode(encoding) != data:
            raise DiagramError(f"cannot be written back unchanged in {encoding.upper()}: save it in UTF-8")
        try:
            content = text.encode()
        except UnicodeEncodeError:
            raise DiagramError(f"is not readable as {encoding.upper()}: save it in UTF-8") from None
        return cls(content, encoding, _Reader(content).read())

    def raw(self, span: Span) -> str:
        """Return the text of a span as it is written."""
        return self.content[span.start : span.end].decode()

    def blank_before(self, position: int) -> str:
        """Return the white space directly before a position: usually a line break and an indentation."""
        start = position
        while start > 0 and self.content[start - 1] in b" \t\r\n":
            start -= 1
        return self.content[start:position].decode()

    def edited(self, edits: Iterable[Edit]) -> bytes:
        """Return the file with other text in some spans, in its own encoding; every other byte is the same.

        Edits at the same place are made in the order in which they are given.
        """
        parts: list[bytes] = []
        position = 0
        for edit in sorted(edits, key=lambda edit: edit.span.start):
            if edit.span.start < position:
                raise AssertionError("edits overlap")
            parts += [self.content[position : edit.span.start], edit.text.encode()]
            position = edit.span.end
        parts.append(self.content[position:])
        return b"".join(parts).decode().encode(self.encoding, "xmlcharrefreplace")


def escaped(value: str) -> str:
    """Write a value so that it can stand between double or single quotes."""
    for character, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;"), ("'", "&apos;")):
        value = value.replace(character, entity)
    for character in "\n\r\t":
        value = value.replace(character, f"&#{ord(character)};")
    return value


def _encoding(data: bytes) -> str:
    for start, encoding in _BYTE_ORDER_MARKS + _UTF16_STARTS:
        if data.startswith(start):
            return encoding
    declared = _DECLARED.match(data.removeprefix(b"\xef\xbb\xbf"))
    name = declared[1].decode().lower() if declared else "utf-8"
    # A file cannot be read as ASCII bytes up to here and be UTF-16: some tools declare that and write UTF-8.
    return "utf-8" if name.startswith(("utf-16", "utf16")) else name


class _Reader:
    def __init__(self, content: bytes) -> None:
        self._content = content
        self._stack: list[Node] = []
        self._prefixes: list[Mapping[str, str]] = [{}]
        self._declared: dict[str, str] = {}
        self._root: Node | None = None
        # The content is UTF-8, whatever its declaration says.
        self._parser = expat.ParserCreate("utf-8", _SEPARATOR)
        self._parser.ordered_attributes = True
        self._parser.StartDoctypeDeclHandler = self._refuse_doctype
        self._parser.StartNamespaceDeclHandler = self._declare
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end

    def read(self) -> Node:
        try:
            self._parser.Parse(self._content, True)
        except expat.ExpatError as error:
            reason = expat.ErrorString(error.code)
            raise DiagramError(
                f"is not well-formed XML: {reason} (line {error.lineno}, column {error.offset + 1})",
                error.lineno,
            ) from None
        assert self._root is not None
        return self._root

    def _refuse_doctype(self, *_: object) -> None:
        line = self._parser.CurrentLineNumber
        raise DiagramError(
            f"has a document type (<!DOCTYPE>, line {line}), which no BPMN diagram needs: remove it", line
        )

    def _declare(self, prefix: str | None, namespace: str | None) -> None:
        self._declared[prefix or ""] = namespace or ""

    def _start(self, name: str, given: list[str]) -> None:
        prefixes = self._prefixes[-1]
        if self._declared:
            prefixes, self._declared = {**prefixes, **self._declared}, {}
        self._prefixes.append(prefixes)
        start = self._parser.CurrentByteIndex
        tag = _TAG.match(self._content, start)
        assert tag is not None
        position = tag.end()
        spans: list[tuple[Span, int]] = []
        while attribute := _ATTRIBUTE.match(self._content, position):
            position = attribute.end()
            if attribute[2] != b"xmlns" and not attribute[2].startswith(b"xmlns:"):
                group = 3 if attribute[3] is not None else 4
                spans.append((Span(*attribute.span(group)), position))
        end = _TAG_END.match(self._content, position)
        assert end is not None
        namespace, _, local = name.rpartition(_SEPARATOR)
        node = Node(
            namespace,
            local,
            tag[1].decode(),
            self._parser.CurrentLineNumber,
            start,
            end.end(),
            bool(end[1]),
            {
                _name(key): Attribute(value, span, after)
                for key, value, (span, after) in zip(given[::2], given[1::2], spans, strict=True)
            },
            prefixes,
        )
        if self._stack:
            self._stack[-1].children.append(node)
        else:
            self._root = node
        self._stack.append(node)

    def _end(self, _: str) -> None:
        node = self._stack.pop()
        self._prefixes.pop()
        # At an end tag the index is where it starts.
        node.end = (
            node.tag_end if node.is_empty else self._content.index(b">", self._parser.CurrentByteIndex) + 1
        )


def _name(key: str) -> tuple[str, str]:
    namespace, _, local = key.rpartition(_SEPARATOR)
    return namespace, local
