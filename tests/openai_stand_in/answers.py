"""The model: what it answers follows from what it is asked, so that an answer in the wrong hands is seen.

A prompt may say how it wants to be treated, each in brackets: `[refuse]`, `[fail: server_error]`, `[fail once]`,
`[incomplete: content_filter]`, `[commentary]`, `[in progress]`, `[broken arguments]`, `[seconds: 30]`.
A tool is called when its name stands in the prompt.
"""

from __future__ import annotations

import hashlib
import json
import random
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

REASONING_TOKENS: Final = 64
PASSING: Final = ("server_error", "rate_limit_exceeded")
DEEPEST: Final = 12
"""Levels of a schema that are filled."""
MOST_ITEMS: Final = 20
SHOWN: Final = 200
"""Letters of a prompt that an answer repeats."""
_MARK = re.compile(r"\[([a-z ]+)(?::\s*([^\]]*))?\]")
_REASONING = re.compile(r"o\d|gpt-(?:[5-9]|\d\d)(?!.*chat)")


@dataclass(frozen=True, slots=True)
class Tool:
    """A function that the model may call."""

    name: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, whichever endpoint it came to."""

    endpoint: str
    model: str
    prompt: str
    """The last text of a user."""
    text: str
    """All text that is read."""
    tools: tuple[Tool, ...] = ()
    tool_choice: str = "auto"
    """`none`, `auto`, `required`, or a tool's name."""
    is_parallel: bool = True
    results: tuple[str, ...] = ()
    """Of tools, after that prompt."""
    is_json: bool = False
    schema: Mapping[str, Any] | None = None
    most_tokens: int | None = None
    effort: str | None = None
    choices: int = 1

    @property
    def reasons(self) -> bool:
        """Whether tokens are spent on reasoning."""
        return is_reasoning(self.model) and self.effort != "none"


@dataclass(frozen=True, slots=True)
class Fate:
    """How an answer ends."""

    outcome: Literal["completed", "incomplete", "failed"] = "completed"
    reason: str = ""
    """Of an incomplete one; of a failed one its code."""
    refuses: bool = False
    comments: bool = False
    """It has a message of commentary before the answer."""
    returns_early: bool = False
    """In the foreground, it is returned while still in progress."""
    breaks_arguments: bool = False
    seconds: float | None = None
    """What it takes; None: drawn by seed."""


@dataclass(frozen=True, slots=True)
class Said:
    """An answer."""

    text: str
    refusal: str
    calls: tuple[tuple[str, str], ...]
    """Names and arguments."""
    finish: Literal["stop", "length", "content_filter", "tool_calls"]
    input_tokens: int
    output_tokens: int
    reasoning_tokens: int


def is_reasoning(model: str) -> bool:
    """Return whether a model reasons before it answers."""
    return _REASONING.match(model) is not None


def answer_to(prompt: str, results: Iterable[str] = ()) -> str:
    """Return the one right answer to a prompt, and to what tools have said."""
    whole = "\n".join([prompt, *results])
    return f"{whole[:SHOWN]} -> {hashlib.sha256(whole.encode()).hexdigest()[:12]}"


def fate_of(asked: Asked, nth: int = 1) -> Fate:
    """Return what the prompt wishes."""
    marks = {found[1]: (found[2] or "").strip() for found in _MARK.finditer(asked.prompt)}
    outcome: Literal["completed", "incomplete", "failed"] = "completed"
    reason = ""
    failure = marks.get("fail once" if nth == 1 and "fail once" in marks else "fail")
    if failure is not None:
        outcome, reason = "failed", failure or "server_error"
    elif "incomplete" in marks:
        outcome, reason = "incomplete", marks["incomplete"] or "max_output_tokens"
    return Fate(
        outcome,
        reason,
        refuses="refuse" in marks,
        comments="commentary" in marks,
        returns_early="in progress" in marks,
        breaks_arguments="broken arguments" in marks,
        seconds=float(marks["seconds"]) if "seconds" in marks else None,
    )


Decide = Callable[[Asked, int], Fate]
"""By what is asked, and how often this prompt has been, from 1."""


def failing_by_seed(seed: int, share: float, reasons: Sequence[str] = PASSING) -> Decide:
    """Return what lets a share of the answers fail, for reasons that pass; the rest end as they wish."""

    def decide(asked: Asked, nth: int) -> Fate:
        dice = random.Random(f"{seed}/{asked.prompt}/{nth}")
        return Fate("failed", dice.choice(reasons)) if dice.random() < share else fate_of(asked, nth)

    return decide


def tokens_of(text: str) -> int:
    """Return how many tokens a text has, roughly."""
    return len(text) // 4 + 1


def say(asked: Asked, fate: Fate) -> Said:
    """Return what the model answers."""
    calls = _calls(asked, fate)
    text = "" if calls or fate.refuses else _text(asked)
    refusal = "I cannot help with that." if fate.refuses else ""
    reasoning = REASONING_TOKENS if asked.reasons else 0
    shown = tokens_of(text + refusal + "".join(arguments for _, arguments in calls)) * asked.choices
    finish: Literal["stop", "length", "content_filter", "tool_calls"] = "tool_calls" if calls else "stop"
    if fate.outcome == "incomplete":
        finish = "content_filter" if fate.reason == "content_filter" else "length"
    if asked.most_tokens is not None and reasoning + shown > asked.most_tokens:
        finish, calls = "length", ()
        reasoning = min(reasoning, asked.most_tokens)
        shown = asked.most_tokens - reasoning
        text = text[: 4 * shown]
    elif finish in ("length", "content_filter"):
        text, calls = text[: len(text) // 2], ()
    return Said(text, refusal, calls, finish, tokens_of(asked.text), reasoning + shown, reasoning)


def _text(asked: Asked) -> str:
    answer = answer_to(asked.prompt, asked.results)
    if asked.schema is not None:
        return json.dumps(filled(asked.schema, answer), ensure_ascii=False)
    return json.dumps({"answer": answer}, ensure_ascii=False) if asked.is_json else answer


def _calls(asked: Asked, fate: Fate) -> tuple[tuple[str, str], ...]:
    if asked.tool_choice == "none" or asked.results or fate.refuses:
        return ()
    named = [tool for tool in asked.tools if tool.name in (asked.tool_choice,)]
    wished = named or [tool for tool in asked.tools if tool.name in asked.prompt]
    if not wished and asked.tool_choice == "required":
        wished = list(asked.tools)
    calls = [
        (tool.name, json.dumps(filled(tool.parameters, asked.prompt), ensure_ascii=False)) for tool in wished
    ]
    if fate.breaks_arguments:
        calls = [(name, arguments[:-1]) for name, arguments in calls]
    return tuple(calls if asked.is_parallel else calls[:1])


def filled(schema: Any, text: str, root: Any = None, levels: int = DEEPEST) -> Any:
    """Return a value of a JSON schema, with a text wherever one may be."""
    if not isinstance(schema, dict):
        return text
    if levels == 0:
        return None  # of a schema that contains itself

    def inner(part: Any) -> Any:
        return filled(part, text, schema if root is None else root, levels - 1)

    if "$ref" in schema:
        return inner(_referenced(schema if root is None else root, schema["$ref"]))
    if "const" in schema:
        return schema["const"]
    for several in ("anyOf", "oneOf", "allOf"):
        if schema.get(several):
            return inner(schema[several][0])
    if schema.get("enum"):
        return schema["enum"][0]
    kind = schema.get("type", "object")
    return _of_type(kind[0] if isinstance(kind, list) else kind, schema, text, inner)


def _of_type(kind: str, schema: Mapping[str, Any], text: str, inner: Callable[[Any], Any]) -> Any:
    match kind:
        case "object":
            return {name: inner(part) for name, part in schema.get("properties", {}).items()}
        case "array":
            count = min(max(1, int(schema.get("minItems", 1))), MOST_ITEMS)
            return [inner(schema.get("items", {"type": "string"})) for _ in range(count)]
        case "string":
            return text[: int(schema.get("maxLength", SHOWN * 2))]
        case "integer" | "number":
            return schema.get("minimum", 1)
        case "boolean":
            return True
    return None


def _referenced(root: Any, reference: str) -> Any:
    """Return the part of a schema that a reference means; where it is none of a path, nothing special."""
    part = root
    for step in reference.removeprefix("#").split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        part = part.get(name, {}) if isinstance(part, dict) else {}
    return part
