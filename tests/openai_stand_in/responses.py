"""The Responses API: answers that are kept, and that come in their own time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from tests.openai_stand_in import rules
from tests.openai_stand_in.answers import Asked, Fate, Tool, say
from tests.openai_stand_in.chat import TIERS
from tests.openai_stand_in.errors import ApiError, InvalidRequestError, not_found
from tests.openai_stand_in.exchange import Reply, Wait
from tests.openai_stand_in.items import kept_items, read_items
from tests.openai_stand_in.ledger import Buyer, Purchase
from tests.openai_stand_in.prices import Tier
from tests.openai_stand_in.response_bodies import Held, body_of, output_of
from tests.openai_stand_in.world import DAY, HOUR, MINUTE, World

URL: Final = "/v1/responses"
FINAL: Final = frozenset({"completed", "incomplete", "failed", "cancelled"})
KEPT: Final = 30 * DAY
KEPT_UNSTORED: Final = 10 * MINUTE
"""How long a background response without `store` is there."""
WINDOWS: Final[dict[str, tuple[Tier, float]]] = {"2h": ("2h", 2 * HOUR), "8h": ("8h", 8 * HOUR)}


class Responses:
    """The endpoints."""

    url = URL
    kind = "responses"
    answer_kind = "response"

    def __init__(self, world: World) -> None:
        self._world = world
        self._held: dict[str, Held] = {}

    def __len__(self) -> int:
        """Return how many are kept."""
        return len(self._held)

    def create(self, body: dict[str, Any], buyer: Buyer) -> Reply | Wait:
        """Take one on; its reply comes at once, or when it is done.

        Raises:
            ApiError: it is refused.
        """
        asked = self.check(body, buyer)
        held = self._hold(body, asked, self._world.fate(asked), buyer)
        begins, ends = self._times(held)
        held.status = "queued" if held.is_background else "in_progress"
        self._world.at(begins, lambda: self._begin(held))
        self._world.at(ends, lambda: self._finish(held))
        if self._keep(body) or held.is_background or held.fate.returns_early:
            self._held[held.name] = held
        if held.is_background or held.fate.returns_early:
            return self._reply(held)
        return Wait(ends, lambda: self._reply(held))

    def answer(
        self, body: dict[str, Any], asked: Asked, fate: Fate, buyer: Buyer, tier: Tier | None = None
    ) -> tuple[dict[str, Any], Purchase | None]:
        """Return a whole response, produced and bought now."""
        held = self._hold(body, asked, fate, buyer)
        held.tier = tier or held.tier
        if self._keep(body):
            self._held[held.name] = held
        self._finish(held)
        return body_of(held), held.purchase

    def retrieve(self, name: str, buyer: Buyer) -> Reply:
        """Return one, in whatever status.

        Raises:
            ApiError: it is not there.
        """
        return self._reply(self._find(name, buyer))

    def cancel(self, name: str, buyer: Buyer) -> Reply:
        """Cancel one; again, or when it is done, that changes nothing.

        Raises:
            ApiError: it is not there, or was asked for in the foreground.
        """
        held = self._find(name, buyer)
        if not held.is_background:
            raise ApiError(400, "Only responses created with background=true can be cancelled.")
        if held.status not in FINAL:
            held.status = "cancelled"
            self._expire_later(held)
        return self._reply(held)

    def delete(self, name: str, buyer: Buyer) -> Reply:
        """Delete one; what it cost is not given back.

        Raises:
            ApiError: it is not there.
        """
        del self._held[self._find(name, buyer).name]
        return Reply({"id": name, "object": "response", "deleted": True})

    def input_items(self, name: str, buyer: Buyer) -> list[dict[str, Any]]:
        """Return what was asked, the latest first.

        Raises:
            ApiError: it is not there.
        """
        held = self._find(name, buyer)
        return kept_items(held.body["input"], held.name)[::-1]

    def check(self, body: dict[str, Any], buyer: Buyer) -> Asked:
        """Return what is asked.

        Raises:
            ApiError: it cannot be.
        """
        _check_fields(body)
        effort = (body.get("reasoning") or {}).get("effort")
        rules.check_sampling(body, effort)
        before = self._before(body, buyer)
        read = read_items(body["input"])
        rules.check_tool_round([*read.calls, *(before.calls if before else ())], read.outputs, "input")
        text = "\n".join([before.asked.text if before else "", body.get("instructions") or "", *read.texts])
        wanted = (body.get("text") or {}).get("format")
        rules.check_format(wanted, text, "text.format")
        choice = body.get("tool_choice") or "auto"
        return Asked(
            URL,
            body["model"],
            (before.asked.prompt if before and read.prompt is None else read.prompt) or "",
            text,
            tools=tuple(_tools(body.get("tools") or [])),
            tool_choice=choice if isinstance(choice, str) else str(choice.get("name") or choice.get("mode")),
            is_parallel=body.get("parallel_tool_calls") is not False,
            results=read.results,
            is_json=bool(wanted and wanted["type"] == "json_object"),
            schema=wanted.get("schema") if wanted else None,
            most_tokens=body.get("max_output_tokens"),
            effort=effort,
        )

    def _before(self, body: Mapping[str, Any], buyer: Buyer) -> Held | None:
        name = body.get("previous_response_id")
        if name is None:
            return None
        try:
            return self._find(name, buyer)
        except ApiError:
            raise ApiError(
                400,
                f"Previous response with id '{name}' not found.",
                code="previous_response_not_found",
                param="previous_response_id",
            ) from None

    def _hold(self, body: Mapping[str, Any], asked: Asked, fate: Fate, buyer: Buyer) -> Held:
        _, tier = TIERS.get(body.get("service_tier"), ("default", "standard"))
        window = (body.get("background_options") or {}).get("completion_window", "soonest")
        if window in WINDOWS:
            tier = WINDOWS[window][0]
        return Held(self._world.new_id("resp_"), body, asked, fate, buyer, tier, self._world.now)

    def _times(self, held: Held) -> tuple[float, float]:
        """Return when work on it begins, and when it ends."""
        world, now = self._world, held.created
        work = world.seconds(held.asked, held.fate)
        if not held.is_background:
            return now, now + work
        nth = world.nth("window", held.asked.prompt)
        if held.tier not in ("2h", "8h"):
            begins = now + world.draw(world.pace.queue, "queue", held.asked.prompt, nth)
            return begins, begins + work
        length = WINDOWS[held.tier][1]
        dice = world.dice("window", held.asked.prompt, nth)
        is_late = dice.random() < world.pace.late
        span = (length, 1.5 * length) if is_late else (world.pace.window_from, length)
        ends = now + (work if held.fate.seconds is not None else dice.uniform(*span))
        return max(now, ends - work), ends

    def _begin(self, held: Held) -> None:
        if held.status == "queued":
            held.status = "in_progress"

    def _finish(self, held: Held) -> None:
        if held.status in FINAL:
            return
        held.status = held.fate.outcome
        self._expire_later(held)
        if held.fate.outcome == "failed":
            return
        said = held.said = say(held.asked, held.fate)
        if said.finish in ("length", "content_filter"):
            held.status = "incomplete"
        if held.status == "completed":
            held.completed = self._world.now
        held.output = output_of(self._world, held, said)
        tokens = said.input_tokens, said.output_tokens
        held.purchase = self._world.buy(held.asked, tokens, held.tier, held.buyer, held.name)

    def _keep(self, body: Mapping[str, Any]) -> bool:
        match self._world.retention:
            case "zero":
                return False
            case "modified abuse monitoring":
                return body.get("store") is True
        return body.get("store") is not False

    def _expire_later(self, held: Held) -> None:
        seconds = KEPT if self._keep(held.body) else KEPT_UNSTORED
        self._world.at(self._world.now + seconds, lambda: self._held.pop(held.name, None))

    def _find(self, name: str, buyer: Buyer) -> Held:
        held = self._held.get(name)
        if held is None or held.buyer.project != buyer.project:
            raise not_found("response", name)
        return held

    def _reply(self, held: Held) -> Reply:
        bought = (held.purchase,) if held.purchase else ()
        return Reply(body_of(held), kind=self.answer_kind, purchases=bought)


def _check_fields(body: Mapping[str, Any]) -> None:
    rules.check_model(body.get("model"))
    rules.check_metadata(body.get("metadata"))
    if not body.get("input"):
        raise InvalidRequestError(
            "Missing required parameter: 'input'.", "input", "missing_required_parameter"
        )
    for name in ("stream", "conversation", "prompt", "context_management"):
        if body.get(name):
            raise InvalidRequestError(f"This stand-in has no '{name}'.", name, "unsupported_parameter")
    if body.get("max_output_tokens") is not None and body["max_output_tokens"] < 16:
        raise InvalidRequestError(
            "Invalid 'max_output_tokens': integer below minimum value. Expected a value >= 16.",
            "max_output_tokens",
            "integer_below_min_value",
        )
    window = (body.get("background_options") or {}).get("completion_window", "soonest")
    if body.get("background_options") and not body.get("background"):
        raise InvalidRequestError(
            "'background_options' requires 'background' to be true.", "background_options"
        )
    if window in WINDOWS and body.get("service_tier") not in (None, "auto", "default"):
        raise InvalidRequestError(f"The window {window} requires standard processing.", "service_tier")


def _tools(tools: list[dict[str, Any]]) -> Iterator[Tool]:
    for index, tool in enumerate(tools):
        if tool["type"] == "function":
            rules.check_name(tool["name"], f"tools[{index}].name")
            parameters = tool["parameters"] or {}
            rules.check_schema(parameters, f"tools[{index}].parameters", is_strict=bool(tool["strict"]))
            yield Tool(tool["name"], parameters)
