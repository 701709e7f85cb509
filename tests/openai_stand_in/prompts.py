"""What a request asks, without knowing whether it is one that is taken."""

from __future__ import annotations

from typing import Any

from tests.openai_stand_in.chat import last_prompt
from tests.openai_stand_in.items import read_items


def prompt_in(body: Any) -> str:
    """Return the last text of a user; empty where there is none to be found."""
    if not isinstance(body, dict):
        return ""
    try:
        if "messages" in body:
            return last_prompt(body["messages"])[0]
        given = body.get("input", "")
        if isinstance(given, list) and given and isinstance(given[0], str):
            return "\n".join(given)
        if isinstance(given, list) and given and given[0].get("type") in ("text", "image_url"):
            return "\n".join(part.get("text", "") for part in given)
        return read_items(given).prompt or ""
    except (AttributeError, KeyError, TypeError):
        return ""  # an ill-made one is refused later
