"""What must not be repeated in messages and error variables: secrets anywhere, private texts in messages."""

from __future__ import annotations

import base64
import json
import re
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property, lru_cache
from typing import Any
from urllib.parse import quote, quote_plus

MASK = "***"
QUOTED_CHARACTERS = 20  # as much of a prompt in an API's words counts as repeating it
CHEAP_CHARACTERS = 200_000_000  # of prompts searched for one message: about 0.2 s
SHORT_CHARACTERS = 8  # a text below this may well stand in a message on its own account


class Redaction:
    """Masks the secrets that a job used, and what its prompts say."""

    def __init__(self, secrets: Iterable[str] = (), private: Iterable[str] = ()) -> None:
        self._given = list(secrets)
        self._private = list(private)

    def add(self, secrets: Iterable[str], private: Iterable[str] = ()) -> None:
        """Mask these too from now on."""
        self._given += secrets
        self._private += private
        self.__dict__.pop("_secrets", None)

    @cached_property
    def _secrets(self) -> list[str]:
        """Every spelling of the secrets: made when something has failed, not for every job."""
        spellings = {spelling for secret in self._given if secret.strip() for spelling in _spellings(secret)}
        # The longest first: one secret may be a part of another.
        return sorted(spellings, key=len, reverse=True)

    def text(self, text: str) -> str:
        """Mask secrets in a text."""
        for secret in self._secrets:
            text = text.replace(secret, MASK)
        return text

    def value(self, value: Any) -> Any:
        """Mask secrets in every text of a JSON value, keys included, however deep it is nested."""
        if not self._may_be_in(value):
            return value
        masked: list[Any] = [None]
        pending: list[tuple[Any, Callable[[Any], None]]] = [(value, _setter(masked, 0))]
        while pending:
            item, put = pending.pop()
            match item:
                case str():
                    put(self.text(item))
                case Mapping():
                    entries: dict[str, Any] = {self.text(key): None for key in item}
                    put(entries)
                    pending.extend((child, _setter(entries, self.text(key))) for key, child in item.items())
                case list() | tuple():
                    items: list[Any] = [None] * len(item)
                    put(items)
                    pending.extend((child, _setter(items, index)) for index, child in enumerate(item))
                case _:
                    put(item)
        return masked[0]

    def _may_be_in(self, value: Any) -> bool:
        """Check whether to look at a value bit by bit, which takes seconds for megabytes of numbers."""
        if not self._secrets:
            return False
        try:
            text = json.dumps(value, ensure_ascii=False)
        except (TypeError, ValueError, RecursionError):
            return True
        return any(json.dumps(secret, ensure_ascii=False)[1:-1] in text for secret in self._secrets)

    def message(self, message: str) -> str:
        """Mask secrets, and what repeats a private text.

        All of a short one, or `QUOTED_CHARACTERS` of a long one.

        APIs quote what they refuse; a prompt must not reach an incident message that way.
        """
        message = self.text(message)
        hidden = [False] * len(message)
        # Of a secret, a part may be left where the message was cut.
        for start, end in _repeated(message, [*self._private, *self._secrets]):
            hidden[start:end] = [True] * (end - start)
        if not any(hidden):
            return message
        shown: list[str] = []
        for position, character in enumerate(message):
            if not hidden[position]:
                shown.append(character)
            elif not position or not hidden[position - 1]:
                shown.append(MASK)
        return "".join(shown)


def place_of(error: BaseException) -> str:
    """Return what was raised and where, without the exception's text: it may hold anybody's data."""
    frames = traceback.extract_tb(error.__traceback__, limit=-1)
    where = f" at {frames[0].filename.rsplit('/', 1)[-1]}:{frames[0].lineno}" if frames else ""
    return type(error).__name__ + where


@lru_cache(maxsize=100)
def _spellings(secret: str) -> tuple[str, ...]:
    """Return a secret as it is, and as servers and proxies quote it; thousands of jobs have the same one."""
    return tuple(_spelt(secret))


def _spelt(secret: str) -> Iterator[str]:
    """Yield a secret as it is, in JSON text, in a URL, in base64."""
    yield secret
    if len(secret) < SHORT_CHARACTERS:
        return  # dummy keys: their base64 might stand anywhere
    yield json.dumps(secret)[1:-1]
    yield json.dumps(secret, ensure_ascii=False)[1:-1]
    content = secret.encode("utf-8", "replace")
    for url in (quote(content), quote(content, safe=""), quote_plus(content)):
        yield url
        yield re.sub("%..", lambda escape: escape[0].lower(), url)
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        yield encode(content).decode().rstrip("=")


def _setter(container: Any, key: Any) -> Callable[[Any], None]:
    def put(value: Any) -> None:
        container[key] = value

    return put


def _small(text: str) -> str:
    """Return a text in small letters, of the same length: APIs quote in other letters too."""
    return text.replace("İ", "i").lower().replace("ς", "σ")


def _repeated(message: str, private: list[str]) -> Iterable[tuple[int, int]]:
    """Find the parts of a message that stand in private texts, which may be megabytes."""
    message = _small(message)
    for text in {_small(text.strip()) for text in private}:
        if SHORT_CHARACTERS <= len(text) < QUOTED_CHARACTERS:
            start = message.find(text)
            while start >= 0:
                yield start, start + len(text)
                start = message.find(text, start + 1)
    # As they are, with their white space made single spaces (as in the message), and as JSON text quotes
    # them.
    joined = "\0".join(private)
    texts = _small("\0".join((joined, " ".join(joined.split()), json.dumps(joined, ensure_ascii=False))))
    # Every repeated run of QUOTED_CHARACTERS holds one of these pieces whole: most messages hold none.
    half = QUOTED_CHARACTERS // 2
    pieces = {message[start : start + half] for start in range(len(message) - half + 1)}
    known = pieces.intersection(
        texts[start : start + half] for start in range(0, len(texts) - half + 1, half)
    )
    if not known:
        return
    near = {
        start
        for position in range(len(message) - half + 1)
        if message[position : position + half] in known
        for start in range(max(position - half, 0), position + 1)
    }
    is_cheap = len(near) * len(texts) <= CHEAP_CHARACTERS  # else it is hidden without another look
    for start in near:
        piece = message[start : start + QUOTED_CHARACTERS]
        if len(piece) == QUOTED_CHARACTERS and (not is_cheap or piece in texts):
            yield start, start + QUOTED_CHARACTERS
