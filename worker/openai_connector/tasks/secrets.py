"""Secrets: where they come from, and how placeholders in credential fields become values.

To add a provider, write a class with `get(name)` and put it into the chain in `service.py`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from openai_connector import wording
from openai_connector.contract import SECRET_NOT_AVAILABLE
from openai_connector.job import TaskError

PLACEHOLDER = r"\{\{\s*secrets\.([^\s{}]+)\s*\}\}"
BARE = r"secrets\.((?:[a-zA-Z0-9]+[/._-])*[a-zA-Z0-9]+)"
_PLACEHOLDER = re.compile(PLACEHOLDER)
_BARE = re.compile(BARE)
"""Both forms as Camunda's connector runtime reads them; here the bare form counts only as the whole value."""


class SecretError(TaskError):
    """A secret is not there; the message names it, and never a value."""

    code = SECRET_NOT_AVAILABLE


class SecretProvider(Protocol):
    """Anything that knows secrets by name."""

    def get(self, name: str) -> str | None:
        """Return the secret's value; None when it is not known here."""
        ...


class EnvironmentSecrets:
    """Secrets from environment variables.

    `{{secrets.NAME}}` is the variable with the prefix before the name.
    """

    def __init__(self, prefix: str, environment: Mapping[str, str] | None = None) -> None:
        self._prefix = prefix
        self._environment = os.environ if environment is None else environment

    def get(self, name: str) -> str | None:
        """Return the value of the variable."""
        try:
            return self._environment.get(self._prefix + name)
        except ValueError:  # no variable can have such a name
            return None


class FolderSecrets:
    """Secrets from a folder with a file each, as Docker and Kubernetes mount them; read again at each use."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def get(self, name: str) -> str | None:
        """Return the file's content without the line break at its end."""
        if Path(name).name != name or name.startswith("."):
            return None  # no way out of the folder
        try:
            return (self._folder / name).read_text("utf-8").rstrip("\r\n")
        except (OSError, ValueError):
            return None


class ChainedSecrets:
    """Several providers: the first that has a value for a name gives it.

    An empty value counts only where no other provider has one: compose files set variables to nothing.
    """

    def __init__(self, *providers: SecretProvider) -> None:
        self._providers = providers

    def get(self, name: str) -> str | None:
        """Ask the providers in their order."""
        values = [value for provider in self._providers if (value := provider.get(name)) is not None]
        return next((value for value in values if value.strip()), values[0] if values else None)


class RecordedSecrets:
    """Another provider's secrets, and which of their values were given out: these must be masked."""

    def __init__(self, provider: SecretProvider) -> None:
        self._provider = provider
        self.given: list[str] = []
        self.names: list[str] = []

    def get(self, name: str) -> str | None:
        """Ask the provider, and remember its answer."""
        value = self._provider.get(name)
        if value is not None:
            self.given.append(value.strip())
            self.names.append(name)
        return value


def names_in(text: str) -> list[str]:
    """Return the names of the secrets that a text asks for."""
    if "secrets." not in text:
        return []
    bare = _BARE.fullmatch(text.strip())
    return [bare[1]] if bare else [match[1] for match in _PLACEHOLDER.finditer(text)]


def is_placeholder(text: str) -> bool:
    """Check whether the whole text is one placeholder."""
    return bool(_BARE.fullmatch(text.strip()) or _PLACEHOLDER.fullmatch(text.strip()))


def filled(text: str, value: Callable[[str], str]) -> str:
    """Return a text with a value in place of each placeholder; the value is made from the secret's name."""
    if "secrets." not in text:
        return text
    bare = _BARE.fullmatch(text.strip())
    return value(bare[1]) if bare else _PLACEHOLDER.sub(lambda match: value(match[1]), text)


def resolve(text: str, provider: SecretProvider, *, label: str) -> str:
    """Return a text with its secrets in place: a value that looks like a placeholder stays as it is.

    Raises:
        SecretError: a secret is missing or empty.
    """

    def value(name: str) -> str:
        got = provider.get(name)
        if got is None:
            raise SecretError(wording.SECRET_MISSING(label=label, name=name[:100]))
        if not got.strip():
            raise SecretError(wording.SECRET_EMPTY(label=label, name=name[:100]))
        return got

    return filled(text, value)
