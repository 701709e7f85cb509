"""What a response looks like."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from tests.openai_stand_in.answers import Asked, Fate, Said
from tests.openai_stand_in.chat import TIERS
from tests.openai_stand_in.ledger import Buyer, Purchase
from tests.openai_stand_in.moderations import inside
from tests.openai_stand_in.prices import Tier
from tests.openai_stand_in.world import World

ECHOED: Final[Mapping[str, Any]] = {
    "background": None,
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "prompt_cache_key": None,
    "reasoning": None,
    "safety_identifier": None,
    "temperature": None,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_p": None,
    "truncation": "disabled",
    "user": None,
}
"""Fields of a request that its response repeats, and what is said where they were not given."""


@dataclass(slots=True)
class Held:
    """One response."""

    name: str
    body: Mapping[str, Any]
    asked: Asked
    fate: Fate
    buyer: Buyer
    tier: Tier
    created: float
    status: str = "queued"
    output: list[dict[str, Any]] = field(default_factory=list)
    said: Said | None = None
    purchase: Purchase | None = None
    completed: float | None = None

    @property
    def is_background(self) -> bool:
        """Whether its POST did not wait for it."""
        return bool(self.body.get("background"))

    @property
    def calls(self) -> list[str]:
        """The names of the tool calls in it."""
        return [item["call_id"] for item in self.output if item["type"] == "function_call"]


def body_of(held: Held) -> dict[str, Any]:
    """Return a response as the API shows it."""
    served, _ = TIERS.get(held.body.get("service_tier"), ("default", "standard"))
    echoed = {
        name: missing if held.body.get(name) is None else held.body[name] for name, missing in ECHOED.items()
    }
    is_failed = held.status == "failed"
    whole = {
        **echoed,
        "id": held.name,
        "object": "response",
        "created_at": int(held.created),
        "status": held.status,
        "background": held.is_background,
        "completed_at": None if held.completed is None else int(held.completed),
        "error": {"code": held.fate.reason, "message": "It failed."} if is_failed else None,
        "incomplete_details": {"reason": _reason(held)} if held.status == "incomplete" else None,
        "model": held.asked.model,
        "output": held.output,
        "service_tier": served,
        "usage": None if held.said is None else _usage(held.said),
    }
    if held.body.get("moderation") and held.said is not None:
        whole["moderation"] = {"input": inside(held.asked.text), "output": inside(held.said.text)}
    return whole


def output_of(world: World, held: Held, said: Said) -> list[dict[str, Any]]:
    """Return the items: reasoning, commentary, the answer or the calls."""
    items: list[dict[str, Any]] = []
    if held.asked.reasons:
        sealed = base64.urlsafe_b64encode(world.dice("sealed", held.name).randbytes(600)).decode()
        items.append(
            {"type": "reasoning", "id": world.new_id("rs_"), "summary": [], "encrypted_content": sealed}
        )
    if held.fate.comments:
        items.append(_message(world.new_id("msg_"), _text_part("Let me think about it."), "commentary"))
    if said.refusal:
        part = {"type": "refusal", "refusal": said.refusal}
        items.append(_message(world.new_id("msg_"), part, "final_answer"))
    elif said.text:
        status = "incomplete" if held.status == "incomplete" else "completed"
        items.append(_message(world.new_id("msg_"), _text_part(said.text), "final_answer", status))
    items += [
        {
            "type": "function_call",
            "id": world.new_id("fc_"),
            "call_id": world.new_id("call_"),
            "name": name,
            "arguments": arguments,
            "status": "completed",
        }
        for name, arguments in said.calls
    ]
    return items


def _reason(held: Held) -> str:
    is_filtered = held.said is not None and held.said.finish == "content_filter"
    return "content_filter" if is_filtered else "max_output_tokens"


def _text_part(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _message(name: str, part: dict[str, Any], phase: str, status: str = "completed") -> dict[str, Any]:
    whole = {"type": "message", "id": name, "status": status, "role": "assistant"}
    return {**whole, "phase": phase, "content": [part]}


def _usage(said: Said) -> dict[str, Any]:
    return {
        "input_tokens": said.input_tokens,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": said.output_tokens,
        "output_tokens_details": {"reasoning_tokens": said.reasoning_tokens},
        "total_tokens": said.input_tokens + said.output_tokens,
    }
