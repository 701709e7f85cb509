"""Tools that a model may call: how a task declares them, what was called, and what the calls gave."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Final

from pydantic import BeforeValidator

from openai_connector import contract, wording
from openai_connector.contract import FORBIDDEN_KEY
from openai_connector.document import parse_json
from openai_connector.tasks.operations.fields import (
    SHOWN_CHARACTERS,
    is_given,
    json_text,
    kind_of,
    scalar_text,
    violation,
)
from openai_connector.tasks.operations.response_format import check
from openai_connector.tasks.operations.schema import SchemaError

MOST_ARGUMENT_LEVELS: Final = 100  # of arguments that are parsed: the engine keeps 200 for all variables
_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
_KEYS: Final = ("name", "description", "parameters", "strict")
_NOTHING_TO_GIVE: Final = {"type": "object", "properties": {}}
_LABELS: Final = {
    "tool_results": contract.TOOL_RESULTS.label,
    "chat_history": contract.CHAT_HISTORY.label,
}

Tool = dict[str, Any]
"""name, description, parameters, strict: the last three where they are given."""
Message = dict[str, Any]


# Tools


def _read_tools(value: Any) -> list[Tool] | None:
    given = _list(value, wording.TOOLS_NO_JSON, wording.TOOLS_KIND)
    if not given:
        return None
    tools = [_tool(position, item) for position, item in enumerate(given, 1)]
    for name, times in Counter(tool["name"] for tool in tools).items():
        if times > 1:
            raise violation(wording.TOOL_TWICE(name=name), private=True)
    return tools


tool_list = BeforeValidator(_read_tools)
"""A list of tools; one in the form of either API is taken, too."""


def _list(value: Any, no_json: wording.Sentence, kind: wording.Sentence) -> list[Any]:
    if not is_given(value):
        return []
    if isinstance(value, str):
        try:
            value = parse_json(value)
        except ValueError as error:
            raise violation(no_json(problem=error), private=True) from None
    if isinstance(value, dict):
        raise violation(kind(kind=kind_of(value)) + "; put it into brackets: =[...]", private=True)
    if not isinstance(value, list):
        raise violation(kind(kind=kind_of(value)), private=True)
    return value


def _tool(position: int, given: Any) -> Tool:
    if not isinstance(given, dict):
        raise violation(wording.TOOL_KIND(position=position, kind=kind_of(given)), private=True)
    inner = given.get("function")
    tool = dict(inner) if isinstance(inner, dict) else dict(given)
    if tool.get("type") == "function":
        del tool["type"]
    tool = {key: part for key, part in tool.items() if part is not None}
    name = tool.get("name")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        shown = f"'{name[:SHOWN_CHARACTERS]}'" if isinstance(name, str) else kind_of(name)
        raise violation(wording.TOOL_NAME(position=position, shown=shown), private=True)
    unknown = ", ".join(str(key)[:SHOWN_CHARACTERS] for key in tool if key not in _KEYS)
    if unknown:
        raise violation(wording.TOOL_KEYS(name=name, keys=unknown), private=True)
    if not isinstance(tool.get("description", ""), str):
        raise violation(wording.TOOL_TEXT(name=name, kind=kind_of(tool["description"])), private=True)
    if not isinstance(tool.get("strict", False), bool):
        raise violation(wording.TOOL_STRICT(name=name), private=True)
    return tool | {"parameters": _parameters(name, tool.get("parameters"))}


def _parameters(name: str, given: Any) -> dict[str, Any]:
    try:
        if isinstance(given, str):
            given = parse_json(given)
        if not isinstance(given, dict) and given is not None:
            raise SchemaError(f"they are {kind_of(given)}, not a JSON object")
        schema = dict(given or _NOTHING_TO_GIVE)
        check(schema)
    except ValueError as error:
        raise violation(wording.TOOL_PARAMETERS(name=name, problem=error), private=True) from None
    return schema


def as_chat_tool(tool: Tool) -> dict[str, Any]:
    """Return a tool as the Chat Completions API takes it."""
    return {"type": "function", "function": dict(tool)}


def as_responses_tool(tool: Tool) -> dict[str, Any]:
    """Return a tool as the Responses API takes it, which is strict unless it is told not to be."""
    return {"type": "function", "strict": False, **tool}


# What was called


def calls_of(message: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the tool calls of a message, each whole, with an id and with its arguments as text.

    Servers leave ids out, give arguments as an object, or the one call by its older name.
    """
    given = message.get("tool_calls")
    items = given if isinstance(given, list) else []
    if not items and isinstance(message.get("function_call"), dict):
        items = [{"function": message["function_call"]}]
    calls = []
    for position, item in enumerate(items, 1):
        kind = "custom" if isinstance(item, dict) and item.get("type") == "custom" else "function"
        called = item.get(kind) if isinstance(item, dict) else None
        if not isinstance(called, dict) or not is_given(called.get("name")):
            continue
        told = "input" if kind == "custom" else "arguments"
        text = {"name": str(called["name"]), told: _text(called.get(told))}
        identity = item.get("id")
        identity = identity if isinstance(identity, str) and identity else f"call_{position}"
        calls.append({"id": identity, "type": kind, kind: text})
    return calls


def _text(value: Any) -> str:
    return "" if value is None else value if isinstance(value, str) else json_text(value)


def shown(call: Mapping[str, Any]) -> dict[str, Any]:
    """Return a tool call as processes see it; arguments that are no JSON object stay text."""
    kind = "function" if "function" in call else "custom"
    text = call[kind]["arguments" if kind == "function" else "input"]
    arguments = _arguments(text) if kind == "function" else None
    return {
        "id": call["id"],
        "name": call[kind]["name"],
        "arguments": text if arguments is None else arguments,
        "argumentsValid": arguments is not None,
    }


def _arguments(text: str) -> dict[str, Any] | None:
    """Return arguments parsed; None where they are no object, or none that the engine takes."""
    if not text.strip():
        return {}  # of a tool without parameters
    try:
        value = parse_json(text, max_depth=MOST_ARGUMENT_LEVELS)
    except ValueError:
        return None
    return value if isinstance(value, dict) and not _is_forbidden(value) else None


def _is_forbidden(root: Any) -> bool:
    pending = [root]
    while pending:
        value = pending.pop()
        if isinstance(value, dict):
            if FORBIDDEN_KEY in value:
                return True
            pending.extend(value.values())
        elif isinstance(value, list):
            pending.extend(value)
    return False


# What the calls gave


def _read_results(value: Any) -> list[Message] | None:
    """Read tool results as messages."""
    given = _list(value, wording.RESULTS_NO_JSON, wording.RESULTS_KIND)
    return [_result(position, item) for position, item in enumerate(given, 1)] or None


result_list = BeforeValidator(_read_results)
"""A list of results: the id of a tool call, and what it gave, as any value."""


def _result(position: int, given: Any) -> Message:
    if not isinstance(given, dict):
        raise violation(wording.RESULT_KIND(position=position, kind=kind_of(given)), private=True)
    identity = scalar_text(given.get("id"))
    if not identity:
        raise violation(wording.RESULT_ID(position=position, kind=kind_of(given.get("id"))), private=True)
    if "content" not in given:
        raise violation(wording.RESULT_CONTENT(position=position), private=True)
    content = given["content"]
    text = content if isinstance(content, str) else json_text(content)
    return {"role": "tool", "tool_call_id": identity, "content": text}


def with_results(history: list[Message], given: list[Message]) -> list[Message]:
    """Return a history with each result behind the message that made the call, in the calls' order."""
    results = {result["tool_call_id"]: result for result in given}
    callers = _callers(history)
    messages: list[Message] = []
    waiting: list[Message] = []
    for position, message in enumerate(history):
        if message["role"] != "tool":  # results that the history has already stay first
            messages += waiting
            waiting = []
        messages.append(message)
        waiting += [results[call] for call in _ids(message) if call in results and callers[call] == position]
    return messages + waiting + [result for call, result in results.items() if call not in callers]


def result_misfits(history: list[Message], given: list[Message]) -> Iterator[str]:
    """Yield which results have no call in the history, and which calls have no result."""
    ids = [result["tool_call_id"] for result in given]
    callers = _callers(history)
    for call in dict.fromkeys(ids):
        name = {**_LABELS, "id": call[:SHOWN_CHARACTERS]}
        if ids.count(call) > 1:
            yield wording.RESULT_TWICE(**name)
        if call not in callers:
            yield wording.RESULT_UNKNOWN(**name)
        elif call in _answered(history, callers[call]):
            yield wording.RESULT_KNOWN(**name)
    for position in sorted({callers[call] for call in ids if call in callers}):
        for call in _ids(history[position]):
            if call not in ids and call not in _answered(history, position):
                yield wording.RESULT_MISSING(**{**_LABELS, "id": call[:SHOWN_CHARACTERS]})


def _callers(history: list[Message]) -> dict[str, int]:
    """Return the position of the message that made each call; servers give an id again in later turns."""
    return {call: position for position, message in enumerate(history) for call in _ids(message)}


def _ids(message: Message) -> list[str]:
    calls = calls_of(message) if message["role"] == "assistant" else []
    return list(dict.fromkeys(call["id"] for call in calls))


def _answered(history: list[Message], position: int) -> set[Any]:
    """Return the ids of the calls that have a result after a message."""
    return {message.get("tool_call_id") for message in history[position + 1 :] if message["role"] == "tool"}
