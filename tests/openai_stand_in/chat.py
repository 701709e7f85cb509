"""POST /v1/chat/completions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from tests.openai_stand_in import rules
from tests.openai_stand_in.answers import Asked, Fate, Said, Tool, say
from tests.openai_stand_in.errors import ApiError, InvalidRequestError
from tests.openai_stand_in.ledger import Buyer, Purchase
from tests.openai_stand_in.moderations import inside
from tests.openai_stand_in.prices import Tier
from tests.openai_stand_in.world import World

URL: Final = "/v1/chat/completions"
TIERS: Final[Mapping[str | None, tuple[str, Tier]]] = {
    "flex": ("flex", "flex"),
    "priority": ("priority", "priority"),
    "fast": ("priority", "priority"),
}
"""By what was asked: the tier that is named in the answer, and the one that is paid."""
FAILURES: Final = {"rate_limit_exceeded": 429, "server_error": 500, "server_is_overloaded": 503}


class Chat:
    """The endpoint."""

    url = URL
    kind = "chat"
    answer_kind = "chat.completion"

    def __init__(self, world: World) -> None:
        self._world = world

    def check(self, body: dict[str, Any], buyer: Buyer) -> Asked:
        """Return what is asked.

        Raises:
            ApiError: it cannot be.
        """
        if body.get("stream"):
            raise InvalidRequestError("This stand-in does not stream.", "stream", "unsupported_value")
        rules.check_model(body.get("model"))
        rules.check_metadata(body.get("metadata"))
        rules.check_sampling(body, body.get("reasoning_effort"))
        messages = body["messages"]
        if not messages:
            raise InvalidRequestError("Invalid 'messages': empty array.", "messages", "empty_array")
        _check_tools(messages)
        text = "\n".join(_text(message) for message in messages)
        wanted = body.get("response_format")
        flat = {**wanted, **wanted.get("json_schema", {})} if wanted else None
        rules.check_format(flat, text, "response_format")
        prompt, results = last_prompt(messages)
        return Asked(
            URL,
            body["model"],
            prompt,
            text,
            tools=tuple(_tools(body.get("tools") or [])),
            tool_choice=_choice(body.get("tool_choice") or "auto"),
            is_parallel=body.get("parallel_tool_calls", True),
            results=results,
            is_json=bool(flat and flat["type"] == "json_object"),
            schema=flat.get("schema") if flat else None,
            most_tokens=body.get("max_completion_tokens") or body.get("max_tokens"),
            effort=body.get("reasoning_effort"),
            choices=body.get("n") or 1,
        )

    def answer(
        self, body: dict[str, Any], asked: Asked, fate: Fate, buyer: Buyer, tier: Tier | None = None
    ) -> tuple[dict[str, Any], Purchase]:
        """Return the answer, produced and bought now.

        Raises:
            ApiError: it failed.
        """
        if fate.outcome == "failed":
            kind = "rate_limit_error" if fate.reason == "rate_limit_exceeded" else "server_error"
            raise ApiError(FAILURES.get(fate.reason, 400), "It failed.", code=fate.reason, kind=kind)
        said = say(asked, fate)
        name = self._world.new_id("chatcmpl-")
        served, paid = TIERS.get(body.get("service_tier"), ("default", "standard"))
        purchase = self._world.buy(asked, (said.input_tokens, said.output_tokens), tier or paid, buyer, name)
        whole = {
            "id": name,
            "object": "chat.completion",
            "created": int(self._world.now),
            "model": asked.model,
            "service_tier": served,
            "choices": [self._choice(said, index) for index in range(asked.choices)],
            "usage": _usage(said),
            "system_fingerprint": None,
        }
        if body.get("moderation"):
            whole["moderation"] = {
                side: {
                    "type": "moderation_results",
                    "model": "omni-moderation-latest",
                    "results": [inside(text)],
                }
                for side, text in (("input", asked.text), ("output", said.text))
            }
        return whole, purchase

    def _choice(self, said: Said, index: int) -> dict[str, Any]:
        text = f"{said.text} ({index + 1})" if index else said.text
        message: dict[str, Any] = {
            "role": "assistant",
            "content": text or None,
            "refusal": said.refusal or None,
            "annotations": [],
        }
        if said.calls:
            message["tool_calls"] = [
                {
                    "id": self._world.new_id("call_"),
                    "type": "function",
                    "function": {"name": name, "arguments": arguments},
                }
                for name, arguments in said.calls
            ]
        return {"index": index, "message": message, "logprobs": None, "finish_reason": said.finish}


def _usage(said: Said) -> dict[str, Any]:
    return {
        "prompt_tokens": said.input_tokens,
        "completion_tokens": said.output_tokens,
        "total_tokens": said.input_tokens + said.output_tokens,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": said.reasoning_tokens,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def _text(message: Mapping[str, Any]) -> str:
    content = message.get("content") or ""
    if isinstance(content, str):
        return content
    return "\n".join(part.get("text", "") for part in content)


def last_prompt(messages: list[dict[str, Any]]) -> tuple[str, tuple[str, ...]]:
    """Return the last text of a user, and what tools have said since."""
    results: list[str] = []
    for message in reversed(messages):
        if message["role"] == "user":
            return _text(message), tuple(reversed(results))
        if message["role"] == "tool":
            results.append(_text(message))
    return "", tuple(reversed(results))


def _check_tools(messages: list[dict[str, Any]]) -> None:
    calls = [call["id"] for message in messages for call in message.get("tool_calls") or ()]
    results = [message["tool_call_id"] for message in messages if message["role"] == "tool"]
    rules.check_tool_round(calls, results, "messages")


def _tools(tools: list[dict[str, Any]]) -> Iterator[Tool]:
    for index, tool in enumerate(tools):
        function = tool.get("function")
        if function is None:
            continue
        rules.check_name(function["name"], f"tools[{index}].function.name")
        parameters = function.get("parameters") or {}
        rules.check_schema(
            parameters, f"tools[{index}].function.parameters", is_strict=bool(function.get("strict"))
        )
        yield Tool(function["name"], parameters)


def _choice(choice: Any) -> str:
    if isinstance(choice, str):
        return choice
    if choice["type"] == "allowed_tools":
        return str(choice["allowed_tools"]["mode"])
    return str(choice[choice["type"]]["name"])
