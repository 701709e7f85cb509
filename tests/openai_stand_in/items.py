"""The input of a response: a text, or a list of items."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Read:
    """What an input says."""

    prompt: str | None = None
    """The last text of a user; None: it has none."""
    texts: list[str] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    """Of tools, by their ids."""
    outputs: list[str] = field(default_factory=list)
    """Which of them have results."""
    said: list[str] = field(default_factory=list)

    @property
    def results(self) -> tuple[str, ...]:
        """What tools have said since that prompt."""
        return tuple(self.said)


def read_items(given: str | Sequence[Mapping[str, Any]]) -> Read:
    """Read an input."""
    if isinstance(given, str):
        return Read(given, [given])
    read = Read()
    for item in given:
        match item.get("type", "message"):
            case "message":
                text = text_of(item["content"])
                read.texts.append(text)
                if item["role"] == "user":
                    read.prompt, read.said = text, []
            case "function_call":
                read.calls.append(item["call_id"])
            case "function_call_output":
                text = text_of(item["output"])
                read.outputs.append(item["call_id"])
                read.texts.append(text)
                read.said.append(text)
    return read


def text_of(content: str | Sequence[Mapping[str, Any]]) -> str:
    """Return the text of a content, without what else is in it."""
    if isinstance(content, str):
        return content
    return "\n".join(str(part["text"]) for part in content if "text" in part)


def kept_items(given: str | Sequence[Mapping[str, Any]], response: str) -> list[dict[str, Any]]:
    """Return an input as it is kept: each item with an id, each content as parts."""
    items = [{"role": "user", "content": given}] if isinstance(given, str) else given
    return [_kept(item, f"{response.replace('resp_', 'item_')}_{index}") for index, item in enumerate(items)]


def _kept(item: Mapping[str, Any], name: str) -> dict[str, Any]:
    whole = {"id": name, "status": "completed", "type": "message", **item}
    if whole["type"] != "message" or not isinstance(whole["content"], str):
        return whole
    text = whole["content"]
    if whole["role"] == "assistant":
        return {**whole, "content": [{"type": "output_text", "text": text, "annotations": []}]}
    return {**whole, "content": [{"type": "input_text", "text": text}]}
