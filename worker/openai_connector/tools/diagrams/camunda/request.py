"""The request that a task of Camunda's templates makes, and what must be true of it."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from openai_connector.contract import API_KEY
from openai_connector.tools.diagrams.camunda.carried import NotCarriedError, shown
from openai_connector.tools.diagrams.camunda.templates import (
    AZURE_EXTRAS,
    AZURE_INPUTS,
    AZURE_PARAMETERS,
    LABELS,
    MADE,
    OPENAI_INPUTS,
)
from openai_connector.tools.diagrams.tasks import Task

_FILLED_IN = (
    frozenset(OPENAI_INPUTS) - {"operation"} | frozenset(AZURE_INPUTS) - {"operation"} | AZURE_EXTRAS.keys()
)
_NUMBERS = ("internal_temperature", "internal_choices", *AZURE_PARAMETERS)


class Request:
    """What the REST connector would send, with marks for what a person filled in."""

    def __init__(self, task: Task, made: Mapping[str, Any]) -> None:
        """Hold the values of a task's mappings, as the REST connector would get them."""
        self._task = task
        self._made = made

    @classmethod
    def of(cls, task: Task) -> Request:
        """Evaluate a task's mappings in their order.

        Raises:
            NotCarriedError: a mapping cannot be evaluated.
        """
        from camunda_feel import FeelError, parse, to_json

        made: dict[str, Any] = {}
        for mapped in task.inputs:
            value: Any = mapped.source
            if mapped.target in _FILLED_IN:
                value = mark(mapped.target)
            elif mapped.is_feel and mapped.target in MADE:
                try:
                    value = to_json(parse(value[1:]).evaluate(made).value)
                except FeelError as error:
                    raise NotCarriedError(f"the input {mapped.target} cannot be evaluated: {error}") from None
            elif mapped.is_feel:
                continue  # made by hand, from variables that only the process knows
            _set(made, mapped.target.split("."), value)
        return cls(task, made)

    @property
    def url(self) -> Any:
        """Return the URL; anything else than a string is a mistake in the diagram."""
        return self._made.get("url")

    def body(self) -> dict[str, Any]:
        """Return the entries that are sent: nulls, and a stream that is off, are left out.

        Raises:
            NotCarriedError: the body is no context, or asks for a stream.
        """
        body = self._made.get("body")
        if not isinstance(body, Mapping):
            raise NotCarriedError("the request body is no context")
        if body.get("stream") is True:
            raise NotCarriedError("Stream is on, and this connector does not stream: switch it off")
        sent = {key: value for key, value in body.items() if value is not None}
        if sent.get("stream") is False:
            del sent["stream"]  # the API's default
        return sent

    def require_post(self) -> None:
        """Raise NotCarriedError for another method."""
        method = self._made.get("method")
        if not isinstance(method, str) or method.lower() != "post":
            raise NotCarriedError("the method is not POST" if method else "the method is missing")

    def require_auth(self, wanted: Mapping[str, str], *, token: str) -> None:
        """Raise NotCarriedError for another way to authenticate.

        Args:
            wanted: what the authentication must be, without the token.
            token: the name of its entry that holds the token.
        """
        given = self._made.get("authentication")
        parts = given if isinstance(given, Mapping) else {}
        for name in wanted.keys() | parts.keys() - {token}:
            if parts.get(name) != wanted.get(name):
                is_ = parts.get(name) or "missing"
                raise NotCarriedError(
                    f"the authentication is not by an API key as here: authentication.{name} is {is_}"
                )
        if token not in parts:
            raise NotCarriedError(f"{API_KEY.label} is missing")

    def require_headers(self, *, organization: bool) -> None:
        """Raise NotCarriedError for HTTP headers that this connector would not send.

        Args:
            organization: the task has an input for it.
        """
        given = self._made.get("headers") or {}
        if not isinstance(given, Mapping):
            raise NotCarriedError("the HTTP headers cannot be read")
        for name, value in given.items():
            if name.lower() == "content-type" and value == "application/json":
                continue
            if name == "OpenAI-Organization" and value == mark("internal_organization"):
                continue
            raise NotCarriedError(f"the HTTP header {name} was added by hand: there is no input for it")
        if organization and "OpenAI-Organization" not in given:
            made = "the HTTP headers were changed by hand: Organization is not sent"
            raise NotCarriedError(_not_sent(self._task) or made)


def require_same(task: Task, sent: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    """Raise NotCarriedError for a body other than this connector would send."""
    different = sorted(key for key in sent.keys() | expected.keys() if sent.get(key) != expected.get(key))
    if different:
        made = f"the request body was changed by hand: see {', '.join(different)} in it"
        raise NotCarriedError(_not_sent(task) or made)


def require_url(task: Task, url: Any, expected: str) -> None:
    """Raise NotCarriedError for another URL than this connector would ask."""
    if url != expected:
        raise NotCarriedError(_not_sent(task) or "the URL was changed by hand")


def _not_sent(task: Task) -> str | None:
    """Return which of a person's settings the request has not, and why; None where it has all of them.

    Mappings are evaluated in their order: what comes after the one that reads it is not there for it. And a
    body of the template's older versions does not read what newer ones have.
    """
    readers = [mapped for mapped in task.inputs if mapped.is_feel and mapped.target in MADE]
    read = {mapped.target: variables_of(mapped.source or "") for mapped in readers}
    place = {mapped.target: number for number, mapped in enumerate(task.inputs)}
    for mapped in task.inputs:
        if mapped.target not in _FILLED_IN or "." in mapped.target:
            continue
        of = [target for target, names in read.items() if mapped.target in names]
        if early := [target for target in of if place[target] < place[mapped.target]]:
            why = f"its mapping stands after that of {early[0]}, which reads it: move it before that"
        elif not of and mapped.target in AZURE_EXTRAS:
            why = "the input body does not read it: have it read"
        else:
            continue
        label = LABELS.get({**OPENAI_INPUTS, **AZURE_INPUTS}.get(mapped.target, ""))
        named = f"{label} ({mapped.target})" if label else mapped.target
        return f"{named} {shown(mapped)} is set, but not sent: {why}, or remove it"
    return None


def variables_of(source: str) -> frozenset[str]:
    """Return the variables that an expression reads; none for a broken one."""
    from camunda_feel import FeelError, parse

    try:
        return parse(source[1:]).variables
    except FeelError:
        return frozenset()  # as broken afterwards as it is now; `lint` says so


def mark(target: str) -> Any:
    """Return the mark for an input: a value that no other mapping results in."""
    if target in _NUMBERS:
        return str(2 + _NUMBERS.index(target))
    if target in ("internal_chatHistory", "chatCompletion_messages"):
        return [{"role": "assistant", "content": f"<{target}>"}]
    return f"<{target}>"


def number(text: Any) -> Any:
    """Return the number that a text is, None for any other text."""
    try:
        return int(text) if text.isdigit() else float(Decimal(text))
    except (ArithmeticError, ValueError):
        return None


def number_of(value: Any) -> Any:
    """Return a number, or the one that a text is; None for anything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        return number(value.strip())
    return value if isinstance(value, (int, float)) else None


def _set(scope: dict[str, Any], path: list[str], value: Any) -> None:
    for name in path[:-1]:
        inner = scope.get(name)
        scope[name] = inner = dict(inner) if isinstance(inner, Mapping) else {}
        scope = inner
    scope[path[-1]] = value
