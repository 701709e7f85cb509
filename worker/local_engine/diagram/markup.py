"""The XML of a diagram: read without DTDs and entities, with functions that return its BPMN parts."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator
from typing import Final

from local_engine.errors import DiagramError

Node = ET.Element
"""An XML element: `Element` is what the diagram model has."""

BPMN: Final = "{http://www.omg.org/spec/BPMN/20100524/MODEL}"
ZEEBE: Final = "{http://camunda.org/schema/zeebe/1.0}"
_DMN: Final = "{https://www.omg.org/spec/DMN/"


def parse(content: bytes) -> Node:
    """Return the root of a diagram: its `definitions`.

    Raises:
        DiagramError: the file is no BPMN diagram.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise DiagramError("The file is no UTF-8 text; save the diagram as UTF-8.") from None
    start = text.lstrip()
    if not start:
        raise DiagramError("The file is empty; deploy a BPMN diagram.")
    if start.startswith("{"):
        raise DiagramError("The file is JSON; this engine has no forms, deploy BPMN diagrams only.")
    if _has_document_type(start):
        raise DiagramError("The file has a DOCTYPE; remove it, BPMN has neither document types nor entities.")
    try:
        root = ET.fromstring(text)
    except ET.ParseError as error:
        raise DiagramError(f"The file is no XML ({error}); mend it or save the diagram again.") from None
    if root.tag.startswith(_DMN):
        raise DiagramError("The file is a DMN decision; this engine has none, deploy BPMN diagrams only.")
    if root.tag != f"{BPMN}definitions":
        raise DiagramError("The file is no BPMN 2.0 diagram; its root must be bpmn:definitions.")
    return root


def _has_document_type(text: str) -> bool:
    """Return whether a document type stands before the root: nowhere else it would be one."""
    at = 0
    while True:
        while text[at : at + 1].isspace():
            at += 1
        if text.startswith("<?", at):
            ends, end = "?>", text.find("?>", at)
        elif text.startswith("<!--", at):
            ends, end = "-->", text.find("-->", at + 4)
        else:
            return text.startswith("<!DOCTYPE", at)
        if end < 0:
            return False
        at = end + len(ends)


def bpmn_name(node: Node) -> str:
    """Return the tag without BPMN's namespace; return a tag of another namespace unchanged."""
    if node.tag.startswith((BPMN, "{")):
        return node.tag.removeprefix(BPMN)
    return f"{{}}{node.tag}"


def child(node: Node, name: str) -> Node | None:
    """Return the first BPMN child of this name."""
    return node.find(f"{BPMN}{name}")


def extension_elements(node: Node) -> Iterator[Node]:
    """Yield what stands in the node's `extensionElements`."""
    for extensions in node.findall(f"{BPMN}extensionElements"):
        yield from extensions


def content_of(node: Node) -> str:
    """Return the text that the node holds, without the white space around it."""
    return "".join(node.itertext()).strip()


def shown(text: str) -> str:
    """Return a text in quotes as messages show it: on one line, and shortened."""
    line = " ".join(text.split())
    return f"'{line}'" if len(line) <= 100 else f"'{line[:100]}…'"
