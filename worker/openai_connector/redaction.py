"""What must not be repeated in messages and error variables: secrets anywhere, private texts in messages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

MASK = "***"
QUOTED_CHARACTERS = 20  # as much of a prompt in an API's words counts as repeating it


class Redaction:
    """Masks the secrets that a job used, and what its prompts say."""

    def __init__(self, secrets: Iterable[str] = (), private: Iterable[str] = ()) -> None:
        # The longest first: one secret may be a part of another.
        self._secrets = sorted({secret for secret in secrets if secret.strip()}, key=len, reverse=True)
        self._private = [text for text in private if text.strip()]

    def text(self, text: str) -> str:
        """Mask secrets in a text."""
        for secret in self._secrets:
            text = text.replace(secret, MASK)
        return text

    def value(self, value: Any) -> Any:
        """Mask secrets in every text of a JSON value, keys included, however deep."""
        if not self._secrets:
            return value
        try:
            return self._masked(value)
        except RecursionError:
            return MASK

    def _masked(self, value: Any) -> Any:
        match value:
            case str():
                return self.text(value)
            case Mapping():
                return {self.text(key): self._masked(item) for key, item in value.items()}
            case list() | tuple():
                return [self._masked(item) for item in value]
            case _:
                return value

    def message(self, message: str) -> str:
        """Mask secrets, and what repeats a private text: all of a short one, or `QUOTED_CHARACTERS` of a long one.

        APIs quote what they refuse; a prompt must not reach an incident message that way.
        """
        message = self.text(message)
        hidden = [False] * len(message)
        for start in range(len(message)):
            end = start + QUOTED_CHARACTERS
            piece = message[start:end]
            if len(piece) == QUOTED_CHARACTERS and any(piece in text for text in self._private):
                hidden[start:end] = [True] * QUOTED_CHARACTERS
        for text in self._private:
            # A single letter or word may well stand in the message on its own account.
            if 8 <= len(text) < QUOTED_CHARACTERS:
                start = message.find(text)
                while start >= 0:
                    hidden[start : start + len(text)] = [True] * len(text)
                    start = message.find(text, start + 1)
        if not any(hidden):
            return message
        shown: list[str] = []
        for position, character in enumerate(message):
            if not hidden[position]:
                shown.append(character)
            elif not position or not hidden[position - 1]:
                shown.append(MASK)
        return "".join(shown)
