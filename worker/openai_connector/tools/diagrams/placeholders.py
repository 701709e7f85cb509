"""Which secrets a text asks for, by the worker's own reading of placeholders."""

from __future__ import annotations

from openai_connector.tasks.secrets import resolve


class AskedSecrets:
    """A provider that knows every secret and notes the names."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def get(self, name: str) -> str:
        """Return a value that can stand anywhere, as a key or as a URL."""
        self.names.append(name)
        return "https://secret.example"


def secrets_asked(text: str) -> list[str]:
    """Return the names of the secrets that a text asks for."""
    asked = AskedSecrets()
    resolve(text, asked, label="")
    return asked.names
