"""A chat request as the Responses API takes it: what has another place there, and what has none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from openai_connector import contract, wording
from openai_connector.tasks.operations.chat_answer import refusal_of, text_of
from openai_connector.tasks.operations.fields import SHOWN_CHARACTERS, is_given
from openai_connector.tasks.operations.messages import Message
from openai_connector.tasks.operations.responses_items import REASONING
from openai_connector.tasks.operations.tools import calls_of

PATH: Final = "/responses"
MOST_METADATA: Final = 12  # pairs of 16: the worker adds its own where the answer is kept

_PLACES: Final[Mapping[str, str]] = {
    "max_tokens": contract.MAX_TOKENS.label,
    "max_completion_tokens": contract.MAX_TOKENS.label,
    "reasoning_effort": contract.REASONING_EFFORT.label,
    "verbosity": contract.VERBOSITY.label,
    "response_format": contract.RESPONSE_FORMAT.label,
    "functions": contract.TOOLS.label,
}
"""Parameters of Chat Completions that have an input, by the label of that input."""
_OTHER_NAMES: Final[Mapping[str, str]] = {
    "function_call": "tool_choice",
    "logprobs": 'include: ["message.output_text.logprobs"]',
    "web_search_options": 'tools: [{type: "web_search"}]',
}
"""Those that have another name."""
_NO_PLACE: Final = (
    "stop",
    "seed",
    "logit_bias",
    "frequency_penalty",
    "presence_penalty",
    "modalities",
    "audio",
    "prediction",
)
"""Those that have none."""
_RESERVED: Final[Mapping[str, str]] = {
    "input": f"{contract.PROMPT.label} or {contract.CHAT_HISTORY.label}",
    "background": contract.ANSWER_NEEDED.label,
    "background_options": contract.ANSWER_NEEDED.label,
}
"""What the extra body may not set, and the input that does."""
_STANDARD_TIERS: Final = ("auto", "default", "standard", None)


class NoPlaceError(ValueError):
    """A content has no place in the Responses API."""

    def __init__(self, what: str, instead: str) -> None:
        super().__init__(what)
        self.what = what
        self.instead = instead


# Messages


def input_items(messages: list[Message]) -> list[dict[str, Any]]:
    """Return messages as input items.

    Raises:
        NoPlaceError: one of them holds what has no place there.
    """
    custom = {call["id"] for message in messages for call in calls_of(message) if call["type"] == "custom"}
    return [item for message in messages for item in _items(message, custom)]


def _items(message: Message, custom: set[str]) -> Iterator[dict[str, Any]]:
    content = message.get("content")
    match message["role"]:
        case "tool":
            call = _call_id(message)
            kind = "custom_tool_call_output" if call in custom else "function_call_output"
            output = content if isinstance(content, str) else _parts(content)
            yield {"type": kind, "call_id": call, "output": output}
        case "assistant":
            yield from _said(message)
        case role:
            yield {"role": role, "content": content if isinstance(content, str) else _parts(content)}


def _call_id(message: Message) -> str:
    identity = message.get("tool_call_id")
    if not isinstance(identity, str) or not identity:
        raise NoPlaceError("a message of a tool without tool_call_id", wording.INSTEAD_SET(name="it"))
    return identity


def _said(message: Message) -> Iterator[dict[str, Any]]:
    """Yield what the model said, as text, and what it called."""
    if is_given(message.get("audio")):
        raise _no_place("audio")
    content = message.get("content")
    for part in content if isinstance(content, list) else []:
        if part["type"] not in ("text", "output_text", "refusal"):
            raise _no_place(part["type"])
    thought = message.get(REASONING)
    yield from (
        [dict(item) for item in thought if isinstance(item, Mapping)] if isinstance(thought, list) else []
    )
    text = text_of(content) or refusal_of(message)
    calls = calls_of(message)
    if text or not calls:
        yield {"role": "assistant", "content": text or ""}
    for call in calls:
        if call["type"] == "function":
            yield {"type": "function_call", "call_id": call["id"], **call["function"]}
        else:
            yield {"type": "custom_tool_call", "call_id": call["id"], **call["custom"]}


def _parts(content: Any) -> list[dict[str, Any]]:
    return [_part(part) for part in content]


def _part(part: Mapping[str, Any]) -> dict[str, Any]:
    """Return a content part in the form of the Responses API; one that has it already passes."""
    kind = part["type"]
    rest = {key: value for key, value in part.items() if key not in ("type", kind)}
    inner = part.get(kind)
    match kind:
        case "text":
            return {**rest, "type": "input_text", "text": part.get("text")}
        case "image_url":
            image = dict(inner) if isinstance(inner, Mapping) else {"url": inner}
            more = {"type": "input_image", "image_url": image.pop("url", None)}
            return {"detail": "auto", **rest, **image, **more}
        case "file":
            return {**rest, **(inner if isinstance(inner, Mapping) else {}), "type": "input_file"}
        case "input_audio":
            raise _no_place(kind)
        case _ if kind.startswith("input_"):
            return dict(part)
        case _:
            raise _no_place(kind)


def _no_place(kind: str) -> NoPlaceError:
    return NoPlaceError(f"content of the type {kind[:SHOWN_CHARACTERS]}", "")


# Parameters


def misfits(
    extra: Mapping[str, Any],
    given: Mapping[contract.Input, bool],
    contents: Mapping[contract.Input, list[Message]],
    *,
    is_kept: bool,
) -> Iterator[str]:
    """Yield what has no place in the Responses API, and what to do about it.

    Args:
        extra: the extra body.
        given: inputs that have no place there, and whether they ask for anything.
        contents: inputs that hold messages.
        is_kept: the answer needed does not leave the choice of the API.
    """
    labels = {"api": contract.API.label, "answer_needed": contract.ANSWER_NEEDED.label}
    leave = (wording.INSTEAD_LEAVE_OR_NOW if is_kept else wording.INSTEAD_LEAVE)(**labels)
    for field, is_asked in given.items():
        if is_asked:
            yield wording.RESPONSES_INPUT(label=field.label, instead=leave)
    for field, messages in contents.items():
        try:
            input_items(messages)
        except NoPlaceError as error:
            yield wording.RESPONSES_CONTENT(
                label=field.label, what=error.what, instead=error.instead or leave
            )
    label = contract.EXTRA_BODY.label
    for name in extra:
        if name in _RESERVED:
            instead = wording.INSTEAD_USE(label=_RESERVED[name])
            yield wording.RESPONSES_RESERVED(extra_body=label, name=name, instead=instead)
        elif name in _PLACES:
            instead = wording.INSTEAD_USE(label=_PLACES[name])
            yield wording.RESPONSES_EXTRA(extra_body=label, name=name, instead=instead)
        elif name in _OTHER_NAMES:
            instead = wording.INSTEAD_SET(name=_OTHER_NAMES[name])
            yield wording.RESPONSES_EXTRA(extra_body=label, name=name, instead=instead)
        elif name in _NO_PLACE and extra[name] is not None:
            yield wording.RESPONSES_EXTRA(extra_body=label, name=name, instead=leave)


def kept_misfits(extra: Mapping[str, Any], *, in_window: bool) -> Iterator[str]:
    """Yield what the extra body has that contradicts an answer which OpenAI keeps.

    Args:
        extra: the extra body.
        in_window: the answer is asked for within a cheaper window.
    """
    names = {"extra_body": contract.EXTRA_BODY.label, "answer_needed": contract.ANSWER_NEEDED.label}
    if extra.get("store") is False:
        yield wording.KEPT_STORE(**names)
    metadata = extra.get("metadata")
    if isinstance(metadata, Mapping) and len(metadata) > MOST_METADATA:
        yield wording.KEPT_METADATA(count=len(metadata), most=MOST_METADATA, **names)
    if in_window and extra.get("service_tier") not in _STANDARD_TIERS:
        yield wording.WINDOW_TIER(**names)


def merged(body: Mapping[str, Any], extra: Mapping[str, Any]) -> dict[str, Any]:
    """Return a body with the extra body in it; what both have of `reasoning` and `text` is joined."""
    joined = {
        name: {**body[name], **extra[name]}
        for name in ("reasoning", "text")
        if isinstance(body.get(name), Mapping) and isinstance(extra.get(name), Mapping)
    }
    return {**body, **extra, **joined}
