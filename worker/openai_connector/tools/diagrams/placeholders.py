"""Which secrets a text asks for, and what may stand in their place, as the worker reads placeholders."""

from __future__ import annotations

import re

from openai_connector.tasks.secrets import filled, is_placeholder, names_in

_URL = "https://secret.example"
_NAME = "secret"


class AskedSecrets:
    """A provider that knows every secret."""

    def get(self, _name: str) -> str:
        """Return a value that can stand anywhere but in a URL."""
        return _NAME


def secrets_asked(text: str) -> list[str]:
    """Return the names of the secrets that a text asks for."""
    return names_in(text)


def url_with_stand_ins(text: str) -> str:
    """Return an address with a value in place of each secret that can stand at its place."""
    if is_placeholder(text):
        return _URL
    marked = filled(text.strip(), lambda _: "\0")
    marked = re.sub(r"^\0(?=://)", "https", marked)
    marked = re.sub(r"^\0", _URL, marked)
    return re.sub(r"(?<=[^/:]):\0(?=/|$)", ":443", marked).replace("\0", _NAME)
